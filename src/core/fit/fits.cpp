#include "core/fit/fits.hpp"

namespace busbar::core {

bool fits(const Scratch& scratch, const Ask& ask, const Allocation& allocation) {
  if (allocation.claims.size() == 1) {
    const Claim& claim = allocation.claims[0];
    if (claim.node.value == 0 || claim.node.value > scratch.state().nodes().size()) return false;
    if (!scratch.shape(claim.node).open) return false;
    NodeFree storage;
    const NodeFree* free = scratch.window(claim.node, ask, storage);
    return free != nullptr && holds(*free, scratch.node(claim.node), claim, 0);
  }
  std::map<NodeId, NodeFree> left;
  std::map<NodeId, std::uint32_t> own;
  for (const auto& claim : allocation.claims) {
    if (claim.node.value == 0 || claim.node.value > scratch.state().nodes().size()) return false;
    if (!scratch.shape(claim.node).open) return false;
    const auto [it, fresh] = left.try_emplace(claim.node);
    if (fresh) {
      NodeFree storage;
      const NodeFree* free = scratch.window(claim.node, ask, storage);
      if (free == nullptr) return false;
      it->second = *free;
    }
    const Node& node = scratch.node(claim.node);
    if (!holds(it->second, node, claim, own[claim.node])) return false;
    take(it->second, node, claim);
    own[claim.node] += 1;
  }
  return !allocation.claims.empty();
}

}  // namespace busbar::core
