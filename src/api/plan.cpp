// POST /v1/plan.
#include <memory>

#include "api/answers.hpp"
#include "api/handlers.hpp"
#include "api/job_files.hpp"
#include "core/explain/verdict.hpp"
#include "core/query/what_if.hpp"
#include "core/state/decide.hpp"

namespace busbar::api {
namespace {

struct PlanJobView {
  std::string name;
  std::uint64_t units = 0;
  bool possible = true;
  std::optional<Moment> starts;
  std::optional<Seconds> in;
  std::string sentence;
  std::vector<ClaimView> claims;
};
template <class V>
void describe(V& visit, Like<PlanJobView> auto& job) {
  visit("name", job.name);
  visit("units", job.units);
  visit("possible", job.possible);
  visit("starts", job.starts);
  visit("in_seconds", job.in);
  visit("sentence", job.sentence);
  visit("claims", job.claims);
}
struct PlanView {
  std::vector<PlanJobView> jobs;
  std::vector<std::string> warnings;
  Revision revision;
};
template <class V>
void describe(V& visit, Like<PlanView> auto& view) {
  visit("jobs", view.jobs);
  visit("warnings", view.warnings);
  visit("revision", view.revision);
}

struct Decided {
  core::State copy;
  std::vector<EventBody> events;
  Tick now;
};

// Decides on the State of the moment and copies it: what follows needs no lock.
Result<Decided> decide_on_copy(const Kept& kept, const SubmitJobs& command) {
  return looking(*kept.replica, *kept.backend, [&](const Lens& lens) -> Result<Decided> {
    BUSBAR_TRY(decision, core::decide(lens.view.state, command, lens.now));
    return Decided{lens.view.state, std::move(decision.events), lens.now};
  });
}

std::string sentence_of(const core::PlannedJob& planned, const Decided& decided) {
  std::string text;
  const bool all_now = planned.units_now == planned.units;
  if (planned.units == 1 && all_now) {
    text = "It would start at once.";
  } else if (planned.units_now > 0) {
    text = all_now ? "All " + std::to_string(planned.units) + " units would start at once."
                   : std::to_string(planned.units_now) + " of " + std::to_string(planned.units) +
                         " units would start at once.";
  } else if (planned.start != tick_never && planned.start > decided.now) {
    text = "It would start in " + format_span(planned.start - decided.now) + ".";
  } else {
    text = "It would wait; when it starts is not known.";
  }
  if (!planned.verdict) return text;
  text += planned.units_now > 0 ? " The others: " : " Until then: ";
  text += core::explain(decided.copy, *planned.verdict, decided.now);
  if (text.back() != '.') text += ".";
  return text;
}

PlanJobView plan_view(const Lens& lens, const Decided& decided, const Job& job,
                      const core::PlannedJob& planned) {
  PlanJobView view{job.name, planned.units, true, {}, {}, sentence_of(planned, decided), {}};
  if (planned.start != tick_never) {
    view.starts = lens.moment(planned.start);
    view.in = Seconds{planned.start > decided.now ? planned.start - decided.now : Span()};
  }
  view.claims = claim_views(lens, job, planned.allocation);
  return view;
}

struct Submission {
  JobFile file;
  SubmitJobs command;
};

// Copies State and runs a cycle on the copy.
Response plan_submission(const Kept& kept, Submission& submission) {
  PlanView view;
  view.warnings = std::move(submission.file.warnings);
  BUSBAR_API_TRY(decided, decide_on_copy(kept, submission.command));
  view.revision = decided.copy.revision();
  const auto planned = core::plan_submission(decided.copy, decided.events, decided.now);
  // The words name jobs of the submission too: they are in the copy from here on.
  for (EventBody& body : decided.events)
    decided.copy.apply({Revision(decided.copy.revision().value + 1), decided.now, body});
  const core::Index index(decided.copy);
  const core::VerdictBook no_verdicts;
  const ActiveJobs no_jobs;
  const ReadView shown{decided.copy, index, no_verdicts, no_jobs};
  const Lens lens{shown, *kept.backend, decided.now};
  const auto& jobs = submission.file.jobs;
  for (std::size_t i = 0; i < planned.size() && i < jobs.size(); ++i)
    view.jobs.push_back(plan_view(lens, decided, jobs[i], planned[i]));
  return json_response(view);
}

}  // namespace

Outcome plan_jobs(const Call& call) {
  const auto allowed = call.backend.may_submit(call.caller.user);
  if (!allowed.ok()) return error_response(allowed.error());
  BUSBAR_API_TRY(file, read_submission(call));
  SubmitJobs command;
  command.user = call.caller.user;
  command.jobs = file.jobs;
  command.payloads = std::move(file.payloads);
  auto submission = std::make_shared<Submission>(std::move(file), std::move(command));
  return Labour{[kept = keep(call), submission] { return plan_submission(kept, *submission); }};
}

}  // namespace busbar::api
