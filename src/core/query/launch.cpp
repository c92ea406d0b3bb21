#include "core/query/launch.hpp"

#include "model/names.hpp"

namespace busbar::core {
namespace {

LaunchClaim launch_claim(const State& state, const Claim& claim) {
  const NodeRecord* record = state.find(claim.node);
  check(record != nullptr, "a claim on a node that State does not hold");
  LaunchClaim out;
  out.claim = claim;
  out.node_name = record->node.name;
  for (const auto& share : claim.devices) {
    check(share.ordinal < record->node.devices.size(), "a claim on a device that its node lacks");
    out.devices.push_back(record->node.devices[share.ordinal]);
  }
  return out;
}

LaunchGroup launch_group(const TaskGroup& group, std::uint32_t position,
                         const Allocation& allocation) {
  LaunchGroup out;
  out.name = group.name;
  out.launcher = group.launcher;
  out.payload = group.payload;
  out.per_task = group.any_of.front().resources;
  for (const auto& claim : allocation.claims) {
    if (claim.group != position || claim.alternative >= group.any_of.size()) continue;
    out.per_task = group.any_of[claim.alternative].resources;
    break;
  }
  return out;
}

// The address of the first ready unit that names one.
std::string address_of(const State& state, JobId job) {
  for (auto it = state.attempts().lower_bound({{job, 0, 0}, 0});
       it != state.attempts().end() && it->first.unit.job == job; ++it)
    if (it->second.ready && !it->second.address.empty()) return it->second.address;
  return {};
}

std::vector<PeerAddress> peers_of(const State& state, const Job& job) {
  std::vector<PeerAddress> peers;
  for (const auto& dependency : job.after) {
    std::string address = address_of(state, dependency.job);
    if (address.empty()) continue;
    std::string name = dependency.name;
    if (const JobRecord* record = state.find(dependency.job);
        record != nullptr && (name.empty() || name == std::to_string(dependency.job.value)))
      name = record->job.name;
    peers.push_back({std::move(name), std::move(address)});
  }
  return peers;
}

}  // namespace

Launch make_launch(const State& state, const AttemptRecord& attempt,
                   const std::string& installation) {
  const UnitId& unit = attempt.id.unit;
  const JobRecord* record = state.find(unit.job);
  check(record != nullptr && unit.group < record->job.groups.size(), "an attempt of no unit");
  const UnitRecord* unit_record = state.find(unit);
  check(unit_record != nullptr, "a live attempt without a unit");
  const Job& job = record->job;
  const TaskGroup& group = job.groups[unit.group];
  Launch out;
  out.name = attempt_name(installation, attempt.id);
  out.id = attempt.id;
  out.user = job.user;
  out.job_name = job.name;
  out.unit_name = unit_name(job, unit);
  out.tenant = job.tenant;
  out.coupling = job.coupling;
  out.is_array = !group.array.empty();
  out.array_index = array_index(group, unit.index);
  out.array_count = out.is_array ? group.count.min : 0;
  out.restarts = unit_record->ran;
  out.time_limit = attempt.time_limit;
  out.grace = job.grace;
  out.checkpoint = *job.checkpoint;
  for (std::uint32_t g = 0; g < job.groups.size(); ++g)
    out.groups.push_back(launch_group(job.groups[g], g, attempt.allocation));
  for (const auto& claim : attempt.allocation.claims)
    out.claims.push_back(launch_claim(state, claim));
  out.peers = peers_of(state, job);
  if (attempt.staged()) out.after = attempt_name(installation, attempt.after);
  return out;
}

}  // namespace busbar::core
