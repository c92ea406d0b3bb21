#include "sim/models/ai_mix.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "sim/models/rows.hpp"

namespace busbar::sim {
namespace {

constexpr double minute_s = 60, hour_s = 3600, week_s = 7 * 24 * hour_s;

struct Kind {
  const char* name;
  double share;         // of the jobs
  double run_median_s;  // of a unit; its logarithm is normal
  double run_sigma;
  double run_max_s;
  double fails_share;  // of the jobs; they end after a uniform part of their time
};

constexpr Kind kinds[] = {
    {"prepare", 0.133, 10 * minute_s, 1.5, 12 * hour_s, 0.1},
    {"notebook", 0.2, 45 * minute_s, 1.2, 12 * hour_s, 0},
    {"serve", 0.178, 8 * hour_s, 1.5, week_s, 0},
    {"try", 0.4, 12 * minute_s, 1.8, 24 * hour_s, 0.305},
    {"sweep", 0.02, 20 * minute_s, 1.2, 12 * hour_s, 0.305},
    {"train", 0.059, 90 * minute_s, 1.5, 2 * 24 * hour_s, 0.305},
    {"pretrain", 0.01, 6 * hour_s, 1.3, week_s, 0.305},
};

// How much comes in each hour of the week, Monday first.
std::vector<double> weights_of_week() {
  std::vector<double> weights;
  for (int day = 0; day < 7; ++day)
    for (int hour = 0; hour < 24; ++hour) {
      const bool at_work = hour >= 9 && hour < 19;
      const double usual = at_work ? 1.6 : hour >= 19 || hour == 8 ? 0.9 : 0.4;
      weights.push_back(day >= 5 ? 0.5 * usual : usual);
    }
  return weights;
}

class Maker {
 public:
  explicit Maker(const AiMixOptions& options) : options_(options), chance_(options.seed) {}

  ModelRow row() {
    std::vector<double> shares;
    for (const Kind& kind : kinds) shares.push_back(kind.share);
    const Kind& kind = kinds[chance_.one_of(shares)];
    ModelRow row;
    row.gap_s = -minute_s * std::log(chance_.uniform());
    row.run_s = std::min(chance_.lognormal(kind.run_median_s, kind.run_sigma), kind.run_max_s);
    row.user = draw_user(chance_, 48);
    const std::uint64_t limit_s = draw_limit_s(chance_, row.run_s);
    if (chance_.with(kind.fails_share)) {
      row.exit_code = 1;
      row.run_s *= chance_.uniform();
    }
    row.job = fmt::format("\"name\": \"{}\", ", kind.name) + request(kind.name, row) +
              fmt::format(", \"time\": \"{}s\"", limit_s);
    return row;
  }

 private:
  std::string request(std::string_view kind, ModelRow& row) {
    if (kind == "prepare") {
      row.size = 0;
      return cores_and_memory(1U << (1 + chance_.one_of(std::vector<double>{2, 2, 1})));
    }
    if (kind == "notebook") return part(row, {0.25, 0.5}) + ", \"priority\": 1";
    if (kind == "serve") return part(row, {0.2, 0.3, 0.5, 0.7}) + ", \"priority\": 2";
    if (kind == "sweep") {
      const auto units = static_cast<unsigned>(std::floor(chance_.uniform(8, 65)));
      row.size = units;
      return fmt::format("\"array\": \"1-{}\", \"preemptible\": true, ", units) + whole(1);
    }
    if (kind == "train") {
      const auto devices =
          std::min(2U << chance_.one_of(std::vector<double>{5, 3, 2}), options_.devices_per_node);
      row.size = devices;
      return whole(devices);
    }
    if (kind == "pretrain") return gang(row);
    row.size = 1;
    return whole(1) + ", \"preemptible\": true";
  }

  // 2 nodes or more, up to a quarter of the cluster, twice as many half as often.
  std::string gang(ModelRow& row) {
    const std::uint32_t nodes_there = options_.devices / options_.devices_per_node;
    const std::uint32_t nodes_max = std::min(nodes_there, std::max(2U, nodes_there / 4));
    std::uint32_t nodes = std::min(2U, nodes_there);
    while (2 * nodes <= nodes_max && chance_.with(0.5)) nodes *= 2;
    row.size = nodes * options_.devices_per_node;
    // A third can go on with half of what they ask for.
    const std::string tasks = nodes > 1 && chance_.with(1.0 / 3)
                                  ? fmt::format("\"{}..{}\"", nodes / 2, nodes)
                                  : std::to_string(nodes);
    return fmt::format("\"coupling\": \"tight\", \"tasks\": {}, ", tasks) +
           whole(options_.devices_per_node);
  }

  std::string part(ModelRow& row, const std::vector<double>& parts) {
    row.size = parts[chance_.one_of(std::vector<double>(parts.size(), 1.0))];
    const double cores = std::max(1.0, row.size * options_.cores_per_device);
    return cores_and_memory(cores) + fmt::format(", \"gpu\": {}", row.size);
  }

  std::string whole(std::uint32_t devices) const {
    return cores_and_memory(devices * options_.cores_per_device) +
           fmt::format(", \"gpus\": {}", devices);
  }

  static std::string cores_and_memory(double cores) {
    return fmt::format("\"cores\": {:g}, \"memory\": \"{}M\"", cores,
                       static_cast<std::uint64_t>(cores * 4096));
  }

  const AiMixOptions& options_;
  Chance chance_;
};

}  // namespace

std::string ai_mix_trace(const AiMixOptions& options) {
  Maker maker(options);
  std::vector<ModelRow> rows;
  for (std::uint64_t i = 0; i < options.jobs; ++i) rows.push_back(maker.row());
  return native_text(rows, weights_of_week(), week_s, options.devices, options.load);
}

}  // namespace busbar::sim
