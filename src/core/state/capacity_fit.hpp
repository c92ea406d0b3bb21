// How many tasks of one alternative the registered nodes hold when empty. Internal to capacity.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/state/state.hpp"

namespace busbar::core {

// A part of the topology and what it holds.
struct PartFit {
  std::string name;         // "node n1", "rack r7"; "" for everything
  std::string limit;        // of an extreme job: what runs out there, unless it is the devices
  std::uint64_t tasks = 0;  // of the alternative, tasks_per_node and nodes obeyed
};

// Nodes that the job may use at all: not excluded, features as wanted.
bool eligible(const Job& job, const Alternative& alternative, const Node& node);
// Devices of the node that the request accepts, failed ones included (they may be mended), as
// tasks-worth of shares: how many requests of count 1.
std::uint64_t matching_shares(const DeviceRequest& request, const Node& node);
// Tasks that an empty node could hold; an upper bound where several device requests compete.
std::uint64_t tasks_on(const Alternative& alternative, const Node& node);
// The part that holds most tasks of the gang's group.
PartFit best_part(const State& state, const Job& job, const TaskGroup& group,
                  const Alternative& alternative);

// How many of a named countable the node has.
std::int64_t named_on(const Node& node, const std::string& name);

}  // namespace busbar::core
