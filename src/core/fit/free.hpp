// What is free on one node, and the arithmetic of claims on it.
//
// Units    as in model/resources.hpp; a free device has 1000 thousandths, a failed one none.
// Holds    take and give of the same claim cancel. Quantities may go below zero where an engine
//          reported more than was picked, or where an inventory shrank under running work.
#pragma once

#include <cstdint>
#include <vector>

#include "model/attempt.hpp"
#include "model/index_set.hpp"
#include "model/node.hpp"

namespace busbar::core {

// Capacity less the claims of live attempts.
struct NodeFree {
  MilliCores cores;
  Bytes memory;
  Bytes scratch;
  std::vector<MilliDevices> devices;  // by ordinal: free thousandths; 0 where the device failed
  List<NamedCount> named;             // as in Node::named
  IndexSet ports_taken;
  std::uint32_t claims = 0;     // on it
  std::uint32_t exclusive = 0;  // of these, how many hold the whole node
  friend bool operator==(const NodeFree&, const NodeFree&) = default;
};

// Everything the node has.
NodeFree whole_node(const Node& node);
void take(NodeFree& free, const Node& node, const Claim& claim);
void give(NodeFree& free, const Node& node, const Claim& claim);
// What is free in both: the smaller of each quantity, the ports and claims of either.
void keep_smaller(NodeFree& free, const NodeFree& other);
// Whether exactly this claim could be taken; `own` claims of the same unit are on the node already.
bool holds(const NodeFree& free, const Node& node, const Claim& claim, std::uint32_t own);

// Count of `name` among sorted named countables; 0 when it is not there.
std::int64_t count_of(const List<NamedCount>& named, const std::string& name);

}  // namespace busbar::core
