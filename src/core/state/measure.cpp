#include <algorithm>

#include "base/maths.hpp"
#include "core/state/state.hpp"
#include "match/catalog.hpp"

namespace busbar::core {
namespace {

// What a claim takes from its node: an exclusive one takes everything.
struct Taken {
  MilliCores cores;
  Bytes memory;
  Bytes scratch;
  const std::vector<NamedCount>* named;
  std::vector<DeviceShare> devices;
};

Taken taken(const Claim& claim, const Node& node) {
  if (!claim.exclusive)
    return {claim.cores, claim.memory, claim.scratch, &claim.named, claim.devices};
  Taken all{node.cores, node.memory, node.scratch, &node.named, {}};
  for (std::uint32_t i = 0; i < node.devices.size(); ++i)
    all.devices.push_back({i, MilliDevices(1000)});
  return all;
}

// Whether a quota's name stands for this device; its health does not matter.
bool names_device(std::string_view name, Device device) {
  if (name == "gpu") return true;
  device.health = DeviceHealth::ok;
  return device_matches({.model = std::string(name), .memory_min_bytes = {}}, device);
}

std::int64_t amount_of(const Taken& taken, const Node& node, std::string_view name) {
  if (name == "cores") return taken.cores.value;
  if (name == "memory") return taken.memory.value;
  if (name == "scratch") return taken.scratch.value;
  std::int64_t amount = 0;
  for (const auto& named : *taken.named)
    if (named.name == name) amount += named.count;
  for (const auto& share : taken.devices)
    if (share.ordinal < node.devices.size() && names_device(name, node.devices[share.ordinal]))
      amount += share.share.value;
  return amount;
}

}  // namespace

std::int64_t charge_of(const State& state, const Allocation& allocation, Span held) {
  constexpr std::int64_t held_max = std::int64_t{1}
                                    << 42;  // 139 years; keeps the product in 63 bits
  constexpr std::int64_t q20_one = std::int64_t{1} << 20;
  MilliCores cores;
  Bytes memory;
  std::int64_t weight = 0;  // in thousandths of a device's weight
  for (const auto& claim : allocation.claims) {
    const NodeRecord* record = state.find(claim.node);
    check(record != nullptr, "a claim on a node that State does not hold");
    const Taken mine = taken(claim, record->node);
    cores += mine.cores;
    memory += mine.memory;
    for (const auto& share : mine.devices)
      if (share.ordinal < record->node.devices.size())
        weight += match::device_weight(record->node.devices[share.ordinal]) * share.share.value;
  }
  const std::int64_t scaled = std::clamp<std::int64_t>(held.value, 0, held_max) * q20_one;
  const auto share = [&](std::int64_t part, std::int64_t whole) {
    return whole > 0 ? multiply_divide(part, scaled, whole) : 0;
  };
  const Totals& totals = state.totals();
  return std::max({share(cores.value, totals.cores.value), share(memory.value, totals.memory.value),
                   share(weight, totals.device_weight * 1000)});
}

std::int64_t charge_per_ms(const State& state, const Allocation& allocation) {
  return charge_of(state, allocation, Span(1));
}

std::int64_t quota_amount(const State& state, const Allocation& allocation, std::string_view name) {
  std::int64_t amount = 0;
  for (const auto& claim : allocation.claims) {
    const NodeRecord* record = state.find(claim.node);
    check(record != nullptr, "a claim on a node that State does not hold");
    amount += amount_of(taken(claim, record->node), record->node, name);
  }
  return amount;
}

}  // namespace busbar::core
