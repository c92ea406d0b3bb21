// What answers show of jobs, units, nodes and history: plain values with a describe() each, in the
// shapes of docs/openapi.json, made from a consistent view of the replica.
//
// Units    moments are wall time, spans seconds, memory bytes, cores and devices whole ones.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/json_out.hpp"
#include "api/replica.hpp"
#include "api/request.hpp"
#include "ports/journal.hpp"

namespace busbar::api {

// A view of the replica with what turns it into words.
struct Lens {
  const ReadView& view;
  const Backend& backend;
  Tick now;
  // One for all that is shown together.
  std::int64_t wall_offset_ms = backend.unix_ms(now) - now.value;

  Moment moment(Tick at) const {
    return {at == tick_never ? INT64_MAX : at.value + wall_offset_ms};
  }
  // Nothing for 0 and never.
  std::optional<Moment> moment_if(Tick at) const {
    if (at == Tick() || at == tick_never) return {};
    return moment(at);
  }
};

inline std::optional<Seconds> limited(Span span) {
  if (span == span_unlimited) return {};
  return Seconds{span};
}

struct UnitCounts {
  std::uint64_t total = 0;
  std::uint64_t waiting = 0;
  std::uint64_t held = 0;
  std::uint64_t running = 0;
  std::uint64_t completed = 0;
  std::uint64_t failed = 0;  // CANCELLED ones not counted
  std::uint64_t cancelled = 0;
  std::uint64_t ready = 0;
};
template <class V>
void describe(V& visit, Like<UnitCounts> auto& counts) {
  visit("total", counts.total);
  visit("waiting", counts.waiting);
  visit("held", counts.held);
  visit("running", counts.running);
  visit("completed", counts.completed);
  visit("failed", counts.failed);
  visit("cancelled", counts.cancelled);
  visit("ready", counts.ready);
}

struct ProgressView {  // as the job tells it, in units of its own choice
  std::int64_t work_done = 0;
  std::int64_t rate_per_hour = 0;
  std::optional<std::int64_t> work_total;
  std::optional<Moment> told;
  std::optional<Moment> predicted_end;  // where total and rate, told or found, allow it
};
template <class V>
void describe(V& visit, Like<ProgressView> auto& progress) {
  visit("work_done", progress.work_done);
  visit("rate_per_hour", progress.rate_per_hour);
  visit("work_total", progress.work_total);
  visit("told", progress.told);
  visit("predicted_end", progress.predicted_end);
}

struct JobView {
  JobId id;
  std::string name;
  std::string user;
  std::string tenant;
  RunState state = RunState::pending;
  std::optional<std::string> reason;
  std::int32_t priority = 0;
  Coupling coupling = Coupling::loose;
  UnitCounts units;
  bool requeued = false;
  Moment submitted;
  std::optional<Moment> started;
  std::optional<Moment> ended;
  std::optional<Moment> predicted_start;
  std::optional<Seconds> time_limit;
  std::optional<std::int32_t> exit_code;
  std::string resources;
  bool simulated = false;  // of what it holds or could get
  std::vector<std::string> nodes;
  LabelMap labels;
  std::optional<ProgressView> progress;  // of a job of one unit
};
template <class V>
void describe(V& visit, Like<JobView> auto& job) {
  visit("id", job.id);
  visit("name", job.name);
  visit("user", job.user);
  visit("tenant", job.tenant);
  visit("state", job.state);
  visit("reason", job.reason);
  visit("priority", job.priority);
  visit("coupling", job.coupling);
  visit("units", job.units);
  visit("requeued", job.requeued);
  visit("submitted", job.submitted);
  visit("started", job.started);
  visit("ended", job.ended);
  visit("predicted_start", job.predicted_start);
  visit("time_limit_seconds", job.time_limit);
  visit("exit_code", job.exit_code);
  visit("resources", job.resources);
  visit("simulated", job.simulated);
  visit("nodes", job.nodes);
  visit("labels", job.labels);
  visit("progress", job.progress);
}

struct DeviceHeldView {
  std::uint32_t ordinal = 0;
  Thousandths share;
  std::string vendor;
  std::string model;
  std::string uuid;
  bool simulated = false;
};
template <class V>
void describe(V& visit, Like<DeviceHeldView> auto& device) {
  visit("ordinal", device.ordinal);
  visit("share", device.share);
  visit("vendor", device.vendor);
  visit("model", device.model);
  visit("uuid", device.uuid);
  visit("simulated", device.simulated);
}

struct ClaimView {
  std::string node;
  std::string cluster;
  std::string group;
  std::uint32_t tasks = 0;
  Thousandths cores;
  Bytes memory;
  Bytes scratch;
  std::vector<DeviceHeldView> devices;
  List<NamedCount> named;
  std::vector<std::uint32_t> ports;
  bool exclusive = false;
  Binding binding = Binding::counted;
  std::vector<std::uint32_t> core_ids;
  bool simulated = false;
};
template <class V>
void describe(V& visit, Like<ClaimView> auto& claim) {
  visit("node", claim.node);
  visit("cluster", claim.cluster);
  visit("group", claim.group);
  visit("tasks", claim.tasks);
  visit("cores", claim.cores);
  visit("memory_bytes", claim.memory);
  visit("scratch_bytes", claim.scratch);
  visit("devices", claim.devices);
  visit("named", claim.named);
  visit("ports", claim.ports);
  visit("exclusive", claim.exclusive);
  visit("binding", claim.binding);
  visit("core_ids", claim.core_ids);
  visit("simulated", claim.simulated);
}

struct StopView {
  StopCause cause = StopCause::none;
  std::string by;
  std::string reason;
};
template <class V>
void describe(V& visit, Like<StopView> auto& stop) {
  visit("cause", stop.cause);
  visit("by", stop.by);
  visit("reason", stop.reason);
}

struct AttemptView {
  std::string name;
  std::string unit;
  std::uint32_t number = 0;
  RunState state = RunState::configuring;
  Moment granted;
  std::optional<Moment> started;
  std::optional<Moment> latest_end;
  std::optional<std::string> latest_end_parts;
  std::optional<Seconds> time_limit;
  Seconds elapsed;
  bool ready = false;
  std::optional<std::string> address;
  bool reachable = true;
  std::optional<StopView> stop;
  std::optional<ProgressView> progress;
  std::vector<std::string> nodes;
  std::vector<ClaimView> claims;
  std::optional<std::string> after;  // staged: the attempt whose claims it will take
};
template <class V>
void describe(V& visit, Like<AttemptView> auto& attempt) {
  visit("name", attempt.name);
  visit("unit", attempt.unit);
  visit("number", attempt.number);
  visit("state", attempt.state);
  visit("granted", attempt.granted);
  visit("started", attempt.started);
  visit("latest_end", attempt.latest_end);
  visit("latest_end_parts", attempt.latest_end_parts);
  visit("time_limit_seconds", attempt.time_limit);
  visit("elapsed_seconds", attempt.elapsed);
  visit("ready", attempt.ready);
  visit("address", attempt.address);
  visit("reachable", attempt.reachable);
  visit("stop", attempt.stop);
  visit("progress", attempt.progress);
  visit("nodes", attempt.nodes);
  visit("claims", attempt.claims);
  visit("after", attempt.after);
}

struct UnitRunView {  // units of one group that are alike, side by side
  std::string ref;
  std::string group;
  std::uint32_t first = 0;
  std::uint32_t last = 0;
  std::uint64_t count = 0;
  RunState state = RunState::pending;
  bool held = false;
  bool requeued = false;
  std::uint32_t attempts = 0;
  std::optional<std::int32_t> exit_code;
  std::optional<Moment> not_before;
  std::optional<AttemptView> attempt;
};
template <class V>
void describe(V& visit, Like<UnitRunView> auto& run) {
  visit("ref", run.ref);
  visit("group", run.group);
  visit("first", run.first);
  visit("last", run.last);
  visit("count", run.count);
  visit("state", run.state);
  visit("held", run.held);
  visit("requeued", run.requeued);
  visit("attempts", run.attempts);
  visit("exit_code", run.exit_code);
  visit("not_before", run.not_before);
  visit("attempt", run.attempt);
}

JobView job_view(const Lens& lens, const core::JobRecord& record);
JobView job_view(const Lens& lens, const HistoryJob& job);
UnitCounts group_counts(const Job& job, std::uint32_t group, const core::GroupRecord& record,
                        std::uint64_t ready);
// Nothing when the attempt has not told any.
std::optional<ProgressView> progress_view(const Lens& lens, const core::AttemptRecord& attempt);
AttemptView attempt_view(const Lens& lens, const Job& job, const core::AttemptRecord& attempt);
std::vector<ClaimView> claim_views(const Lens& lens, const Job& job, const Allocation& allocation);
// The run that starts with the unit at (group, index), which exists.
UnitRunView unit_run(const Lens& lens, const core::JobRecord& record, std::uint32_t group,
                     std::uint32_t index);
// The number of the unit's newest attempt, 0 where it has none or State no longer knows.
std::uint32_t newest_attempt(const core::State& state, const UnitId& unit);
// Why the job waits, the binding reason first. Costs a search, so it is asked for once.
using Verdicts = std::vector<core::Verdict>;
Verdicts verdicts_of(const Lens& lens, const core::JobRecord& record);
// "Resources: wants 4 H100, 2 free". Nothing when no slice has looked at the job yet.
std::optional<std::string> waiting_line(const Lens& lens, const core::JobRecord& record,
                                        const Verdicts& verdicts);
// "2 cores, 4G, H100:2"
std::string resources_line(const Resources& resources);
// What did not complete and has no code of its own, such as a cancelled job that never ran or one
// whose node was lost, has none: 0 would read as success.
bool has_exit_code(RunState state, std::int32_t exit_code);
// An earliest promised or estimated start, or never.
Tick predicted_start(const Lens& lens, const core::JobRecord& record, const Verdicts& verdicts);

}  // namespace busbar::api
