// POST /v1/jobs.
#include <algorithm>
#include <set>

#include "api/answers.hpp"
#include "api/handlers.hpp"
#include "api/job_files.hpp"
#include "base/text.hpp"

namespace busbar::api {
namespace {

struct SubmittedJobView {
  JobId id;
  std::string name;
  std::uint64_t units = 0;
};
template <class V>
void describe(V& visit, Like<SubmittedJobView> auto& job) {
  visit("id", job.id);
  visit("name", job.name);
  visit("units", job.units);
}
struct SubmittedView {
  std::vector<SubmittedJobView> jobs;
  Revision revision;
  std::vector<std::string> warnings;
};
template <class V>
void describe(V& visit, Like<SubmittedView> auto& view) {
  visit("jobs", view.jobs);
  visit("revision", view.revision);
  visit("warnings", view.warnings);
}

// A repeated key is answered with the first submission's jobs, whatever the file is now.
void name_jobs(const Kept& kept, const Committed& committed, SubmittedView& view) {
  view.revision = committed.revision;
  view.jobs.resize(committed.jobs.size());
  looking(*kept.replica, *kept.backend, [&](const Lens& lens) {
    for (std::size_t i = 0; i < committed.jobs.size(); ++i) {
      view.jobs[i].id = committed.jobs[i];
      const core::JobRecord* record = lens.view.state.find(committed.jobs[i]);
      if (record == nullptr) continue;
      view.jobs[i].name = record->job.name;
      view.jobs[i].units = units_of(record->job);
    }
    return 0;
  });
}

// Such a node may come later, so it is no error; more often the name is mistyped.
void warn_of_unknown_nodes(const Call& call, const std::string& file_name, JobFile& file) {
  const auto excludes = [](const Job& job) { return !job.exclude.empty(); };
  if (std::none_of(file.jobs.begin(), file.jobs.end(), excludes)) return;
  looking(call.replica, call.backend, [&](const Lens& lens) {
    std::set<std::string_view> known;
    for (const auto& record : lens.view.state.nodes()) known.insert(record.node.name);
    for (const Job& job : file.jobs) {
      const auto unknown =
          std::find_if(job.exclude.begin(), job.exclude.end(),
                       [&](const std::string& name) { return !known.contains(name); });
      if (unknown != job.exclude.end())
        file.warnings.push_back(file_name + ": job \"" + job.name +
                                "\": exclude: no node is called " + printable(*unknown) +
                                " yet; 'busbar nodes' lists them");
    }
    return 0;
  });
}

}  // namespace

Result<JobFile> read_submission(const Call& call) {
  const std::string_view type = call.request.header("content-type");
  const std::string media = lower(trim(type.substr(0, type.find(';'))));
  if (!media.empty() && media.find("yaml") == std::string::npos &&
      media.find("json") == std::string::npos && media != "text/plain" &&
      media != "application/octet-stream")
    return {Errc::invalid, "a job file is sent as application/yaml or application/json, not as " +
                               printable(media)};
  const std::string_view directory = call.query("directory");
  if (!directory.empty() && (directory[0] != '/' || directory.size() > 4096))
    return {Errc::invalid, "directory=" + printable(directory) + " is not an absolute path"};
  const Tick now = call.backend.now();
  jobfile::JobFileContext context;
  if (!call.query("file").empty()) context.file_name = printable(call.query("file"), 255);
  context.submit_directory = std::string(directory);
  context.now_unix_ms = call.backend.unix_ms(now);
  looking(call.replica, call.backend, [&](const Lens& lens) {
    for (const auto& tenant : lens.view.state.config().tenants)
      context.tenants.push_back(tenant.name);
    return 0;
  });
  BUSBAR_TRY(submission, jobfile::read_job_file(call.request.body, context));
  JobFile file{{}, {}, std::move(submission.warnings)};
  file.jobs = std::move(submission.jobs);
  file.payloads = std::move(submission.payloads);
  for (Job& job : file.jobs) {
    job.user = call.caller.user;
    if (job.begin_after > Span()) job.begin_at = now + job.begin_after;
    if (job.begin_unix_ms != 0) job.begin_at = call.backend.tick_of_unix_ms(job.begin_unix_ms);
    if (job.deadline_unix_ms != 0)
      job.deadline_at = call.backend.tick_of_unix_ms(job.deadline_unix_ms);
  }
  warn_of_unknown_nodes(call, context.file_name, file);
  return file;
}

std::uint64_t units_of(const Job& job) {
  std::uint64_t units = 0;
  for (std::uint32_t g = 0; g < job.groups.size(); ++g) units += unit_count(job, g);
  return units;
}

Outcome submit_jobs(const Call& call) {
  const auto allowed = call.backend.may_submit(call.caller.user);
  if (!allowed.ok()) return error_response(allowed.error());
  const std::string_view check = call.query("check");
  if (!check.empty() && check != "true" && check != "false")
    return error_response(Error{Errc::invalid, "check= must be true or false"});
  BUSBAR_API_TRY(file, read_submission(call));
  SubmittedView view;
  view.warnings = std::move(file.warnings);
  if (check == "true") {
    view.revision = call.replica.revision();
    return json_response(view);
  }
  for (const Job& job : file.jobs) view.jobs.push_back({JobId(), job.name, units_of(job)});
  SubmitJobs command;
  command.user = call.caller.user;
  command.jobs = std::move(file.jobs);
  command.payloads = std::move(file.payloads);
  command.idempotency_key = std::string(call.request.header("idempotency-key"));
  return Ask{std::move(command),
             [kept = keep(call), view = std::move(view)](const Committed& committed) mutable {
               name_jobs(kept, committed, view);
               return json_response(view, 201);
             }};
}

}  // namespace busbar::api
