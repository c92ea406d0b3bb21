#include "engine/local/core_book.hpp"

#include <algorithm>

namespace busbar::local {
namespace {

constexpr std::int64_t one_core = 1000;

std::size_t units_for(std::int64_t milli) {
  return static_cast<std::size_t>((milli + one_core - 1) / one_core);
}

}  // namespace

CoreBook::CoreBook(const std::vector<NumaDomain>& numa) : numa_(numa) {}

std::size_t CoreBook::free_in(std::size_t domain) const {
  std::size_t free = 0;
  for (const std::uint32_t id : numa_[domain].core_ids)
    free += !whole_.contains(id) && !pool_.contains(id);
  return free;
}

// The domain of most of the claim's devices; -1: no wish.
std::int32_t CoreBook::nearest_domain(const LaunchClaim& claim) const {
  std::vector<std::size_t> votes(numa_.size(), 0);
  std::int32_t best = -1;
  for (const Device& device : claim.devices) {
    if (device.numa < 0 || static_cast<std::size_t>(device.numa) >= votes.size()) continue;
    const auto at = static_cast<std::size_t>(device.numa);
    ++votes[at];
    if (best < 0 || votes[at] > votes[static_cast<std::size_t>(best)]) best = device.numa;
  }
  return best;
}

// Domains in the order they are drawn from: the wish, then one that just holds what is wanted, then
// those with most room.
std::vector<std::uint32_t> CoreBook::take_whole(std::size_t count, std::int32_t numa_wish) {
  std::vector<std::size_t> order(numa_.size());
  std::vector<std::size_t> free(numa_.size());
  for (std::size_t d = 0; d < numa_.size(); ++d) order[d] = d, free[d] = free_in(d);
  const auto wished = [&](std::size_t d) { return static_cast<std::int32_t>(d) == numa_wish; };
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    if (wished(a) != wished(b)) return wished(a);
    const bool a_holds = free[a] >= count;
    const bool b_holds = free[b] >= count;
    if (a_holds != b_holds) return a_holds;
    return a_holds ? free[a] < free[b] : free[a] > free[b];
  });
  std::vector<std::uint32_t> taken;
  const auto take_from = [&](bool also_pool) {
    for (const std::size_t d : order) {
      for (const std::uint32_t id : numa_[d].core_ids) {
        if (taken.size() == count) return;
        if (whole_.contains(id) || (!also_pool && pool_.contains(id))) continue;
        whole_.insert(id);
        pool_.erase(id);
        taken.push_back(id);
      }
    }
  };
  take_from(false);
  take_from(true);
  std::sort(taken.begin(), taken.end());
  return taken;
}

// The pool, grown from the end of the last domain so that it stays away from whole claims.
std::vector<std::uint32_t> CoreBook::pool_for(std::int64_t more_milli) {
  pooled_milli_ += more_milli;
  const std::size_t wanted = std::max<std::size_t>(1, units_for(pooled_milli_));
  for (std::size_t d = numa_.size(); d-- > 0;) {
    const auto& ids = numa_[d].core_ids;
    for (auto id = ids.rbegin(); id != ids.rend() && pool_.size() < wanted; ++id) {
      if (!whole_.contains(*id)) pool_.insert(*id);
    }
  }
  return {pool_.begin(), pool_.end()};
}

std::vector<Claim> CoreBook::assign(const Launch& launch) {
  if (const auto known = holdings_.find(launch.name); known != holdings_.end())
    return known->second.bound;
  Holding holding;
  for (const LaunchClaim& claim : launch.claims) {
    Claim bound = claim.claim;
    bound.binding = Binding::bound;
    if (bound.exclusive) {
      bound.core_ids.clear();
      for (const NumaDomain& domain : numa_)
        bound.core_ids.insert(bound.core_ids.end(), domain.core_ids.begin(), domain.core_ids.end());
      std::sort(bound.core_ids.begin(), bound.core_ids.end());
      holding.whole.insert(bound.core_ids.begin(), bound.core_ids.end());
      whole_.insert(bound.core_ids.begin(), bound.core_ids.end());
    } else if (bound.cores.value >= one_core && bound.cores.value % one_core == 0) {
      bound.core_ids = take_whole(units_for(bound.cores.value), nearest_domain(claim));
      holding.whole.insert(bound.core_ids.begin(), bound.core_ids.end());
    } else {
      bound.core_ids = pool_for(bound.cores.value);
      holding.pooled_milli += bound.cores.value;
    }
    holding.bound.push_back(std::move(bound));
  }
  return holdings_.emplace(launch.name, std::move(holding)).first->second.bound;
}

void CoreBook::adopt(const Launch& launch) {
  if (holdings_.contains(launch.name)) return;
  Holding holding;
  for (const LaunchClaim& claim : launch.claims) {
    const bool own = claim.claim.exclusive || (claim.claim.cores.value >= one_core &&
                                               claim.claim.cores.value % one_core == 0);
    const auto& ids = claim.claim.core_ids;
    if (own) {
      holding.whole.insert(ids.begin(), ids.end());
    } else {
      holding.pooled_milli += claim.claim.cores.value;
      pool_.insert(ids.begin(), ids.end());
    }
    holding.bound.push_back(claim.claim);
  }
  for (const std::uint32_t id : holding.whole) whole_.insert(id), pool_.erase(id);
  pooled_milli_ += holding.pooled_milli;
  holdings_.emplace(launch.name, std::move(holding));
}

void CoreBook::release(const std::string& name) {
  const auto found = holdings_.find(name);
  if (found == holdings_.end()) return;
  for (const std::uint32_t id : found->second.whole) whole_.erase(id);
  pooled_milli_ -= found->second.pooled_milli;
  holdings_.erase(found);
  // Those still in the pool were bound to all of it: it shrinks only when it is empty.
  if (pooled_milli_ == 0) pool_.clear();
}

}  // namespace busbar::local
