// The figures of one replay, and the files they are written to.
//
// Definitions   wait: submission to the first instruction. jct: submission to the end. bsld: max(1,
//               jct / max(run, 10 s)), run = jct - wait. utilization: cores held over cores there,
//               from the first submission to the last end. Percentiles are by nearest rank. Over
//               jobs that ran; what does not apply is null.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "sim/replay/cluster.hpp"
#include "sim/replay/fill.hpp"
#include "sim/replay/replay.hpp"
#include "sim/trace/trace.hpp"

namespace busbar::sim {

struct Summary {
  std::uint64_t jobs = 0;
  std::uint64_t completed = 0;
  std::uint64_t refused = 0;
  std::optional<double> makespan_s;
  std::optional<double> wait_mean_s, wait_p99_s, wait_max_s;
  std::optional<double> jct_mean_s, jct_p99_s;
  std::optional<double> bsld_mean;
  std::optional<double> utilization;
  std::optional<double> gpu_allocated_pct;
  std::optional<double> gpu_hours_per_job;
  std::optional<double> deadline_met_ratio;
  std::uint64_t preemptions = 0;
  std::uint64_t restarts = 0;
  std::optional<double> lost_work_gpu_hours;
  std::optional<double> fairness_jain;
  std::optional<double> finish_time_fairness_max;
  std::optional<double> energy_kwh, carbon_g, cost;
  std::optional<FillMarks> gpu_allocated_pct_at;  // of the fill mode
  std::uint64_t cycles = 0;
  std::uint64_t journal_hash = 0;
  // Measured by whoever ran it; not part of what must be equal.
  double decisions_per_s = 0;
  double wall_s = 0;
  std::uint64_t peak_memory_bytes = 0;
};

Summary summarise(const Cluster& cluster, const Trace& trace, const ReplayResult& result);

// One JSON object with exactly these keys, in this order; gpu_allocated_pct_at in fill mode only.
std::string summary_json(const Summary& summary);
// With a header line; times in seconds from the beginning of the trace, "" where there is none.
std::string jobs_csv(const Trace& trace, const ReplayResult& result);
std::string cycles_csv(const ReplayResult& result);

}  // namespace busbar::sim
