#include "engine/local/placement.hpp"

#include <algorithm>

namespace busbar::local {
namespace {

std::uint32_t node_position(std::vector<std::string>& nodes, const std::string& name) {
  const auto at = std::find(nodes.begin(), nodes.end(), name);
  if (at != nodes.end()) return static_cast<std::uint32_t>(at - nodes.begin());
  nodes.push_back(name);
  return static_cast<std::uint32_t>(nodes.size() - 1);
}

// The process of `launcher` that takes in more of its group, if there is one.
ProcessPlace* open_process(Placement& placement, Launcher launcher, std::uint32_t group,
                           const std::string& node) {
  if (launcher == Launcher::tasks) return nullptr;
  for (ProcessPlace& process : placement.processes) {
    if (process.group == group && (launcher == Launcher::mpi || process.node == node))
      return &process;
  }
  return nullptr;
}

// Adds task `index` of a claim to a process; `index` of tasks 1 stands for the whole claim.
void add_share(ProcessPlace& process, const LaunchClaim& claim, const Claim& bound,
               std::uint32_t index, std::uint32_t tasks) {
  process.cores += MilliCores(bound.cores.value / tasks);
  process.memory += Bytes(bound.memory.value / tasks);
  const auto append = [](auto& to, const auto& from) {
    to.insert(to.end(), from.begin(), from.end());
  };
  append(process.devices, slice(claim.devices, index, tasks));
  append(process.shares, slice(bound.devices, index, tasks));
  append(process.ports, slice(bound.ports, index, tasks));
  const bool own_units =
      bound.cores.value % (1000 * std::int64_t{tasks}) == 0 &&
      static_cast<std::int64_t>(bound.core_ids.size()) * 1000 == bound.cores.value;
  append(process.core_ids, own_units ? slice(bound.core_ids, index, tasks) : bound.core_ids);
}

void deal_claim(const Launch& launch, const LaunchClaim& claim, const Claim& bound,
                Placement& placement) {
  const std::uint32_t group = bound.group;
  const Launcher launcher =
      group < launch.groups.size() ? launch.groups[group].launcher : Launcher::script;
  const std::uint32_t node = node_position(placement.nodes, claim.node_name);
  placement.local_world_size.resize(placement.nodes.size());
  placement.node_tasks.resize(placement.nodes.size());
  if (placement.group_size.size() <= group) placement.group_size.resize(group + 1);
  const std::uint32_t tasks = std::max(1U, bound.tasks);
  placement.tasks += tasks;
  placement.node_tasks[node] += tasks;

  const auto add_ranks = [&](std::uint32_t ranks) {
    placement.world_size += ranks;
    placement.group_size[group] += ranks;
    placement.local_world_size[node] += ranks;
  };
  const auto start_process = [&]() -> ProcessPlace& {
    ProcessPlace process;
    process.group = group;
    process.launcher = launcher;
    process.node = claim.node_name;
    process.node_rank = node;
    process.rank = placement.world_size;
    process.local_rank = placement.local_world_size[node];
    process.group_rank = placement.group_size[group];
    process.tasks = process.ranks = 0;
    return placement.processes.emplace_back(std::move(process));
  };
  if (launcher == Launcher::tasks) {
    for (std::uint32_t t = 0; t < tasks; ++t) {
      ProcessPlace& process = start_process();
      process.tasks = process.ranks = 1;
      add_share(process, claim, bound, t, tasks);
      add_ranks(1);
    }
    return;
  }
  ProcessPlace* process = open_process(placement, launcher, group, claim.node_name);
  const bool first = process == nullptr;
  if (first) process = &start_process();
  process->tasks += tasks;
  const std::uint32_t ranks = launcher == Launcher::mpi ? tasks : (first ? 1 : 0);
  process->ranks += ranks;
  // Under mpi only what lies on the first node is visible to the process that is started there.
  if (process->node == claim.node_name) add_share(*process, claim, bound, 0, 1);
  add_ranks(ranks);
}

}  // namespace

Placement place(const Launch& launch, const std::vector<Claim>& bound) {
  Placement placement;
  for (std::size_t c = 0; c < launch.claims.size() && c < bound.size(); ++c)
    deal_claim(launch, launch.claims[c], bound[c], placement);
  for (ProcessPlace& process : placement.processes) {
    std::sort(process.core_ids.begin(), process.core_ids.end());
    process.core_ids.erase(std::unique(process.core_ids.begin(), process.core_ids.end()),
                           process.core_ids.end());
  }
  placement.group_size.resize(std::max(placement.group_size.size(), launch.groups.size()));
  return placement;
}

}  // namespace busbar::local
