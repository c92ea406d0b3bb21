// expire: what time alone ends. Deadlines close waiting units and stop running ones, reservations
// that are over leave, and jobs that ended long ago retire once nobody waits for them.
// close_doomed: what waits for something that will never be.
#include "core/cycle/admit.hpp"
#include "core/cycle/context.hpp"

namespace busbar::core {
namespace {

void close_waiting(Context& context, const JobRecord& record, const std::string& reason) {
  for (std::uint32_t g = 0; g < record.groups.size(); ++g) {
    CloseStep step{record.job.id, g, record.groups[g].waiting, RunState::cancelled, reason};
    for (const auto& range : record.groups[g].held.ranges()) step.indices.insert(range);
    if (step.indices.empty()) continue;
    context.closed.insert({record.job.id, g});
    context.plan.steps.push_back(std::move(step));
  }
}

void stop_running(Context& context, JobId job, const std::string& reason) {
  for (const AttemptRecord* attempt : context.view.state.live_attempts(job))
    if (attempt->stop == StopCause::none)
      context.plan.steps.push_back(StopStep{
          attempt->id, attempt->staged() ? StopCause::cancel : StopCause::deadline, reason});
}

}  // namespace

void expire(Context& context) {
  const State& state = context.view.state;
  const Tick now = context.view.now;
  for (const auto& [deadline, job] : context.view.index.deadlines()) {
    if (deadline > now) break;
    context.steps.used += 1;
    close_waiting(context, *state.find(job), "its deadline passed");
    stop_running(context, job, "its deadline passed");
  }
  for (const auto& [id, reservation] : state.reservations())
    if (reservation.end <= now) context.plan.steps.push_back(EndReservationStep{id});
  std::uint32_t retired = 0;
  for (const auto& [ended, job] : context.view.index.ended()) {
    if (ended + state.config().finished_keep > now || retired > context.budget.steps) break;
    context.steps.used += 1;
    if (!state.dependents(job).empty()) continue;
    context.plan.steps.push_back(RetireStep{job});
    ++retired;
  }
}

void close_doomed(Context& context) {
  const State& state = context.view.state;
  std::uint32_t closed = 0;
  for (const CohortId& cohort : context.view.index.doomed()) {
    if (closed++ > context.budget.steps) break;
    if (context.closed.contains(cohort)) continue;
    const JobRecord& record = *state.find(cohort.job);
    auto reason = never_admitted(state, record.job);
    check(reason.has_value(), "a cohort is doomed without a reason");
    context.plan.steps.push_back(CloseStep{cohort.job, cohort.group,
                                           record.groups[cohort.group].waiting, RunState::cancelled,
                                           std::move(*reason)});
    context.closed.insert(cohort);
    context.steps.used += 1;
  }
}

}  // namespace busbar::core
