// The part of a configuration that reaches the scheduler: tenants, policy, fair share, limits. The
// daemon's file and a simulation's policy file say it in the same words.
//
//   fields of the map   tenants, default_tenant, policy, fair_share, limits, finished_keep,
//                       cleanup_bound, topology_levels; docs/operations.md says what they mean.
#pragma once

#include <string>

#include "jobfile/map_reader.hpp"
#include "model/config.hpp"

namespace busbar::jobfile {

Names scheduling_fields();
// `policy_names`: what policy.name may be. `countables`: what else a quota may name.
void read_scheduling(const MapReader& top, Names policy_names, const List<NamedCount>& countables,
                     Config& out);
// What read_scheduling reads as this configuration.
std::string scheduling_text(const Config& config);

// A map of names to amounts; with `by_resource` in the unit that follows from the name, as quotas
// are written, else in whole numbers.
void read_amounts(const Field& field, Problems& problems, bool by_resource, List<NamedCount>& out,
                  const List<NamedCount>& countables = {});

}  // namespace busbar::jobfile
