// One job in full: the JobDetail of docs/openapi.json.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "api/views.hpp"

namespace busbar::api {

struct DeviceRequestView {
  std::string model;
  Bytes memory_min;
  std::uint32_t count = 0;
  Thousandths share;
};
template <class V>
void describe(V& visit, Like<DeviceRequestView> auto& request) {
  visit("model", request.model);
  visit("memory_min_bytes", request.memory_min);
  visit("count", request.count);
  visit("share", request.share);
}

struct AlternativeView {
  Thousandths cores;
  Bytes memory;
  Bytes scratch;
  std::vector<DeviceRequestView> devices;
  List<NamedCount> named;
  std::uint32_t ports = 0;
  std::string constraint;
  Thousandths speed;
};
template <class V>
void describe(V& visit, Like<AlternativeView> auto& alternative) {
  visit("cores", alternative.cores);
  visit("memory_bytes", alternative.memory);
  visit("scratch_bytes", alternative.scratch);
  visit("devices", alternative.devices);
  visit("named", alternative.named);
  visit("ports", alternative.ports);
  visit("constraint", alternative.constraint);
  visit("speed", alternative.speed);
}

// What a group runs, for those who may see it.
struct RunView {
  std::string run;
  std::vector<std::string> command;
  std::string working_directory;
  std::string output;
  std::string error;
};

struct GroupView {
  std::string name;
  CountRange tasks;
  std::uint32_t tasks_per_node = 0;
  std::uint32_t nodes = 0;
  std::uint32_t parallel = 0;
  std::optional<std::string> array;
  Launcher launcher = Launcher::script;
  std::vector<AlternativeView> any_of;
  bool ready_probe = false;
  UnitCounts units;
  std::optional<RunView> runs;
};
template <class V>
void describe(V& visit, Like<GroupView> auto& group) {
  visit("name", group.name);
  visit("tasks_min", group.tasks.min);
  visit("tasks_max", group.tasks.max);
  visit("tasks_per_node", group.tasks_per_node);
  visit("nodes", group.nodes);
  visit("parallel", group.parallel);
  visit("array", group.array);
  visit("launcher", group.launcher);
  visit("any_of", group.any_of);
  visit("ready_probe", group.ready_probe);
  visit("units", group.units);
  if (!group.runs) return;
  visit("run", group.runs->run);
  visit("command", group.runs->command);
  visit("working_directory", group.runs->working_directory);
  visit("output", group.runs->output);
  visit("error", group.runs->error);
}

struct AfterView {
  DependencyKind kind = DependencyKind::ok;
  JobId job;
  std::string name;
};
template <class V>
void describe(V& visit, Like<AfterView> auto& after) {
  visit("kind", after.kind);
  visit("job", after.job);
  visit("name", after.name);
}

struct RestartView {
  std::vector<std::string> on;
  std::uint32_t max = 0;
  Seconds backoff;
  Seconds backoff_max;
};
template <class V>
void describe(V& visit, Like<RestartView> auto& restart) {
  visit("on", restart.on);
  visit("max", restart.max);
  visit("backoff_seconds", restart.backoff);
  visit("backoff_max_seconds", restart.backoff_max);
}

struct CheckpointView {
  std::int32_t signal = 0;
  Seconds grace;
  Seconds interval;
};
template <class V>
void describe(V& visit, Like<CheckpointView> auto& checkpoint) {
  visit("signal", checkpoint.signal);
  visit("grace_seconds", checkpoint.grace);
  visit("interval_seconds", checkpoint.interval);
}

struct JobDetail {
  JobView job;
  std::vector<GroupView> groups;
  std::vector<AttemptView> attempts;
  std::vector<AfterView> after;
  std::optional<Moment> begin;
  std::optional<Moment> deadline;
  List<std::string> exclude;
  bool exclusive = false;
  bool preemptible = false;
  Seconds grace;
  TopologyWish topology;
  RestartView restart;
  std::optional<CheckpointView> checkpoint;
  std::string hold_reason;
  std::string close_reason;
  bool in_history = false;
};
template <class V>
void describe(V& visit, Like<JobDetail> auto& detail) {
  describe(visit, detail.job);
  visit("groups", detail.groups);
  visit("attempts", detail.attempts);
  visit("after", detail.after);
  visit("begin", detail.begin);
  visit("deadline", detail.deadline);
  visit("exclude", detail.exclude);
  visit("exclusive", detail.exclusive);
  visit("preemptible", detail.preemptible);
  visit("grace_seconds", detail.grace);
  visit("within", detail.topology.within);
  visit("within_required", detail.topology.required);
  visit("spread", detail.topology.spread);
  visit("restart", detail.restart);
  visit("checkpoint", detail.checkpoint);
  visit("hold_reason", detail.hold_reason);
  visit("close_reason", detail.close_reason);
  visit("in_history", detail.in_history);
}

JobDetail job_detail(const Lens& lens, const core::JobRecord& record);
JobDetail job_detail(const Lens& lens, const HistoryJob& job);
// Puts what each group runs into the detail; a payload that cannot be read is left out.
void add_payloads(Backend& backend, const List<TaskGroup>& groups, JobDetail& detail);

}  // namespace busbar::api
