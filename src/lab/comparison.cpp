#include "lab/comparison.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/text.hpp"
#include "sim/trace/table.hpp"

namespace busbar::lab {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr std::uintmax_t file_bytes_max = std::uintmax_t{4} << 30;

// The 97.5 % quantile of Student's t.
double student(std::size_t degrees) {
  constexpr double table[] = {12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306,
                              2.262,  2.228, 2.201, 2.179, 2.160, 2.145, 2.131, 2.120,
                              2.110,  2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064,
                              2.060,  2.056, 2.052, 2.048, 2.045, 2.042};
  return degrees <= std::size(table) ? table[degrees - 1] : 1.96;
}

Result<std::string> read_file(const fs::path& path) {
  std::error_code error;
  const std::uintmax_t size = fs::file_size(path, error);
  if (error) return {Errc::not_found, fmt::format("{}: {}", path.string(), error.message())};
  std::ostringstream text;
  if (size <= file_bytes_max) text << std::ifstream(path, std::ios::binary).rdbuf();
  if (size > file_bytes_max || !text)
    return {Errc::unavailable, fmt::format("{}: cannot be read", path.string())};
  return std::move(text).str();
}

Result<Figures> read_figures(const fs::path& path) {
  BUSBAR_TRY(text, read_file(path));
  const Json summary = Json::parse(text, nullptr, false);
  if (!summary.is_object())
    return {Errc::invalid, fmt::format("{}: is no summary of a run", path.string())};
  Figures figures;
  for (const auto& [key, value] : summary.items())
    if (value.is_number() || value.is_null())
      figures[key] = value.is_null() ? std::nullopt : std::optional(value.get<double>());
  return figures;
}

// A job of jobs.csv that ran.
struct JobRow {
  double wait_s = 0, jct_s = 0, slowdown = 0;
};

Result<std::vector<JobRow>> read_jobs(const fs::path& path) {
  BUSBAR_TRY(text, read_file(path));
  BUSBAR_TRY(table,
             sim::Table::open(text, path.string(), ',', {"wait_s", "run_s", "bounded_slowdown"}));
  std::vector<JobRow> jobs;
  for (;;) {
    BUSBAR_TRY(more, table.next());
    if (!more) return jobs;
    if (table.at("run_s").empty()) continue;
    BUSBAR_TRY(wait_ms, table.milli("wait_s", sim::seconds_max));
    BUSBAR_TRY(run_ms, table.milli("run_s", sim::seconds_max));
    BUSBAR_TRY(slowdown, table.milli("bounded_slowdown", sim::seconds_max));
    jobs.push_back({static_cast<double>(wait_ms) / 1000,
                    static_cast<double>(wait_ms + run_ms) / 1000,
                    static_cast<double>(slowdown) / 1000});
  }
}

std::map<std::string, std::vector<double>> batch_means_of(const std::vector<JobRow>& jobs) {
  std::map<std::string, std::vector<double>> means;
  if (jobs.size() < 2 * batches) return means;
  for (std::size_t b = 0; b < batches; ++b) {
    const std::size_t first = b * jobs.size() / batches, last = (b + 1) * jobs.size() / batches;
    JobRow sum;
    for (std::size_t i = first; i < last; ++i) {
      sum.wait_s += jobs[i].wait_s;
      sum.jct_s += jobs[i].jct_s;
      sum.slowdown += jobs[i].slowdown;
    }
    const auto count = static_cast<double>(last - first);
    means["wait_mean_s"].push_back(sum.wait_s / count);
    means["jct_mean_s"].push_back(sum.jct_s / count);
    means["bsld_mean"].push_back(sum.slowdown / count);
  }
  return means;
}

Result<Run> read_run(const fs::path& folder, std::string seed) {
  Run run;
  run.seed = std::move(seed);
  BUSBAR_TRY(figures, read_figures(folder / "summary.json"));
  BUSBAR_TRY(jobs, read_jobs(folder / "jobs.csv"));
  run.figures = std::move(figures);
  run.jobs_ran = jobs.size();
  run.batch_means = batch_means_of(jobs);
  return run;
}

fs::path first_folder(const Runs& runs) {
  const std::string& seed = runs.runs.front().seed;
  return seed.empty() ? fs::path(runs.name) : fs::path(runs.name) / ("seed-" + seed);
}

struct CycleRows {
  std::vector<double> at_s, cores_busy, waiting;
};

Result<CycleRows> read_cycles(const fs::path& path) {
  BUSBAR_TRY(text, read_file(path));
  BUSBAR_TRY(table, sim::Table::open(text, path.string(), ',', {"at_s", "waiting", "cores_busy"}));
  CycleRows rows;
  for (;;) {
    BUSBAR_TRY(more, table.next());
    if (!more) return rows;
    BUSBAR_TRY(at_ms, table.milli("at_s", sim::seconds_max));
    BUSBAR_TRY(cores, table.milli("cores_busy", std::int64_t{1} << 40));
    BUSBAR_TRY(waiting, table.milli("waiting", std::int64_t{1} << 40));
    rows.at_s.push_back(static_cast<double>(at_ms) / 1000);
    rows.cores_busy.push_back(static_cast<double>(cores) / 1000);
    rows.waiting.push_back(static_cast<double>(waiting) / 1000);
  }
}

// Each value holds until the next row's time.
Curve curve_of(const std::vector<double>& at_s, const std::vector<double>& values, double end_s) {
  Curve curve{};
  if (end_s <= 0) return curve;
  const double part_s = end_s / curve_points;
  for (std::size_t i = 0; i + 1 < at_s.size(); ++i) {
    for (double from = at_s[i]; from < at_s[i + 1];) {
      const auto part = std::min(static_cast<std::size_t>(from / part_s), curve_points - 1);
      const double part_end = part + 1 == curve_points ? std::numeric_limits<double>::max()
                                                       : static_cast<double>(part + 1) * part_s;
      const double to = std::min(at_s[i + 1], part_end);
      curve[part] += values[i] * (to - from) / part_s;
      from = to > from ? to : at_s[i + 1];
    }
  }
  return curve;
}

std::vector<double> samples_of(const Runs& runs, const std::string& key) {
  std::vector<double> samples;
  for (const Run& run : runs.runs) {
    const auto found = run.figures.find(key);
    if (found == run.figures.end() || !found->second) return {};
    samples.push_back(*found->second);
  }
  return samples;
}

const std::vector<double>* batches_of(const Runs& runs, const std::string& key) {
  if (runs.runs.size() != 1) return nullptr;
  const auto found = runs.runs.front().batch_means.find(key);
  return found == runs.runs.front().batch_means.end() ? nullptr : &found->second;
}

bool same_seeds(const Runs& a, const Runs& b) {
  return std::equal(a.runs.begin(), a.runs.end(), b.runs.begin(), b.runs.end(),
                    [](const Run& x, const Run& y) { return x.seed == y.seed; });
}

Estimate difference(const std::vector<double>& before, const std::vector<double>& after) {
  std::vector<double> changes;
  for (std::size_t i = 0; i < before.size(); ++i) changes.push_back(after[i] - before[i]);
  return estimate(changes);
}

}  // namespace

Estimate estimate(const std::vector<double>& samples) {
  Estimate result;
  const auto count = static_cast<double>(samples.size());
  for (const double sample : samples) result.mean += sample / count;
  if (samples.size() < 2) return result;
  double squares = 0;
  for (const double sample : samples) squares += (sample - result.mean) * (sample - result.mean);
  result.half = student(samples.size() - 1) * std::sqrt(squares / (count - 1) / count);
  return result;
}

Result<Runs> read_runs(const std::string& folder) {
  Runs runs;
  runs.name = folder;
  while (runs.name.size() > 1 && runs.name.ends_with('/')) runs.name.pop_back();
  std::error_code error;
  std::vector<std::pair<std::int64_t, std::string>> seeds;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with("seed-")) continue;
    const auto number = parse_count(name.substr(5));
    if (number.ok()) seeds.emplace_back(*number, name.substr(5));
  }
  if (error) return {Errc::not_found, fmt::format("{}: {}", folder, error.message())};
  std::sort(seeds.begin(), seeds.end());
  for (const auto& [number, seed] : seeds) {
    BUSBAR_TRY(run, read_run(fs::path(folder) / ("seed-" + seed), seed));
    runs.runs.push_back(std::move(run));
  }
  if (runs.runs.empty()) {
    BUSBAR_TRY(run, read_run(folder, ""));
    runs.runs.push_back(std::move(run));
  }
  return runs;
}

Result<Ok> read_curves(std::vector<Runs>& all) {
  std::vector<CycleRows> rows;
  double end_s = 0;
  for (Runs& runs : all) {
    BUSBAR_TRY(cycles, read_cycles(first_folder(runs) / "cycles.csv"));
    runs.end_s = cycles.at_s.empty() ? 0 : cycles.at_s.back();
    end_s = std::max(end_s, runs.end_s);
    rows.push_back(std::move(cycles));
  }
  for (std::size_t i = 0; i < all.size(); ++i) {
    all[i].cores_busy = curve_of(rows[i].at_s, rows[i].cores_busy, end_s);
    all[i].waiting = curve_of(rows[i].at_s, rows[i].waiting, end_s);
  }
  return Ok{};
}

std::optional<Estimate> figure_of(const Runs& runs, const std::string& key) {
  const std::vector<double> samples = samples_of(runs, key);
  if (samples.empty()) return {};
  Estimate result = estimate(samples);
  if (const auto* means = batches_of(runs, key)) result.half = estimate(*means).half;
  return result;
}

std::optional<Estimate> change_of(const Runs& before, const Runs& after, const std::string& key) {
  const std::vector<double> from = samples_of(before, key), to = samples_of(after, key);
  if (from.empty() || to.empty()) return {};
  if (same_seeds(before, after) && from.size() > 1) return difference(from, to);
  Estimate result{estimate(to).mean - estimate(from).mean, std::nullopt};
  const auto* batches_before = batches_of(before, key);
  const auto* batches_after = batches_of(after, key);
  const bool batched = batches_before != nullptr && batches_after != nullptr;
  if (batched && before.runs[0].jobs_ran == after.runs[0].jobs_ran) {
    result.half = difference(*batches_before, *batches_after).half;
    return result;
  }
  // Independent samples: at least as wide as Welch's interval.
  const auto half_before = figure_of(before, key)->half, half_after = figure_of(after, key)->half;
  if (half_before && half_after) result.half = std::hypot(*half_before, *half_after);
  return result;
}

}  // namespace busbar::lab
