// The truth of a seeded simulation: what really happens to an attempt, and what cluster there is.
#pragma once

#include <cstdint>
#include <vector>

#include "model/config.hpp"
#include "model/node.hpp"
#include "sim/truth.hpp"

namespace busbar::sim {

class World : public Truths {
 public:
  // `stretch` times as long runs every attempt: another truth about the same cluster.
  explicit World(std::uint64_t seed, std::int64_t stretch = 1) : seed_(seed), stretch_(stretch) {}

  Truth truth_of(const AttemptId& attempt) const;
  Truth truth_of(const Launch& launch) const override { return truth_of(launch.id); }
  std::vector<Node> make_nodes() const;
  Config make_config() const;

 private:
  std::uint64_t seed_;
  std::int64_t stretch_;
};

}  // namespace busbar::sim
