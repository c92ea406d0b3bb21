// A workload played through the production loop: submissions come when they came, attempts run as
// long as they ran, and the policy decides the rest.
//
// The loop is ring::Ring with twins at its ports: a clock that jumps from happening to happening, a
// journal that is durable at once and keeps a hash of what it was given, engines without faults.
// Same inputs, same bytes.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "model/attempt.hpp"
#include "model/config.hpp"
#include "sim/replay/cluster.hpp"
#include "sim/trace/trace.hpp"

namespace busbar::sim {

struct ReplayProgress {
  std::uint64_t submitted = 0;  // jobs
  std::uint64_t ended = 0;      // jobs, refused ones included
  std::uint64_t jobs = 0;       // of the trace
  Span at;                      // from the beginning of the trace
};

enum class ReplayMode : std::uint8_t {
  replay,  // jobs come when they came and end when they ended
  fill,    // jobs come one by one and stay; who finds no place at once is gone
};

struct ReplayOptions {
  std::uint64_t seed = 1;
  ReplayMode mode = ReplayMode::replay;
  Span until = span_unlimited;                        // from the beginning of the trace
  std::function<void(const ReplayProgress&)> report;  // every now and then
};

// Times are from the beginning of the trace; -1: not yet, when the replay ended.
struct JobOutcome {
  static constexpr Span never{-1};
  std::string refusal;  // why it was not taken; "" normally
  Span submitted;
  Span started = never;  // first instruction of its first unit
  Span ended = never;    // of its last unit
  RunState state = RunState::pending;
  std::uint32_t units_left = 0;
  std::uint32_t attempts = 0;
  std::uint32_t restarts = 0;  // attempts behind the first of a unit
  std::uint32_t preemptions = 0;
  std::int64_t core_ms = 0;         // milli-cores x milliseconds / 1000, of all attempts
  std::int64_t device_ms = 0;       // the same of devices
  std::int64_t lost_device_ms = 0;  // of attempts that had to run again
  std::string nodes;                // of the last attempt
};

// What one cycle of the loop did, for cycles.csv.
struct CycleRow {
  Span at;
  std::uint32_t starts = 0;
  std::uint64_t waiting = 0;    // units
  std::uint64_t running = 0;    // attempts
  std::int64_t cores_busy = 0;  // thousandths
};

// Behind one arrival of the fill mode, in thousandths of devices; of cores on a cluster without
// any.
struct FillPoint {
  std::int64_t arrived = 0;  // what all arrivals so far asked for
  std::int64_t allocated = 0;
};

struct ReplayResult {
  std::vector<JobOutcome> jobs;  // in the order of the trace
  std::vector<CycleRow> cycles;  // those after which something else was waiting or running
  std::vector<FillPoint> fill;   // by arrival
  std::uint64_t cycle_count = 0;
  std::uint64_t decisions = 0;  // starts
  std::uint64_t journal_hash = 0;
  Span end;  // when the replay stopped
};

// invalid: the configuration or a node was refused; the sentence says which.
Result<ReplayResult> replay(const Cluster& cluster, const Config& config, const Trace& trace,
                            const ReplayOptions& options);

}  // namespace busbar::sim
