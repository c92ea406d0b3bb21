// What Slurm's accounting tells: `sacct -a -P` with a heading.
//
//   sacct -a -P -S 2026-10-01 -o JobID,JobName,User,Account,Submit,Start,End,State,ElapsedRaw,
//         TimelimitRaw,AllocCPUS,AllocNodes,AllocTRES
// Columns may stand in any order, and more may be there. Wanted are JobID, Submit, Start,
// ElapsedRaw and AllocCPUS. A job of several nodes is one of as many tasks, each a node's part.
//   left out, and counted in remarks: steps; jobs that never started; jobs that still run.
//   Account becomes the tenant.
// Errors   invalid, "FILE:LINE: column: what was found; what is allowed".
// Source   the man page of sacct, Slurm 22.05 to 25.05.
#pragma once

#include <string_view>

#include "base/result.hpp"
#include "sim/trace/trace.hpp"

namespace busbar::sim {

Result<Trace> read_sacct(std::string_view text, std::string_view file_name);

}  // namespace busbar::sim
