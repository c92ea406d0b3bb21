// State: every scheduling fact, and nothing else. apply() is total, deterministic and the only
// writer.
//
// Shape    jobs, attempts, nodes and promises are kept in the order of their ids, so that iteration
// order is
//          part of the contract. Waiting units are interval sets; a unit has a record of its own
//          only while it has an attempt, a retry or an override; finished units collapse to runs of
//          equal ends.
// Holds    (checked by invariants()) a unit of a group is in exactly one of waiting, held, live,
// finished;
//          every live unit has exactly one attempt in attempts(); counts equal what they count.
//          A staged attempt holds nothing. When the one it follows ends, its claims pass to it:
//          they are free at no moment between. An attempt is followed by one at most.
// Errors   an event that does not fit the State is our own bug and stops the process.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "model/event.hpp"

namespace busbar::core {

// A unit that waits again or runs.
struct UnitRecord {
  std::uint32_t attempts = 0;         // granted so far; the live one, if any, has this number
  std::uint32_t restarts = 0;         // counted by the restart rule
  std::uint32_t launch_failures = 0;  // in a row
  std::uint32_t ran = 0;              // attempts before the live one that really ran
  Tick not_before;                    // while it waits
  bool requeued = false;              // shown as REQUEUED beside PENDING
  bool live = false;
  friend bool operator==(const UnitRecord&, const UnitRecord&) = default;
};

// Finished units [range.first, range.last] that ended alike.
struct FinishedRun {
  IndexRange range;
  RunState state = RunState::completed;
  std::int32_t exit_code = 0;
  std::uint32_t attempts = 0;  // granted so far: a unit requeued by hand counts on from here
  std::uint32_t ran = 0;       // of these, how many really ran
  friend bool operator==(const FinishedRun&, const FinishedRun&) = default;
};

struct GroupRecord {
  IndexSet waiting;                                  // pending and free to start, retries included
  IndexSet held;                                     // pending and held
  Boxed<std::map<std::uint32_t, UnitRecord>> units;  // by index
  List<FinishedRun> finished;                        // by index, neighbours differ
  std::uint32_t live = 0;                            // units with an attempt, staged ones included
  std::uint32_t staged = 0;                          // of these, units whose attempt is staged
  friend bool operator==(const GroupRecord&, const GroupRecord&) = default;
};

struct JobRecord {
  Job job;
  TenantId tenant;  // of job.tenant; snapshots leave it out
  Tick submitted;
  Tick ended;                       // when its last unit ended; 0 while any waits or lives
  List<GroupRecord> groups;         // by task group
  Boxed<std::string> hold_reason;   // of the last hold
  Boxed<std::string> close_reason;  // of the last UnitsClosed: why units ended without an attempt
  std::uint32_t waiting = 0;        // units, over groups; held ones not counted
  std::uint32_t held = 0;
  std::uint32_t live = 0;
  std::uint32_t completed = 0;  // finished COMPLETED
  std::uint32_t failed = 0;     // finished otherwise
  std::uint32_t ready = 0;      // live attempts that are ready
  std::int32_t exit_code = 0;   // highest of its units' so far
  Tick started;                 // when it first ran; 0 before, and again once all is requeued
  // Of attempts that ended other than COMPLETED: how the last one ended, or the worst once units
  // are closed by them. end_state is COMPLETED while there is none.
  RunState end_state = RunState::completed;
  Boxed<std::string> end_reason;
  friend bool operator==(const JobRecord&, const JobRecord&) = default;

  bool ended_all() const { return waiting == 0 && held == 0 && live == 0; }
  std::uint64_t staged() const;  // of the live units
};

// The job's state as a person sees it: RUNNING if any unit holds an attempt, else PENDING if any
// waits, else the worst end (CANCELLED, NODE_FAIL, OUT_OF_MEMORY, TIMEOUT, FAILED, COMPLETED in
// this order).
RunState job_state(const JobRecord& record);
// Why the job ended as it did, in a line; "" when it is COMPLETED or has not ended.
std::string ended_reason(const JobRecord& record);
// What an end means where nobody has said more.
std::string plain_reason(RunState state, std::int32_t exit_code);
// How long a repeated idempotency key is answered with the first submission's jobs.
inline constexpr Span idempotency_keep = hours(24);

// A finished unit's run, or nothing.
const FinishedRun* find_finished(const GroupRecord& group, std::uint32_t index);

struct AttemptRecord {
  AttemptId id;
  RunState state = RunState::configuring;  // CONFIGURING, RUNNING, SUSPENDED or COMPLETING
  Allocation allocation;
  Span time_limit = span_unlimited;
  Tick granted;
  Tick started;                  // 0 until it runs
  Tick latest_end = tick_never;  // while it is staged, see State::latest_end
  bool ready = false;
  std::string address;               // when ready and the probe names one
  StopCause stop = StopCause::none;  // set once Busbar wants it ended
  std::string stop_by;
  std::string stop_reason;
  std::int64_t work_done = 0;
  std::int64_t rate_per_hour = 0;
  std::int64_t work_total = 0;  // 0: not said
  Tick progressed;              // when the job last told how far it is; 0: never
  AttemptId after;              // while it is staged: whose claims it will take; number 0: none
  friend bool operator==(const AttemptRecord&, const AttemptRecord&) = default;

  bool staged() const { return after.number != 0; }
};

struct NodeRecord {
  Node node;
  bool reachable = true;
  Tick reachability_since;
  bool drained = false;
  std::string drain_reason;
  std::string drained_by;
  friend bool operator==(const NodeRecord&, const NodeRecord&) = default;

  bool schedulable() const { return reachable && !drained; }
};

// A tenant's facts; its configuration is config().tenants[id.value]. A tenant removed from the
// configuration stays in it, closed, until its last job has left State.
struct TenantRecord {
  std::int64_t charge = 0;  // fair-share charge as of charged_at (share-milliseconds, Q20)
  Tick charged_at;
  std::uint64_t running = 0;    // units with an attempt that is not staged
  std::uint64_t submitted = 0;  // units not yet ended
  friend bool operator==(const TenantRecord&, const TenantRecord&) = default;
};

// An attempt that an engine shows and that is newer than this journal.
struct SightedRecord {
  std::string cluster;
  bool running = false;  // false: only its exit is left
  bool adopted = false;  // an operator went on; it is a leftover until its end is told
  bool keep = false;     // a leftover that ends by itself
  friend bool operator==(const SightedRecord&, const SightedRecord&) = default;
};

struct IdempotencyRecord {
  Tick at;
  std::vector<JobId> jobs;
  friend bool operator==(const IdempotencyRecord&, const IdempotencyRecord&) = default;
};

// Sums over all registered nodes, down ones included: what shares are measured against.
struct Totals {
  MilliCores cores;
  Bytes memory;
  std::int64_t device_weight = 0;  // sum of match::device_weight over devices
  friend bool operator==(const Totals&, const Totals&) = default;
};

class State {
 public:
  State();

  void apply(const Event& event);

  Revision revision() const { return revision_; }  // of the last applied event
  Tick now() const { return now_; }                // its tick
  std::uint64_t digest() const;                    // of the encoded State

  const Config& config() const { return config_; }
  std::uint64_t config_version() const { return config_version_; }
  const std::map<JobId, JobRecord>& jobs() const { return jobs_; }
  const std::map<AttemptId, AttemptRecord>& attempts() const { return attempts_; }
  const std::vector<NodeRecord>& nodes() const { return nodes_; }  // node id n is at n - 1
  const std::vector<TenantRecord>& tenants() const { return tenants_; }
  const std::map<ReservationId, Reservation>& reservations() const { return reservations_; }
  const std::map<UnitId, Promised>& promises() const { return promises_; }
  const std::map<std::string, IdempotencyRecord>& idempotency() const { return idempotency_; }
  const std::set<std::string>& synchronised() const { return synchronised_; }
  const Totals& totals() const { return totals_; }
  // While there is any, nothing may start: it would be given out twice.
  const std::map<AttemptId, SightedRecord>& sighted() const { return sighted_; }
  // Some of it no operator has adopted yet: everything stands still.
  bool behind_engines() const;
  // Whether an attempt of which an engine tells was granted after this journal's end.
  bool is_newer(const AttemptId& id) const;
  // Of run times that ended, by name; empty where the policy does not predict.
  const RunStatistics* find_statistics(std::string_view name) const;
  // Of a job that has not ended; nothing where none was made.
  const RunPrediction* find_prediction(JobId job) const;
  // The user's jobs of which there is one.
  const std::set<JobId>& predicted_of(const std::string& user) const;
  // Time that went by and that ticks do not contain, until an operator answers.
  Span clock_withheld() const { return clock_withheld_; }

  const JobRecord* find(JobId id) const;
  const AttemptRecord* find(const AttemptId& id) const;
  const AttemptRecord* live_attempt(const UnitId& unit) const;  // nothing when it has none
  // Staged ones first: whoever stops them in this order does not start one by an end before it.
  std::vector<const AttemptRecord*> live_attempts(JobId job) const;
  // The staged attempt that follows this one; nothing when there is none.
  const AttemptRecord* follower(const AttemptId& id) const;
  // The attempt that holds the claims which a staged one waits for; of any other, itself.
  const AttemptRecord& holder(const AttemptRecord& attempt) const;
  // start + limit + grace + cleanup; never where the limit is none.
  Tick latest_end(const Job& job, Span time_limit, Tick start) const;
  // When it ends at the latest; a staged one's time begins when the one before it has ended.
  Tick latest_end(const AttemptRecord& attempt) const;
  // When the claims come free at the latest: after the last that is staged on them.
  Tick claims_end(const AttemptRecord& attempt) const;
  // By the attempt that it follows.
  const std::map<AttemptId, AttemptId>& followers() const { return followers_; }
  const UnitRecord* find(const UnitId& unit) const;  // nothing when it has no record
  // The attempt a grant of this waiting unit must name.
  AttemptId next_attempt(const UnitId& unit) const;
  const NodeRecord* find(NodeId id) const;
  const NodeRecord* find_node(std::string_view name) const;
  std::optional<TenantId> find_tenant(std::string_view name) const;
  // Jobs that depend on `job` and have not all ended, in id order.
  std::vector<JobId> dependents(JobId job) const;

  JobId next_job() const { return next_job_; }
  NodeId next_node() const { return next_node_; }
  ReservationId next_reservation() const { return next_reservation_; }

  // Every promise this class makes about itself; the text of the first broken one, or nothing.
  std::optional<std::string> invariants() const;

  friend bool operator==(const State&, const State&) = default;

 private:
  friend struct StateWriter;  // apply's helpers and the snapshot codec (state/apply.cpp,
                              // state/codec.cpp)

  Revision revision_;
  Tick now_;
  Config config_;
  std::uint64_t config_version_ = 0;
  std::map<JobId, JobRecord> jobs_;
  std::map<AttemptId, AttemptRecord> attempts_;
  std::vector<NodeRecord> nodes_;
  std::vector<TenantRecord> tenants_;
  std::map<ReservationId, Reservation> reservations_;
  std::map<UnitId, Promised> promises_;
  std::map<std::string, IdempotencyRecord> idempotency_;
  std::set<std::string> synchronised_;
  JobId next_job_{1};
  NodeId next_node_{1};
  ReservationId next_reservation_{1};
  Span clock_withheld_;
  std::map<AttemptId, SightedRecord> sighted_;
  std::map<std::string, RunStatistics, std::less<>> statistics_;
  std::map<JobId, RunPrediction> predictions_;

  // Derived from the above; snapshots leave them out.
  std::map<JobId, std::set<JobId>> dependents_;
  std::map<std::string, NodeId, std::less<>> node_names_;
  std::map<std::string, TenantId, std::less<>> tenant_names_;
  std::set<std::pair<Tick, std::string>> keys_by_age_;
  std::map<AttemptId, AttemptId> followers_;
  std::map<std::string, std::set<JobId>> predicted_of_;
  Totals totals_;
};

// Snapshot form; decode is corrupt when the bytes are not a whole State of a version this build
// reads.
std::string encode_state(const State& state);
Result<State> decode_state(std::string_view bytes);

// Fair-share charge of holding `allocation` for one millisecond, Q20: the largest, over resources,
// of claim divided by the registered total (dominant share; Ghodsi et al., NSDI 2011).
std::int64_t charge_per_ms(const State& state, const Allocation& allocation);
// The same for `held`, without the rounding of a single millisecond: what Ended.charge carries.
std::int64_t charge_of(const State& state, const Allocation& allocation, Span held);

// What a resource name stands for in quotas: "cores" and "gpu" and device models in thousandths,
// "memory" in bytes, any other name a named countable. `gpu` covers every device; a model covers
// its own. An exclusive claim counts its whole node.
std::int64_t quota_amount(const State& state, const Allocation& allocation, std::string_view name);

}  // namespace busbar::core
