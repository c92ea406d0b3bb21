#include "core/state/nearest.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "core/state/capacity.hpp"
#include "core/state/capacity_fit.hpp"

namespace busbar::core {
namespace {

using Changes = std::vector<std::string>;

// The model a node has most of, and how many.
std::pair<std::string, std::uint32_t> main_model(const Node& node) {
  std::map<std::string, std::uint32_t> counts;
  for (const auto& device : node.devices) ++counts[short_model(device)];
  std::pair<std::string, std::uint32_t> best;
  for (const auto& [model, n] : counts)
    if (n > best.second) best = {model, n};
  return best;
}

// The request as the node could meet it, devices of its own model where it has none of those asked
// for. `any` keeps nothing of what was asked but the number.
DeviceRequest near_devices(const DeviceRequest& request, const Node& node, bool any) {
  const std::uint64_t matching = matching_shares(request, node);
  if (!any && matching >= request.count) return request;
  DeviceRequest out;
  out.share = request.share;
  if (!any && matching > 0 && !request.model.empty()) {
    out.model = request.model;
    out.count = static_cast<std::uint32_t>(matching);
    return out;
  }
  const auto [model, count] = main_model(node);
  out.model = model;
  out.count = std::min(count, request.count);
  return out;
}

// "gpus: A100:2", "gpu: A100:0.5", "gpus: [A100:1, H100:1]".
std::string devices_text(const List<DeviceRequest>& devices) {
  std::vector<std::string> parts;
  bool part_of_one = false;
  for (const auto& request : devices) {
    const bool whole = request.share >= MilliDevices(1000);
    part_of_one = part_of_one || !whole;
    const std::string amount =
        whole ? std::to_string(request.count) : format_milli(request.share.value);
    parts.push_back(request.model.empty() ? amount : printable(request.model) + ":" + amount);
  }
  if (parts.empty()) return "gpus: 0";
  const std::string list = fmt::format("{}", fmt::join(parts, ", "));
  return (part_of_one ? "gpu: " : "gpus: ") + (parts.size() == 1 ? list : "[" + list + "]");
}

void clamp_devices(Alternative& alternative, const Node& node, Changes& changes) {
  List<DeviceRequest>& devices = alternative.resources.devices;
  const auto before = devices;
  const auto fits = [&] {
    Alternative only;
    only.resources.devices = devices;
    return tasks_on(only, node) > 0;
  };
  if (fits()) return;
  if (node.devices.empty()) {
    devices.clear();
  } else {
    for (auto& request : devices) request = near_devices(request, node, false);
    if (!fits()) devices = {near_devices(before.front(), node, true)};
  }
  changes.push_back(devices_text(devices));
}

void clamp_plain(Resources& each, const Node& node, Changes& changes) {
  if (each.cores > node.cores) {
    each.cores = node.cores;
    changes.push_back("cores: " + format_milli(each.cores.value));
  }
  if (each.memory > node.memory) {
    each.memory = node.memory;
    changes.push_back("memory: " + format_bytes(each.memory));
  }
  if (each.scratch > node.scratch) {
    each.scratch = node.scratch;
    changes.push_back("scratch: " + format_bytes(each.scratch));
  }
  if (each.ports > node.port_count) {
    each.ports = node.port_count;
    changes.push_back(fmt::format("ports: {}", each.ports));
  }
  for (auto& named : each.named) {
    const auto there = std::find_if(node.named.begin(), node.named.end(),
                                    [&](const NamedCount& one) { return one.name == named.name; });
    const std::int64_t has = there == node.named.end() ? 0 : there->count;
    if (named.count <= has) continue;
    named.count = has;
    changes.push_back(fmt::format("{}: {}", printable(named.name), has));
  }
  each.named.erase(std::remove_if(each.named.begin(), each.named.end(),
                                  [](const NamedCount& named) { return named.count == 0; }),
                   each.named.end());
}

// Changes the group's first alternative, and its tasks, until it could run. False: it cannot.
bool mend_group(const State& state, Job& job, std::uint32_t position, Changes& changes) {
  TaskGroup& group = job.groups[position];
  Alternative& alternative = group.any_of.front();
  const Node* best = best_node(state, job, alternative);
  if (best == nullptr) {
    if (state.nodes().empty()) return false;
    std::string_view written = "constraint and exclude";
    if (job.exclude.empty()) written = "constraint";
    if (alternative.constraint.empty()) written = "exclude";
    changes.push_back(fmt::format("the same without {}", written));
    alternative.constraint = {};
    job.exclude.clear();
    best = best_node(state, job, alternative);
    if (best == nullptr) return false;
  }
  clamp_devices(alternative, *best, changes);
  clamp_plain(alternative.resources, *best, changes);
  if (job.coupling == Coupling::loose) return true;
  const PartFit part = best_part(state, job, group, alternative);
  if (part.tasks >= group.count.min) return true;
  if (part.tasks == 0) return false;
  group.count.min = group.count.max = static_cast<std::uint32_t>(part.tasks);
  changes.push_back(fmt::format("tasks: {}", part.tasks));
  return true;
}

}  // namespace

std::string nearest_request(const State& state, const Job& job) {
  Job mended = job;
  const auto first = first_impossible_group(state, job);
  std::string text;
  for (auto at = first; at; at = first_impossible_group(state, mended)) {
    Changes changes;
    if (!mend_group(state, mended, *at, changes) || changes.empty()) return {};
    if (at != first) text += fmt::format("; in group \"{}\" ", printable(mended.groups[*at].name));
    text += fmt::format("{}", fmt::join(changes, ", "));
    const auto next = first_impossible_group(state, mended);
    if (next && *next <= *at) return {};  // what was changed did not help
  }
  return possible(state, mended) ? text : std::string();
}

}  // namespace busbar::core
