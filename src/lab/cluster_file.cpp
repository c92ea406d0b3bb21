#include "lab/cluster_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/text.hpp"
#include "core/policy/policy.hpp"
#include "jobfile/map_reader.hpp"
#include "jobfile/scheduling.hpp"
#include "jobfile/words.hpp"

namespace busbar::lab {
namespace {

using jobfile::Field;
using jobfile::MapReader;
using jobfile::Problems;
using jobfile::yaml::Kind;

constexpr std::string_view top_fields[] = {"topology_levels", "nodes", "failures", "fence_after"};
constexpr std::string_view failure_fields[] = {"node", "at", "down"};
constexpr std::string_view node_fields[] = {
    "name",     "count",     "cluster",    "cores",      "memory",
    "scratch",  "gpus",      "gpu_vendor", "gpu_memory", "link_domain_size",
    "features", "resources", "parts",      "cpu_model",  "mtbf",
    "repair",   "speed"};
constexpr std::int64_t nodes_max = 1'000'000;
constexpr std::int64_t devices_max = 1024;
constexpr std::int64_t nodes_per_part_max = nodes_max;

Result<jobfile::yaml::Value> read_one(std::string_view yaml, std::string_view file_name,
                                      std::string_view what) {
  BUSBAR_TRY(documents, jobfile::yaml::read_documents(yaml, file_name));
  if (documents.size() != 1)
    return {Errc::invalid,
            fmt::format("{}: {} is one document, here are {}", file_name, what, documents.size())};
  return std::move(documents.front());
}

// Machines that are alike, and how many of them each enclosing part holds.
struct Kinds {
  Node node;
  std::int64_t count = 1;
  std::map<std::string, std::int64_t> per_part;  // by level
  sim::NodeNature nature;
};

void read_nature(const MapReader& map, sim::NodeNature& out) {
  map.get("mtbf", out.mtbf);
  map.get("repair", out.repair);
  if (out.mtbf < minutes(1)) map.refuse("mtbf", "must be a minute or more");
  if (out.repair <= Span(0) || out.repair == span_unlimited)
    map.refuse("repair", "must be a duration above 0");
  MilliCores speed(out.speed_milli);  // read like any number in thousandths
  map.get("speed", speed);
  if (speed.value < 1 || speed.value > 1'000'000)
    map.refuse("speed", "must be from 0.001 to 1000; 1 is usual");
  out.speed_milli = std::max<std::int64_t>(1, speed.value);
}

void read_failures(const MapReader& top, Problems& problems, sim::Cluster& out) {
  const Field list = top.find("failures");
  if (!list) return;
  if (!list.is(Kind::list)) return list.refuse(problems, "must be a list of {node, at, down}");
  std::map<std::string, std::size_t> places;
  for (std::size_t i = 0; i < out.nodes.size(); ++i) places.emplace(out.nodes[i].name, i);
  for (std::size_t i = 0; i < list->items.size(); ++i) {
    const Field at = list.child(i);
    const MapReader map(*at.value, at.path, failure_fields, problems);
    sim::NodeFailure failure;
    std::string name;
    for (const std::string_view field : failure_fields) map.require(field);
    map.get("node", name);
    map.get("at", failure.at);
    map.get("down", failure.down);
    const auto found = places.find(name);
    if (found == places.end())
      map.refuse("node", fmt::format("there is no node \"{}\"", printable(name)));
    else
      failure.node = found->second;
    if (failure.down <= Span(0) || failure.down == span_unlimited)
      map.refuse("down", "must be a duration above 0");
    if (failure.at == span_unlimited) map.refuse("at", "must be a time from the beginning");
    out.failures.push_back(failure);
  }
}

void read_gpus(const MapReader& map, Node& node) {
  std::string text;
  if (!map.get("gpus", text)) return;
  const auto request = jobfile::parse_devices(text);
  if (!request.ok()) return map.refuse("gpus", request.error().text);
  if (request->model.empty() || request->count > devices_max)
    return map.refuse(
        "gpus", fmt::format("write a model and up to {} devices, such as H100:8", devices_max));
  Device device;
  device.vendor = "nvidia";
  device.model = request->model;
  device.simulated = true;
  map.get("gpu_vendor", device.vendor);
  map.get("gpu_memory", device.memory);
  std::uint32_t domain_size = request->count;
  map.get("link_domain_size", domain_size, 0, devices_max);
  for (std::uint32_t i = 0; i < request->count; ++i) {
    device.physical_index = i;
    device.link_domain = domain_size == 0 ? 0 : 1 + i / domain_size;
    node.devices.push_back(device);
  }
}

void read_parts(const MapReader& map, const std::vector<std::string>& levels, Kinds& out) {
  const Field parts = map.find("parts");
  if (!parts) return;
  if (!parts.is(Kind::map))
    return parts.refuse(map.problems(), "must be a map of topology levels to nodes in one part");
  for (std::size_t i = 0; i < parts->items.size(); ++i) {
    const Field part = parts.child(i);
    if (std::find(levels.begin(), levels.end(), part->key) == levels.end())
      map.problems().add(part->key_place, part.path, "is not among topology_levels");
    jobfile::read_integer(part, map.problems(), out.per_part[part->key], 1, nodes_per_part_max);
  }
  for (const auto& level : levels)
    if (!out.per_part.contains(level))
      return parts.refuse(map.problems(), fmt::format("lacks the level {}", level));
}

Kinds read_kind(const Field& at, const std::vector<std::string>& levels, Problems& problems) {
  Kinds out;
  Node& node = out.node;
  node.cluster = "sim";
  node.simulated = true;
  const MapReader map(*at.value, at.path, node_fields, problems);
  map.require("name");
  map.require("cores");
  map.get("name", node.name);
  map.get("count", out.count, 1, nodes_max);
  map.get("cluster", node.cluster);
  map.get("cores", node.cores);
  if (node.cores.value <= 0) map.refuse("cores", "must be more than 0");
  map.get("memory", node.memory);
  map.get("scratch", node.scratch);
  map.get("features", node.features);
  std::sort(node.features.begin(), node.features.end());
  map.get("cpu_model", node.cpu_model);
  if (const Field named = map.find("resources"))
    jobfile::read_amounts(named, problems, false, node.named);
  read_nature(map, out.nature);
  read_gpus(map, node);
  read_parts(map, levels, out);
  return out;
}

// `parts_made` counts the parts of each level so far: no two kinds share a part.
void add_nodes(const Kinds& kind, std::map<std::string, std::int64_t>& parts_made,
               sim::Cluster& out) {
  for (std::int64_t i = 0; i < kind.count; ++i) {
    Node node = kind.node;
    if (kind.count > 1) node.name += fmt::format("{}", i + 1);
    node.machine_id = node.name;
    node.boot_id = "1";
    for (const auto& level : out.topology_levels) {
      const auto size = kind.per_part.find(level);
      if (size == kind.per_part.end()) break;
      node.topology.push_back(fmt::format("{}{}", level, parts_made[level] + i / size->second + 1));
    }
    out.nodes.push_back(std::move(node));
    out.natures.push_back(kind.nature);
  }
  for (const auto& [level, size] : kind.per_part)
    parts_made[level] += (kind.count + size - 1) / size;
}

}  // namespace

Result<sim::Cluster> read_cluster(std::string_view yaml, std::string_view file_name) {
  BUSBAR_TRY(document, read_one(yaml, file_name, "a cluster"));
  Problems problems(file_name);
  const MapReader top(document, "", top_fields, problems);
  sim::Cluster out;
  top.get("topology_levels", out.topology_levels);
  const Field list = top.require("nodes");
  if (list && (!list.is(Kind::list) || list->items.empty()))
    list.refuse(problems, "must be a list of at least one kind of node");
  std::map<std::string, std::int64_t> parts_made;
  for (std::size_t i = 0; list.is(Kind::list) && i < list->items.size(); ++i) {
    const Kinds kind = read_kind(list.child(i), out.topology_levels, problems);
    if (!problems.none()) continue;
    if (kind.count + static_cast<std::int64_t>(out.nodes.size()) > nodes_max)
      list.refuse(problems, fmt::format("holds more than {} nodes", nodes_max));
    else
      add_nodes(kind, parts_made, out);
  }
  std::set<std::string> names;
  for (const Node& node : out.nodes)
    if (problems.none() && !names.insert(node.name).second)
      list.refuse(problems,
                  fmt::format("names two nodes {}; names of kinds must differ", node.name));
  top.get("fence_after", out.fence_after);
  if (problems.none()) read_failures(top, problems, out);
  if (!problems.none()) return problems.error();
  const bool plain = std::all_of(out.natures.begin(), out.natures.end(),
                                 [](const auto& one) { return one == sim::NodeNature{}; });
  if (plain) out.natures.clear();
  return out;
}

Result<Config> read_policy(std::string_view yaml, std::string_view file_name) {
  BUSBAR_TRY(document, read_one(yaml, file_name, "a policy"));
  Problems problems(file_name);
  const MapReader top(document, "", jobfile::scheduling_fields(), problems);
  Config out;
  out.cleanup_bound = Span(0);  // simulated engines tell of an end at once
  jobfile::read_scheduling(top, core::policy_names(), {}, out);
  if (!problems.none()) return problems.error();
  return out;
}

}  // namespace busbar::lab
