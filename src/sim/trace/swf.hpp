// The Standard Workload Format of the Parallel Workloads Archive: one job a line, 18 numbers, -1
// where unknown; lines that begin with ';' are comments.
//
//   job        a processor is a task of one core, all or nothing; memory where it was requested.
//   limit      the requested time; where there is none the run time is taken.
//   run time   at most the limit: a log's clock lets jobs run some seconds over it.
// Left out and counted in a remark: jobs that never ran (no run time or no processors).
// Errors   invalid, "FILE:LINE: field N (name): what was found; what is allowed".
// Source   D. G. Feitelson et al., "The Standard Workload Format", version 2.2.
#pragma once

#include <string_view>

#include "base/result.hpp"
#include "sim/trace/trace.hpp"

namespace busbar::sim {

Result<Trace> read_swf(std::string_view text, std::string_view file_name);

}  // namespace busbar::sim
