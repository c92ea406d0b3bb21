#include "core/query/what_if.hpp"

#include <algorithm>

#include "core/explain/estimate.hpp"
#include "core/explain/verdict_book.hpp"
#include "core/policy/policy.hpp"

namespace busbar::core {
namespace {

constexpr std::uint32_t slices_max = 1024;

// A State that takes events, with its index.
struct Trial {
  State state;
  Index index;
  Tick now;

  Trial(State start, Tick at) : state(std::move(start)), index(state), now(at) {}
  void apply(EventBody body) {
    Event event{Revision(state.revision().value + 1), now, std::move(body)};
    state.apply(event);
    index.apply(state, event);
  }
};

void note(std::map<JobId, PlannedJob>& jobs, const EventBody& body, Tick now) {
  if (const auto* granted = std::get_if<Granted>(&body)) {
    const auto job = jobs.find(granted->attempt.unit.job);
    if (job == jobs.end()) return;
    if (job->second.units_now++ == 0) job->second.allocation = granted->allocation;
    job->second.start = now;
  } else if (const auto* promised = std::get_if<Promised>(&body)) {
    const auto job = jobs.find(promised->unit.job);
    if (job == jobs.end() || promised->at >= job->second.start) return;
    job->second.start = promised->at;
    job->second.allocation = promised->allocation;
  }
}

}  // namespace

std::vector<PlannedJob> plan_submission(State state, const std::vector<EventBody>& events,
                                        Tick now) {
  Trial trial(std::move(state), now);
  std::map<JobId, PlannedJob> jobs;
  for (const EventBody& body : events) {
    trial.apply(body);
    const auto* submitted = std::get_if<Submitted>(&body);
    if (submitted == nullptr) continue;
    for (const Job& job : submitted->jobs) {
      PlannedJob& planned = jobs[job.id];
      planned.job = job.id;
      for (std::uint32_t g = 0; g < job.groups.size(); ++g) planned.units += unit_count(job, g);
    }
  }
  const auto policy = make_policy(trial.state.config().policy);
  VerdictBook book;
  Cursor cursor;
  for (std::uint32_t i = 0; i < slices_max; ++i) {
    const View view{trial.state, trial.index, now};
    Slice slice = plan(view, *policy, cursor, {trial.state.config().policy.slice_steps}, 0);
    for (EventBody& body : accept(trial.state, trial.index, slice.plan).events) {
      note(jobs, body, now);
      trial.apply(std::move(body));
    }
    book.put(slice.plan.verdicts, slice.cursor.finished);
    cursor = slice.cursor;
    if (cursor.finished) break;
  }
  std::vector<PlannedJob> out;
  const View view{trial.state, trial.index, now};
  for (auto& [id, planned] : jobs) {
    const JobRecord* record = trial.state.find(id);
    if (record != nullptr) {
      const std::vector<Verdict> verdicts = book.of(trial.state, trial.index, *record, now);
      if (!verdicts.empty()) planned.verdict = verdicts.front();
    }
    for (std::uint32_t g = 0; record != nullptr && g < record->groups.size(); ++g) {
      const auto first = record->groups[g].waiting.next(0);
      if (!first || planned.start != tick_never) continue;
      if (const auto start = estimate_start(view, *policy, {id, g, *first})) planned.start = *start;
    }
    out.push_back(std::move(planned));
  }
  return out;
}

}  // namespace busbar::core
