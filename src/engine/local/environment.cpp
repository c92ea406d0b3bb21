#include "engine/local/environment.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "base/codec.hpp"
#include "model/output_path.hpp"

namespace busbar::local {
namespace {

constexpr std::string_view base_path =
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
// Where torch's rendezvous port comes from when the job claims none: below the usual job ports.
constexpr std::uint64_t master_port_first = 10'000;
constexpr std::uint64_t master_port_count = 10'000;

std::string variable_name(const std::string& name) {
  std::string out;
  for (const char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    out += std::isalnum(byte) ? static_cast<char>(std::toupper(byte)) : '_';
  }
  return out;
}

template <class Items, class Write>
std::string joined(const Items& items, Write write) {
  std::string out;
  for (const auto& item : items) {
    if (!out.empty()) out += ',';
    out += fmt::format("{}", write(item));
  }
  return out;
}

// Collects variables; `set` overrides what the user said, `offer` does not.
struct Collector {
  Environment all;
  template <class T>
  void set(std::string name, const T& value) {
    all[std::move(name)] = fmt::format("{}", value);
  }
  template <class T>
  void offer(const std::string& name, const T& value) {
    all.try_emplace(name, fmt::format("{}", value));
  }
};

void put_base(Collector& out, const NodeFacts& facts) {
  const bool known =
      (":" + std::string(base_path) + ":").find(":" + facts.programs + ":") != std::string::npos ||
      facts.programs.find(':') != std::string::npos;
  out.set("PATH",
          std::string(base_path) + (facts.programs.empty() || known ? "" : ":" + facts.programs));
  out.set("HOME", facts.account.home);
  out.set("USER", facts.account.name);
  out.set("LOGNAME", facts.account.name);
  out.set("SHELL", facts.account.shell.empty() ? "/bin/sh" : facts.account.shell);
  out.set("LANG", "C.UTF-8");
}

// Open MPI and its kin take SLURM_* for a sign that srun is at hand; it is not.
void put_mpi_hints(Collector& out, const NodeFacts& facts) {
  out.offer("OMPI_MCA_plm", "isolated");
  out.offer("OMPI_MCA_ras", "^slurm");
  out.offer("PRTE_MCA_plm", "^slurm");
  out.offer("PRTE_MCA_ras", "^slurm");
  out.offer("HYDRA_BOOTSTRAP", "fork");
  out.offer("HYDRA_RMK", "user");
  out.offer("I_MPI_HYDRA_BOOTSTRAP", "fork");
  out.offer("I_MPI_HYDRA_RMK", "user");
  if (!facts.as_root) return;
  for (const char* name : {"OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM",
                           "PRTE_ALLOW_RUN_AS_ROOT", "PRTE_ALLOW_RUN_AS_ROOT_CONFIRM"})
    out.offer(name, 1);
}

std::int64_t end_unix_s(const Launch& launch, const NodeFacts& facts) {
  if (facts.now_unix_ms == 0 || launch.time_limit == span_unlimited) return 0;
  return (facts.now_unix_ms + launch.time_limit.value) / 1000;
}

void put_attempt(Collector& out, const Launch& launch, const Payload& payload,
                 const NodeFacts& facts, const Placement& placement) {
  out.set("BUSBAR_JOB_ID", launch.id.unit.job.value);
  out.set("BUSBAR_JOB_NAME", launch.job_name);
  out.set("BUSBAR_UNIT", launch.unit_name);
  out.set("BUSBAR_ATTEMPT", launch.id.number);
  out.set("BUSBAR_ATTEMPT_NAME", launch.name);
  if (!facts.api_socket.empty()) out.set("BUSBAR_SOCKET", facts.api_socket);
  out.set("BUSBAR_TASK_INDEX", launch.id.unit.index);
  if (launch.is_array) {
    out.set("BUSBAR_ARRAY_INDEX", launch.array_index);
    out.set("BUSBAR_ARRAY_COUNT", launch.array_count);
  }
  out.set("BUSBAR_RESTARTS", launch.restarts);
  out.set("BUSBAR_TENANT", launch.tenant);
  out.set("BUSBAR_COUPLING", to_string(launch.coupling));
  out.set("BUSBAR_CLUSTER", facts.cluster);
  out.set("BUSBAR_NODES", placement.nodes.size());
  out.set("BUSBAR_NODELIST", fmt::format("{}", fmt::join(placement.nodes, ",")));
  out.set("BUSBAR_WORLD_SIZE", placement.world_size);
  out.set("BUSBAR_TASKS", placement.tasks);
  if (launch.time_limit != span_unlimited)
    out.set("BUSBAR_TIME_LIMIT", launch.time_limit.value / 1000);
  if (const std::int64_t end = end_unix_s(launch, facts); end != 0) out.set("BUSBAR_END_TIME", end);
  out.set("BUSBAR_GRACE", launch.grace.value / 1000);
  out.set("BUSBAR_WORKING_DIRECTORY", payload.working_directory);
  const std::string checkpoint = checkpoint_directory(launch, payload);
  if (!checkpoint.empty()) out.set("BUSBAR_CHECKPOINT_DIR", checkpoint);
  if (launch.checkpoint.signal != 0) out.set("BUSBAR_CHECKPOINT_SIGNAL", launch.checkpoint.signal);
  for (const PeerAddress& peer : launch.peers)
    out.set("BUSBAR_" + variable_name(peer.name) + "_ADDRESS", peer.address);
  if (!facts.scratch.empty()) {
    out.set("BUSBAR_SCRATCH", facts.scratch);
    out.offer("TMPDIR", facts.scratch);
  }
}

void put_process(Collector& out, const Launch& launch, const Payload& payload,
                 const Placement& placement, const ProcessPlace& process) {
  const LaunchGroup& group = launch.groups[process.group];
  out.set("BUSBAR_NODE", process.node);
  out.set("BUSBAR_NODE_RANK", process.node_rank);
  out.set("BUSBAR_RANK", process.rank);
  out.set("BUSBAR_LOCAL_RANK", process.local_rank);
  out.set("BUSBAR_LOCAL_WORLD_SIZE", placement.local_world_size[process.node_rank]);
  out.set("BUSBAR_GROUP", group.name);
  out.set("BUSBAR_GROUP_INDEX", process.group);
  out.set("BUSBAR_GROUP_RANK", process.group_rank);
  out.set("BUSBAR_GROUP_SIZE", placement.group_size[process.group]);
  out.set("BUSBAR_CORES", format_milli(process.cores.value));
  out.set("BUSBAR_CORE_IDS", fmt::format("{}", fmt::join(process.core_ids, ",")));
  out.set("BUSBAR_MEMORY_BYTES", process.memory.value);
  out.set("BUSBAR_DEVICES",
          joined(process.devices, [](const Device& device) { return device.uuid; }));
  out.set("BUSBAR_DEVICE_COUNT", process.devices.size());
  if (!process.shares.empty() && process.shares[0].share < MilliDevices(1000))
    out.set("BUSBAR_DEVICE_SHARE", format_milli(process.shares[0].share.value));
  out.set("BUSBAR_PORTS", process.ports.size());
  for (std::size_t i = 0; i < process.ports.size(); ++i)
    out.set(fmt::format("BUSBAR_PORT_{}", i), process.ports[i]);
  out.set("BUSBAR_OUTPUT",
          output_path(payload, pattern_names(launch), Stream::output, process.rank));
  const std::int64_t cores_each = process.cores.value / std::max(1U, process.ranks);
  out.offer("OMP_NUM_THREADS", std::max<std::int64_t>(1, cores_each / 1000));
}

void put_slurm(Collector& out, const Launch& launch, const Payload& payload, const NodeFacts& facts,
               const Placement& placement, const ProcessPlace& process) {
  const std::uint64_t job = launch.id.unit.job.value;
  const std::string nodes = fmt::format("{}", fmt::join(placement.nodes, ","));
  const std::int64_t cores =
      std::max<std::int64_t>(1, process.cores.value / 1000 / std::max(1U, process.tasks));
  for (const char* name : {"SLURM_JOB_ID", "SLURM_JOBID"}) out.set(name, job);
  out.set("SLURM_JOB_NAME", launch.job_name);
  for (const char* name : {"SLURM_JOB_NODELIST", "SLURM_NODELIST"}) out.set(name, nodes);
  for (const char* name : {"SLURM_JOB_NUM_NODES", "SLURM_NNODES"})
    out.set(name, placement.nodes.size());
  for (const char* name : {"SLURM_NTASKS", "SLURM_NPROCS"}) out.set(name, placement.tasks);
  out.set("SLURM_TASKS_PER_NODE", fmt::format("{}", fmt::join(placement.node_tasks, ",")));
  out.set("SLURM_NODEID", process.node_rank);
  out.set("SLURM_PROCID", process.rank);
  out.set("SLURM_LOCALID", process.local_rank);
  out.set("SLURM_CPUS_PER_TASK", cores);
  out.set("SLURM_CPUS_ON_NODE", std::max<std::int64_t>(1, process.cores.value / 1000));
  out.set("SLURM_MEM_PER_NODE", process.memory.value >> 20);
  out.set("SLURM_GPUS_ON_NODE", process.devices.size());
  if (!process.devices.empty())
    out.set("SLURM_JOB_GPUS",
            joined(process.devices, [](const Device& device) { return device.physical_index; }));
  if (launch.is_array) {
    out.set("SLURM_ARRAY_JOB_ID", job);
    out.set("SLURM_ARRAY_TASK_ID", launch.array_index);
    out.set("SLURM_ARRAY_TASK_COUNT", launch.array_count);
  }
  out.set("SLURM_RESTART_COUNT", launch.restarts);
  if (facts.now_unix_ms != 0) out.set("SLURM_JOB_START_TIME", facts.now_unix_ms / 1000);
  if (const std::int64_t end = end_unix_s(launch, facts); end != 0)
    out.set("SLURM_JOB_END_TIME", end);
  const std::string& submitted = payload.submit_directory;
  out.set("SLURM_SUBMIT_DIR", submitted.empty() ? payload.working_directory : submitted);
  out.set("SLURM_SUBMIT_HOST", facts.node);
  out.set("SLURM_JOB_USER", facts.account.name);
  out.set("SLURM_JOB_UID", facts.account.uid);
  out.set("SLURM_JOB_GID", facts.account.gid);
  out.set("SLURM_JOB_ACCOUNT", launch.tenant);
  out.set("SLURM_JOB_PARTITION", facts.cluster);
  out.set("SLURM_CLUSTER_NAME", facts.cluster);
  out.set("SLURMD_NODENAME", process.node);
}

void put_torch(Collector& out, const Launch& launch, const Placement& placement,
               const ProcessPlace& process) {
  std::uint64_t port = master_port_first + digest(launch.name) % master_port_count;
  if (!placement.processes.empty() && !placement.processes[0].ports.empty())
    port = placement.processes[0].ports.back();
  out.offer("MASTER_ADDR", placement.nodes.size() > 1 ? placement.nodes[0] : "127.0.0.1");
  out.offer("MASTER_PORT", port);
  out.set("NODE_RANK", process.node_rank);
  out.set("GROUP_RANK", process.node_rank);
  if (process.launcher == Launcher::mpi) {
    // The ranks set their own below mpirun.
    for (const char* name : {"RANK", "LOCAL_RANK"}) out.all.erase(name);
    out.set("WORLD_SIZE", placement.group_size[process.group]);
    out.set("LOCAL_WORLD_SIZE", placement.group_size[process.group]);
    return;
  }
  out.set("RANK", process.rank);
  out.set("WORLD_SIZE", placement.world_size);
  out.set("LOCAL_RANK", process.local_rank);
  out.set("LOCAL_WORLD_SIZE", placement.local_world_size[process.node_rank]);
}

void put_visibility(Collector& out, const NodeFacts& facts, const ProcessPlace& process) {
  std::vector<Device> simulated;
  std::map<std::string, std::vector<Device>> granted;
  for (const std::string& vendor : facts.vendors) granted[vendor];
  for (const Device& device : process.devices) {
    if (device.simulated)
      simulated.push_back(device);
    else
      granted[device.vendor].push_back(device);
  }
  const auto uuid = [](const Device& device) { return device.uuid; };
  const auto number = [](const Device& device) { return device.physical_index; };
  for (const auto& [vendor, devices] : granted) {
    if (vendor == "nvidia") {
      out.set("CUDA_VISIBLE_DEVICES", joined(devices, uuid));
      out.offer("CUDA_DEVICE_ORDER", "PCI_BUS_ID");
    } else if (vendor == "amd") {
      // The run time below sees only ROCR's; HIP counts what that leaves.
      const bool unique = std::all_of(devices.begin(), devices.end(), [](const Device& device) {
        return device.uuid.starts_with("GPU-");
      });
      out.set("ROCR_VISIBLE_DEVICES", unique ? joined(devices, uuid) : joined(devices, number));
      std::vector<std::size_t> left(devices.size());
      for (std::size_t i = 0; i < left.size(); ++i) left[i] = i;
      out.set("HIP_VISIBLE_DEVICES", fmt::format("{}", fmt::join(left, ",")));
    } else if (vendor == "intel") {
      out.set("ZE_AFFINITY_MASK", joined(devices, number));
      if (devices.empty()) out.set("ONEAPI_DEVICE_SELECTOR", "!*:gpu");
    } else if (vendor == "huawei") {
      out.set("ASCEND_RT_VISIBLE_DEVICES", joined(devices, number));
    }
  }
  if (!simulated.empty()) out.set("BUSBAR_SIMULATED_DEVICES", joined(simulated, uuid));
}

bool valid_variable(const Label& label) {
  return !label.key.empty() && label.key.find('=') == label.key.npos &&
         label.key.find('\0') == label.key.npos && label.value.find('\0') == label.value.npos;
}

}  // namespace

PatternNames pattern_names(const Launch& launch) {
  PatternNames names;
  names.job = launch.id.unit.job;
  names.job_name = launch.job_name;
  names.array_index = launch.is_array ? launch.array_index : launch.id.unit.index;
  names.several_units = launch.unit_name != fmt::format("{}", launch.id.unit.job.value);
  names.attempt = launch.id.number;
  return names;
}

std::string checkpoint_directory(const Launch& launch, const Payload& payload) {
  if (payload.checkpoint_directory.empty()) return "";
  const std::string path = expand_pattern(payload.checkpoint_directory, pattern_names(launch), 0);
  return path.starts_with("/") ? path : payload.working_directory + "/" + path;
}

Environment process_environment(const Launch& launch, const Payload& payload,
                                const NodeFacts& facts, const Placement& placement,
                                const ProcessPlace& process) {
  Collector out;
  put_base(out, facts);
  for (const Label& label : payload.environment) {
    if (valid_variable(label)) out.set(label.key, label.value);
  }
  put_mpi_hints(out, facts);
  put_attempt(out, launch, payload, facts, placement);
  put_process(out, launch, payload, placement, process);
  put_slurm(out, launch, payload, facts, placement, process);
  put_torch(out, launch, placement, process);
  put_visibility(out, facts, process);
  return std::move(out.all);
}

std::vector<std::string> written(const Environment& environment) {
  std::vector<std::string> items;
  items.reserve(environment.size());
  for (const auto& [name, value] : environment) items.push_back(name + "=" + value);
  return items;
}

Environment take_common(std::vector<Environment>& all) {
  Environment common;
  if (all.empty()) return common;
  for (const auto& [name, value] : all[0]) {
    const bool everywhere = std::all_of(all.begin(), all.end(), [&](const Environment& one) {
      const auto at = one.find(name);
      return at != one.end() && at->second == value;
    });
    if (everywhere) common.emplace(name, value);
  }
  for (Environment& one : all)
    std::erase_if(one, [&](const auto& item) { return common.contains(item.first); });
  return common;
}

}  // namespace busbar::local
