// The cluster of a simulation, as its YAML file describes it; docs/simulate.md lists the fields.
//
// Errors   "FILE:LINE:COLUMN: field.path: what was found; what is allowed", one a line.
#pragma once

#include <string_view>

#include "base/result.hpp"
#include "model/config.hpp"
#include "sim/replay/cluster.hpp"

namespace busbar::lab {

Result<sim::Cluster> read_cluster(std::string_view yaml, std::string_view file_name);

// The scheduling part of a configuration, in the words of the daemon's file.
Result<Config> read_policy(std::string_view yaml, std::string_view file_name);

}  // namespace busbar::lab
