// The machines of a replay.
#pragma once

#include <string>
#include <vector>

#include "model/node.hpp"

namespace busbar::sim {

struct Cluster {
  std::vector<std::string> topology_levels;  // outermost first, as in Node::topology
  std::vector<Node> nodes;                   // names are unique; ids are 0
};

}  // namespace busbar::sim
