#include <algorithm>
#include <limits>

#include "core/fit/search.hpp"

namespace busbar::core {
namespace {

constexpr std::size_t whole_cluster = 1;     // depth of the outermost part a gang may span
constexpr std::size_t parts_tried_max = 16;  // of one level
constexpr std::uint32_t quota_retries_max = 8;
constexpr std::uint64_t near_nodes_min = 256;
constexpr std::uint64_t near_nodes_per_task = 4;
constexpr std::size_t nodes_per_step = 4;  // sorted into parts, not looked at

}  // namespace

Found Search::run_gang() {
  std::uint32_t alternatives = 1;
  for (const auto& group : ask_.job->groups)
    alternatives = std::max(alternatives, static_cast<std::uint32_t>(group.any_of.size()));
  for (std::uint32_t n = 1; n <= alternatives && !gave_up_; ++n) {
    const bool placed = ask_.job->coupling == Coupling::extreme ? (alternatives_ = n, run_extreme())
                                                                : place_gang(n);
    if (!placed) continue;
    Found found;
    found.allocation = std::move(found_);
    return found;
  }
  return {};
}

// One model of device, and one link domain unless a required level stands for it. A job without
// devices, or with one device in all, has no rule but its single node.
bool Search::run_extreme() {
  const TopologyWish& wish = *ask_.job->topology;
  const bool inside_level = wish.required && depth_of(wish.within) > 0;
  std::uint64_t devices = 0;
  for (const auto& group : ask_.job->groups)
    for (const auto& request : group.any_of[0].resources.devices)
      devices += std::uint64_t{request.count} * group.count.max;
  const auto attempt = [&](Size size) {
    if (!inside_level) return place_level(0, size);
    for (std::size_t depth = 0; depth <= 1; ++depth)
      if (place_level(depth == 0 ? 0 : depth_of(wish.within), size)) return true;
    return false;
  };
  for (const Size size : {Size::whole, Size::largest}) {
    if (devices <= 1) {
      gang_nodes(std::numeric_limits<std::uint64_t>::max());
      if (attempt(size)) return true;
      continue;
    }
    for (const auto& rule : device_rules()) {
      if (rule.link_domain == 0u) continue;  // not joined by any link
      DeviceRule applied = rule;
      if (inside_level) applied.link_domain.reset();
      rule_ = &applied;
      gang_nodes(std::numeric_limits<std::uint64_t>::max());
      const bool placed = attempt(size);
      rule_ = nullptr;
      if (placed) return true;
    }
  }
  return false;
}

std::set<DeviceRule> Search::device_rules() const {
  std::set<DeviceRule> rules;
  for (const auto& [hardware, buckets] : scratch_.index().hardware()) {
    const NodeId example = buckets.begin()->second.front().node;
    for (const auto& device : scratch_.node(example).devices)
      rules.insert({device.vendor, device.model, device.link_domain});
  }
  return rules;
}

// First among the nodes that fit best, a few times as many as the gang could use; then among all.
// What is left of an elastic job is placed among all.
bool Search::place_gang(std::uint32_t alternatives) {
  alternatives_ = alternatives;
  std::uint64_t tasks = 0;
  for (const auto& group : ask_.job->groups) tasks += group.count.max;
  gang_nodes(near_nodes_min + near_nodes_per_task * tasks);
  if (place_whole()) return true;
  if (room_cut_) {
    gang_nodes(std::numeric_limits<std::uint64_t>::max());
    if (place_whole()) return true;
  }
  return place_level(outermost(), Size::largest);
}

// The largest part of the topology that the job may span, as a depth of NodeShape::parts.
std::size_t Search::outermost() const {
  const TopologyWish& wish = *ask_.job->topology;
  return wish.required && !wish.within.empty() ? depth_of(wish.within) : whole_cluster;
}

// The largest size, in the smallest part that holds it.
bool Search::place_whole() {
  const bool spread = !ask_.job->topology->spread.empty();
  const std::size_t most = outermost();
  std::size_t deepest = most;  // spread means apart: no smaller part is sought
  if (!spread)
    for (const auto& [node, room] : room_)
      deepest = std::max(deepest, scratch_.shape(node).parts.size());
  if (!spread && place_level(0, Size::whole)) return true;
  for (std::size_t depth = deepest; depth >= most && depth > 0; --depth)
    if (place_level(depth, Size::whole)) return true;
  return false;
}

// Nodes that could hold a task of any group, with their room, best fit first and at most so many of
// one hardware; into room_.
void Search::gang_nodes(std::uint64_t nodes_max) {
  room_.clear();
  room_cut_ = false;
  for (std::uint32_t g = 0; g < ask_.job->groups.size(); ++g) {
    const TaskGroup& group = ask_.job->groups[g];
    for (std::uint32_t a = 0; a < group.any_of.size() && a < alternatives_; ++a) {
      for (const auto& [hardware, unused] : scratch_.index().hardware()) {
        const Buckets& buckets = scratch_.buckets(hardware);
        if (buckets.empty()) continue;
        const NodeId example = buckets.begin()->second.front().node;
        const HardwareFit& fit = scratch_.hardware_fit_of(ask_, g, a, example);
        if (!fit.possible) continue;
        const Resources& wanted = group.any_of[a].resources;
        std::uint64_t looked = 0;
        for (const auto& [key, bucket] : buckets) {
          if (!could_hold(fit, key) || looked > nodes_max) continue;
          bucket.each(wanted.cores.value, wanted.memory.value, [&](const Slot& slot) {
            if (++looked > nodes_max) return false;
            const std::uint32_t cap = tasks_on({slot.node, key, &fit}, g, a, group.count.max);
            if (cap > 0) room_.emplace_back(slot.node, cap);
            return true;
          });
        }
        room_cut_ = room_cut_ || looked > nodes_max;
      }
    }
  }
  // One entry for each node, by id.
  std::sort(room_.begin(), room_.end());
  std::size_t last = 0;
  for (std::size_t i = 1; i < room_.size(); ++i) {
    if (room_[i].first == room_[last].first)
      room_[last].second += room_[i].second;
    else
      room_[++last] = room_[i];
  }
  if (!room_.empty()) room_.resize(last + 1);
}

// Calls f(part, node, room) for each node of room_ that lies in a part of this depth.
template <class F>
void Search::each_in_part(std::size_t depth, F f) {
  steps_.used += static_cast<std::uint32_t>(room_.size() / nodes_per_step);
  for (const auto& [node, room] : room_) {
    const auto& path = scratch_.shape(node).parts;
    if (depth > path.size()) continue;
    f(depth == 0 ? node.value : path[depth - 1], node, room);
  }
}

// The parts at this depth that may hold the job, tightest first; depth 0 are single nodes.
std::vector<Search::Part> Search::parts_at(std::size_t depth) {
  std::uint64_t wanted = 0;
  for (const auto& group : ask_.job->groups) wanted += group.count.min;
  std::map<std::uint64_t, std::uint64_t> room_of;
  if (depth > 0)
    each_in_part(depth,
                 [&](std::uint64_t key, NodeId, std::uint64_t room) { room_of[key] += room; });
  std::map<std::uint64_t, Part> parts;
  each_in_part(depth, [&](std::uint64_t key, NodeId node, std::uint64_t room) {
    if ((depth > 0 ? room_of.at(key) : room) < wanted) return;
    Part& part = parts[key];
    part.nodes.push_back(node);
    part.room += room;
  });
  std::vector<Part> out;
  for (auto& [key, part] : parts) out.push_back(std::move(part));
  std::sort(out.begin(), out.end(), [](const Part& a, const Part& b) {
    return a.room != b.room ? a.room < b.room : a.nodes.front() < b.nodes.front();
  });
  return out;
}

bool Search::place_level(std::size_t depth, Size size) {
  std::vector<Part> parts = parts_at(depth);
  if (size == Size::largest) std::reverse(parts.begin(), parts.end());
  if (parts.size() > parts_tried_max) parts.resize(parts_tried_max);
  for (const auto& part : parts)
    if (place_in(part.nodes, size)) return true;
  return false;
}

// What fits the first group best may leave the others too little; then each takes from where there
// is most.
bool Search::place_in(const std::vector<NodeId>& nodes, Size size) {
  if (place_groups(nodes, size)) return true;
  const auto& groups = ask_.job->groups;
  if (groups.size() < 2 || std::none_of(groups.begin(), groups.end(), [](const TaskGroup& group) {
        return group.tasks_per_node > 0;
      }))
    return false;
  roomiest_ = true;
  const bool placed = place_groups(nodes, size);
  roomiest_ = false;
  return placed;
}

// All groups one after another; the scratch stands as before when this returns.
bool Search::place_groups(const std::vector<NodeId>& nodes, Size size) {
  const Scratch::Mark before = scratch_.mark();
  found_.claims.clear();
  bool placed = true;
  for (std::uint32_t g = 0; g < ask_.job->groups.size() && placed; ++g)
    placed = place_group(g, nodes, size);
  scratch_.undo(before);
  placed = placed && quota_allows(found_);
  if (!placed) found_.claims.clear();
  return placed;
}

bool Search::place_group(std::uint32_t g, const std::vector<NodeId>& nodes, Size size) {
  const TaskGroup& group = ask_.job->groups[g];
  const bool spread = !ask_.job->topology->spread.empty();
  for (std::uint32_t a = 0; a < group.any_of.size() && a < alternatives_; ++a) {
    std::uint32_t most = group.count.max;
    const Seats seats = seats_of(g, a, nodes);
    for (std::uint32_t attempt = 0; attempt < quota_retries_max; ++attempt) {
      const auto dealt = deal(group, seats, size, most, spread, roomiest_);
      if (dealt.empty()) break;
      Allocation mine;
      std::uint32_t tasks = 0;
      for (const auto& part : dealt) {
        mine.claims.push_back(claim_on(part.node, g, a, part.tasks));
        tasks += part.tasks;
      }
      if (!quota_allows(mine)) {  // an elastic group may pass with fewer
        if (size == Size::whole || tasks <= group.count.min) break;
        most = std::max(group.count.min, tasks - std::max(1u, (tasks - group.count.min) / 2));
        continue;
      }
      found_.claims.insert(found_.claims.end(), mine.claims.begin(), mine.claims.end());
      // Groups of one unit are taken under ids of their own: the undo in place_in removes them.
      const UnitId part{ask_.unit.job, g, std::numeric_limits<std::uint32_t>::max()};
      scratch_.take(part, ask_.tenant, std::move(mine), ask_.end);
      return true;
    }
  }
  return false;
}

Search::Seats Search::seats_of(std::uint32_t g, std::uint32_t a, const std::vector<NodeId>& nodes) {
  const TaskGroup& group = ask_.job->groups[g];
  Seats seats;
  for (const NodeId node : nodes) {
    const HardwareFit& fit = scratch_.hardware_fit_of(ask_, g, a, node);
    if (!fit.possible) continue;
    const Candidate candidate{node, bucket_key(scratch_.free(node)), &fit};
    Seat seat;
    seat.node = node;
    seat.cap = tasks_on(candidate, g, a, group.count.max);
    if (seat.cap == 0) continue;
    seat.score = score_of(candidate, g, a, 1);
    if (!ask_.job->topology->spread.empty())
      seat.spread_part = part_of(node, ask_.job->topology->spread);
    seats.push_back(seat);
  }
  return seats;
}

}  // namespace busbar::core
