// The truth of a simulation: what really happens to an attempt, and what cluster there is. A type
// of its own: no policy and no core can see it.
#pragma once

#include <cstdint>
#include <vector>

#include "model/attempt.hpp"
#include "model/config.hpp"
#include "model/node.hpp"

namespace busbar::sim {

struct Truth {
  Span run_time;
  Exit exit;          // how it ends when nobody stops it
  Span ready_after;   // when a probe would succeed
  Span launch_delay;  // from launch to the first instruction
};

class World {
 public:
  // `stretch` times as long runs every attempt: another truth about the same cluster.
  explicit World(std::uint64_t seed, std::int64_t stretch = 1) : seed_(seed), stretch_(stretch) {}

  // A pure function of (seed, attempt): asking twice gives the same answer.
  Truth truth_of(const AttemptId& attempt) const;
  std::vector<Node> make_nodes() const;
  Config make_config() const;

 private:
  std::uint64_t seed_;
  std::int64_t stretch_;
};

}  // namespace busbar::sim
