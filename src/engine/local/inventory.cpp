#include "engine/local/inventory.hpp"

#include <fmt/format.h>
#include <hwloc.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <map>

#include "base/text.hpp"
#include "engine/local/vendor_library.hpp"

namespace busbar::local {
namespace {

// Beyond any machine: cgroup v1 says "no limit" with a number near 2^63.
constexpr std::int64_t memory_no_limit = std::int64_t{1} << 60;

std::int64_t to_number(std::string_view text) {
  std::int64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

// The value of the first line `key : value`.
std::string_view cpuinfo_value(std::string_view cpuinfo, std::string_view key) {
  std::size_t at = 0;
  while (at < cpuinfo.size()) {
    const std::size_t end = std::min(cpuinfo.find('\n', at), cpuinfo.size());
    const std::string_view line = cpuinfo.substr(at, end - at);
    const std::size_t colon = line.find(':');
    if (colon != line.npos && trim(line.substr(0, colon)) == key)
      return trim(line.substr(colon + 1));
    at = end + 1;
  }
  return {};
}

// The folders of a controller from the process's own up to the root, outermost last.
std::vector<std::string> cgroup_folders(const std::string& proc_self_cgroup,
                                        const std::string& mount_root,
                                        std::string_view controller) {
  std::vector<std::string> folders;
  for (const std::string_view line : split(proc_self_cgroup, '\n')) {
    const auto parts = split(line, ':');
    if (parts.size() < 3) continue;
    const bool unified = parts[0] == "0" && parts[1].empty();
    const auto names = split(parts[1], ',');
    if (!unified && std::find(names.begin(), names.end(), controller) == names.end()) continue;
    const std::string base = unified ? mount_root : mount_root + "/" + std::string(parts[1]);
    std::string path(parts[2]);
    while (true) {
      folders.push_back(base + (path == "/" ? "" : path));
      if (path.empty() || path == "/") break;
      path.erase(path.rfind('/'));
    }
  }
  return folders;
}

struct Topology {
  hwloc_topology_t handle = nullptr;
  Topology() {
    if (hwloc_topology_init(&handle) != 0) {
      handle = nullptr;
    } else if (hwloc_topology_load(handle) != 0) {
      hwloc_topology_destroy(handle);
      handle = nullptr;
    }
  }
  ~Topology() {
    if (handle != nullptr) hwloc_topology_destroy(handle);
  }
  Topology(const Topology&) = delete;
  Topology& operator=(const Topology&) = delete;
};

// Fills numa and cores; gives the operating system's number of each domain.
std::vector<std::int32_t> read_topology(Node& node) {
  std::vector<std::int32_t> system_numbers;
  std::vector<bool> seen;
  const Topology topology;
  const auto add_units = [&](hwloc_const_cpuset_t set, NumaDomain& domain) {
    // In logical order, so that the threads of one core stand side by side.
    const int units = hwloc_get_nbobjs_by_type(topology.handle, HWLOC_OBJ_PU);
    for (int i = 0; i < units; ++i) {
      const hwloc_obj_t unit =
          hwloc_get_obj_by_type(topology.handle, HWLOC_OBJ_PU, static_cast<unsigned>(i));
      if (!hwloc_bitmap_isset(set, unit->os_index)) continue;
      if (seen.size() <= unit->os_index) seen.resize(unit->os_index + 1);
      if (seen[unit->os_index]) continue;
      seen[unit->os_index] = true;
      domain.core_ids.push_back(unit->os_index);
    }
  };
  if (topology.handle != nullptr) {
    const int domains = hwloc_get_nbobjs_by_type(topology.handle, HWLOC_OBJ_NUMANODE);
    for (int i = 0; i < domains; ++i) {
      const hwloc_obj_t object =
          hwloc_get_obj_by_type(topology.handle, HWLOC_OBJ_NUMANODE, static_cast<unsigned>(i));
      NumaDomain domain;
      domain.memory = Bytes(static_cast<std::int64_t>(object->attr->numanode.local_memory));
      add_units(object->cpuset, domain);
      if (domain.core_ids.empty()) continue;  // memory without processors
      node.numa.push_back(std::move(domain));
      system_numbers.push_back(static_cast<std::int32_t>(object->os_index));
    }
  }
  if (node.numa.empty()) {
    NumaDomain all;
    const long units = std::max(1L, sysconf(_SC_NPROCESSORS_ONLN));
    for (long i = 0; i < units; ++i) all.core_ids.push_back(static_cast<std::uint32_t>(i));
    node.numa.push_back(std::move(all));
    system_numbers.push_back(0);
  }
  for (const NumaDomain& domain : node.numa)
    node.cores += whole_cores(static_cast<std::int64_t>(domain.core_ids.size()));
  return system_numbers;
}

void read_memory(Node& node, const std::string& cgroup) {
  const std::string meminfo = read_small_file("/proc/meminfo", 65536);
  node.memory = kibibytes(to_number(cpuinfo_value(meminfo, "MemTotal")));
  if (node.memory.value == 0) node.memory = Bytes(sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE));
  if (node.numa.size() == 1) node.numa[0].memory = node.memory;
  const Bytes limit = cgroup_memory_limit(cgroup, "/sys/fs/cgroup");
  if (limit.value > 0) node.memory = std::min(node.memory, limit);
}

std::string read_machine_id(const std::string& fallback) {
  for (const char* path :
       {"/etc/machine-id", "/var/lib/dbus/machine-id", "/sys/class/dmi/id/product_uuid"}) {
    const std::string id = first_line(path);
    if (!id.empty() && id != "uninitialized") return printable(id);
  }
  return fallback;
}

void sort_unique(std::vector<std::string>& items) {
  std::sort(items.begin(), items.end());
  items.erase(std::unique(items.begin(), items.end()), items.end());
}

}  // namespace

PortRange without_ephemeral(PortRange wish, const std::string& ip_local_port_range) {
  std::uint32_t low = 0;
  std::uint32_t high = 0;
  const std::string_view text = ip_local_port_range;
  const std::size_t gap = text.find_first_of(" \t");
  if (gap == text.npos) return wish;
  low = static_cast<std::uint32_t>(to_number(text.substr(0, gap)));
  high = static_cast<std::uint32_t>(to_number(trim(text.substr(gap))));
  const std::uint32_t end = wish.first + wish.count;
  if (low == 0 || high < wish.first || low >= end) return wish;
  const PortRange below{wish.first, low > wish.first ? low - wish.first : 0};
  const PortRange above{high + 1, high + 1 < end ? end - high - 1 : 0};
  return below.count >= above.count ? below : above;
}

std::vector<std::string> cpu_features(const std::string& cpuinfo, const std::string& machine) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 16> wanted{{
      {"avx", "avx"},
      {"avx2", "avx2"},
      {"avx512f", "avx512f"},
      {"avx512_bf16", "avx512_bf16"},
      {"avx512_vnni", "avx512_vnni"},
      {"avx512_fp16", "avx512_fp16"},
      {"avx_vnni", "avx_vnni"},
      {"amx_tile", "amx"},
      {"amx_bf16", "amx_bf16"},
      {"amx_int8", "amx_int8"},
      {"fma", "fma"},
      {"asimd", "neon"},
      {"sve", "sve"},
      {"sve2", "sve2"},
      {"bf16", "bf16"},
      {"v", "riscv_vector"},
  }};
  constexpr std::array<std::pair<std::string_view, std::string_view>, 6> vendors{{
      {"GenuineIntel", "cpu-intel"},
      {"AuthenticAMD", "cpu-amd"},
      {"HygonGenuine", "cpu-hygon"},
      {"CentaurHauls", "cpu-zhaoxin"},
      {"  Shanghai  ", "cpu-zhaoxin"},
      {"0x48", "cpu-huawei"},
  }};
  std::vector<std::string> features{machine};
  std::string_view flags = cpuinfo_value(cpuinfo, "flags");
  if (flags.empty()) flags = cpuinfo_value(cpuinfo, "Features");
  for (const std::string_view flag : split(flags, ' ')) {
    for (const auto& [name, feature] : wanted) {
      if (flag == name) features.emplace_back(feature);
    }
  }
  std::string_view vendor = cpuinfo_value(cpuinfo, "vendor_id");
  if (vendor.empty()) vendor = cpuinfo_value(cpuinfo, "CPU implementer");
  for (const auto& [name, feature] : vendors) {
    if (vendor == trim(name)) features.emplace_back(feature);
  }
  sort_unique(features);
  return features;
}

std::string cpu_model(const std::string& cpuinfo) {
  for (const std::string_view key : {"model name", "Model", "cpu model", "uarch"}) {
    const std::string_view model = cpuinfo_value(cpuinfo, key);
    if (!model.empty()) return printable(model, 120);
  }
  return "";
}

Bytes cgroup_memory_limit(const std::string& proc_self_cgroup, const std::string& mount_root) {
  std::int64_t limit = memory_no_limit;
  for (const std::string& folder : cgroup_folders(proc_self_cgroup, mount_root, "memory")) {
    for (const char* file : {"/memory.max", "/memory.limit_in_bytes"}) {
      const std::int64_t found = to_number(first_line(folder + file));
      if (found > 0) limit = std::min(limit, found);
    }
  }
  return Bytes(limit == memory_no_limit ? 0 : limit);
}

MilliCores cgroup_core_limit(const std::string& proc_self_cgroup, const std::string& mount_root) {
  std::int64_t limit = 0;
  const auto take = [&](std::int64_t quota, std::int64_t period) {
    if (quota <= 0 || period <= 0) return;
    const std::int64_t cores = std::max<std::int64_t>(1, quota * 1000 / period);
    limit = limit == 0 ? cores : std::min(limit, cores);
  };
  for (const std::string& folder : cgroup_folders(proc_self_cgroup, mount_root, "cpu")) {
    const std::string both = first_line(folder + "/cpu.max");
    const auto parts = split(both, ' ');
    if (parts.size() == 2) take(to_number(parts[0]), to_number(parts[1]));
    take(to_number(first_line(folder + "/cpu.cfs_quota_us")),
         to_number(first_line(folder + "/cpu.cfs_period_us")));
  }
  return MilliCores(limit);
}

Inventory::Inventory(InventoryOptions options,
                     std::vector<std::unique_ptr<DeviceProvider>> providers,
                     std::function<void(const std::string&)> warn)
    : options_(std::move(options)), providers_(std::move(providers)), warn_(std::move(warn)) {
  struct statvfs space {};
  if (statvfs(options_.scratch_directory.c_str(), &space) == 0) {
    const auto free =
        static_cast<std::int64_t>(space.f_bavail) * static_cast<std::int64_t>(space.f_frsize);
    scratch_ = Bytes(free - free % gibibytes(1).value);
  }
}

void Inventory::warn_once(const std::string& sentence) {
  if (!sentence.empty() && warned_.insert(sentence).second && warn_) warn_(sentence);
}

void Inventory::read_devices(Node& node) {
  std::uint32_t domain_last = 0;
  for (const auto& provider : providers_) {
    DeviceScan scan = provider->scan();
    warn_once(scan.warning);
    const std::uint32_t offset = domain_last;
    for (Device& device : scan.devices) {
      if (device.link_domain != 0) device.link_domain += offset;
      domain_last = std::max(domain_last, device.link_domain);
      if (device.simulated) node.features.emplace_back("simulated-devices");
      node.devices.push_back(std::move(device));
    }
  }
}

Node Inventory::take() {
  Node node;
  utsname system{};
  uname(&system);
  node.name = options_.node_name.empty() ? lower(system.nodename) : options_.node_name;
  node.cluster = options_.cluster;
  node.machine_id = read_machine_id(options_.fallback_machine_id);
  node.boot_id = first_line("/proc/sys/kernel/random/boot_id");
  const std::vector<std::int32_t> system_numbers = read_topology(node);
  const std::string cgroup = read_small_file("/proc/self/cgroup", 65536);
  const MilliCores quota = cgroup_core_limit(cgroup, "/sys/fs/cgroup");
  if (quota.value > 0) node.cores = std::min(node.cores, quota);
  read_memory(node, cgroup);
  node.scratch = scratch_;

  const std::string cpuinfo = read_small_file("/proc/cpuinfo", 65536);
  node.cpu_model = cpu_model(cpuinfo);
  node.features = cpu_features(cpuinfo, system.machine);
  node.features.insert(node.features.end(), options_.features.begin(), options_.features.end());
  read_devices(node);
  sort_unique(node.features);
  for (Device& device : node.devices) {
    const auto at = std::find(system_numbers.begin(), system_numbers.end(), device.numa);
    device.numa = at == system_numbers.end()
                      ? (system_numbers.size() == 1 ? 0 : -1)
                      : static_cast<std::int32_t>(at - system_numbers.begin());
  }
  node.named = options_.named;
  std::sort(node.named.begin(), node.named.end(),
            [](const NamedCount& a, const NamedCount& b) { return a.name < b.name; });
  node.topology = options_.topology;

  const PortRange wish{options_.port_first, options_.port_count};
  const PortRange ports =
      without_ephemeral(wish, first_line("/proc/sys/net/ipv4/ip_local_port_range"));
  if (ports != wish)
    warn_once(fmt::format("the kernel hands out ports of {}-{} itself; jobs get {} ports from {}",
                          wish.first, wish.first + wish.count - 1, ports.count, ports.first));
  node.port_first = ports.first;
  node.port_count = ports.count;
  return node;
}

}  // namespace busbar::local
