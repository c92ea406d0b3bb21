#include "core/fit/search.hpp"

#include <algorithm>
#include <limits>

namespace busbar::core {
namespace {

// What one task of this alternative counts against a quota, whatever node it is on; for a model's
// name only what is asked for by that name, as more depends on the node.
std::int64_t amount_anywhere(const Resources& wanted, std::string_view name) {
  if (name == "cores") return wanted.cores.value;
  if (name == "memory") return wanted.memory.value;
  if (name == "scratch") return wanted.scratch.value;
  std::int64_t amount = 0;
  for (const auto& named : wanted.named)
    if (named.name == name) amount += named.count;
  for (const auto& request : wanted.devices)
    if (name == "gpu" || name == request.model)
      amount += std::int64_t{request.count} * request.share.value;
  return amount;
}

// Of a gang at its least size.
std::int64_t least_amount(const Job& job, std::string_view name) {
  std::int64_t sum = 0;
  for (const auto& group : job.groups) {
    std::int64_t least = std::numeric_limits<std::int64_t>::max();
    for (const auto& alternative : group.any_of)
      least = std::min(least, amount_anywhere(alternative.resources, name));
    sum += least * group.count.min;
  }
  return sum;
}

Miss quota_miss(const Scratch& scratch, const Ask& ask, std::size_t position, std::int64_t wanted) {
  const NamedCount& limit = scratch.state().config().tenants[ask.tenant.value].quota[position];
  Miss miss;
  miss.reason = Reason::quota;
  miss.resource = limit.name;
  miss.wanted = wanted;
  miss.free = limit.count - scratch.quota_used(ask.tenant, position);
  miss.capacity = limit.count;
  miss.where = ask.job->tenant;
  return miss;
}

// Why the least that a gang could claim, wherever it went, passes its tenant's quota; nothing when
// it does not. Cheaper by far than to search for a place that it may not have.
std::optional<Miss> over_quota(const Scratch& scratch, const Ask& ask) {
  const auto& limits = scratch.state().config().tenants[ask.tenant.value].quota;
  for (std::size_t i = 0; i < limits.size(); ++i) {
    const std::int64_t wanted = least_amount(*ask.job, limits[i].name);
    if (wanted > 0 && scratch.quota_used(ask.tenant, i) + wanted > limits[i].count)
      return quota_miss(scratch, ask, i, wanted);
  }
  return std::nullopt;
}

}  // namespace

Search::Search(Scratch& scratch, const Policy& policy, const Ask& ask, Steps& steps)
    : scratch_(scratch), policy_(policy), ask_(ask), steps_(steps), steps_before_(steps.used) {
  for (const auto& name : ask.job->exclude)
    if (const NodeRecord* record = scratch.state().find_node(name))
      excluded_.insert(record->node.id);
}

Found find(Scratch& scratch, const Policy& policy, const Ask& ask, Steps& steps) {
  return Search(scratch, policy, ask, steps).run();
}

Found Search::run() {
  const bool loose = ask_.job->coupling == Coupling::loose;
  if (!loose) quota_miss_ = over_quota(scratch_, ask_);
  if (quota_miss_) return {std::nullopt, std::move(*quota_miss_)};
  Found found = loose ? run_single() : run_gang();
  if (found.allocation) return found;
  found.miss = shortfall();
  found.miss.shorter_may_fit = blocked_;
  found.miss.time_may_help = met_closure_;
  return found;
}

NodeAsk Search::node_ask(NodeId node, const HardwareFit& fit, std::uint32_t group,
                         std::uint32_t alternative, std::uint32_t own_claims) const {
  return {scratch_.node(node),
          ask_.job->groups[group].any_of[alternative].resources,
          fit,
          ask_.job->exclusive,
          own_claims,
          rule_};
}

// False when the search has looked at enough.
bool Search::spend_step() {
  steps_.used += 1;
  gave_up_ = gave_up_ || steps_.used - steps_before_ > search_steps_max;
  return !gave_up_;
}

// One step: a node looked at during the whole interval of the ask.
std::uint32_t Search::tasks_on(const Candidate& at, std::uint32_t group, std::uint32_t alternative,
                               std::uint32_t tasks_max) {
  if (!spend_step()) return 0;
  if (!at.fit->possible || excluded_.contains(at.node)) return 0;
  std::uint32_t own_claims = 0;
  for (const auto& claim : found_.claims) own_claims += claim.node == at.node ? 1 : 0;
  const NodeAsk ask = node_ask(at.node, *at.fit, group, alternative, own_claims);
  NodeFree storage;
  const NodeFree* free = scratch_.window(at.node, ask_, storage);
  const NodeFree& plain = scratch_.free(at.node);
  const std::uint32_t tasks = free != nullptr ? tasks_that_fit(ask, *free, tasks_max) : 0;
  if (free != &plain && tasks < tasks_max && tasks < tasks_that_fit(ask, plain, tasks_max)) {
    if (!blocked_) {
      blocked_where_ = scratch_.node(at.node).name;
      closed_ = free == nullptr;
    }
    blocked_ = true;
    met_closure_ = met_closure_ || free == nullptr;
  }
  return tasks;
}

bool Search::could_hold(const HardwareFit& fit, const BucketKey& bucket) const {
  if (bucket.devices_whole < fit.devices_whole) return false;
  return fit.share_max == 0 || bucket.share_max >= fit.share_max ||
         bucket.devices_whole > fit.devices_whole;
}

NodeCondition Search::condition_of(const Candidate& at, std::uint32_t group,
                                   std::uint32_t alternative, std::uint32_t tasks) const {
  const Resources& wanted = ask_.job->groups[group].any_of[alternative].resources;
  const bool opens_for_share = at.fit->share_max > 0 && at.bucket.share_max < at.fit->share_max;
  return {.state = scratch_.state(),
          .index = scratch_.index(),
          .node = scratch_.node(at.node),
          .free = scratch_.free(at.node),
          .fit = *at.fit,
          .wanted = wanted,
          .tasks = tasks,
          .devices_idle = at.bucket.devices_whole,
          .devices_opened = at.fit->devices_whole * tasks + (opens_for_share ? 1 : 0),
          .device = at.device,
          .unit = ask_.unit,
          .memory_of = scratch_.memory()};
}

Score Search::score_of(const Candidate& at, std::uint32_t group, std::uint32_t alternative,
                       std::uint32_t tasks) const {
  return policy_.packing().score(condition_of(at, group, alternative, tasks));
}

Claim Search::claim_on(NodeId node, std::uint32_t group, std::uint32_t alternative,
                       std::uint32_t tasks, std::optional<std::uint32_t> device) {
  const HardwareFit& fit = scratch_.hardware_fit_of(ask_, group, alternative, node);
  NodeFree storage;
  const NodeFree* free = scratch_.window(node, ask_, storage);
  check(free != nullptr, "a claim on a closed node");
  NodeAsk ask = node_ask(node, fit, group, alternative, 0);
  ask.device = device;
  Claim claim = make_claim(ask, *free, tasks, ask_.unit.job.value + ask_.attempt);
  claim.node = node;
  claim.group = group;
  claim.alternative = alternative;
  return claim;
}

bool Search::quota_allows(const Allocation& allocation) {
  const auto passed = scratch_.quota_passed(ask_.tenant, allocation);
  if (!passed) return true;
  if (quota_miss_) return false;
  const auto& name = scratch_.state().config().tenants[ask_.tenant.value].quota[*passed].name;
  quota_miss_ =
      quota_miss(scratch_, ask_, *passed, quota_amount(scratch_.state(), allocation, name));
  return false;
}

// 0: the node itself; k: the k-th part of NodeShape::parts, the cluster being the first.
std::size_t Search::depth_of(const std::string& level) const {
  if (level == "cluster") return 1;
  const auto& levels = scratch_.state().config().topology_levels;
  const auto it = std::find(levels.begin(), levels.end(), level);
  if (it == levels.end()) return 0;
  return static_cast<std::size_t>(it - levels.begin()) + 2;
}

std::uint64_t Search::part_of(NodeId node, const std::string& level) const {
  const std::size_t depth = depth_of(level);
  const auto& parts = scratch_.shape(node).parts;
  if (depth == 0 || depth > parts.size()) return node.value;
  return parts[depth - 1];
}

}  // namespace busbar::core
