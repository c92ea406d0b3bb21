// Events: facts, decisions taken included. They carry results, so that applying one computes no
// policy. The journal keeps them for ever: alternatives and fields are only ever appended.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "model/attempt.hpp"
#include "model/config.hpp"
#include "model/job.hpp"
#include "model/node.hpp"

namespace busbar {

struct Configured {
  Config config;
  std::uint64_t version = 0;  // counts configurations from 1
  friend bool operator==(const Configured&, const Configured&) = default;
};
template <class V>
void describe(V& visit, Like<Configured> auto& event) {
  visit("config", event.config);
  visit("version", event.version);
}

// Ids are given, tenants and dependencies resolved.
struct Submitted {
  std::vector<Job> jobs;
  std::string idempotency_key;
  friend bool operator==(const Submitted&, const Submitted&) = default;
};
template <class V>
void describe(V& visit, Like<Submitted> auto& event) {
  visit("jobs", event.jobs);
  visit("idempotency_key", event.idempotency_key);
}

// Waiting units that end without an attempt: cancelled, deadline passed, dependency never
// satisfied.
struct UnitsClosed {
  JobId job;
  std::uint32_t group = 0;
  IndexSet indices;
  RunState state = RunState::cancelled;
  std::string reason;
  std::string by;
  friend bool operator==(const UnitsClosed&, const UnitsClosed&) = default;
};
template <class V>
void describe(V& visit, Like<UnitsClosed> auto& event) {
  visit("job", event.job);
  visit("group", event.group);
  visit("indices", event.indices);
  visit("state", event.state);
  visit("reason", event.reason);
  visit("by", event.by);
}

struct UnitsHeld {
  JobId job;
  std::uint32_t group = 0;
  IndexSet indices;
  std::string reason;
  std::string by;  // "" when Busbar held them
  friend bool operator==(const UnitsHeld&, const UnitsHeld&) = default;
};
template <class V>
void describe(V& visit, Like<UnitsHeld> auto& event) {
  visit("job", event.job);
  visit("group", event.group);
  visit("indices", event.indices);
  visit("reason", event.reason);
  visit("by", event.by);
}

struct UnitsReleased {
  JobId job;
  std::uint32_t group = 0;
  IndexSet indices;
  std::string by;
  friend bool operator==(const UnitsReleased&, const UnitsReleased&) = default;
};
template <class V>
void describe(V& visit, Like<UnitsReleased> auto& event) {
  visit("job", event.job);
  visit("group", event.group);
  visit("indices", event.indices);
  visit("by", event.by);
}

// Finished units that wait again.
struct UnitsRequeued {
  JobId job;
  std::uint32_t group = 0;
  IndexSet indices;
  std::string by;
  friend bool operator==(const UnitsRequeued&, const UnitsRequeued&) = default;
};
template <class V>
void describe(V& visit, Like<UnitsRequeued> auto& event) {
  visit("job", event.job);
  visit("group", event.group);
  visit("indices", event.indices);
  visit("by", event.by);
}

// The whole job as it is after an update (groups and payloads never change).
struct JobUpdated {
  Job job;
  std::string by;
  friend bool operator==(const JobUpdated&, const JobUpdated&) = default;
};
template <class V>
void describe(V& visit, Like<JobUpdated> auto& event) {
  visit("job", event.job);
  visit("by", event.by);
}

// With `after` the attempt is staged: it holds nothing, and the engine starts it by itself, on the
// claims of that live attempt of its group, when that one has ended.
struct Granted {
  AttemptId attempt;
  Allocation allocation;
  Span time_limit = span_unlimited;
  Tick latest_end = tick_never;  // grant, or latest end of `after`, + limit + grace + cleanup
  AttemptId after;               // number 0: none
  friend bool operator==(const Granted&, const Granted&) = default;
};
template <class V>
void describe(V& visit, Like<Granted> auto& event) {
  visit("attempt", event.attempt);
  visit("allocation", event.allocation);
  visit("time_limit", event.time_limit);
  visit("latest_end", event.latest_end);
  visit("after", event.after);
}

struct Running {
  AttemptId attempt;
  std::vector<Claim> bound;  // empty: as granted
  Tick latest_end = tick_never;
  friend bool operator==(const Running&, const Running&) = default;
};
template <class V>
void describe(V& visit, Like<Running> auto& event) {
  visit("attempt", event.attempt);
  visit("bound", event.bound);
  visit("latest_end", event.latest_end);
}

struct BecameReady {
  AttemptId attempt;
  std::string address;
  friend bool operator==(const BecameReady&, const BecameReady&) = default;
};
template <class V>
void describe(V& visit, Like<BecameReady> auto& event) {
  visit("attempt", event.attempt);
  visit("address", event.address);
}

struct Progressed {
  AttemptId attempt;
  std::int64_t work_done = 0;
  std::int64_t rate_per_hour = 0;
  std::int64_t work_total = 0;  // 0: not said
  friend bool operator==(const Progressed&, const Progressed&) = default;
};
template <class V>
void describe(V& visit, Like<Progressed> auto& event) {
  visit("attempt", event.attempt);
  visit("work_done", event.work_done);
  visit("rate_per_hour", event.rate_per_hour);
  visit("work_total", event.work_total);
}

// Busbar wants the attempt ended; the engine hears of it once this is durable.
struct Stopping {
  AttemptId attempt;
  StopCause cause = StopCause::cancel;
  std::string by;
  std::string reason;
  friend bool operator==(const Stopping&, const Stopping&) = default;
};
template <class V>
void describe(V& visit, Like<Stopping> auto& event) {
  visit("attempt", event.attempt);
  visit("cause", event.cause);
  visit("by", event.by);
  visit("reason", event.reason);
}

enum class UnitNext : std::uint8_t { closed, waits, held };
template <>
struct EnumWords<UnitNext> {
  static constexpr std::string_view words[] = {"closed", "waits", "held"};
};

struct Ended {
  AttemptId attempt;
  RunState state = RunState::completed;
  Exit exit;
  Usage usage;
  UnitNext next = UnitNext::closed;
  Tick not_before;                    // when it waits
  std::uint32_t restarts = 0;         // counted by the restart rule, after this end
  std::uint32_t launch_failures = 0;  // in a row, after this end
  std::int64_t charge = 0;  // fair-share charge added to the tenant (share-milliseconds, Q20)
  friend bool operator==(const Ended&, const Ended&) = default;
};
template <class V>
void describe(V& visit, Like<Ended> auto& event) {
  visit("attempt", event.attempt);
  visit("state", event.state);
  visit("exit", event.exit);
  visit("usage", event.usage);
  visit("next", event.next);
  visit("not_before", event.not_before);
  visit("restarts", event.restarts);
  visit("launch_failures", event.launch_failures);
  visit("charge", event.charge);
}

struct NodeRegistered {  // new, or its inventory changed
  Node node;
  friend bool operator==(const NodeRegistered&, const NodeRegistered&) = default;
};
template <class V>
void describe(V& visit, Like<NodeRegistered> auto& event) {
  visit("node", event.node);
}

struct NodeReachability {
  NodeId node;
  bool reachable = true;
  friend bool operator==(const NodeReachability&, const NodeReachability&) = default;
};
template <class V>
void describe(V& visit, Like<NodeReachability> auto& event) {
  visit("node", event.node);
  visit("reachable", event.reachable);
}

struct NodeDrained {
  NodeId node;
  std::string reason;
  std::string by;
  friend bool operator==(const NodeDrained&, const NodeDrained&) = default;
};
template <class V>
void describe(V& visit, Like<NodeDrained> auto& event) {
  visit("node", event.node);
  visit("reason", event.reason);
  visit("by", event.by);
}

struct NodeResumed {
  NodeId node;
  std::string by;
  friend bool operator==(const NodeResumed&, const NodeResumed&) = default;
};
template <class V>
void describe(V& visit, Like<NodeResumed> auto& event) {
  visit("node", event.node);
  visit("by", event.by);
}

// Its attempts end by Ended events of their own, in the same batch, after this one.
struct NodeFenced {
  NodeId node;
  std::string reason;
  std::string by;
  friend bool operator==(const NodeFenced&, const NodeFenced&) = default;
};
template <class V>
void describe(V& visit, Like<NodeFenced> auto& event) {
  visit("node", event.node);
  visit("reason", event.reason);
  visit("by", event.by);
}

// Nobody's job may hold these nodes during [start, end).
struct Reservation {
  ReservationId id;
  std::string name;
  std::vector<NodeId> nodes;  // sorted
  Tick start;
  Tick end;
  std::string by;
  friend bool operator==(const Reservation&, const Reservation&) = default;
};
template <class V>
void describe(V& visit, Like<Reservation> auto& reservation) {
  visit("id", reservation.id);
  visit("name", reservation.name);
  visit("nodes", reservation.nodes);
  visit("start", reservation.start);
  visit("end", reservation.end);
  visit("by", reservation.by);
}

struct ReservationMade {
  Reservation reservation;
  friend bool operator==(const ReservationMade&, const ReservationMade&) = default;
};
template <class V>
void describe(V& visit, Like<ReservationMade> auto& event) {
  visit("reservation", event.reservation);
}

struct ReservationEnded {
  ReservationId id;
  friend bool operator==(const ReservationEnded&, const ReservationEnded&) = default;
};
template <class V>
void describe(V& visit, Like<ReservationEnded> auto& event) {
  visit("id", event.id);
}

// A waiting unit's concrete place and latest start; kept even when the unit is no longer a head.
struct Promised {
  UnitId unit;
  Tick at;
  Allocation allocation;
  friend bool operator==(const Promised&, const Promised&) = default;
};
template <class V>
void describe(V& visit, Like<Promised> auto& event) {
  visit("unit", event.unit);
  visit("at", event.at);
  visit("allocation", event.allocation);
}

enum class VoidCause : std::uint8_t {
  started,   // kept: the unit started
  improved,  // replaced by an earlier promise
  node_lost,
  drained,
  reserved,       // maintenance
  priority,       // an arrival in a higher band
  unit_changed,   // cancel, hold or update of the unit
  limit_changed,  // a limit extended or the configuration changed by an operator
  quota,
  engine_late,
};
template <>
struct EnumWords<VoidCause> {
  static constexpr std::string_view words[] = {
      "started",  "improved",     "node_lost",     "drained", "reserved",
      "priority", "unit_changed", "limit_changed", "quota",   "engine_late"};
};

struct PromiseVoided {
  UnitId unit;
  VoidCause cause = VoidCause::started;
  friend bool operator==(const PromiseVoided&, const PromiseVoided&) = default;
};
template <class V>
void describe(V& visit, Like<PromiseVoided> auto& event) {
  visit("unit", event.unit);
  visit("cause", event.cause);
}

struct ClusterSynchronised {
  std::string cluster;
  friend bool operator==(const ClusterSynchronised&, const ClusterSynchronised&) = default;
};
template <class V>
void describe(V& visit, Like<ClusterSynchronised> auto& event) {
  visit("cluster", event.cluster);
}

// The job left State; the history table has it.
struct JobRetired {
  JobId job;
  friend bool operator==(const JobRetired&, const JobRetired&) = default;
};
template <class V>
void describe(V& visit, Like<JobRetired> auto& event) {
  visit("job", event.job);
}

// One slice that decided something, so that decisions replay under the same build.
struct SliceDecided {
  Revision input;
  std::uint64_t seed = 0;
  std::uint64_t policy_version = 0;
  std::string build;
  std::string cursor;  // encoded
  std::uint32_t budget_steps = 0;
  friend bool operator==(const SliceDecided&, const SliceDecided&) = default;
};
template <class V>
void describe(V& visit, Like<SliceDecided> auto& event) {
  visit("input", event.input);
  visit("seed", event.seed);
  visit("policy_version", event.policy_version);
  visit("build", event.build);
  visit("cursor", event.cursor);
  visit("budget_steps", event.budget_steps);
}

// Sums over run times p that ended, each counted for less with every later one.
struct RunStatistics {
  std::int64_t weight = 0;       // of the counts, Q20
  std::int64_t run_time_ms = 0;  // of p
  std::int64_t inverse = 0;      // of 1 / max(p, 10 s), per millisecond in Q40
  friend bool operator==(const RunStatistics&, const RunStatistics&) = default;
};
template <class V>
void describe(V& visit, Like<RunStatistics> auto& statistics) {
  visit("weight", statistics.weight);
  visit("run_time_ms", statistics.run_time_ms);
  visit("inverse", statistics.inverse);
}
// What is expected of a job that waits.
struct RunPrediction {
  JobId job;
  Span run_time;
  std::int64_t inverse = 0;  // expected 1 / max(run time, 10 s), as above
  friend bool operator==(const RunPrediction&, const RunPrediction&) = default;
};
template <class V>
void describe(V& visit, Like<RunPrediction> auto& prediction) {
  visit("job", prediction.job);
  visit("run_time", prediction.run_time);
  visit("inverse", prediction.inverse);
}
struct NamedStatistics {
  std::string name;  // "user ada", "width 8"
  RunStatistics statistics;
  friend bool operator==(const NamedStatistics&, const NamedStatistics&) = default;
};
template <class V>
void describe(V& visit, Like<NamedStatistics> auto& named) {
  visit("name", named.name);
  visit("statistics", named.statistics);
}
// What an end taught, and what is expected since of the jobs that it says something about.
struct Learned {
  std::vector<NamedStatistics> statistics;
  std::vector<RunPrediction> predictions;
  friend bool operator==(const Learned&, const Learned&) = default;
};
template <class V>
void describe(V& visit, Like<Learned> auto& event) {
  visit("statistics", event.statistics);
  visit("predictions", event.predictions);
}

// Time went by that ticks do not contain, until an operator says whether it counts.
struct ClockWithheld {
  Span by;
  friend bool operator==(const ClockWithheld&, const ClockWithheld&) = default;
};
template <class V>
void describe(V& visit, Like<ClockWithheld> auto& event) {
  visit("by", event.by);
}

// All that was withheld counts from here on (the next ticks contain it), or never will.
struct ClockAnswered {
  bool accepted = false;
  Span withheld;
  std::string by;
  friend bool operator==(const ClockAnswered&, const ClockAnswered&) = default;
};
template <class V>
void describe(V& visit, Like<ClockAnswered> auto& event) {
  visit("accepted", event.accepted);
  visit("withheld", event.withheld);
  visit("by", event.by);
}

// An engine shows an attempt that is newer than this journal, as after a restored backup.
struct NewerSighted {
  std::string cluster;
  AttemptId attempt;
  bool running = false;  // false: only its exit is left
  friend bool operator==(const NewerSighted&, const NewerSighted&) = default;
};
template <class V>
void describe(V& visit, Like<NewerSighted> auto& event) {
  visit("cluster", event.cluster);
  visit("attempt", event.attempt);
  visit("running", event.running);
}

// An operator went on from here: ids count on behind these attempts, which are leftovers now.
struct ClusterAdopted {
  std::string cluster;  // as the operator said; "" every
  bool keep = false;    // leftovers end by themselves; else they are ended
  std::vector<AttemptId> attempts;
  JobId next_job;
  std::string by;
  friend bool operator==(const ClusterAdopted&, const ClusterAdopted&) = default;
};
template <class V>
void describe(V& visit, Like<ClusterAdopted> auto& event) {
  visit("cluster", event.cluster);
  visit("keep", event.keep);
  visit("attempts", event.attempts);
  visit("next_job", event.next_job);
  visit("by", event.by);
}

struct LeftoverEnded {
  AttemptId attempt;
  Exit exit;
  Usage usage;
  friend bool operator==(const LeftoverEnded&, const LeftoverEnded&) = default;
};
template <class V>
void describe(V& visit, Like<LeftoverEnded> auto& event) {
  visit("attempt", event.attempt);
  visit("exit", event.exit);
  visit("usage", event.usage);
}

// Append only: the position is the kind's number in the journal.
using EventBody =
    std::variant<Configured, Submitted, UnitsClosed, UnitsHeld, UnitsReleased, UnitsRequeued,
                 JobUpdated, Granted, Running, BecameReady, Progressed, Stopping, Ended,
                 NodeRegistered, NodeReachability, NodeDrained, NodeResumed, NodeFenced,
                 ReservationMade, ReservationEnded, Promised, PromiseVoided, ClusterSynchronised,
                 JobRetired, SliceDecided, ClockWithheld, ClockAnswered, NewerSighted,
                 ClusterAdopted, LeftoverEnded, Learned>;
inline constexpr std::string_view event_words[] = {"configured",
                                                   "submitted",
                                                   "units_closed",
                                                   "units_held",
                                                   "units_released",
                                                   "units_requeued",
                                                   "job_updated",
                                                   "granted",
                                                   "running",
                                                   "became_ready",
                                                   "progressed",
                                                   "stopping",
                                                   "ended",
                                                   "node_registered",
                                                   "node_reachability",
                                                   "node_drained",
                                                   "node_resumed",
                                                   "node_fenced",
                                                   "reservation_made",
                                                   "reservation_ended",
                                                   "promised",
                                                   "promise_voided",
                                                   "cluster_synchronised",
                                                   "job_retired",
                                                   "slice_decided",
                                                   "clock_withheld",
                                                   "clock_answered",
                                                   "newer_sighted",
                                                   "cluster_adopted",
                                                   "leftover_ended",
                                                   "learned"};
static_assert(std::size(event_words) == std::variant_size_v<EventBody>);

struct Event {
  Revision revision;  // 0 until appended: the loop numbers events
  Tick tick;
  EventBody body;
  friend bool operator==(const Event&, const Event&) = default;
};

using Events = std::vector<Event>;

// Binary form of one event, framed and versioned. decode is corrupt on anything it cannot read in
// full.
std::string encode_event(const Event& event);
Result<Event> decode_event(std::string_view bytes);
// One JSON object on one line: {"revision":..,"tick":..,"kind":"granted",...}.
std::string event_json(const Event& event);

}  // namespace busbar
