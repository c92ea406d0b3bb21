// Durable facts. The owner appends and goes on; what depends on durability waits for `durable`.
//
// Threads  append, durable and health are called by the loop; get, history and save_snapshot by any
// thread.
//          The listener is called on the journal's own thread, when `durable` has moved and when
//          the journal has failed.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "model/event.hpp"
#include "model/payload.hpp"
#include "ports/clock.hpp"

namespace busbar {

// One finished attempt, or a run of units closed without one (attempt 0, index..index_last).
struct HistoryRow {
  UnitId unit;
  std::uint32_t index_last = 0;
  std::uint32_t attempt = 0;
  std::string unit_name;
  std::string job_name;
  std::string user;
  std::string tenant;
  std::string nodes;  // comma separated
  RunState state = RunState::completed;
  Exit exit;
  Usage usage;
  Tick submitted;
  Tick granted;  // 0 where it never started
  Tick started;  // 0 where it never started
  Tick ended;
  MilliCores cores;
  MilliDevices devices;
  Bytes memory;
  bool final = true;       // false: the unit was to run again
  bool simulated = false;  // a node or a device of it was not a real one
  friend bool operator==(const HistoryRow&, const HistoryRow&) = default;
};
template <class V>
void describe(V& visit, Like<HistoryRow> auto& row) {
  visit("unit", row.unit);
  visit("index_last", row.index_last);
  visit("attempt", row.attempt);
  visit("unit_name", row.unit_name);
  visit("job_name", row.job_name);
  visit("user", row.user);
  visit("tenant", row.tenant);
  visit("nodes", row.nodes);
  visit("state", row.state);
  visit("exit", row.exit);
  visit("usage", row.usage);
  visit("submitted", row.submitted);
  visit("granted", row.granted);
  visit("started", row.started);
  visit("ended", row.ended);
  visit("cores", row.cores);
  visit("devices", row.devices);
  visit("memory", row.memory);
  visit("final", row.final);
  visit("simulated", row.simulated);
}

// A job as it left State.
struct HistoryJob {
  Job job;
  RunState state = RunState::completed;
  std::int32_t exit_code = 0;
  Tick submitted;
  Tick ended;
  Tick started;        // when it first ran; 0: never, or written by a version that did not keep it
  std::string reason;  // why it ended as it did; "" when COMPLETED, or not kept as above
  friend bool operator==(const HistoryJob&, const HistoryJob&) = default;
};
template <class V>
void describe(V& visit, Like<HistoryJob> auto& job) {
  visit("job", job.job);
  visit("state", job.state);
  visit("exit_code", job.exit_code);
  visit("submitted", job.submitted);
  visit("ended", job.ended);
  visit("started", job.started);
  visit("reason", job.reason);
}

// What becomes durable together.
struct Batch {
  Events events;                      // revisions consecutive
  std::vector<PayloadBlob> payloads;  // stored once per hash
  std::vector<HistoryRow> history;
  std::vector<HistoryJob> retired;
  ClockMark mark;
};

struct Recovery {
  std::string installation;       // six lower-case letters or digits, made once
  std::optional<ClockMark> mark;  // nothing when the store is new
  Revision snapshot_revision;     // 0: no snapshot
  std::string snapshot;           // encoded State
  Revision last;                  // last durable revision
  std::string notice;             // a sentence when something was repaired; "" normally
};

enum class JournalHealth : std::uint8_t {
  ok,
  full,    // no space: the batch is kept and retried; refuse new commands
  failed,  // a sync failed: stop the process and recover
};

struct HistoryQuery {
  std::optional<JobId> job;
  std::string user;    // "" any
  std::string tenant;  // "" any
  std::optional<RunState> state;
  Tick ended_from;
  Tick ended_to = tick_never;
  std::uint64_t before_row =
      0;  // rows are numbered upwards; pages run newest first; 0: from the newest
  std::uint32_t limit = 50;
};
struct HistoryPage {
  std::vector<HistoryRow> rows;
  std::uint64_t next_before_row = 0;  // 0: no further page
};

class Journal {
 public:
  virtual ~Journal() = default;

  // Takes the store's lock (unavailable: who owns it), migrates forward, finds the snapshot and
  // calls `replay` with every event after it, in order. corrupt: where, and how to go on.
  virtual Result<Recovery> open(const std::function<void(const Event&)>& replay,
                                const std::function<void(const Recovery&)>& before_replay) = 0;
  virtual void append(Batch batch) = 0;
  virtual Revision durable() const = 0;
  virtual void set_listener(std::function<void(Revision)> on_durable) = 0;
  virtual JournalHealth health() const = 0;
  virtual Result<Ok> save_snapshot(Revision revision, std::string state_bytes) = 0;
  virtual Result<std::string> get(PayloadHash hash) = 0;
  virtual Result<HistoryPage> history(const HistoryQuery& query) = 0;
  virtual Result<HistoryJob> history_job(JobId job) = 0;  // not_found
};

}  // namespace busbar
