// What `busbar sim compare` says of runs: figures with intervals, and curves over time.
//
// Intervals  95 %, Student's t. Of several seeds: over the seeds, and of differences over the pairs
//            where the seeds are the same. Of one run: over the means of `batches` runs of jobs,
//            in the order of the trace (batch means), since jobs that wait together are no
//            independent samples.
#pragma once

#include <array>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"

namespace busbar::lab {

inline constexpr std::size_t batches = 20;
inline constexpr std::size_t curve_points = 60;

struct Estimate {
  double mean = 0;
  std::optional<double> half;  // of the interval; nothing from one sample
};
Estimate estimate(const std::vector<double>& samples);

using Figures = std::map<std::string, std::optional<double>>;  // by key of summary.json

struct Run {
  std::string seed;  // "" where the folder holds one run
  Figures figures;
  std::size_t jobs_ran = 0;
  // Means of each batch of jobs, by key: wait_mean_s, jct_mean_s, bsld_mean.
  std::map<std::string, std::vector<double>> batch_means;
};

// How something went over time, each point the mean of an equal part of it.
using Curve = std::array<double, curve_points>;

struct Runs {
  std::string name;  // of the folder, as given
  std::vector<Run> runs;
  double end_s = 0;  // of the first run's cycles.csv
  Curve cores_busy{}, waiting{};
};

// Reads what `sim run --out FOLDER` wrote. not_found, invalid: what is missing or wrong, and where.
Result<Runs> read_runs(const std::string& folder);
// Curves of all on one axis, from 0 to the latest end.
Result<Ok> read_curves(std::vector<Runs>& all);

// Of a key in `runs`, nothing where it is null in one of them.
std::optional<Estimate> figure_of(const Runs& runs, const std::string& key);
// The change from `before` to `after`, over pairs where there are any.
std::optional<Estimate> change_of(const Runs& before, const Runs& after, const std::string& key);

}  // namespace busbar::lab
