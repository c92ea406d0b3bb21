#include "core/policy/unit_order.hpp"

#include <algorithm>
#include <limits>

#include "base/maths.hpp"

namespace busbar::core {
namespace {

__extension__ typedef __int128 Wide;  // ISO C++ has no name for it

constexpr std::int64_t order_key_max = std::numeric_limits<std::int64_t>::max() / 2;
constexpr std::int64_t one = std::int64_t{1} << 20;  // Q20

std::int64_t bounded(Wide key) {
  return key > order_key_max    ? order_key_max
         : key < -order_key_max ? -order_key_max
                                : static_cast<std::int64_t>(key);
}

// log10 in Q20: log2(x) x log10(2), which is 0.30102999566.
std::int64_t log10_q20(std::int64_t value) {
  return multiply_divide(log2_q20(static_cast<std::uint64_t>(value)), 30'102'999'566,
                         100'000'000'000);
}

// Square root in Q20.
std::int64_t root_q20(std::int64_t value) {
  return static_cast<std::int64_t>(square_root(static_cast<std::uint64_t>(value) << 20) << 10);
}

// Limits of up to a century in seconds: 2^32; << 20 stays below 2^63.
struct Asked {
  Size size;
  std::int64_t submitted_s = 1;
};

std::int64_t f1(const Asked& at) {
  return bounded(Wide{log10_q20(at.size.limit_s)} * at.size.width +
                 Wide{870} * log10_q20(at.submitted_s));
}
std::int64_t f2(const Asked& at) {
  return bounded(Wide{root_q20(at.size.limit_s)} * at.size.width +
                 Wide{25'600} * log10_q20(at.submitted_s));
}
std::int64_t f3(const Asked& at) {
  return bounded(Wide{at.size.limit_s} * at.size.width * one +
                 Wide{6'860'000} * log10_q20(at.submitted_s));
}
std::int64_t f4(const Asked& at) {
  return bounded(Wide{at.size.limit_s} * root_q20(at.size.width) +
                 Wide{530'000} * log10_q20(at.submitted_s));
}

// Points fall with time for everybody alike, so that the difference of two jobs
// never changes.
std::int64_t multifactor(const PolicyConfig& policy, const Size& size, Tick submitted) {
  constexpr std::int64_t day_ms = 86'400'000;
  return bounded(Wide{policy.age_weight} * submitted.value * 1000 / day_ms -
                 Wide{policy.core_weight} * size.cores - Wide{policy.device_weight} * size.devices);
}

// A unit that runs p delays each that waits by p and gains 1 / p of its own slow-down for every
// moment it is let in earlier: the ratio of both, in expectation.
std::int64_t slowdown(const RunPrediction* expected, Span limit) {
  if (expected != nullptr)
    return std::min(multiply_divide(expected->run_time.value, inverse_one, expected->inverse),
                    order_key_max);
  return std::min(multiply_divide(limit.value, std::max(limit.value, run_ms_min), 1),
                  order_key_max);
}

}  // namespace

Size size_of(const Job& job) {
  Size size;
  const bool one_task = job.coupling == Coupling::loose;
  for (const auto& group : job.groups) {
    const Resources& task = group.any_of.front().resources;
    const std::int64_t tasks = one_task ? 1 : group.count.min;
    std::int64_t devices = 0;
    for (const auto& request : task.devices) devices += request.share.value * request.count;
    const std::int64_t cores = task.cores.value * tasks;
    size.cores = one_task ? std::max(size.cores, cores) : size.cores + cores;
    size.devices = one_task ? std::max(size.devices, devices) : size.devices + devices * tasks;
  }
  const std::int64_t width = size.devices > 0 ? size.devices : size.cores;
  size.width = std::max<std::int64_t>(1, (width + 999) / 1000);
  const Span limit = std::min(job.time_limit, century);
  size.limit_s = std::max<std::int64_t>(1, limit.value / 1000);
  return size;
}

std::int64_t order_key(const PolicyConfig& policy, const State& state, const Job& job) {
  const JobRecord* record = state.find(job.id);
  const RunPrediction* expected = policy.predict ? state.find_prediction(job.id) : nullptr;
  const Span run = expected != nullptr ? expected->run_time : std::min(job.time_limit, century);
  const Tick submitted = record == nullptr ? state.now() : record->submitted;
  Asked at{size_of(job), std::max<std::int64_t>(1, submitted.value / 1000)};
  at.size.limit_s = std::max<std::int64_t>(1, run.value / 1000);
  switch (policy.order) {
    case UnitOrder::fcfs:
      return static_cast<std::int64_t>(job.id.value);
    case UnitOrder::multifactor:
      return multifactor(policy, at.size, submitted);
    case UnitOrder::sjf:
      return run.value;
    case UnitOrder::saf:
      return bounded(Wide{at.size.limit_s} * at.size.width);
    case UnitOrder::f1:
      return f1(at);
    case UnitOrder::f2:
      return f2(at);
    case UnitOrder::f3:
      return f3(at);
    case UnitOrder::f4:
      return f4(at);
    case UnitOrder::edf:
      return std::min<std::int64_t>(job.deadline_at.value, order_key_max);
    case UnitOrder::slowdown:
      return slowdown(expected, run);
  }
  return static_cast<std::int64_t>(job.id.value);
}

}  // namespace busbar::core
