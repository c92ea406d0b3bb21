// accept: each step is checked again on a scratch of the current State; what no longer holds is
// dropped and counted, the rest becomes Events.
#include <algorithm>

#include "core/cycle/admit.hpp"
#include "core/cycle/plan.hpp"
#include "core/fit/fits.hpp"

namespace busbar::core {
namespace {

class Accepting {
 public:
  Accepting(const State& state, const Index& index, Tick at)
      : state_(state), at_(at), scratch_(state, index, at) {}

  // False when the step is stale.
  bool operator()(const StartStep& step);
  bool operator()(const PromiseStep& step);
  bool operator()(const VoidStep& step);
  bool operator()(const CloseStep& step);
  bool operator()(const StopStep& step);
  bool operator()(const EndReservationStep& step);
  bool operator()(const RetireStep& step);
  bool operator()(const StageStep& step);

  std::vector<EventBody> events;

 private:
  bool waits(const UnitId& unit) const {
    const JobRecord* record = state_.find(unit.job);
    return record != nullptr && unit.group < record->groups.size() &&
           record->groups[unit.group].waiting.contains(unit.index) && !gone_.contains(unit) &&
           !closed_.contains({unit.job, unit.group});
  }

  const State& state_;
  Tick at_;
  Scratch scratch_;
  std::set<UnitId> gone_;  // started or staged by an earlier step
  std::set<AttemptId> followed_;
  std::set<CohortId> closed_;
};

bool Accepting::operator()(const StartStep& step) {
  if (!waits(step.unit)) return false;
  const JobRecord& record = *state_.find(step.unit.job);
  const UnitRecord* unit = state_.find(step.unit);
  if (unit != nullptr && unit->not_before > at_) return false;
  if (job_waits(state_, record.job, step.unit.group, at_)) return false;
  const Ask ask = make_ask(state_, step.unit, 0, at_);
  if (array_room(scratch_, record, step.unit.group) == 0 || tenant_room(scratch_, ask.tenant) == 0)
    return false;
  if (!fits(scratch_, ask, step.allocation)) return false;
  if (scratch_.quota_passed(ask.tenant, step.allocation)) return false;
  if (scratch_.bookings().contains(step.unit)) {
    scratch_.unbook(step.unit);
    events.push_back(PromiseVoided{step.unit, VoidCause::started});
  }
  scratch_.take(step.unit, ask.tenant, step.allocation, ask.end);
  gone_.insert(step.unit);
  events.push_back(Granted{AttemptId{step.unit, ask.attempt}, step.allocation,
                           record.job.time_limit,
                           state_.latest_end(record.job, record.job.time_limit, at_)});
  return true;
}

bool Accepting::operator()(const PromiseStep& step) {
  if (!waits(step.unit) || step.at <= at_) return false;
  const Ask ask = make_ask(state_, step.unit, 0, step.at);
  if (!fits(scratch_, ask, step.allocation)) return false;
  if (scratch_.bookings().contains(step.unit))
    events.push_back(PromiseVoided{step.unit, VoidCause::improved});
  const Promised promise{step.unit, step.at, step.allocation};
  scratch_.book(promise);
  events.push_back(promise);
  return true;
}

bool Accepting::operator()(const VoidStep& step) {
  if (!scratch_.bookings().contains(step.unit)) return false;
  scratch_.unbook(step.unit);
  events.push_back(PromiseVoided{step.unit, step.cause});
  return true;
}

bool Accepting::operator()(const CloseStep& step) {
  const JobRecord* record = state_.find(step.job);
  if (record == nullptr || step.group >= record->groups.size()) return false;
  const GroupRecord& group = record->groups[step.group];
  IndexSet indices = step.indices.intersect(group.waiting);
  const IndexSet held = step.indices.intersect(group.held);
  for (const auto& range : held.ranges()) indices.insert(range);
  if (indices.empty() || !closed_.insert({step.job, step.group}).second) return false;
  std::vector<UnitId> promised;
  for (const auto& [unit, promise] : scratch_.bookings())
    if (unit.job == step.job && unit.group == step.group && indices.contains(unit.index))
      promised.push_back(unit);
  for (const UnitId& unit : promised) (*this)(VoidStep{unit, VoidCause::unit_changed});
  events.push_back(
      UnitsClosed{step.job, step.group, std::move(indices), step.state, step.reason, ""});
  return true;
}

bool Accepting::operator()(const StopStep& step) {
  const AttemptRecord* attempt = state_.find(step.attempt);
  if (attempt == nullptr || attempt->stop != StopCause::none) return false;
  if (step.cause == StopCause::revoke && !attempt->staged()) return false;
  events.push_back(Stopping{step.attempt, step.cause, "", step.reason});
  return true;
}

bool Accepting::operator()(const EndReservationStep& step) {
  const auto it = state_.reservations().find(step.id);
  if (it == state_.reservations().end() || it->second.end > at_) return false;
  events.push_back(ReservationEnded{step.id});
  return true;
}

bool Accepting::operator()(const RetireStep& step) {
  const JobRecord* record = state_.find(step.job);
  if (record == nullptr || !record->ended_all() || !state_.dependents(step.job).empty())
    return false;
  events.push_back(JobRetired{step.job});
  return true;
}

// Quota and limits are those of the attempt whose claims it takes.
bool Accepting::operator()(const StageStep& step) {
  const AttemptRecord* after = state_.find(step.after);
  if (!waits(step.unit) || after == nullptr || after->stop != StopCause::none) return false;
  if (state_.follower(step.after) != nullptr || !followed_.insert(step.after).second) return false;
  const JobRecord& record = *state_.find(step.unit.job);
  const UnitRecord* unit = state_.find(step.unit);
  if (unit != nullptr && unit->not_before > at_) return false;
  if (job_waits(state_, record.job, step.unit.group, at_)) return false;
  if (scratch_.bookings().contains(step.unit)) {
    scratch_.unbook(step.unit);
    events.push_back(PromiseVoided{step.unit, VoidCause::started});
  }
  gone_.insert(step.unit);
  const Tick start = std::max(state_.claims_end(*after), at_);
  events.push_back(Granted{state_.next_attempt(step.unit), after->allocation, record.job.time_limit,
                           state_.latest_end(record.job, record.job.time_limit, start),
                           step.after});
  return true;
}

}  // namespace

Accepted accept(const State& state, const Index& index, const Plan& plan) {
  Accepting accepting(state, index, plan.at);
  Accepted accepted;
  for (const Step& step : plan.steps)
    if (!std::visit(accepting, step)) ++accepted.dropped;
  accepted.events = std::move(accepting.events);
  return accepted;
}

}  // namespace busbar::core
