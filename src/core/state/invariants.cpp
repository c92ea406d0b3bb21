#include <fmt/format.h>

#include "base/text.hpp"
#include "core/state/writer.hpp"
#include "model/names.hpp"

namespace busbar::core {
namespace {

using Broken = std::optional<std::string>;

bool overlap(const IndexSet& a, const IndexSet& b) { return !a.intersect(b).empty(); }

// Whether the unit of a record is where the record says.
Broken check_unit(const State& state, const UnitId& unit, const GroupRecord& group) {
  const UnitRecord& record = group.units->at(unit.index);
  const bool pending = group.waiting.contains(unit.index) || group.held.contains(unit.index);
  if (pending == record.live) return "a unit record is in no set, or in two";
  if (find_finished(group, unit.index) != nullptr) return "a finished unit has a record";
  const AttemptRecord* attempt = state.live_attempt(unit);
  if (record.live != (attempt != nullptr)) return "a live unit and its attempt do not meet";
  if (attempt != nullptr && attempt->id.number != record.attempts)
    return "a unit's live attempt is not its last";
  return std::nullopt;
}

// Waiting, held and finished of a group, disjoint and sorted; adds up `counted`.
Broken check_group(const GroupRecord& group, std::uint32_t units, std::uint64_t& completed,
                   std::uint64_t& failed) {
  if (overlap(group.waiting, group.held)) return "a unit waits and is held";
  std::uint64_t finished = 0;
  for (std::size_t i = 0; i < group.finished.size(); ++i) {
    const FinishedRun& run = group.finished[i];
    if (run.range.last < run.range.first || !is_final(run.state)) return "a bad finished run";
    const IndexSet indices(run.range.first, run.range.last);
    if (overlap(indices, group.waiting) || overlap(indices, group.held))
      return "a finished unit waits";
    const std::uint64_t size = indices.size();
    finished += size;
    (run.state == RunState::completed ? completed : failed) += size;
    if (i == 0) continue;
    const FinishedRun& before = group.finished[i - 1];
    if (before.range.last >= run.range.first) return "finished runs overlap";
    if (before.range.last + 1 == run.range.first && before.state == run.state &&
        before.exit_code == run.exit_code && before.attempts == run.attempts &&
        before.ran == run.ran)
      return "equal finished runs are not merged";
  }
  if (group.waiting.size() + group.held.size() + group.live + finished != units)
    return "the units of a group do not add up";
  return std::nullopt;
}

Broken check_job(const State& state, const JobRecord& record) {
  std::uint64_t waiting = 0;
  std::uint64_t held = 0;
  std::uint64_t live = 0;
  std::uint64_t completed = 0;
  std::uint64_t failed = 0;
  if (record.groups.size() != record.job.groups.size()) return "a group has no record";
  for (std::uint32_t g = 0; g < record.groups.size(); ++g) {
    const GroupRecord& group = record.groups[g];
    if (auto broken = check_group(group, unit_count(record.job, g), completed, failed))
      return broken;
    std::uint32_t live_records = 0;
    for (const auto& [index, unit] : *group.units) {
      if (auto broken = check_unit(state, {record.job.id, g, index}, group)) return broken;
      live_records += unit.live ? 1 : 0;
    }
    if (live_records != group.live) return "a group's live units are miscounted";
    if (group.staged > group.live) return "a group's staged units are miscounted";
    waiting += group.waiting.size();
    held += group.held.size();
    live += group.live;
  }
  if (waiting != record.waiting || held != record.held || live != record.live ||
      completed != record.completed || failed != record.failed)
    return "a job's counts are wrong";
  if (!record.ended_all() && record.ended != Tick(0)) return "a job ended before its units";
  return std::nullopt;
}

// A staged attempt leads, over others of its group, to the one that holds the claims.
Broken check_staged(const State& state, const AttemptRecord& attempt) {
  const AttemptRecord* at = &attempt;
  for (std::size_t steps = 0; at->staged(); ++steps) {
    const AttemptRecord* before = state.find(at->after);
    if (before == nullptr || steps > state.attempts().size()) return "it follows nobody";
    if (before->id.unit.job != attempt.id.unit.job ||
        before->id.unit.group != attempt.id.unit.group)
      return "it follows one of another group";
    const auto follower = state.followers().find(before->id);
    if (follower == state.followers().end() || follower->second != at->id)
      return "two follow the same one";
    at = before;
  }
  return std::nullopt;
}

// Sums that are kept beside what they sum.
struct Sums {
  std::vector<TenantRecord> tenants;
  std::map<JobId, std::uint64_t> ready;
  std::map<JobId, std::uint64_t> staged;
  std::map<NodeId, std::vector<MilliDevices>> devices;
};

Broken add_attempt(const State& state, const AttemptRecord& attempt, Sums& sums) {
  const JobRecord* job = state.find(attempt.id.unit.job);
  if (job == nullptr) return "an attempt of no job";
  const UnitRecord* unit = state.find(attempt.id.unit);
  if (unit == nullptr || !unit->live) return "an attempt of a unit that is not live";
  if (!is_live(attempt.state)) return "an attempt in a state that is not live";
  if (attempt.ready) ++sums.ready[job->job.id];
  const auto tenant = state.find_tenant(job->job.tenant);
  if (!tenant) return "a job of no tenant";
  if (attempt.staged()) {
    ++sums.staged[job->job.id];
    return check_staged(state, attempt);
  }
  ++sums.tenants[tenant->value].running;
  for (const auto& claim : attempt.allocation.claims) {
    const NodeRecord* node = state.find(claim.node);
    if (node == nullptr) return "a claim on no node";
    auto& shares = sums.devices[claim.node];
    shares.resize(node->node.devices.size());
    for (const auto& device : claim.devices) {
      if (device.ordinal >= shares.size()) return "a claim on a device that its node lacks";
      shares[device.ordinal] += device.share;
      if (shares[device.ordinal] > MilliDevices(1000)) return "a device is given out twice";
    }
  }
  return std::nullopt;
}

Broken check_tenants(const State& state, Sums& sums) {
  if (state.tenants().size() != state.config().tenants.size()) return "a tenant has no record";
  for (const auto& [id, record] : state.jobs()) {
    const auto tenant = state.find_tenant(record.job.tenant);
    if (!tenant) return "a job of no tenant";
    sums.tenants[tenant->value].submitted += record.waiting + record.held + record.live;
    const auto ready = sums.ready.find(id);
    if (record.ready != (ready == sums.ready.end() ? 0 : ready->second))
      return "a job's ready attempts are miscounted";
    const auto staged = sums.staged.find(id);
    if (record.staged() != (staged == sums.staged.end() ? 0 : staged->second))
      return "a job's staged attempts are miscounted";
  }
  for (std::size_t i = 0; i < state.tenants().size(); ++i)
    if (state.tenants()[i].running != sums.tenants[i].running ||
        state.tenants()[i].submitted != sums.tenants[i].submitted)
      return "a tenant's units are miscounted";
  return std::nullopt;
}

Broken check_ids(const State& state) {
  for (const auto& [id, record] : state.jobs())
    if (record.job.id != id || id >= state.next_job()) return "a job has another's id";
  for (std::size_t i = 0; i < state.nodes().size(); ++i) {
    const Node& node = state.nodes()[i].node;
    if (node.id.value != i + 1 || state.find_node(node.name) != &state.nodes()[i])
      return "a node has another's id or name";
  }
  for (const auto& [id, sighted] : state.sighted()) {
    if (state.find(id) != nullptr) return "a live attempt is newer than the journal";
    if (sighted.adopted && state.is_newer(id)) return "ids do not count on behind a leftover";
  }
  if (state.next_node().value != state.nodes().size() + 1) return "the next node id is wrong";
  for (const auto& [unit, promise] : state.promises()) {
    const JobRecord* job = state.find(unit.job);
    if (job == nullptr || unit.group >= job->groups.size() ||
        !job->groups[unit.group].waiting.contains(unit.index))
      return "a promise to a unit that does not wait";
    for (const auto& claim : promise.allocation.claims)
      if (state.find(claim.node) == nullptr) return "a promise on no node";
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> State::invariants() const {
  if (auto broken = check_ids(*this)) return broken;
  for (const auto& [id, record] : jobs_)
    if (auto broken = check_job(*this, record)) return fmt::format("job {}: {}", id.value, *broken);
  Sums sums;
  sums.tenants.resize(config_.tenants.size());
  for (const auto& [id, attempt] : attempts_) {
    if (auto broken = add_attempt(*this, attempt, sums))
      return fmt::format("attempt {} of {}.{}.{}: {}", id.number, id.unit.job.value, id.unit.group,
                         id.unit.index, *broken);
  }
  if (auto broken = check_tenants(*this, sums)) return broken;
  for (const auto& [name, sums_of] : statistics_)
    if (sums_of.weight <= 0 || sums_of.run_time_ms < 0 || sums_of.inverse < 0)
      return fmt::format("the statistics of {} are none", printable(name));
  for (const auto& [id, expected] : predictions_) {
    const JobRecord* record = find(id);
    if (record == nullptr || record->ended_all()) return "something is expected of no waiting job";
    if (expected.job != id || expected.run_time <= Span(0) || expected.inverse <= 0)
      return fmt::format("what is expected of job {} cannot be", id.value);
  }
  State again = *this;
  StateWriter{again, now_}.derive();
  if (!(again == *this)) return "what is derived does not follow from what is kept";
  return std::nullopt;
}

}  // namespace busbar::core
