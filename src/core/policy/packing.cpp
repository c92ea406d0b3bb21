#include "core/policy/packing.hpp"

#include <algorithm>

#include "base/check.hpp"
#include "model/node.hpp"

namespace busbar::core {
namespace {

// Work without devices keeps off accelerator nodes; a share goes to a device that is shared
// already; then fewest idle devices left, then best fit on cores, then on memory.
class TightPacking : public Packing {
 public:
  Score score(const NodeCondition& at) const override {
    const std::int64_t idle_left = std::int64_t{at.devices_idle} - at.devices_opened;
    const bool stray = !at.wants_devices() && !at.node.devices.empty();
    const std::int64_t opened = at.wants_shares() ? at.devices_opened : 0;
    return {stray ? -1 : 0, -opened * 1'000'000 - idle_left, (at.cores() - at.free.cores).value,
            (at.memory() - at.free.memory).value};
  }
  bool follows_buckets() const override { return true; }
};

}  // namespace

std::unique_ptr<Packing> make_packing(const PolicyConfig& config) {
  if (config.pack == PackRule::tight) return std::make_unique<TightPacking>();
  if (config.pack == PackRule::fragmentation) return make_fragmentation_packing(config);
  if (config.pack == PackRule::potential) return make_potential_packing(config);
  auto packing = make_published_packing(config.pack);
  check(packing != nullptr, "a rule of packing that nobody wrote");
  return packing;
}

bool accessible(const Node& node, const TypicalRequest& request) {
  for (const std::string& model : request.models) {
    const DeviceRequest one{model, {}, 1, request.share};
    for (const Device& device : node.devices)
      if (device_matches(one, device)) return true;
  }
  return request.models.empty() && (request.devices == 0 || !node.devices.empty());
}

std::vector<MilliDevices> devices_after(const NodeCondition& at) {
  std::vector<MilliDevices> left = at.free.devices;
  if (at.device) {
    left[*at.device] -= at.wanted.devices[0].share;
    return left;
  }
  for (std::size_t r = 0; r < at.wanted.devices.size(); ++r) {
    const DeviceRequest& request = at.wanted.devices[r];
    std::vector<std::uint32_t> usable;
    for (const std::uint32_t ordinal : at.fit.ordinals[r])
      if (left[ordinal] >= request.share) usable.push_back(ordinal);
    std::stable_sort(usable.begin(), usable.end(),
                     [&](std::uint32_t a, std::uint32_t b) { return left[a] < left[b]; });
    const std::size_t count = std::size_t{request.count} * at.tasks;
    for (std::size_t i = 0; i < usable.size() && i < count; ++i) left[usable[i]] -= request.share;
  }
  return left;
}

}  // namespace busbar::core
