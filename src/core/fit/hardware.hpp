// What one node can give to tasks of one alternative: which devices match, how many tasks fit, and
// the concrete claim.
//
// Devices  whole ones come from one link domain, then one NUMA domain, where they can, the fullest
//          that holds them first; shares come from devices that are shared already, best fit first.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/fit/free.hpp"
#include "model/job.hpp"

namespace busbar::core {

// What holds for all nodes of one NodeShape::hardware.
struct HardwareFit {
  bool possible = false;            // an empty node of this kind could hold one task
  bool matches = false;             // features and device kinds fit; only its size may not do
  std::uint32_t devices_whole = 0;  // wanted per task
  std::int64_t share_max = 0;       // largest share wanted, thousandths; 0: none
  std::vector<std::vector<std::uint32_t>> ordinals;  // by device request: those that match
};
HardwareFit hardware_fit(const Node& node, const Alternative& alternative);

// An extreme job's devices: one model, and one link domain unless the job names a larger part.
struct DeviceRule {
  std::string vendor;
  std::string model;
  std::optional<std::uint32_t> link_domain;
  friend auto operator<=>(const DeviceRule&, const DeviceRule&) = default;
};

// Tasks of one alternative on one node.
struct NodeAsk {
  const Node& node;
  const Resources& per_task;
  const HardwareFit& fit;
  bool exclusive = false;
  std::uint32_t own_claims = 0;  // of the same unit, on this node already
  const DeviceRule* rule = nullptr;
  std::optional<std::uint32_t> device = {};  // whose part one task gets; nothing: as above
};
// How many tasks fit into `free`, at most `tasks_max`.
std::uint32_t tasks_that_fit(const NodeAsk& ask, const NodeFree& free, std::uint32_t tasks_max);
// The claim of `tasks` tasks, which must fit. Ports are taken from `port_seed` on, rotating. The
// caller fills node, group and alternative.
Claim make_claim(const NodeAsk& ask, const NodeFree& free, std::uint32_t tasks,
                 std::uint64_t port_seed);

}  // namespace busbar::core
