// POST /v1/plan.
#include "api/answers.hpp"
#include "api/handlers.hpp"
#include "api/job_files.hpp"
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

}  // namespace

Outcome plan_jobs(const Call& call) {
  BUSBAR_API_TRY(file, read_submission(call));
  PlanView view;
  view.warnings = std::move(file.warnings);
  SubmitJobs command;
  command.user = call.caller.user;
  command.jobs = file.jobs;
  command.payloads = std::move(file.payloads);
  const auto refused = looking(call.replica, call.backend, [&](const Lens& lens) {
    view.revision = lens.view.state.revision();
    const auto decision = core::decide(lens.view.state, command, lens.now);
    return decision.ok() ? std::optional<Error>() : std::optional(decision.error());
  });
  if (refused) return error_response(*refused);
  for (const Job& job : file.jobs)
    view.jobs.push_back({job.name, units_of(job), true, {}, {}, "it can run here", {}});
  return json_response(view);
}

}  // namespace busbar::api
