// Index: what placement needs of State, kept up to date by events and equal to Index(State) after
// any history. Per node: what is free. Per hardware: buckets that filter nodes. Per cohort: who
// waits.
#pragma once

#include <cstdint>
#include <vector>

#include "core/state/state.hpp"

namespace busbar::core {

// What is free on one node: capacity less the claims of live attempts.
struct NodeFree {
  MilliCores cores;
  Bytes memory;
  Bytes scratch;
  std::vector<MilliDevices> devices;    // by ordinal: free thousandths; 0 where the device failed
  std::vector<NamedCount> named;        // as in Node::named
  std::vector<IndexRange> ports_taken;  // sorted, disjoint
  std::uint32_t claims = 0;             // live claims on it
  bool exclusive = false;               // one of them holds the whole node
  friend bool operator==(const NodeFree&, const NodeFree&) = default;
};

class Index {
 public:
  explicit Index(const State& state);
  // `after` is the State that has just applied `event`; `before_claims` semantics are the index's
  // own.
  void apply(const State& after, const Event& event);

  const std::vector<NodeFree>& nodes() const { return nodes_; }  // by node id - 1

  friend bool operator==(const Index&, const Index&) = default;

 private:
  std::vector<NodeFree> nodes_;
};

}  // namespace busbar::core
