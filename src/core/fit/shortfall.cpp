// Why a search found nothing, in numbers a person can act on.
#include <algorithm>

#include "core/fit/search.hpp"

namespace busbar::core {
namespace {

struct Lack {
  std::string_view resource;
  std::int64_t wanted = 0, free = 0, capacity = 0;
  std::uint32_t kinds = 0;  // of resources that are short
};

void note(Lack& lack, std::string_view resource, std::int64_t wanted, std::int64_t free,
          std::int64_t capacity) {
  if (wanted <= free) return;
  lack.kinds += 1;
  if (lack.kinds == 1) lack = {resource, wanted, std::max<std::int64_t>(free, 0), capacity, 1};
}

// What one task lacks on this node; the scarcest kind of resource is named first.
Lack lack_of(const Node& node, const NodeFree& free, const Resources& wanted,
             const HardwareFit& fit) {
  Lack lack;
  for (std::size_t r = 0; r < wanted.devices.size(); ++r) {
    const DeviceRequest& request = wanted.devices[r];
    std::int64_t usable = 0;
    for (const std::uint32_t ordinal : fit.ordinals[r])
      if (free.devices[ordinal] >= request.share) usable += 1000;
    const bool share = request.share.value < 1000;
    std::int64_t best_share = 0;
    for (const std::uint32_t ordinal : fit.ordinals[r])
      best_share = std::max(best_share, free.devices[ordinal].value);
    const bool one_share = share && request.count == 1;
    note(lack, request.model.empty() ? "gpu" : std::string_view(request.model),
         one_share ? request.share.value : std::int64_t{request.count} * 1000,
         one_share ? best_share : usable, std::int64_t(fit.ordinals[r].size()) * 1000);
  }
  note(lack, "cores", wanted.cores.value, free.cores.value, node.cores.value);
  note(lack, "memory", wanted.memory.value, free.memory.value, node.memory.value);
  note(lack, "scratch", wanted.scratch.value, free.scratch.value, node.scratch.value);
  for (const auto& named : wanted.named)
    note(lack, named.name, named.count, count_of(free.named, named.name),
         count_of(node.named, named.name));
  note(lack, "ports", wanted.ports,
       std::int64_t{node.port_count} - std::int64_t(free.ports_taken.size()), node.port_count);
  return lack;
}

// The node that comes last in the bucket of those the job may use: the one with most free cores.
std::optional<NodeId> roomiest(const Bucket& bucket, const std::set<NodeId>& excluded) {
  std::optional<NodeId> found;
  bucket.each_roomiest([&](const Slot& slot) {
    if (!excluded.contains(slot.node)) found = slot.node;
    return !found;
  });
  return found;
}

}  // namespace

// Of the nodes that match, the one that lacks least for one task: looks at the best few of each
// hardware, never at all nodes. False when no open node matches; miss.wanted stays 0 when one task
// would fit.
bool Search::describe_closest(Miss& miss) {
  constexpr std::uint32_t nodes_per_hardware = 8;
  const std::uint32_t group = ask_.job->coupling == Coupling::loose ? ask_.unit.group : 0;
  const Resources& wanted = ask_.job->groups[group].any_of[0].resources;
  std::optional<Lack> best;
  NodeId closest;
  for (const auto& [hardware, unused] : scratch_.index().hardware()) {
    const Buckets& buckets = scratch_.buckets(hardware);
    if (buckets.empty()) continue;
    const HardwareFit& fit =
        scratch_.hardware_fit_of(ask_, group, 0, buckets.begin()->second.front().node);
    if (!fit.possible) continue;
    std::uint32_t looked = 0;
    for (auto bucket = buckets.rbegin(); bucket != buckets.rend() && looked < nodes_per_hardware;
         ++bucket, ++looked) {
      const auto roomy = roomiest(bucket->second, excluded_);
      steps_.used += 1;
      if (!roomy) continue;
      const NodeId id = *roomy;
      Lack lack = lack_of(scratch_.node(id), scratch_.free(id), wanted, fit);
      const bool closer = !best || lack.kinds < best->kinds ||
                          (lack.kinds == best->kinds && lack.resource == best->resource &&
                           lack.wanted - lack.free < best->wanted - best->free);
      if (!closer) continue;
      best = lack;
      closest = id;
    }
  }
  if (!best) return false;
  miss.where = scratch_.node(closest).name;
  miss.resource = best->resource;
  miss.wanted = best->wanted;
  miss.free = best->free;
  miss.capacity = best->capacity;
  return true;
}

// One task would fit: what is missing is room for all of them, or a promise holds it.
void Search::describe_room(Miss& miss) const {
  const bool loose = ask_.job->coupling == Coupling::loose;
  const TaskGroup& tasks = ask_.job->groups[loose ? ask_.unit.group : 0];
  const Resources& wanted = tasks.any_of[0].resources;
  const auto& devices = wanted.devices;
  miss.resource = devices.empty() ? "cores" : devices[0].model;
  if (miss.resource.empty()) miss.resource = "gpu";
  const std::int64_t per_task = devices.empty()
                                    ? wanted.cores.value
                                    : std::int64_t{devices[0].count} * devices[0].share.value;
  std::uint64_t room = 0;
  for (const auto& [node, tasks_here] : room_) room += tasks_here;
  miss.wanted = per_task * (loose ? 1 : tasks.count.min);
  miss.free = per_task * static_cast<std::int64_t>(room);
  miss.capacity = 0;
}

Miss Search::shortfall() {
  if (quota_miss_) return *quota_miss_;
  Miss miss;
  const bool loose = ask_.job->coupling == Coupling::loose;
  const TaskGroup& tasks = ask_.job->groups[loose ? ask_.unit.group : 0];
  miss.nodes_wanted = loose ? 1 : tasks.nodes;
  if (!loose && tasks.nodes == 0 && tasks.tasks_per_node > 0)
    miss.nodes_wanted = (tasks.count.min + tasks.tasks_per_node - 1) / tasks.tasks_per_node;
  miss.nodes_fit = static_cast<std::uint32_t>(room_.size());
  if (!describe_closest(miss)) {
    describe_closed(miss);
    return miss;
  }
  if (blocked_) {
    miss.reason = Reason::reserved;
    miss.where = blocked_where_;
    if (closed_) miss.resource = "maintenance";
  } else if (gave_up_) {
    miss.reason = Reason::not_found_in_budget;
  }
  const bool one_task_fits = miss.wanted == 0;
  if (!closed_ && (one_task_fits || (blocked_ && loose))) describe_room(miss);
  return miss;
}

// No open node is of the right kind: says whether one that is closed would be.
void Search::describe_closed(Miss& miss) {
  const bool loose = ask_.job->coupling == Coupling::loose;
  const std::uint32_t group = loose ? ask_.unit.group : 0;
  const Resources& wanted = ask_.job->groups[group].any_of[0].resources;
  if (!wanted.devices.empty()) {
    miss.resource = wanted.devices[0].model.empty() ? "gpu" : wanted.devices[0].model;
    miss.wanted = std::int64_t{wanted.devices[0].count} * 1000;
  } else {
    miss.resource = "cores";
    miss.wanted = wanted.cores.value;
  }
  FewNames names;
  for (const auto& record : scratch_.state().nodes()) {
    steps_.used += 1;
    if (scratch_.shape(record.node.id).open || excluded_.contains(record.node.id)) continue;
    if (!scratch_.hardware_fit_of(ask_, group, 0, record.node.id).possible) continue;
    names.add(record.node.name);
    miss.where = names.text();
    miss.nodes_fit += 1;
    miss.reason = record.schedulable() ? Reason::not_synchronised : Reason::drained;
    if (miss.reason == Reason::not_synchronised) {  // it will tell soon: better news
      miss.where = record.node.name;
      return;
    }
  }
}

}  // namespace busbar::core
