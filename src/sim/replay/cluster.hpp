// The machines of a replay, and how they fail.
#pragma once

#include <string>
#include <vector>

#include "base/units.hpp"
#include "model/node.hpp"

namespace busbar::sim {

// What is true of a node besides what it tells of itself.
struct NodeNature {
  Span mtbf = span_unlimited;       // mean time from working again to the next failure
  Span repair = hours(1);           // how long such a failure lasts
  std::int64_t speed_milli = 1000;  // of what runs there; the slowest node of an attempt counts
  friend bool operator==(const NodeNature&, const NodeNature&) = default;
};

// A failure of the list: the node loses power, and is back after `down`.
struct NodeFailure {
  std::size_t node = 0;  // its place among the nodes
  Span at;               // from the beginning of the trace
  Span down;
};

struct Cluster {
  std::vector<std::string> topology_levels;  // outermost first, as in Node::topology
  std::vector<Node> nodes;                   // names are unique; ids are 0
  std::vector<NodeNature> natures;           // by node; empty where all are as they should be
  std::vector<NodeFailure> failures;
  // Its operators look after a lost node so long after the failure and vouch that nothing runs
  // there; never: what ran there waits for the node, or for its own limit.
  Span fence_after = minutes(10);
};

}  // namespace busbar::sim
