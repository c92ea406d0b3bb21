// When nodes fail and come back: those of the cluster's list, and by chance for those with a rate.
//
// Source   times between failures are exponential, drawn in integers (log2_q20), so that a seed
//          gives the same failures on every machine.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "base/rng.hpp"
#include "sim/agenda.hpp"
#include "sim/replay/cluster.hpp"

namespace busbar::sim {

class Breakdowns {
 public:
  // What is done to the cluster; nodes by their place in it.
  struct Hands {
    std::function<void(std::size_t node, Span down)> lose;  // it is back after `down`
    std::function<void(std::size_t node)> fence;
    std::function<void(std::size_t node)> resume;  // after it is back, where it was fenced
  };
  Breakdowns(const Cluster& cluster, std::uint64_t seed, Agenda& agenda, Hands hands);

  // Failures from `begin` on; once.
  void plan(Tick begin);
  bool all_up() const { return down_count_ == 0; }
  // Nodes fail again and again, so that the agenda never runs empty.
  bool endless() const { return endless_; }
  std::uint64_t count() const { return count_; }

 private:
  void plan_next(std::size_t node);
  void fail(std::size_t node, Span down);

  const Cluster& cluster_;
  Rng rng_;
  Agenda& agenda_;
  Hands hands_;
  std::vector<bool> down_;
  std::size_t down_count_ = 0;
  std::uint64_t count_ = 0;
  bool endless_ = false;
};

// With the given mean; at least 1 ms.
Span draw_exponential(Rng& rng, Span mean);

}  // namespace busbar::sim
