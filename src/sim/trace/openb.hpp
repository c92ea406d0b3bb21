// The openb traces of Alibaba's cluster-trace-gpu-v2023: one CSV of nodes, one of pods.
//
//   nodes   sn, cpu_milli, memory_mib, gpu, model
//   pods    name, cpu_milli, memory_mib, num_gpu, gpu_milli, and where they are there gpu_spec
//           ("A|B": one of these models), creation_time, deletion_time, scheduled_time (seconds)
// A pod is a job of one task: whole devices, or a part of one. It ran from scheduled_time (where
// there is none, from creation_time) to deletion_time; without these columns all come at once and
// run for ever, as the fill mode wants them. It states no limit.
// Errors   invalid, "FILE:LINE: column: what was found; what is allowed".
#pragma once

#include <string_view>

#include "base/result.hpp"
#include "sim/replay/cluster.hpp"
#include "sim/trace/trace.hpp"

namespace busbar::sim {

Result<Cluster> read_openb_nodes(std::string_view text, std::string_view file_name);
Result<Trace> read_openb_pods(std::string_view text, std::string_view file_name);

}  // namespace busbar::sim
