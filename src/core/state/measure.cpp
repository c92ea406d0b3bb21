#include <algorithm>

#include "base/maths.hpp"
#include "core/state/state.hpp"
#include "match/catalog.hpp"

namespace busbar::core {
namespace {

// Calls f(ordinal, share) for each device that the claim takes; an exclusive one takes all.
template <class F>
void each_device(const Claim& claim, const Node& node, F f) {
  if (claim.exclusive) {
    for (std::uint32_t i = 0; i < node.devices.size(); ++i) f(i, MilliDevices(1000));
    return;
  }
  for (const auto& share : claim.devices)
    if (share.ordinal < node.devices.size()) f(share.ordinal, share.share);
}

// Whether a quota's name stands for this device; its health does not matter.
bool names_device(std::string_view name, const Device& device) {
  if (name == "gpu") return true;
  Device healthy = device;
  healthy.health = DeviceHealth::ok;
  return device_matches({.model = std::string(name), .memory_min_bytes = {}}, healthy);
}

std::int64_t amount_of(const Claim& claim, const Node& node, std::string_view name) {
  if (name == "cores") return (claim.exclusive ? node.cores : claim.cores).value;
  if (name == "memory") return (claim.exclusive ? node.memory : claim.memory).value;
  if (name == "scratch") return (claim.exclusive ? node.scratch : claim.scratch).value;
  std::int64_t amount = 0;
  for (const auto& named : claim.exclusive ? node.named : claim.named)
    if (named.name == name) amount += named.count;
  each_device(claim, node, [&](std::uint32_t ordinal, MilliDevices share) {
    if (names_device(name, node.devices[ordinal])) amount += share.value;
  });
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
    const Node& node = record->node;
    cores += claim.exclusive ? node.cores : claim.cores;
    memory += claim.exclusive ? node.memory : claim.memory;
    each_device(claim, node, [&](std::uint32_t ordinal, MilliDevices share) {
      weight += match::device_weight(node.devices[ordinal]) * share.value;
    });
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
    amount += amount_of(claim, record->node, name);
  }
  return amount;
}

}  // namespace busbar::core
