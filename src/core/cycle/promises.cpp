// keep_promises: what was promised is looked at first. A promise that can no longer be kept is
// voided with its cause; one that is due starts before anything else.
#include <algorithm>

#include "core/cycle/admit.hpp"
#include "core/cycle/context.hpp"
#include "core/fit/fits.hpp"

namespace busbar::core {
namespace {

bool waits(const State& state, const UnitId& unit) {
  const JobRecord* record = state.find(unit.job);
  return record != nullptr && unit.group < record->groups.size() &&
         record->groups[unit.group].waiting.contains(unit.index);
}

// The unit may hold its promised place from `at` on, as far as the unit itself goes.
bool unit_ready_by(const State& state, const UnitId& unit, Tick at) {
  const Job& job = state.find(unit.job)->job;
  const UnitRecord* record = state.find(unit);
  return job.begin_at <= at && (record == nullptr || record->not_before <= at) &&
         !job_waits(state, job, unit.group, std::max(at, state.now()));
}

// The attempt is over its time, or was launched later than its engine's bound allows.
bool engine_is_late(const Context& context, const AttemptId& id) {
  const State& state = context.view.state;
  const Span bound = state.config().cleanup_bound;
  const AttemptRecord& attempt = *state.find(id);
  const bool launched = attempt.started != Tick(0);
  if (attempt.latest_end + (launched ? Span(0) : bound) <= context.view.now) return true;
  return launched && attempt.started > attempt.granted + bound;
}

// Why the promised nodes do not hold the promise at its tick.
VoidCause cause_of(const Context& context, const Promised& promise) {
  const State& state = context.view.state;
  for (const auto& claim : promise.allocation.claims) {
    const NodeRecord* node = state.find(claim.node);
    if (node == nullptr || !node->reachable) return VoidCause::node_lost;
    if (node->drained) return VoidCause::drained;
    if (!holds(whole_node(node->node), node->node, claim, 0)) return VoidCause::node_lost;
  }
  const Job& job = state.find(promise.unit.job)->job;
  const Tick end = place_end(state, job, promise.at);
  for (const auto& [id, reservation] : state.reservations())
    for (const auto& claim : promise.allocation.claims)
      if (promise.at < reservation.end && reservation.start < end &&
          std::find(reservation.nodes.begin(), reservation.nodes.end(), claim.node) !=
              reservation.nodes.end())
        return VoidCause::reserved;
  for (const auto& claim : promise.allocation.claims)
    for (const auto& id : context.view.index.attempts_on(claim.node))
      if (engine_is_late(context, id)) return VoidCause::engine_late;
  return VoidCause::limit_changed;
}

void drop(Context& context, const UnitId& unit, VoidCause cause) {
  context.scratch.unbook(unit);
  context.plan.steps.push_back(VoidStep{unit, cause});
}

// Starts a due promise: at the best place there is, at the promised one if the search finds none.
void start_due(Context& context, const Promised& promise, const Ask& ask) {
  const JobRecord& record = *context.view.state.find(promise.unit.job);
  if (array_room(context.scratch, record, promise.unit.group) == 0 ||
      tenant_room(context.scratch, ask.tenant) == 0 ||
      context.scratch.quota_passed(ask.tenant, promise.allocation))
    return drop(context, promise.unit, VoidCause::quota);
  Found found = find(context.scratch, context.policy, ask, context.steps);
  start(context, ask, found.allocation ? std::move(*found.allocation) : promise.allocation);
}

}  // namespace

void keep_promises(Context& context) {
  const State& state = context.view.state;
  std::vector<Promised> promises;
  for (const auto& [unit, promise] : state.promises()) promises.push_back(promise);
  std::sort(promises.begin(), promises.end(), [](const Promised& a, const Promised& b) {
    return a.at != b.at ? a.at < b.at : a.unit < b.unit;
  });
  // Between two looks a promise breaks by an event, or by an attempt that is over its time.
  const auto& ends = context.view.index.by_end();
  const bool nothing_happened =
      context.same_room && (ends.empty() || ends.begin()->first > context.view.now);
  for (const auto& promise : promises) {
    context.steps.used += static_cast<std::uint32_t>(promise.allocation.claims.size());
    const Tick from = std::max(promise.at, context.view.now);
    if (context.closed.contains({promise.unit.job, promise.unit.group})) {
      context.scratch.unbook(promise.unit);  // the close takes the promise with it
      continue;
    }
    if (!waits(state, promise.unit) || !unit_ready_by(state, promise.unit, from)) {
      drop(context, promise.unit, VoidCause::unit_changed);
      continue;
    }
    const Ask ask =
        make_ask(state, promise.unit,
                 context.view.index.class_of({promise.unit.job, promise.unit.group}), from);
    if (promise.at > context.view.now && nothing_happened) continue;
    if (!fits(context.scratch, ask, promise.allocation))
      drop(context, promise.unit, cause_of(context, promise));
    else if (promise.at <= context.view.now)
      start_due(context, promise, ask);
  }
}

}  // namespace busbar::core
