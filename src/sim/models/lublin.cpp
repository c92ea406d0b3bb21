#include "sim/models/lublin.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "sim/models/rows.hpp"

namespace busbar::sim {
namespace {

// Sizes: log2 of the cores of a parallel job is uniform in two stages.
constexpr double serial_share = 0.244;
constexpr double power_of_two_share = 0.576;
constexpr double log2_low = 0.8;
constexpr double log2_middle_below_high = 2.5;
constexpr double lower_stage_share = 0.86;

// Run times: the logarithm is a mixture of two gammas; big jobs are more often long ones.
constexpr double short_shape = 4.2, short_scale = 0.94;
constexpr double long_shape = 312, long_scale = 0.03;
constexpr double short_share_per_core = -0.0054, short_share_of_none = 0.78;
constexpr double log_run_max = 12;  // 45 hours

// Arrivals: the logarithm of the time between two is a gamma; another one says how many come in
// each half hour of the day, the first of them at `day_begins`.
constexpr double gap_shape = 10.2303 * 1.0225, gap_scale = 0.4871;
constexpr double day_shape = 8.1737, day_scale = 3.9631;
constexpr double log_gap_max = 13;  // 5 days
constexpr std::size_t slots = 48;   // half hours
constexpr std::size_t day_begins = 11;
constexpr double day_s = 24 * 3600;

std::vector<double> weights_of_day() {
  std::vector<double> weights(slots);
  for (std::size_t at = day_begins; at < slots + day_begins; ++at) {
    const auto middle = static_cast<double>(at);
    weights[(at - 1) % slots] = gamma_below(middle + 0.5, day_shape, day_scale) -
                                gamma_below(middle - 0.5, day_shape, day_scale);
  }
  return weights;
}

double draw_gap_s(Chance& chance) {
  for (;;) {
    const double log_gap = chance.gamma(gap_shape, gap_scale);
    if (log_gap <= log_gap_max) return std::exp(log_gap);
  }
}

std::uint32_t draw_cores(Chance& chance, std::uint32_t cores_max) {
  const double high = std::log2(cores_max);
  const double middle = std::max(high - log2_middle_below_high, high / 2);  // small machines
  const double kind = chance.uniform();
  if (kind <= serial_share) return 1;
  double log2_cores = chance.with(lower_stage_share) ? chance.uniform(log2_low, middle)
                                                     : chance.uniform(middle, high);
  if (kind <= serial_share + power_of_two_share) log2_cores = std::floor(log2_cores + 0.5);
  const auto cores = static_cast<std::uint32_t>(std::floor(std::exp2(log2_cores) + 0.5));
  return std::clamp<std::uint32_t>(cores, 1, cores_max);
}

double draw_run_s(Chance& chance, std::uint32_t cores) {
  const double share = std::clamp(short_share_per_core * cores + short_share_of_none, 0.0, 1.0);
  for (;;) {
    const double log_run = chance.with(share) ? chance.gamma(short_shape, short_scale)
                                              : chance.gamma(long_shape, long_scale);
    if (log_run <= log_run_max) return std::exp(log_run);
  }
}

}  // namespace

std::string lublin_trace(const LublinOptions& options) {
  Chance chance(options.seed);
  std::vector<ModelRow> rows;
  for (std::uint64_t i = 0; i < options.jobs; ++i) {
    ModelRow row;
    row.gap_s = draw_gap_s(chance);
    const std::uint32_t cores = draw_cores(chance, options.cores);
    row.run_s = draw_run_s(chance, cores);
    row.user = draw_user(chance, 64);
    const std::uint64_t limit_s = draw_limit_s(chance, row.run_s);
    row.job = cores == 1 ? fmt::format("\"cores\": 1, \"time\": \"{}s\"", limit_s)
                         : fmt::format(
                               "\"coupling\": \"tight\", \"tasks\": {}, \"cores\": 1, "
                               "\"time\": \"{}s\"",
                               cores, limit_s);
    row.size = cores;
    rows.push_back(std::move(row));
  }
  return native_text(rows, weights_of_day(), day_s, options.cores, options.load);
}

}  // namespace busbar::sim
