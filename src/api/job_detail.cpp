#include "api/job_detail.hpp"

#include "model/payload.hpp"

namespace busbar::api {
namespace {

constexpr std::size_t attempts_shown_max = 16;

std::string constraint_text(const List<FeatureClause>& clauses) {
  std::string text;
  for (const FeatureClause& clause : clauses) {
    if (!text.empty()) text += " | ";
    for (std::size_t i = 0; i < clause.terms.size(); ++i)
      text += (i > 0 ? " & " : "") + clause.terms[i];
  }
  return text;
}

std::optional<std::string> array_text(const List<ArrayRange>& ranges) {
  if (ranges.empty()) return {};
  std::string text;
  for (const ArrayRange& range : ranges) {
    if (!text.empty()) text += ',';
    text += std::to_string(range.first);
    if (range.last != range.first) text += "-" + std::to_string(range.last);
    if (range.step != 1) text += ":" + std::to_string(range.step);
  }
  return text;
}

AlternativeView alternative_view(const Alternative& alternative) {
  const Resources& resources = alternative.resources;
  AlternativeView view;
  view.cores = {resources.cores.value};
  view.memory = resources.memory;
  view.scratch = resources.scratch;
  for (const DeviceRequest& request : resources.devices)
    view.devices.push_back(
        {request.model, request.memory_min_bytes, request.count, {request.share.value}});
  view.named = resources.named;
  view.ports = resources.ports;
  view.constraint = constraint_text(alternative.constraint);
  view.speed = {alternative.speed_milli};
  return view;
}

GroupView group_view(const Job& job, std::uint32_t g) {
  const TaskGroup& group = job.groups[g];
  GroupView view;
  view.name = group.name;
  view.tasks = group.count;
  view.tasks_per_node = group.tasks_per_node;
  view.nodes = group.nodes;
  view.parallel = group.parallel;
  view.array = array_text(group.array);
  view.launcher = group.launcher;
  for (const Alternative& alternative : group.any_of)
    view.any_of.push_back(alternative_view(alternative));
  view.ready_probe = group.has_ready_probe;
  view.units.total = unit_count(job, g);
  return view;
}

RestartView restart_view(const RestartRule& rule) {
  RestartView view;
  if (rule.on_any) view.on.emplace_back("any");
  if (rule.on_node) view.on.emplace_back("node");
  if (rule.on_oom) view.on.emplace_back("oom");
  if (rule.on_timeout) view.on.emplace_back("timeout");
  for (const std::int32_t signal : rule.signals)
    view.on.push_back("signal:" + std::to_string(signal));
  for (const std::int32_t code : rule.exit_codes) view.on.push_back(std::to_string(code));
  view.max = rule.max;
  view.backoff = {rule.backoff};
  view.backoff_max = {rule.backoff_max};
  return view;
}

JobDetail plain_detail(const Lens& lens, const Job& job) {
  JobDetail detail;
  for (std::uint32_t g = 0; g < job.groups.size(); ++g) detail.groups.push_back(group_view(job, g));
  for (const Dependency& dependency : job.after)
    detail.after.push_back({dependency.kind, dependency.job, dependency.name});
  detail.begin = lens.moment_if(job.begin_at);
  detail.deadline = lens.moment_if(job.deadline_at);
  detail.exclude = job.exclude;
  detail.exclusive = job.exclusive;
  detail.preemptible = job.preemptible;
  detail.grace = {job.grace};
  detail.topology = *job.topology;
  detail.restart = restart_view(*job.restart);
  if (job.checkpoint->present)
    detail.checkpoint =
        CheckpointView{job.checkpoint->signal, {job.checkpoint->grace}, {job.checkpoint->interval}};
  return detail;
}

}  // namespace

JobDetail job_detail(const Lens& lens, const core::JobRecord& record) {
  JobDetail detail = plain_detail(lens, record.job);
  detail.job = job_view(lens, record);
  detail.hold_reason = *record.hold_reason;
  detail.close_reason = *record.close_reason;
  std::vector<std::uint64_t> ready(record.groups.size(), 0);
  const auto& attempts = lens.view.state.attempts();
  for (auto at = attempts.lower_bound({{record.job.id, 0, 0}, 0});
       at != attempts.end() && at->first.unit.job == record.job.id; ++at) {
    if (detail.attempts.size() < attempts_shown_max)
      detail.attempts.push_back(attempt_view(lens, record.job, at->second));
    if (at->second.ready && at->first.unit.group < ready.size()) ++ready[at->first.unit.group];
  }
  for (std::uint32_t g = 0; g < record.groups.size(); ++g)
    detail.groups[g].units = group_counts(record.job, g, record.groups[g], ready[g]);
  return detail;
}

JobDetail job_detail(const Lens& lens, const HistoryJob& job) {
  JobDetail detail = plain_detail(lens, job.job);
  detail.job = job_view(lens, job);
  detail.in_history = true;
  return detail;
}

void add_payloads(Backend& backend, const List<TaskGroup>& groups, JobDetail& detail) {
  for (std::size_t g = 0; g < groups.size() && g < detail.groups.size(); ++g) {
    const auto bytes = backend.payload(groups[g].payload);
    if (!bytes.ok()) continue;
    auto payload = decode_payload(bytes.value());
    if (!payload.ok()) continue;
    detail.groups[g].runs = RunView{std::move(payload->run), std::move(payload->command),
                                    std::move(payload->working_directory),
                                    std::move(payload->output), std::move(payload->error)};
  }
}

}  // namespace busbar::api
