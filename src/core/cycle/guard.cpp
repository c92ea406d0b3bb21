// promise_all: every job that waits holds a promised start, so that no order can starve it.
#include <algorithm>

#include "core/cycle/admit.hpp"
#include "core/cycle/context.hpp"
#include "core/fit/release.hpp"
#include "core/policy/unit_order.hpp"

namespace busbar::core {
namespace {

constexpr std::uint32_t guard_steps_max = 200'000;
constexpr std::size_t guarded_max = 10'000;  // promises that stand
constexpr std::size_t improved_max = 256;    // looked at again in one slice

struct Unguarded {
  Tick submitted;
  UnitId unit;
  std::uint64_t unit_class = 0;
  friend auto operator<=>(const Unguarded&, const Unguarded&) = default;
};

// The first waiting unit of each cohort that holds no promise, in the order of submission.
std::vector<Unguarded> unguarded(const Context& context) {
  std::vector<Unguarded> found;
  const State& state = context.view.state;
  const auto& bookings = context.scratch.bookings();
  for (const auto& [band, lines] : context.view.index.waiting())
    for (const auto& [tenant, queue] : lines.tenants)
      for (const Queued& at : queue) {
        const CohortId& cohort = at.key.cohort;
        const auto booked = bookings.lower_bound(UnitId{cohort.job, cohort.group, 0});
        if (booked != bookings.end() && booked->first.job == cohort.job &&
            booked->first.group == cohort.group)
          continue;
        if (context.closed.contains(cohort)) continue;
        const JobRecord& record = *state.find(cohort.job);
        const auto index = record.groups[cohort.group].waiting.next(0);
        if (!index || job_waits(state, record.job, cohort.group, context.view.now)) continue;
        const UnitId unit{cohort.job, cohort.group, *index};
        if (context.started.contains(unit)) continue;
        found.push_back({record.submitted, unit, at.unit_class});
      }
  std::sort(found.begin(), found.end());
  return found;
}

Tick latest_wanted(const PolicyConfig& policy, const JobRecord& record) {
  const std::int64_t less = policy.promise_within_less_per_width.value * size_of(record.job).width;
  return record.submitted + Span(std::max<std::int64_t>(0, policy.promise_within.value - less));
}

// Promises that stand later than was wanted, in the order of submission.
std::vector<Unguarded> late(const Context& context, const PolicyConfig& policy) {
  std::vector<Unguarded> found;
  for (const auto& [unit, promise] : context.scratch.bookings()) {
    const JobRecord& record = *context.view.state.find(unit.job);
    if (promise.at <= std::max(latest_wanted(policy, record), context.view.now)) continue;
    found.push_back({record.submitted, unit, context.view.index.class_of({unit.job, unit.group})});
  }
  std::sort(found.begin(), found.end());
  if (found.size() > improved_max) found.resize(improved_max);
  return found;
}

// Whether the limits of its array and tenant leave it room beside the others that are promised one.
bool has_room(const Context& context, const UnitId& unit) {
  const State& state = context.view.state;
  const JobRecord& record = *state.find(unit.job);
  if (record.job.groups[unit.group].parallel > 0 &&
      array_room(context.scratch, record, unit.group) <= promised_beside(context, unit, false))
    return false;
  return state.config().tenants[record.tenant.value].running_max == 0 ||
         tenant_room(context.scratch, record.tenant) > promised_beside(context, unit, true);
}

std::optional<EarliestStart> search(Context& context, const Unguarded& at) {
  const JobRecord& record = *context.view.state.find(at.unit.job);
  const UnitRecord* again = context.view.state.find(at.unit);
  const Tick wanted = latest_wanted(context.view.state.config().policy, record);
  const Tick ready = std::max(record.job.begin_at, again == nullptr ? Tick(0) : again->not_before);
  const Tick from = std::max({wanted, ready, context.view.now});
  const Ask ask = make_ask(context.view.state, at.unit, at.unit_class, from);
  return earliest_start(context.scratch, context.policy, ask, context.steps, guard_steps_max, from);
}

void promise(Context& context, const UnitId& unit, EarliestStart start) {
  context.scratch.book({unit, start.at, start.allocation});
  context.plan.steps.push_back(PromiseStep{unit, start.at, std::move(start.allocation)});
}

// What ended before its limit has made room: who is late may be promised an earlier start.
void improve(Context& context, const PolicyConfig& policy) {
  const Span bound = context.view.state.config().cleanup_bound;
  for (const Unguarded& at : late(context, policy)) {
    const Promised standing = context.scratch.bookings().at(at.unit);
    context.scratch.unbook(at.unit);
    auto earliest = search(context, at);
    if (earliest && earliest->at + bound < standing.at)
      promise(context, at.unit, std::move(*earliest));
    else
      context.scratch.book(standing);
  }
}

}  // namespace

void promise_all(Context& context) {
  const PolicyConfig& policy = context.view.state.config().policy;
  if (policy.promise_within == span_unlimited) return;
  if (!context.same_room) improve(context, policy);
  const auto& hopeless = context.cursor.hopeless;
  for (const Unguarded& at : unguarded(context)) {
    if (context.scratch.bookings().size() >= guarded_max) return;
    const bool tried = std::find(hopeless.begin(), hopeless.end(), at.unit) != hopeless.end();
    if ((context.same_room && tried) || !has_room(context, at.unit)) continue;
    if (auto earliest = search(context, at))
      promise(context, at.unit, std::move(*earliest));
    else
      context.cursor.hopeless.push_back(at.unit);
  }
}

}  // namespace busbar::core
