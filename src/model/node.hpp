// Capacity: a node, its devices, its place in the topology.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/ids.hpp"
#include "model/resources.hpp"

namespace busbar {

enum class DeviceHealth : std::uint8_t { ok, suspect, failed };
template <>
struct EnumWords<DeviceHealth> {
  static constexpr std::string_view words[] = {"ok", "suspect", "failed"};
};

// A device is an ordinal of its node: its position in Node::devices.
struct Device {
  std::string vendor;  // "nvidia", "amd", "intel", "huawei", ... in lower case
  std::string model;   // "NVIDIA H100 80GB HBM3"
  std::string uuid;  // physical identity; what visibility variables name where the vendor allows it
  Bytes memory;
  std::uint32_t physical_index = 0;  // the vendor's own number on this machine
  std::uint32_t link_domain = 0;     // devices of one domain are joined by a fast link; 0: none
  std::int32_t numa = -1;            // nearest NUMA domain; -1: unknown
  DeviceHealth health = DeviceHealth::ok;
  bool simulated = false;
  friend bool operator==(const Device&, const Device&) = default;
};
template <class V>
void describe(V& visit, Like<Device> auto& device) {
  visit("vendor", device.vendor);
  visit("model", device.model);
  visit("uuid", device.uuid);
  visit("memory", device.memory);
  visit("physical_index", device.physical_index);
  visit("link_domain", device.link_domain);
  visit("numa", device.numa);
  visit("health", device.health);
  visit("simulated", device.simulated);
}

enum class NodeKind : std::uint8_t {
  machine,
  pool
};  // a pool is a delegated partition: no ordinals
template <>
struct EnumWords<NodeKind> {
  static constexpr std::string_view words[] = {"machine", "pool"};
};

struct NumaDomain {
  std::vector<std::uint32_t> core_ids;  // operating system numbers of its processing units
  Bytes memory;
  friend bool operator==(const NumaDomain&, const NumaDomain&) = default;
};
template <class V>
void describe(V& visit, Like<NumaDomain> auto& numa) {
  visit("core_ids", numa.core_ids);
  visit("memory", numa.memory);
}

// What an engine says of a node. Equality of two inventories means nothing changed.
struct Node {
  NodeId id;  // 0 until registered
  std::string name;
  std::string cluster;
  NodeKind kind = NodeKind::machine;
  std::string machine_id;  // identity beyond the name
  std::string boot_id;     // changes with each boot: nothing of an older boot still runs
  MilliCores cores;
  Bytes memory;
  Bytes scratch;
  std::vector<Device> devices;
  std::vector<NumaDomain> numa;
  std::vector<std::string> features;  // sorted
  List<NamedCount> named;             // sorted by name
  std::vector<std::string>
      topology;                  // names of the enclosing parts, outermost first: {"row1", "rack7"}
  std::uint32_t port_first = 0;  // ports handed to jobs: [port_first, port_first + port_count)
  std::uint32_t port_count = 0;
  bool simulated = false;
  std::string cpu_model;
  friend bool operator==(const Node&, const Node&) = default;
};
template <class V>
void describe(V& visit, Like<Node> auto& node) {
  visit("id", node.id);
  visit("name", node.name);
  visit("cluster", node.cluster);
  visit("kind", node.kind);
  visit("machine_id", node.machine_id);
  visit("boot_id", node.boot_id);
  visit("cores", node.cores);
  visit("memory", node.memory);
  visit("scratch", node.scratch);
  visit("devices", node.devices);
  visit("numa", node.numa);
  visit("features", node.features);
  visit("named", node.named);
  visit("topology", node.topology);
  visit("port_first", node.port_first);
  visit("port_count", node.port_count);
  visit("simulated", node.simulated);
  visit("cpu_model", node.cpu_model);
}

// Whether `request` accepts this device: model or vendor, memory, health.
bool device_matches(const DeviceRequest& request, const Device& device);
// Whether the features satisfy the constraint (see FeatureClause).
bool features_match(const List<FeatureClause>& constraint,
                    const std::vector<std::string>& features);

}  // namespace busbar
