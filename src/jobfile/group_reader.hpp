// Reads the fields that describe tasks: of a document, or of one item of its groups.
#pragma once

#include <string>
#include <vector>

#include "jobfile/job_file.hpp"
#include "jobfile/map_reader.hpp"

namespace busbar::jobfile {

// What a group needs to know of its job and file.
struct GroupContext {
  const JobFileContext* file = nullptr;
  Coupling coupling = Coupling::loose;
  std::string checkpoint_directory;
  bool several_groups = false;
  Problems* warnings = nullptr;
};

struct GroupResult {
  TaskGroup group;  // its payload's hash is set by the caller
  Payload payload;
};

// The problems are noted in `fields`; the result is then meaningless.
GroupResult read_group(const MapReader& fields, const GroupContext& context);

// Resources, constraint and any_of, as the list of alternatives.
List<Alternative> read_alternatives(const MapReader& fields);

// The `ready:` probe; `ports` are those of the task.
ReadyProbe read_ready(const Field& field, std::uint32_t ports, Problems& problems);

}  // namespace busbar::jobfile
