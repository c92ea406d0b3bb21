// Requests about units of one job: cancel, hold, release, requeue, update.
#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "core/state/learn.hpp"
#include "core/state/rules.hpp"

namespace busbar::core {
namespace {

// The units a request means, by group.
struct Selection {
  const JobRecord& record;
  std::vector<IndexSet> units;
};

Error no_such_job(const State& state, JobId id) {
  if (id.value > 0 && id < state.next_job())
    return {Errc::not_found,
            fmt::format("job {} ended and has left the queue; \"busbar history {}\" shows it",
                        id.value, id.value)};
  return {Errc::not_found,
          state.next_job().value == 1
              ? fmt::format("there is no job {}; none has been submitted yet", id.value)
              : fmt::format("there is no job {}; the newest is {}", id.value,
                            state.next_job().value - 1)};
}

Result<const JobRecord*> owned_job(const State& state, JobId id, const UserRef& by) {
  const JobRecord* record = state.find(id);
  if (record == nullptr) return no_such_job(state, id);
  const UserRef& owner = record->job.user;
  if (owner.uid == by.uid || by.is_operator) return record;
  return {Errc::denied,
          fmt::format("job {} belongs to {}; only its owner or an operator may do this", id.value,
                      printable(owner.name))};
}

Error outside(const Job& job, std::uint32_t group, std::uint32_t index) {
  const std::uint32_t count = unit_count(job, group);
  const TaskGroup& tasks = job.groups[group];
  std::string text = fmt::format("job {} has no unit {}", job.id.value, index);
  if (!tasks.name.empty()) text += fmt::format(" in group \"{}\"", printable(tasks.name));
  text += count == 1 ? std::string("; its only one is 0")
                     : fmt::format("; valid are 0 to {}", count - 1);
  if (!tasks.array.empty())
    text += fmt::format(" (array {} to {})", array_index(tasks, 0), array_index(tasks, count - 1));
  return {Errc::not_found, std::move(text)};
}

Result<Selection> select(const State& state, const UnitSelector& wanted, const UserRef& by) {
  BUSBAR_TRY(record, owned_job(state, wanted.job, by));
  const Job& job = record->job;
  Selection selection{*record, std::vector<IndexSet>(job.groups.size())};
  if (wanted.all) {
    for (std::uint32_t g = 0; g < job.groups.size(); ++g)
      if (const std::uint32_t count = unit_count(job, g); count > 0)
        selection.units[g].insert({0, count - 1});
    return selection;
  }
  if (wanted.group >= job.groups.size())
    return {Errc::not_found, fmt::format("job {} has no group {}; it has {}", job.id.value,
                                         wanted.group, job.groups.size())};
  const std::uint32_t count = unit_count(job, wanted.group);
  if (count == 0 || (job.coupling != Coupling::loose && wanted.indices != IndexSet(0, 0)))
    return {Errc::not_found,
            fmt::format("job {} is {} and starts and ends as one; name the whole job: {}",
                        job.id.value, to_string(job.coupling), job.id.value)};
  if (wanted.indices.empty()) return {Errc::invalid, "no unit is named"};
  if (const auto first = wanted.indices.next(count)) return outside(job, wanted.group, *first);
  selection.units[wanted.group] = wanted.indices;
  return selection;
}

// Calls each(attempt) for the selected units' live attempts.
template <class Each>
void for_live(const State& state, const Selection& selection, Each each) {
  for (const AttemptRecord* attempt : state.live_attempts(selection.record.job.id)) {
    const UnitId& unit = attempt->id.unit;
    if (selection.units[unit.group].contains(unit.index)) each(*attempt);
  }
}

IndexSet united(IndexSet a, const IndexSet& b) {
  for (const auto& range : b.ranges()) a.insert(range);
  return a;
}

IndexSet finished_in(const GroupRecord& group, const IndexSet& wanted) {
  IndexSet finished;
  for (const auto& run : group.finished) finished.insert(run.range);
  return finished.intersect(wanted);
}

}  // namespace

Result<Decision> rule(Facts facts, const CancelUnits& command) {
  BUSBAR_TRY(selection, select(facts.state, command.units, command.by));
  const JobId job = command.units.job;
  const std::string reason =
      command.reason.empty() ? "cancelled by " + command.by.name : command.reason;
  Bodies out;
  for (std::uint32_t g = 0; g < selection.units.size(); ++g) {
    const GroupRecord& group = selection.record.groups[g];
    const IndexSet pending = united(group.waiting.intersect(selection.units[g]),
                                    group.held.intersect(selection.units[g]));
    if (pending.empty()) continue;
    void_promises_of(facts.state, job, g, pending, VoidCause::unit_changed, out);
    out.push_back(UnitsClosed{job, g, pending, RunState::cancelled, reason, command.by.name});
  }
  for_live(facts.state, selection, [&](const AttemptRecord& attempt) {
    if (attempt.stop == StopCause::cancel) return;
    out.push_back(Stopping{attempt.id, StopCause::cancel, command.by.name, command.reason});
  });
  return decided(std::move(out));
}

Result<Decision> rule(Facts facts, const HoldUnits& command) {
  BUSBAR_TRY(selection, select(facts.state, command.units, command.by));
  Bodies out;
  for (std::uint32_t g = 0; g < selection.units.size(); ++g) {
    const IndexSet waiting = selection.record.groups[g].waiting.intersect(selection.units[g]);
    if (waiting.empty()) continue;
    void_promises_of(facts.state, command.units.job, g, waiting, VoidCause::unit_changed, out);
    out.push_back(
        UnitsHeld{command.units.job, g, waiting, "held by " + command.by.name, command.by.name});
  }
  for_live(facts.state, selection, [&](const AttemptRecord& attempt) {
    const bool idle = attempt.stop == StopCause::none || attempt.stop == StopCause::revoke;
    if (attempt.staged() && idle && attempt.stop_by.empty())
      out.push_back(Stopping{attempt.id, StopCause::revoke, command.by.name, "held"});
  });
  return decided(std::move(out));
}

Result<Decision> rule(Facts facts, const ReleaseUnits& command) {
  BUSBAR_TRY(selection, select(facts.state, command.units, command.by));
  Bodies out;
  for (std::uint32_t g = 0; g < selection.units.size(); ++g) {
    const IndexSet held = selection.record.groups[g].held.intersect(selection.units[g]);
    if (!held.empty()) out.push_back(UnitsReleased{command.units.job, g, held, command.by.name});
  }
  return decided(std::move(out));
}

Result<Decision> rule(Facts facts, const RequeueUnits& command) {
  BUSBAR_TRY(selection, select(facts.state, command.units, command.by));
  Bodies out;
  for (std::uint32_t g = 0; g < selection.units.size(); ++g) {
    const IndexSet finished = finished_in(selection.record.groups[g], selection.units[g]);
    if (!finished.empty())
      out.push_back(UnitsRequeued{command.units.job, g, finished, command.by.name});
  }
  for_live(facts.state, selection, [&](const AttemptRecord& attempt) {
    if (attempt.stop != StopCause::none && attempt.stop != StopCause::revoke) return;
    out.push_back(Stopping{attempt.id, StopCause::requeue, command.by.name, ""});
  });
  const PolicyConfig& policy = facts.state.config().policy;
  auto expected = foresee(policy, facts.state, {&selection.record.job});
  if (expected && !out.empty()) out.push_back(std::move(*expected));
  return decided(std::move(out));
}

namespace {

Result<Ok> check_update(Facts facts, const JobRecord& record, const UpdateJob& command,
                        const Job& updated) {
  const Job& old = record.job;
  if (record.ended_all())
    return {Errc::conflict, fmt::format("job {} has ended; requeue it or submit it again with what "
                                        "you want changed",
                                        old.id.value)};
  if (updated.time_limit <= Span(0)) return {Errc::invalid, "a time limit must be above zero"};
  if (!is_time_limit(updated.time_limit))
    return {Errc::invalid, "a time limit is at most a century; write unlimited for none"};
  if (record.live > 0 && updated.time_limit > old.time_limit && !command.by.is_operator)
    return {
        Errc::denied,
        fmt::format("raising the time limit of job {} from {} to {} needs an operator now that "
                    "it runs; ask one",
                    old.id.value, format_span(old.time_limit), format_span(updated.time_limit))};
  if (command.deadline_at && updated.deadline_at <= facts.now)
    return {Errc::invalid,
            fmt::format("the new deadline of job {} has already passed", old.id.value)};
  if (updated.begin_at >= updated.deadline_at)
    return {Errc::invalid,
            fmt::format("job {} would begin after its deadline; move one of them", old.id.value)};
  if (command.parallel && old.coupling != Coupling::loose)
    return {Errc::invalid,
            fmt::format("job {} is {}: it runs as one, so it has no number of units in parallel",
                        old.id.value, to_string(old.coupling))};
  if (command.name && (command.name->size() > 256 || !is_utf8(*command.name)))
    return {Errc::invalid, "a job's name is UTF-8 text of at most 256 bytes"};
  return Ok{};
}

}  // namespace

Result<Decision> rule(Facts facts, const UpdateJob& command) {
  BUSBAR_TRY(record, owned_job(facts.state, command.job, command.by));
  Job updated = record->job;
  if (command.priority) updated.priority = *command.priority;
  if (command.time_limit) updated.time_limit = *command.time_limit;
  if (command.begin_at) updated.begin_at = *command.begin_at;
  if (command.deadline_at) updated.deadline_at = *command.deadline_at;
  if (command.name) updated.name = *command.name;
  if (command.parallel)
    for (auto& group : updated.groups) group.parallel = *command.parallel;
  BUSBAR_TRY_OK(check_update(facts, *record, command, updated));
  if (updated == record->job) return Decision{};
  const VoidCause cause = updated.time_limit > record->job.time_limit ? VoidCause::limit_changed
                                                                      : VoidCause::unit_changed;
  Bodies out;
  for (auto it = facts.state.promises().lower_bound({command.job, 0, 0});
       it != facts.state.promises().end() && it->first.job == command.job; ++it)
    out.push_back(PromiseVoided{it->first, cause});
  auto expected = foresee(facts.state.config().policy, facts.state, {&updated});
  out.push_back(JobUpdated{std::move(updated), command.by.name});
  if (expected) out.push_back(std::move(*expected));
  return decided(std::move(out));
}

}  // namespace busbar::core
