// Packing: how good a place is for a task, seen from what it leaves behind. One small file for each
// rule; docs/policies.md has formulas and sources.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "core/fit/hardware.hpp"
#include "core/fit/index.hpp"
#include "core/fit/memory.hpp"

namespace busbar::core {

// Compared from the left; higher is better. Ties go to the lowest node id, then to the lowest
// ordinal.
using Score = std::array<std::int64_t, 4>;

// A node that could take the tasks in question.
struct NodeCondition {
  const State& state;
  const Index& index;
  const Node& node;
  const NodeFree& free;    // before
  const HardwareFit& fit;  // of what one task wants
  const Resources& wanted;
  std::uint32_t tasks = 1;
  std::uint32_t devices_idle = 0;    // whole free devices, before
  std::uint32_t devices_opened = 0;  // of these, how many the tasks would touch
  // Of one task that wants a part of one device: whose. Nothing where the node decides.
  std::optional<std::uint32_t> device;
  UnitId unit;
  Memory& memory_of;

  bool wants_shares() const { return fit.share_max > 0; }
  bool wants_devices() const { return fit.devices_whole > 0 || wants_shares(); }
  MilliCores cores() const { return wanted.cores * tasks; }
  Bytes memory() const { return wanted.memory * tasks; }
};

class Packing {
 public:
  virtual ~Packing() = default;
  virtual Score score(const NodeCondition& at) const = 0;
  // True when score prefers fewer idle devices, then fewer free cores: the order in which buckets
  // are walked, so that a search may stop at the first bucket with a fit.
  virtual bool follows_buckets() const { return false; }
  // True when the score follows from the configuration, the hardware, what is free on the node and
  // what is asked for, and from nothing else: it is not asked again while these stay.
  virtual bool is_local() const { return false; }
  // What any node of this hardware costs on top, taken off the first of the score. It may follow
  // from all that is free.
  virtual std::int64_t surcharge(const NodeCondition& at) const {
    static_cast<void>(at);
    return 0;
  }
  // True when it matters which device gives a part of itself: score is asked for each.
  virtual bool chooses_device() const { return false; }
};

std::unique_ptr<Packing> make_packing(const PolicyConfig& config);

// Whether the node has a device that such a request may have.
bool accessible(const Node& node, const TypicalRequest& request);

// What the devices have left once the tasks are there, by ordinal.
std::vector<MilliDevices> devices_after(const NodeCondition& at);

// The rules, each in a file that bears its name.
std::unique_ptr<Packing> make_published_packing(PackRule rule);  // nullptr: none of these
std::unique_ptr<Packing> make_fragmentation_packing(const PolicyConfig& config);
std::unique_ptr<Packing> make_potential_packing(const PolicyConfig& config);

}  // namespace busbar::core
