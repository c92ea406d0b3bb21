#include "sim/models/rows.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace busbar::sim {

std::string draw_user(Chance& chance, std::size_t count) {
  std::vector<double> weights;
  for (std::size_t k = 1; k <= count; ++k) weights.push_back(1.0 / static_cast<double>(k));
  return fmt::format("user{:02}", chance.one_of(weights) + 1);
}

std::uint64_t draw_limit_s(Chance& chance, double run_s) {
  constexpr std::uint64_t minute = 60, hour = 60 * minute, day = 24 * hour;
  constexpr std::uint64_t usual[] = {5 * minute, 10 * minute, 15 * minute, 30 * minute, hour,
                                     2 * hour,   4 * hour,    6 * hour,    8 * hour,    12 * hour,
                                     18 * hour,  day,         2 * day,     4 * day,     7 * day,
                                     14 * day,   30 * day};
  const double wanted = run_s * chance.uniform(1, 4);
  const auto* at = std::lower_bound(
      std::begin(usual), std::end(usual), wanted,
      [](std::uint64_t value, double limit) { return static_cast<double>(value) < limit; });
  return at == std::end(usual) ? static_cast<std::uint64_t>(std::ceil(wanted)) : *at;
}

namespace {

// Time whose parts pass at their weights: a gap of mean traffic takes longer where little comes.
class Cycle {
 public:
  Cycle(std::vector<double> weights, double cycle_s)
      : weights_(std::move(weights)), part_s_(cycle_s / static_cast<double>(weights_.size())) {
    double sum = 0;
    for (const double weight : weights_) sum += weight;
    for (double& weight : weights_) weight *= static_cast<double>(weights_.size()) / sum;
  }

  // Seconds from the beginning of the first cycle.
  double pass(double mean_s) {
    for (;;) {
      const double weight = weights_[part_ % weights_.size()];
      const double end_s = static_cast<double>(part_ + 1) * part_s_;
      if (mean_s < (end_s - at_s_) * weight) return at_s_ += mean_s / weight;
      mean_s -= (end_s - at_s_) * weight;
      at_s_ = end_s;
      ++part_;
    }
  }

 private:
  std::vector<double> weights_;  // their mean is 1
  double part_s_;
  double at_s_ = 0;
  std::size_t part_ = 0;
};

// By which the gaps are multiplied.
double factor_of_load(const std::vector<ModelRow>& rows, double capacity, double load) {
  if (load <= 0) return 1;
  double work = 0, mean_s = 0;
  for (const ModelRow& row : rows) {
    work += row.run_s * row.size;
    mean_s += row.gap_s;
  }
  return mean_s > 0 ? work / (capacity * load) / mean_s : 1;
}

}  // namespace

std::string native_text(const std::vector<ModelRow>& rows, const std::vector<double>& weights,
                        double cycle_s, double capacity, double load) {
  std::string text = "{\"busbar_trace\": 1}\n";
  const double factor = factor_of_load(rows, capacity, load);
  Cycle cycle(weights, cycle_s);
  for (const ModelRow& row : rows) {
    text += fmt::format("{{\"submit\": {}, \"run\": {}, \"user\": \"{}\", ",
                        std::llround(cycle.pass(row.gap_s * factor)),
                        std::max<long long>(1, std::llround(row.run_s)), row.user);
    if (row.exit_code != 0) text += fmt::format("\"exit\": {}, ", row.exit_code);
    text += "\"job\": {" + row.job + "}}\n";
  }
  return text;
}

}  // namespace busbar::sim
