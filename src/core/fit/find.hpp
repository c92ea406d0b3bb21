// find: a place for one unit on a Scratch, or what was missing. Every alternative is tried in the
// order of preference, and the tenant's quota is checked for each.
//
// Loose    one task on the node with the best score.
// Tight    all groups or nothing, inside the smallest part of the topology that holds them (a node,
//          then the levels from the innermost, at most one cluster); an elastic group takes the
//          largest size that fits. `within` with `required` forbids larger parts.
// Extreme  on one node, devices of one model in one link domain; or, when the job requires a
//          topology level, inside one part of that level, devices of one model.
// A tenant's quota comes first: a unit that would pass it on any node is not searched for, and
// waits for its quota whether or not there is room. Search is incomplete for several groups, spread
// and alternatives: a miss means later, not never.
#pragma once

#include "core/fit/scratch.hpp"
#include "core/policy/policy.hpp"

namespace busbar::core {

// Nodes looked at in one search, at most.
inline constexpr std::uint32_t search_steps_max = 400'000;

// Leaves the scratch as it was; the caller takes the allocation.
Found find(Scratch& scratch, const Policy& policy, const Ask& ask, Steps& steps);

}  // namespace busbar::core
