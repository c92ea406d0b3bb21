// Which processing units each attempt on this machine may use.
//
// Shape    A claim of whole cores gets units of its own, as many as it has cores, in one NUMA
//          domain where one has room, the domain of its devices first. Claims with a part of a
//          core share a common pool of units that grows with their sum and takes no unit that a
//          whole claim holds. Threads of one core stand side by side in NumaDomain::core_ids, so
//          that a claim of two gets both.
// Units    operating system numbers of processing units.
// Holds    whole claims are disjoint while the quantities on the node are not oversold; where a
//          pool that shrank leaves too few units, a whole claim takes units out of the pool.
// Source   every choice is a pure function of the calls so far.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "model/attempt.hpp"
#include "model/launch.hpp"
#include "model/node.hpp"

namespace busbar::local {

class CoreBook {
 public:
  explicit CoreBook(const std::vector<NumaDomain>& numa);

  // The claims of `launch` as bound here: core_ids filled, sorted. Asked again for the same name it
  // answers the same.
  std::vector<Claim> assign(const Launch& launch);
  // An attempt that runs already: takes the ids that its claims carry; claims without ids are in
  // the pool.
  void adopt(const Launch& launch);
  void release(const std::string& name);

 private:
  struct Holding {
    std::set<std::uint32_t> whole;
    std::int64_t pooled_milli = 0;
    std::vector<Claim> bound;
  };

  std::vector<std::uint32_t> take_whole(std::size_t count, std::int32_t numa_wish);
  std::vector<std::uint32_t> pool_for(std::int64_t more_milli);
  std::size_t free_in(std::size_t domain) const;
  std::int32_t nearest_domain(const LaunchClaim& claim) const;

  std::vector<NumaDomain> numa_;
  std::set<std::uint32_t> whole_;  // held by whole claims
  std::set<std::uint32_t> pool_;
  std::int64_t pooled_milli_ = 0;
  std::map<std::string, Holding> holdings_;
};

}  // namespace busbar::local
