// Busbar's own trace: JSON Lines whose jobs are written in the words of the job file.
// docs/trace-format.md is its manual.
//
// Errors   invalid, "FILE:LINE: field: what was found; what is allowed"; of a job's fields also the
//          column in the job, as the job file's reader says it.
#pragma once

#include <string_view>

#include "base/result.hpp"
#include "sim/trace/trace.hpp"

namespace busbar::sim {

Result<Trace> read_native(std::string_view text, std::string_view file_name);

}  // namespace busbar::sim
