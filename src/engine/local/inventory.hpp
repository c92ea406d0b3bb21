// What this machine offers, as a Node value.
//
// Shape    `take` describes the machine now; two equal Nodes mean that nothing changed.
// Units    cores are the processing units this process may use, at most its cgroup's CPU quota;
//          memory is the machine's or the tightest cgroup limit's, whichever is less; scratch is
//          what was free under the scratch folder when the Inventory was made, so that jobs that
//          use it do not change the node.
// Errors   what is broken becomes a warning, said once; the node is described without it.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "engine/local/device_provider.hpp"
#include "model/node.hpp"

namespace busbar::local {

struct InventoryOptions {
  std::string node_name;  // "" is the host's name
  std::string cluster = "local";
  std::string scratch_directory;
  std::string fallback_machine_id;  // where the machine has none
  std::uint32_t port_first = 20000;
  std::uint32_t port_count = 1000;
  std::vector<std::string> features;  // the operator's own
  List<NamedCount> named;
  std::vector<std::string> topology;
};

class Inventory {
 public:
  Inventory(InventoryOptions options, std::vector<std::unique_ptr<DeviceProvider>> providers,
            std::function<void(const std::string&)> warn);
  Node take();

 private:
  void read_devices(Node& node);
  void warn_once(const std::string& sentence);

  InventoryOptions options_;
  std::vector<std::unique_ptr<DeviceProvider>> providers_;
  std::function<void(const std::string&)> warn_;
  std::set<std::string> warned_;
  Bytes scratch_;
};

// --- the parts that read text, for tests

// The kernel's ephemeral range as in /proc/sys/net/ipv4/ip_local_port_range.
struct PortRange {
  std::uint32_t first = 0;
  std::uint32_t count = 0;
  friend bool operator==(const PortRange&, const PortRange&) = default;
};
// `wish` without the kernel's range: its longer remaining side.
PortRange without_ephemeral(PortRange wish, const std::string& ip_local_port_range);
// Features from /proc/cpuinfo: vector units people select by, and "cpu-intel", "cpu-amd", ...
std::vector<std::string> cpu_features(const std::string& cpuinfo, const std::string& machine);
std::string cpu_model(const std::string& cpuinfo);
// The tightest limit above the process, whose /proc/self/cgroup is given; 0: none.
Bytes cgroup_memory_limit(const std::string& proc_self_cgroup, const std::string& mount_root);
// The CPU quota of the same; 0: none.
MilliCores cgroup_core_limit(const std::string& proc_self_cgroup, const std::string& mount_root);

}  // namespace busbar::local
