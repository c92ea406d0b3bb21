#include "core/fit/fits.hpp"

namespace busbar::core {

bool fits(const Scratch& scratch, const Ask& ask, const Allocation& allocation) {
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
