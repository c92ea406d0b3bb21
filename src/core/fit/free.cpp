#include "core/fit/free.hpp"

#include <algorithm>

namespace busbar::core {
namespace {

void add_named(List<NamedCount>& free, const List<NamedCount>& claimed, std::int64_t sign) {
  for (const auto& claim : claimed)
    for (auto& named : free)
      if (named.name == claim.name) named.count += sign * claim.count;
}

void add_claim(NodeFree& free, const Node& node, const Claim& claim, std::int64_t sign) {
  free.cores += claim.cores * sign;
  free.memory += claim.memory * sign;
  free.scratch += claim.scratch * sign;
  for (const auto& share : claim.devices) {
    if (share.ordinal >= node.devices.size()) continue;
    if (node.devices[share.ordinal].health == DeviceHealth::failed) continue;
    free.devices[share.ordinal] += share.share * sign;
  }
  if (!claim.named.empty()) add_named(free.named, claim.named, sign);
}

}  // namespace

NodeFree whole_node(const Node& node) {
  NodeFree free;
  free.cores = node.cores;
  free.memory = node.memory;
  free.scratch = node.scratch;
  free.named = node.named;
  free.devices.reserve(node.devices.size());
  for (const auto& device : node.devices)
    free.devices.push_back(MilliDevices(device.health == DeviceHealth::failed ? 0 : 1000));
  return free;
}

void take(NodeFree& free, const Node& node, const Claim& claim) {
  add_claim(free, node, claim, -1);
  for (const std::uint32_t port : claim.ports) free.ports_taken.insert(port);
  free.claims += 1;
  free.exclusive += claim.exclusive ? 1 : 0;
}

void give(NodeFree& free, const Node& node, const Claim& claim) {
  add_claim(free, node, claim, 1);
  for (const std::uint32_t port : claim.ports) free.ports_taken.erase(port);
  free.claims -= 1;
  free.exclusive -= claim.exclusive ? 1 : 0;
}

void keep_smaller(NodeFree& free, const NodeFree& other) {
  free.cores = std::min(free.cores, other.cores);
  free.memory = std::min(free.memory, other.memory);
  free.scratch = std::min(free.scratch, other.scratch);
  for (std::size_t i = 0; i < free.devices.size() && i < other.devices.size(); ++i)
    free.devices[i] = std::min(free.devices[i], other.devices[i]);
  for (std::size_t i = 0; i < free.named.size() && i < other.named.size(); ++i)
    free.named[i].count = std::min(free.named[i].count, other.named[i].count);
  for (const auto& range : other.ports_taken.ranges()) free.ports_taken.insert(range);
  free.claims = std::max(free.claims, other.claims);
  free.exclusive = std::max(free.exclusive, other.exclusive);
}

bool holds(const NodeFree& free, const Node& node, const Claim& claim, std::uint32_t own) {
  if (claim.exclusive ? free.claims > own : free.exclusive > 0) return false;
  if (claim.cores > free.cores || claim.memory > free.memory || claim.scratch > free.scratch)
    return false;
  std::vector<MilliDevices> left = free.devices;
  for (const auto& share : claim.devices) {
    if (share.ordinal >= left.size()) return false;
    left[share.ordinal] -= share.share;
    if (left[share.ordinal].value < 0) return false;
  }
  for (const auto& named : claim.named)
    if (named.count > count_of(free.named, named.name)) return false;
  return std::all_of(claim.ports.begin(), claim.ports.end(), [&](std::uint32_t port) {
    return port >= node.port_first && port < node.port_first + node.port_count &&
           !free.ports_taken.contains(port);
  });
}

std::int64_t count_of(const List<NamedCount>& named, const std::string& name) {
  for (const auto& entry : named)
    if (entry.name == name) return entry.count;
  return 0;
}

}  // namespace busbar::core
