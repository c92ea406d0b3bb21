#include <algorithm>
#include <limits>

#include "base/grow.hpp"
#include "base/maths.hpp"
#include "core/state/writer.hpp"
#include "match/catalog.hpp"

namespace busbar::core {
namespace {

std::int64_t add_saturating(std::int64_t a, std::int64_t b) {
  return a > std::numeric_limits<std::int64_t>::max() - b ? std::numeric_limits<std::int64_t>::max()
                                                          : a + b;
}

// Moves units between interval sets; all of them must be in `from`.
std::uint64_t move_units(const IndexSet& indices, IndexSet& from, IndexSet& to) {
  const std::uint64_t count = indices.size();
  check(count > 0 && from.intersect(indices).size() == count, "units are not where they should be");
  for (const auto& range : indices.ranges()) {
    from.erase(range);
    to.insert(range);
  }
  return count;
}

std::int32_t worst_code(const JobRecord& record) {
  std::int32_t worst = 0;
  for (const auto& group : record.groups)
    for (const auto& run : group.finished) worst = std::max(worst, run.exit_code);
  return worst;
}

// The engine said so, or the way it ended does.
bool really_ran(const AttemptRecord& attempt, const Exit& exit) {
  if (exit.cause == EndCause::launch_failed) return false;
  return attempt.started != Tick(0) || exit.cause == EndCause::exited ||
         exit.cause == EndCause::timed_out || exit.cause == EndCause::out_of_memory;
}

// Closes [range.first, range.last]; units that were tried before keep their attempt numbers.
void finish_range(GroupRecord& units, IndexRange range, RunState state) {
  std::uint32_t first = range.first;
  auto& tried = units.units.edit();
  auto it = tried.lower_bound(range.first);
  while (it != tried.end() && it->first <= range.last) {
    const std::uint32_t index = it->first;
    if (first < index) insert_finished(units.finished, {{first, index - 1}, state, 0, 0});
    insert_finished(units.finished,
                    {{index, index}, state, 0, it->second.attempts, it->second.ran});
    first = index + 1;
    it = tried.erase(it);
  }
  if (tried.empty()) units.units = {};
  if (first <= range.last) insert_finished(units.finished, {{first, range.last}, state, 0, 0});
}

}  // namespace

void State::apply(const Event& event) {
  StateWriter writer{*this, event.tick};
  writer.stamp(event);
  std::visit(writer, event.body);
}

void StateWriter::stamp(const Event& event) {
  check(event.revision.value == state.revision_.value + 1, "an event is missing or doubled");
  check(event.tick >= state.now_, "an event is older than its predecessor");
  state.revision_ = event.revision;
  state.now_ = event.tick;
  forget_old_keys();
}

void StateWriter::forget_old_keys() {
  auto& ages = state.keys_by_age_;
  while (!ages.empty() && ages.begin()->first + idempotency_keep <= state.now_) {
    state.idempotency_.erase(ages.begin()->second);
    ages.erase(ages.begin());
  }
}

JobRecord& StateWriter::job(JobId id) {
  const auto it = state.jobs_.find(id);
  check(it != state.jobs_.end(), "an event names a job that State does not hold");
  return it->second;
}

GroupRecord& StateWriter::group(JobRecord& record, std::uint32_t position) {
  check(position < record.groups.size(), "an event names a group that the job does not have");
  return record.groups[position];
}

AttemptRecord& StateWriter::attempt(const AttemptId& id) {
  const auto it = state.attempts_.find(id);
  check(it != state.attempts_.end(), "an event names an attempt that is not live");
  return it->second;
}

NodeRecord& StateWriter::node(NodeId id) {
  check(state.find(id) != nullptr, "an event names a node that State does not hold");
  return state.nodes_[id.value - 1];
}

TenantRecord& StateWriter::tenant_of(const JobRecord& record) {
  return state.tenants_[record.tenant.value];
}

void StateWriter::name_tenants() {
  state.tenant_names_.clear();
  const auto& tenants = state.config_.tenants;
  for (std::size_t i = 0; i < tenants.size(); ++i)
    state.tenant_names_.emplace(tenants[i].name, TenantId(static_cast<std::uint32_t>(i)));
}

// Tenants are found by name once: ids are positions in the configuration.
void StateWriter::name_tenant(JobRecord& record) {
  const auto id = state.find_tenant(record.job.tenant);
  check(id.has_value(), "a job's tenant is not configured");
  record.tenant = *id;
}

// --- configuration and jobs

void StateWriter::operator()(const Configured& event) {
  check(event.version == state.config_version_ + 1, "configurations are counted one by one");
  std::vector<TenantRecord> records;
  for (const auto& tenant : event.config.tenants) {
    const auto old = state.find_tenant(tenant.name);
    records.push_back(old ? state.tenants_[old->value] : TenantRecord{.charged_at = now});
  }
  state.config_ = event.config;
  state.config_version_ = event.version;
  state.tenants_ = std::move(records);
  name_tenants();
  for (auto& [id, record] : state.jobs_) name_tenant(record);
}

void StateWriter::operator()(const Submitted& event) {
  IdempotencyRecord key{now, {}};
  for (const auto& submitted : event.jobs) {
    check(submitted.id == state.next_job_, "job ids are given in order");
    state.next_job_.value += 1;
    JobRecord& record = state.jobs_[submitted.id];
    record.job = submitted;
    name_tenant(record);
    record.submitted = now;
    record.groups.resize(submitted.groups.size());
    if (submitted.hold) record.hold_reason = std::string("submitted held");
    std::uint64_t units = 0;
    for (std::uint32_t g = 0; g < submitted.groups.size(); ++g) {
      const std::uint32_t count = unit_count(submitted, g);
      if (count == 0) continue;
      (submitted.hold ? record.groups[g].held : record.groups[g].waiting).insert({0, count - 1});
      units += count;
    }
    (submitted.hold ? record.held : record.waiting) = units;
    check(units > 0, "a job without units");
    tenant_of(record).submitted += units;
    key.jobs.push_back(submitted.id);
  }
  for (const JobId id : key.jobs) depend(job(id));
  if (event.idempotency_key.empty()) return;
  check(!state.idempotency_.contains(event.idempotency_key), "an idempotency key is used twice");
  state.keys_by_age_.insert({now, event.idempotency_key});
  state.idempotency_[event.idempotency_key] = std::move(key);
}

// Enters an unfinished job beside the jobs it waits for, as far as these are still in State.
void StateWriter::depend(const JobRecord& record) {
  for (const auto& dependency : record.job.after)
    if (state.jobs_.contains(dependency.job))
      state.dependents_[dependency.job].insert(record.job.id);
}

// Call after counts changed: notes the end of the job once nothing of it waits or lives.
void StateWriter::settle(JobRecord& record) {
  if (!record.ended_all()) return;
  record.ended = now;
  forget_prediction(record);
  for (const auto& dependency : record.job.after) {
    const auto it = state.dependents_.find(dependency.job);
    if (it == state.dependents_.end()) continue;
    it->second.erase(record.job.id);
    if (it->second.empty()) state.dependents_.erase(it);
  }
}

void StateWriter::forget_promises(JobId job, std::uint32_t group, const IndexSet& indices) {
  if (state.promises_.empty()) return;
  for (const auto& range : indices.ranges()) {
    const auto first = state.promises_.lower_bound({job, group, range.first});
    const auto last = state.promises_.upper_bound({job, group, range.last});
    state.promises_.erase(first, last);
  }
}

void StateWriter::operator()(const UnitsClosed& event) {
  check(is_final(event.state), "units close in a final state");
  JobRecord& record = job(event.job);
  GroupRecord& units = group(record, event.group);
  const IndexSet held = units.held.intersect(event.indices);
  const IndexSet waiting = units.waiting.intersect(event.indices);
  const std::uint64_t count = event.indices.size();
  check(count > 0 && held.size() + waiting.size() == count, "closed units must wait or be held");
  for (const auto& range : event.indices.ranges()) {
    units.held.erase(range);
    units.waiting.erase(range);
    finish_range(units, range, event.state);
  }
  record.held -= held.size();
  record.waiting -= waiting.size();
  (event.state == RunState::completed ? record.completed : record.failed) += count;
  record.close_reason = event.reason;
  tenant_of(record).submitted -= count;
  forget_promises(event.job, event.group, event.indices);
  settle(record);
}

void StateWriter::operator()(const UnitsHeld& event) {
  JobRecord& record = job(event.job);
  GroupRecord& units = group(record, event.group);
  const std::uint64_t count = move_units(event.indices, units.waiting, units.held);
  record.waiting -= count;
  record.held += count;
  record.hold_reason = event.reason;
  forget_promises(event.job, event.group, event.indices);
}

// A unit released by hand starts with a clean sheet of launch failures.
void StateWriter::operator()(const UnitsReleased& event) {
  JobRecord& record = job(event.job);
  GroupRecord& units = group(record, event.group);
  const std::uint64_t count = move_units(event.indices, units.held, units.waiting);
  if (!units.units->empty())
    for (const auto& range : event.indices.ranges()) {
      auto& tried = units.units.edit();
      for (auto it = tried.lower_bound(range.first); it != tried.end() && it->first <= range.last;
           ++it)
        it->second.launch_failures = 0;
    }
  record.held -= count;
  record.waiting += count;
}

// Units that had attempts get a record each, which keeps their numbers; the others stay intervals.
void StateWriter::operator()(const UnitsRequeued& event) {
  JobRecord& record = job(event.job);
  GroupRecord& units = group(record, event.group);
  const std::uint64_t count = event.indices.size();
  std::uint64_t completed = 0;
  std::uint64_t found = 0;
  for (const auto& range : event.indices.ranges()) {
    for (const auto& run : take_finished(units.finished, range)) {
      const std::uint64_t size = std::uint64_t{run.range.last} - run.range.first + 1;
      found += size;
      if (run.state == RunState::completed) completed += size;
      if (run.attempts == 0) continue;
      for (std::uint64_t index = run.range.first; index <= run.range.last; ++index) {
        UnitRecord again;
        again.attempts = run.attempts;
        again.ran = run.ran;
        again.requeued = true;
        units.units.edit().emplace(static_cast<std::uint32_t>(index), again);
      }
    }
    units.waiting.insert(range);
  }
  check(count > 0 && found == count, "requeued units must have finished");
  record.waiting += count;
  record.completed -= completed;
  record.failed -= count - completed;
  record.exit_code = worst_code(record);
  if (record.ended != Tick(0)) record.started = Tick(0);
  record.end_state = RunState::completed;
  record.end_reason = {};
  record.ended = Tick(0);
  tenant_of(record).submitted += count;
  depend(record);
}

void StateWriter::operator()(const JobUpdated& event) {
  JobRecord& record = job(event.job.id);
  check(event.job.tenant == record.job.tenant && event.job.after == record.job.after &&
            event.job.groups.size() == record.job.groups.size(),
        "an update may not change a job's shape");
  for (std::uint32_t g = 0; g < event.job.groups.size(); ++g)
    check(unit_count(event.job, g) == unit_count(record.job, g),
          "an update may not change a job's units");
  const bool limit_changed = event.job.time_limit != record.job.time_limit;
  record.job = event.job;
  if (!limit_changed) return;
  for (auto it = state.attempts_.lower_bound({{event.job.id, 0, 0}, 0});
       it != state.attempts_.end() && it->first.unit.job == event.job.id; ++it)
    change_limit(record.job, it->second);
}

// It ends at once where it has run longer.
void StateWriter::change_limit(const Job& owner, AttemptRecord& attempt) const {
  // A revoke that comes too late is forgotten.
  if (attempt.stop != StopCause::none && attempt.stop != StopCause::revoke) return;
  attempt.time_limit = owner.time_limit;
  if (attempt.staged()) return;
  const Tick from = attempt.started == Tick(0) ? attempt.granted : attempt.started;
  attempt.latest_end = std::max(state.latest_end(owner, owner.time_limit, from),
                                state.latest_end(owner, Span(0), now));
}

void StateWriter::operator()(const JobRetired& event) {
  const JobRecord& record = job(event.job);
  check(record.ended_all(), "a job retired before its end");
  check(!state.dependents_.contains(event.job), "a job retired while another waits for it");
  state.jobs_.erase(event.job);
}

// --- attempts

void StateWriter::operator()(const Granted& event) {
  const UnitId unit = event.attempt.unit;
  JobRecord& record = job(unit.job);
  GroupRecord& units = group(record, unit.group);
  check(units.waiting.contains(unit.index), "a grant to a unit that does not wait");
  check(!event.allocation.claims.empty(), "a grant of nothing");
  for (const auto& claim : event.allocation.claims)
    check(claim.node.value > 0 && claim.node.value <= state.nodes_.size(),
          "a claim on a node that State does not hold");
  units.waiting.erase(unit.index);
  UnitRecord& mine = units.units.edit()[unit.index];
  mine.attempts += 1;
  check(mine.attempts == event.attempt.number, "attempts of a unit are counted one by one");
  mine.not_before = Tick(0);
  mine.live = true;
  units.live += 1;
  record.waiting -= 1;
  record.live += 1;
  AttemptRecord& granted = state.attempts_[event.attempt];
  granted.id = event.attempt;
  granted.allocation = event.allocation;
  granted.time_limit = event.time_limit;
  granted.granted = now;
  granted.latest_end = event.latest_end;
  granted.after = event.after;
  if (granted.staged())
    stage(units, granted);
  else
    tenant_of(record).running += 1;
  state.promises_.erase(unit);
}

void StateWriter::stage(GroupRecord& units, const AttemptRecord& staged) {
  const UnitId& unit = staged.after.unit;
  check(unit.job == staged.id.unit.job && unit.group == staged.id.unit.group,
        "an attempt is staged after one of another group");
  check(attempt(staged.after).allocation == staged.allocation,
        "an attempt is staged on other claims than it will find");
  check(state.followers_.emplace(staged.after, staged.id).second,
        "two attempts are staged after the same one");
  units.staged += 1;
}

// `ended` has left: what follows it takes its place, as the holder of its claims or in the line.
void StateWriter::pass_on(JobRecord& record, GroupRecord& units, const AttemptRecord& ended) {
  if (ended.staged()) {
    units.staged -= 1;
    state.followers_.erase(ended.after);
  } else {
    tenant_of(record).running -= 1;
  }
  const auto next = state.followers_.find(ended.id);
  if (next == state.followers_.end()) return;
  AttemptRecord& follower = attempt(next->second);
  state.followers_.erase(next);
  follower.after = ended.after;
  if (follower.staged()) {
    state.followers_.emplace(follower.after, follower.id);
    return;
  }
  follower.allocation = ended.allocation;
  follower.granted = now;
  follower.latest_end = state.latest_end(record.job, follower.time_limit, now);
  units.staged -= 1;
  tenant_of(record).running += 1;
}

void StateWriter::operator()(const Running& event) {
  AttemptRecord& record = attempt(event.attempt);
  check(!record.staged(), "a staged attempt runs while another holds its claims");
  if (record.stop == StopCause::revoke) {  // too late
    record.state = RunState::configuring;
    record.stop = StopCause::none;
    record.stop_by.clear();
    record.stop_reason.clear();
  }
  if (record.state == RunState::configuring) record.state = RunState::running;
  record.started = now;
  JobRecord& owner = job(event.attempt.unit.job);
  if (owner.started == Tick(0)) owner.started = now;
  record.latest_end = event.latest_end;
  if (!event.bound.empty()) record.allocation.claims = event.bound;
}

void StateWriter::operator()(const BecameReady& event) {
  AttemptRecord& record = attempt(event.attempt);
  if (!record.ready) job(event.attempt.unit.job).ready += 1;
  record.ready = true;
  record.address = event.address;
}

void StateWriter::operator()(const Progressed& event) {
  AttemptRecord& record = attempt(event.attempt);
  record.work_done = event.work_done;
  record.rate_per_hour = event.rate_per_hour;
  record.work_total = event.work_total;
  record.progressed = now;
}

void StateWriter::operator()(const Stopping& event) {
  check(event.cause != StopCause::none, "a stop without a cause");
  AttemptRecord& record = attempt(event.attempt);
  record.state = RunState::completing;
  record.stop = event.cause;
  record.stop_by = event.by;
  record.stop_reason = event.reason;
}

void StateWriter::operator()(const Ended& event) {
  check(is_final(event.state), "an attempt ends in a final state");
  JobRecord& record = job(event.attempt.unit.job);
  GroupRecord& units = group(record, event.attempt.unit.group);
  const AttemptRecord ended = attempt(event.attempt);
  if (ended.ready) record.ready -= 1;
  if (really_ran(ended, event.exit)) units.units.edit()[event.attempt.unit.index].ran += 1;
  state.attempts_.erase(event.attempt);
  pass_on(record, units, ended);
  TenantRecord& tenant = tenant_of(record);
  add_charge(tenant, event.charge);
  const bool was_requeued = units.units->at(event.attempt.unit.index).requeued;
  end_live(record, units, event);
  if (ended.stop == StopCause::revoke && event.next != UnitNext::closed)
    units.units.edit()[event.attempt.unit.index].requeued = was_requeued;
  if (event.next == UnitNext::closed) tenant.submitted -= 1;
  settle(record);
}

// The unit leaves `live` for where event.next says.
void StateWriter::end_live(JobRecord& record, GroupRecord& units, const Ended& event) {
  const std::uint32_t index = event.attempt.unit.index;
  auto& tried = units.units.edit();
  const auto it = tried.find(index);
  check(it != tried.end() && it->second.live, "a unit ended that is not live");
  check(it->second.attempts == event.attempt.number, "a unit's older attempt ended");
  units.live -= 1;
  record.live -= 1;
  note_end(record, event);
  if (event.next == UnitNext::closed) {
    insert_finished(
        units.finished,
        {{index, index}, event.state, event.exit.code, it->second.attempts, it->second.ran});
    tried.erase(it);
    if (tried.empty()) units.units = {};
    (event.state == RunState::completed ? record.completed : record.failed) += 1;
    record.exit_code = std::max(record.exit_code, event.exit.code);
    return;
  }
  it->second.live = false;
  it->second.requeued = true;
  it->second.not_before = event.not_before;
  it->second.restarts = event.restarts;
  it->second.launch_failures = event.launch_failures;
  if (event.next == UnitNext::held) {
    units.held.insert(index);
    record.held += 1;
    record.hold_reason = event.exit.detail;
  } else {
    units.waiting.insert(index);
    record.waiting += 1;
  }
}

void StateWriter::add_charge(TenantRecord& tenant, std::int64_t charge) {
  const Span since = now - tenant.charged_at;
  const Span half_life = state.config_.usage_half_life;
  if (since.value > 0 && half_life.value > 0)
    tenant.charge = scale_q32(tenant.charge, half_power(since.value, half_life.value));
  tenant.charge = add_saturating(tenant.charge, charge);
  tenant.charged_at = now;
}

// --- nodes and what is promised on them

void StateWriter::count_node(const Node& node, std::int64_t sign) {
  Totals& totals = state.totals_;
  totals.cores += node.cores * sign;
  totals.memory += node.memory * sign;
  for (const auto& device : node.devices)
    totals.device_weight += match::device_weight(device) * sign;
}

void StateWriter::operator()(const NodeRegistered& event) {
  if (event.node.id == state.next_node_) {
    check(!state.node_names_.contains(event.node.name), "a node's name is registered twice");
    state.next_node_.value += 1;
    grow_slowly(state.nodes_);
    NodeRecord& record = state.nodes_.emplace_back();
    record.node = event.node;
    record.reachability_since = now;
    state.node_names_[event.node.name] = event.node.id;
  } else {
    NodeRecord& record = node(event.node.id);
    check(record.node.name == event.node.name, "a node changed its name");
    count_node(record.node, -1);
    record.node = event.node;
  }
  count_node(event.node, 1);
}

void StateWriter::operator()(const NodeReachability& event) {
  NodeRecord& record = node(event.node);
  record.reachable = event.reachable;
  record.reachability_since = now;
}

void StateWriter::operator()(const NodeDrained& event) {
  NodeRecord& record = node(event.node);
  record.drained = true;
  record.drain_reason = event.reason;
  record.drained_by = event.by;
}

void StateWriter::operator()(const NodeResumed& event) {
  NodeRecord& record = node(event.node);
  record.drained = false;
  record.drain_reason.clear();
  record.drained_by.clear();
}

// A fenced node takes nothing new until an operator resumes it.
void StateWriter::operator()(const NodeFenced& event) {
  (*this)(NodeDrained{event.node, event.reason, event.by});
}

void StateWriter::operator()(const ReservationMade& event) {
  check(event.reservation.id == state.next_reservation_, "reservation ids are given in order");
  state.next_reservation_.value += 1;
  state.reservations_[event.reservation.id] = event.reservation;
}

void StateWriter::operator()(const ReservationEnded& event) {
  check(state.reservations_.erase(event.id) == 1, "a reservation ended that is not there");
}

void StateWriter::operator()(const Promised& event) {
  JobRecord& record = job(event.unit.job);
  check(group(record, event.unit.group).waiting.contains(event.unit.index),
        "a promise to a unit that does not wait");
  state.promises_[event.unit] = event;
}

void StateWriter::operator()(const PromiseVoided& event) {
  state.promises_.erase(event.unit);  // a close or hold before it in the batch took it already
}

void StateWriter::operator()(const ClusterSynchronised& event) {
  state.synchronised_.insert(event.cluster);
}

void StateWriter::operator()(const SliceDecided&) {}

// --- attempts newer than the journal

void StateWriter::operator()(const NewerSighted& event) {
  check(!state.attempts_.contains(event.attempt), "a live attempt is not newer than the journal");
  SightedRecord& record = state.sighted_[event.attempt];
  record.cluster = event.cluster;
  record.running = event.running;
}

void StateWriter::operator()(const ClusterAdopted& event) {
  check(event.next_job >= state.next_job_, "job ids never go back");
  state.next_job_ = event.next_job;
  for (const AttemptId& id : event.attempts) {
    const auto it = state.sighted_.find(id);
    check(it != state.sighted_.end(), "an attempt is adopted that was not sighted");
    it->second.adopted = true;
    it->second.keep = event.keep;
    count_attempts_from(id);
  }
}

// A unit that State holds counts its attempts on from one that it did not grant.
void StateWriter::count_attempts_from(const AttemptId& seen) {
  const auto it = state.jobs_.find(seen.unit.job);
  if (it == state.jobs_.end() || seen.unit.group >= it->second.groups.size()) return;
  GroupRecord& units = it->second.groups[seen.unit.group];
  const std::uint32_t index = seen.unit.index;
  for (FinishedRun run : take_finished(units.finished, {index, index})) {
    run.attempts = std::max(run.attempts, seen.number);
    insert_finished(units.finished, run);
  }
  if (!units.waiting.contains(index) && !units.held.contains(index)) return;
  UnitRecord& unit = units.units.edit()[index];
  unit.attempts = std::max(unit.attempts, seen.number);
}

void StateWriter::operator()(const LeftoverEnded& event) {
  const auto it = state.sighted_.find(event.attempt);
  check(it != state.sighted_.end() && it->second.adopted, "a leftover ended that is none");
  state.sighted_.erase(it);
}

// --- the clock

void StateWriter::operator()(const ClockWithheld& event) {
  check(event.by > Span(0), "the clock withholds nothing");
  state.clock_withheld_ += event.by;
}

void StateWriter::operator()(const ClockAnswered& event) {
  check(event.withheld == state.clock_withheld_, "an answer to other time than was withheld");
  state.clock_withheld_ = Span(0);
}

void StateWriter::derive() {
  state.dependents_.clear();
  state.node_names_.clear();
  state.keys_by_age_.clear();
  state.followers_.clear();
  state.totals_ = {};
  name_tenants();
  for (auto& [id, record] : state.jobs_) {
    // A damaged snapshot may name any tenant: invariants() refuses it.
    record.tenant = state.find_tenant(record.job.tenant).value_or(TenantId(0));
    if (!record.ended_all()) depend(record);
  }
  for (const auto& record : state.nodes_) {
    state.node_names_[record.node.name] = record.node.id;
    count_node(record.node, 1);
  }
  for (const auto& [id, record] : state.attempts_)
    if (record.staged()) state.followers_.emplace(record.after, id);
  for (const auto& [key, record] : state.idempotency_) state.keys_by_age_.insert({record.at, key});
  state.predicted_of_.clear();
  for (const auto& [id, prediction] : state.predictions_)
    if (const JobRecord* record = state.find(id))
      state.predicted_of_[record->job.user.name].insert(id);
}

}  // namespace busbar::core
