#include "core/state/capacity_fit.hpp"

#include <algorithm>
#include <functional>
#include <limits>
#include <set>

namespace busbar::core {
namespace {

constexpr std::uint64_t no_bound = std::numeric_limits<std::uint32_t>::max();

bool accepts(const DeviceRequest& request, Device device) {
  device.health = DeviceHealth::ok;
  return device_matches(request, device);
}

std::int64_t share_of(const DeviceRequest& request) {
  return std::clamp<std::int64_t>(request.share.value, 1, 1000);
}

void bound(std::uint64_t& tasks, std::int64_t have, std::int64_t each) {
  if (each > 0) tasks = std::min<std::uint64_t>(tasks, static_cast<std::uint64_t>(have / each));
}

std::uint64_t tasks_by_devices(const List<DeviceRequest>& requests, const Node& node) {
  std::uint64_t tasks = no_bound;
  std::int64_t each = 0;
  for (const auto& request : requests) {
    if (request.count == 0) continue;
    tasks = std::min(tasks, matching_shares(request, node) / request.count);
    each += request.count * share_of(request);
  }
  bound(tasks, static_cast<std::int64_t>(node.devices.size()) * 1000, each);
  return tasks;
}

// The node with only the devices of one link domain and model; domain 0 joins nothing.
std::vector<Node> homogeneous_parts(const Node& node) {
  std::set<std::pair<std::uint32_t, std::string>> kinds;
  for (const auto& device : node.devices) kinds.insert({device.link_domain, device.model});
  std::vector<Node> parts;
  for (const auto& [domain, model] : kinds) {
    Node part = node;
    std::erase_if(part.devices, [&, d = domain, &m = model](const Device& device) {
      return device.link_domain != d || device.model != m;
    });
    if (domain == 0) part.devices.resize(1);
    parts.push_back(std::move(part));
  }
  return parts;
}

std::uint64_t tasks_in_one_domain(const Alternative& alternative, const Node& node) {
  if (alternative.resources.devices.empty()) return tasks_on(alternative, node);
  std::uint64_t best = 0;
  for (const auto& part : homogeneous_parts(node))
    best = std::max(best, tasks_on(alternative, part));
  return best;
}

std::uint64_t tasks_by_one_domain(const Alternative& alternative, const Node& node) {
  std::uint64_t best = 0;
  for (const auto& part : homogeneous_parts(node))
    best = std::max(best, tasks_by_devices(alternative.resources.devices, part));
  return best;
}

// Which plain quantity ends at so many tasks, "cores" or "memory", where a domain's devices would
// do for more; "" when none does.
std::string limit_at(std::uint64_t tasks, const Resources& each, const Node& node) {
  const auto ends = [tasks](std::int64_t have, std::int64_t one) {
    return one > 0 && static_cast<std::uint64_t>(have / one) == tasks;
  };
  if (ends(node.cores.value, each.cores.value)) return "cores";
  if (ends(node.memory.value, each.memory.value)) return "memory";
  if (ends(node.scratch.value, each.scratch.value)) return "scratch";
  if (ends(node.port_count, each.ports)) return "ports";
  for (const auto& named : each.named)
    if (ends(named_on(node, named.name), named.count)) return named.name;
  return "";
}

// What nodes holding `tasks` each hold together: the largest `group.nodes` of them, if it says so.
std::uint64_t sum_of(std::vector<std::uint64_t> tasks, const TaskGroup& group) {
  std::sort(tasks.begin(), tasks.end(), std::greater<>());
  if (group.nodes > 0) {
    if (tasks.size() < group.nodes) return 0;
    tasks.resize(group.nodes);
  }
  std::uint64_t sum = 0;
  for (const std::uint64_t each : tasks) sum += each;
  return sum;
}

// The node's place at a level: nodes of one key are in one part.
std::string part_of(const State& state, const Node& node, const std::string& level) {
  if (level == "node") return node.cluster + "/" + node.name;
  if (level == "cluster") return node.cluster;
  const auto& levels = state.config().topology_levels;
  std::string key = node.cluster;
  for (std::size_t i = 0; i < levels.size(); ++i) {
    key += "/" + (i < node.topology.size() ? node.topology[i] : std::string());
    if (levels[i] == level) return key;
  }
  return "";
}

std::string part_name(const Node& node, const std::string& level, const State& state) {
  if (level == "node") return "node " + node.name;
  if (level == "cluster") return "cluster " + node.cluster;
  const auto& levels = state.config().topology_levels;
  for (std::size_t i = 0; i < levels.size() && i < node.topology.size(); ++i)
    if (levels[i] == level) return level + " " + node.topology[i];
  return "";
}

}  // namespace

std::int64_t named_on(const Node& node, const std::string& name) {
  for (const auto& named : node.named)
    if (named.name == name) return named.count;
  return 0;
}

bool eligible(const Job& job, const Alternative& alternative, const Node& node) {
  return std::find(job.exclude.begin(), job.exclude.end(), node.name) == job.exclude.end() &&
         features_match(alternative.constraint, node.features);
}

std::uint64_t matching_shares(const DeviceRequest& request, const Node& node) {
  const auto each = static_cast<std::uint64_t>(1000 / share_of(request));
  std::uint64_t shares = 0;
  for (const auto& device : node.devices)
    if (accepts(request, device)) shares += each;
  return shares;
}

std::uint64_t tasks_on(const Alternative& alternative, const Node& node) {
  const Resources& each = alternative.resources;
  std::uint64_t tasks = no_bound;
  bound(tasks, node.cores.value, each.cores.value);
  bound(tasks, node.memory.value, each.memory.value);
  bound(tasks, node.scratch.value, each.scratch.value);
  bound(tasks, node.port_count, each.ports);
  for (const auto& named : each.named) bound(tasks, named_on(node, named.name), named.count);
  return std::min(tasks, tasks_by_devices(each.devices, node));
}

PartFit best_part(const State& state, const Job& job, const TaskGroup& group,
                  const Alternative& alternative) {
  const bool extreme = job.coupling == Coupling::extreme;
  const std::string level = extreme                  ? "node"
                            : job.topology->required ? job.topology->within
                                                     : std::string();
  std::map<std::string, std::vector<std::uint64_t>> parts;
  std::map<std::string, std::string> names, limits;
  for (const auto& record : state.nodes()) {
    const Node& node = record.node;
    if (!eligible(job, alternative, node)) continue;
    std::uint64_t tasks =
        extreme ? tasks_in_one_domain(alternative, node) : tasks_on(alternative, node);
    if (group.tasks_per_node > 0) tasks = std::min<std::uint64_t>(tasks, group.tasks_per_node);
    if (tasks == 0) continue;
    const std::string key = part_of(state, node, level);
    parts[key].push_back(tasks);
    names.emplace(key, part_name(node, level, state));
    if (extreme && tasks_by_one_domain(alternative, node) > tasks)
      limits.emplace(key, limit_at(tasks, alternative.resources, node));
  }
  PartFit best;
  for (auto& [key, tasks] : parts) {
    const std::uint64_t sum = sum_of(std::move(tasks), group);
    if (sum > best.tasks) best = {names[key], limits[key], sum};
  }
  return best;
}

}  // namespace busbar::core
