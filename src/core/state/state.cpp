#include "core/state/state.hpp"

#include <algorithm>

#include "core/state/writer.hpp"

namespace busbar::core {

State::State() : tenants_(config_.tenants.size()) { StateWriter{*this, now_}.name_tenants(); }

const JobRecord* State::find(JobId id) const {
  const auto it = jobs_.find(id);
  return it == jobs_.end() ? nullptr : &it->second;
}

const AttemptRecord* State::find(const AttemptId& id) const {
  const auto it = attempts_.find(id);
  return it == attempts_.end() ? nullptr : &it->second;
}

const AttemptRecord* State::live_attempt(const UnitId& unit) const {
  const auto it = attempts_.lower_bound({unit, 0});
  return it != attempts_.end() && it->first.unit == unit ? &it->second : nullptr;
}

std::vector<const AttemptRecord*> State::live_attempts(JobId job) const {
  std::vector<const AttemptRecord*> live;
  for (auto it = attempts_.lower_bound({{job, 0, 0}, 0});
       it != attempts_.end() && it->first.unit.job == job; ++it)
    live.push_back(&it->second);
  std::stable_partition(live.begin(), live.end(), [](auto* attempt) { return attempt->staged(); });
  return live;
}

const AttemptRecord* State::follower(const AttemptId& id) const {
  const auto it = followers_.find(id);
  return it == followers_.end() ? nullptr : find(it->second);
}

const AttemptRecord& State::holder(const AttemptRecord& attempt) const {
  const AttemptRecord* at = &attempt;
  while (at->staged()) {
    at = find(at->after);
    check(at != nullptr, "a staged attempt follows nobody");
  }
  return *at;
}

Tick State::latest_end(const Job& job, Span time_limit, Tick start) const {
  return start + time_limit + job.grace + config_.cleanup_bound;
}

Tick State::latest_end(const AttemptRecord& attempt) const {
  if (!attempt.staged()) return attempt.latest_end;
  const AttemptRecord* before = find(attempt.after);
  const JobRecord* record = find(attempt.id.unit.job);
  check(before != nullptr && record != nullptr, "a staged attempt follows nobody");
  return latest_end(record->job, attempt.time_limit, latest_end(*before));
}

Tick State::claims_end(const AttemptRecord& attempt) const {
  const AttemptRecord* last = &attempt;
  while (const AttemptRecord* next = follower(last->id)) last = next;
  return latest_end(*last);
}

std::uint64_t JobRecord::staged() const {
  std::uint64_t count = 0;
  for (const GroupRecord& group : groups) count += group.staged;
  return count;
}

const UnitRecord* State::find(const UnitId& unit) const {
  const JobRecord* record = find(unit.job);
  if (record == nullptr || unit.group >= record->groups.size()) return nullptr;
  const auto& units = *record->groups[unit.group].units;
  const auto it = units.find(unit.index);
  return it == units.end() ? nullptr : &it->second;
}

AttemptId State::next_attempt(const UnitId& unit) const {
  const UnitRecord* record = find(unit);
  return {unit, record == nullptr ? 1 : record->attempts + 1};
}

const NodeRecord* State::find(NodeId id) const {
  return id.value == 0 || id.value > nodes_.size() ? nullptr : &nodes_[id.value - 1];
}

const NodeRecord* State::find_node(std::string_view name) const {
  const auto it = node_names_.find(name);
  return it == node_names_.end() ? nullptr : find(it->second);
}

std::optional<TenantId> State::find_tenant(std::string_view name) const {
  const auto it = tenant_names_.find(name);
  if (it == tenant_names_.end()) return std::nullopt;
  return it->second;
}

std::vector<JobId> State::dependents(JobId job) const {
  const auto it = dependents_.find(job);
  if (it == dependents_.end()) return {};
  return {it->second.begin(), it->second.end()};
}

}  // namespace busbar::core
