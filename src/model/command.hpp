// Commands: requests of people and reports of engines. decide() turns each into Events or a
// refusal.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "model/attempt.hpp"
#include "model/config.hpp"
#include "model/job.hpp"
#include "model/node.hpp"
#include "model/payload.hpp"

namespace busbar {

// Units of one job: all of them, or some of one group.
struct UnitSelector {
  JobId job;
  bool all = true;
  std::uint32_t group = 0;
  IndexSet indices;  // when not all
  friend bool operator==(const UnitSelector&, const UnitSelector&) = default;
};

// --- requests
// -----------------------------------------------------------------------------------------

// All documents or none. Refused: unknown tenant, cyclic `after`, impossible resources, quota that
// no waiting can meet, too many units.
struct SubmitJobs {
  UserRef user;
  std::vector<Job> jobs;              // ids 0; Dependency::document is a position in this vector
  std::vector<PayloadBlob> payloads;  // every hash the jobs name
  std::string idempotency_key;        // "" none; a repeated key answers with the first's ids
};
struct CancelUnits {
  UnitSelector units;
  UserRef by;
  std::string reason;
};
struct HoldUnits {
  UnitSelector units;
  UserRef by;
};
struct ReleaseUnits {
  UnitSelector units;
  UserRef by;
};
struct RequeueUnits {  // running attempts are stopped and wait again; finished units wait again
  UnitSelector units;
  UserRef by;
};
struct UpdateJob {
  JobId job;
  UserRef by;
  std::optional<std::int32_t> priority;
  std::optional<Span> time_limit;  // raising it needs an operator once an attempt runs
  std::optional<Tick> begin_at;
  std::optional<Tick> deadline_at;
  std::optional<std::uint32_t> parallel;  // of every group
  std::optional<std::string> name;
};
struct DrainNode {
  std::string node;
  std::string reason;
  UserRef by;
};
struct ResumeNode {
  std::string node;
  UserRef by;
};
// The operator vouches that nothing of ours runs on the node any more.
struct FenceNode {
  std::string node;
  std::string reason;
  UserRef by;
};
struct MakeReservation {
  std::string name;
  std::vector<std::string> nodes;  // empty: all
  Tick start;
  Tick end;
  UserRef by;
};
struct EndReservation {
  std::string name;
  UserRef by;
};
struct Configure {
  Config config;
};
// Whether the time that the clock withholds counts, so that what fell due in it expires, or not.
struct AnswerClock {
  bool accept = false;
  UserRef by;
};
// Goes on from a journal that is older than what runs: nothing sighted is ever given out again.
struct AdoptCluster {
  std::string cluster;  // "" every
  bool keep = false;    // what was sighted ends by itself; else it is ended
  UserRef by;
};

// --- reports
// ------------------------------------------------------------------------------------------

struct NodeReport {  // appeared, or its inventory changed
  Node node;
};
struct NodeUnreachable {
  std::string cluster;
  std::string node;
};
struct NodeReachable {
  std::string cluster;
  std::string node;
};
struct EngineSynchronised {  // the engine has told all it knows
  std::string cluster;
};
struct AttemptStarted {
  AttemptId attempt;
  std::vector<Claim> bound;  // the claims with what the engine really gave; empty: as granted
};
struct AttemptReady {
  AttemptId attempt;
  std::string address;  // "host:port"; "" where the probe names none
};
// In units of the job's own choice; 0 where it does not say.
struct AttemptProgress {
  AttemptId attempt;
  std::int64_t work_done = 0;
  std::int64_t rate_per_hour = 0;
  std::int64_t work_total = 0;
};
struct AttemptEnded {
  AttemptId attempt;
  Exit exit;
  Usage usage;
};
// look_up: the engine is certain that it never had, or no longer has, this attempt.
struct AttemptAbsent {
  AttemptId attempt;
};
// It bears our installation, and neither State's live attempts nor a launch since then named it.
struct AttemptSighted {
  std::string cluster;
  AttemptId attempt;
  bool running = false;  // false: only its exit is left
};
// The clock found more time gone by than it adds unasked; ticks go on without it.
struct ClockJumped {
  Span by;
};

using Command =
    std::variant<SubmitJobs, CancelUnits, HoldUnits, ReleaseUnits, RequeueUnits, UpdateJob,
                 DrainNode, ResumeNode, FenceNode, MakeReservation, EndReservation, Configure,
                 NodeReport, NodeUnreachable, NodeReachable, EngineSynchronised, AttemptStarted,
                 AttemptReady, AttemptProgress, AttemptEnded, AttemptAbsent, AnswerClock,
                 ClockJumped, AttemptSighted, AdoptCluster>;

}  // namespace busbar
