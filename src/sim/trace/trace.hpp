// A workload as plain values: who asked for what and when, and how long it really ran.
//
// What really happens is the truth of the simulation (sim/truth.hpp); the scheduler sees the Job
// alone.
#pragma once

#include <string>
#include <vector>

#include "base/units.hpp"
#include "model/job.hpp"

namespace busbar::sim {

struct TraceJob {
  Span submit;    // from the beginning of the trace
  Span run_time;  // from the first instruction of a unit to its end when nobody stops it
  std::int32_t exit_code = 0;  // then
  Span checkpoint;             // between two saves of what is done; 0: nothing is saved
  Span restart_cost;           // with which every attempt behind the first of a unit begins
  Job job;                     // as its user asked
};

struct Trace {
  std::vector<TraceJob> jobs;        // by submit time, ties in the order of the file
  std::vector<std::string> remarks;  // a sentence each: what was left out or put in, and how often
};

}  // namespace busbar::sim
