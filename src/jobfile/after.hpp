// Reads the `after:` of every document: names become positions, cycles are refused.
#pragma once

#include <vector>

#include "jobfile/map_reader.hpp"
#include "model/job.hpp"

namespace busbar::jobfile {

// Fills in `jobs[i].after` from `documents[i]`; both have the same length and the jobs their names.
void resolve_dependencies(const std::vector<yaml::Value>& documents, std::vector<Job>& jobs,
                          Problems& problems);

}  // namespace busbar::jobfile
