// The rules behind decide(), one overload per Command, and what they share. Internal to core/state.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/state/decide.hpp"

namespace busbar::core {

using Bodies = std::vector<EventBody>;

// What a rule may look at.
struct Facts {
  const State& state;
  Tick now;
};

Result<Decision> rule(Facts facts, const SubmitJobs& command);
Result<Decision> rule(Facts facts, const CancelUnits& command);
Result<Decision> rule(Facts facts, const HoldUnits& command);
Result<Decision> rule(Facts facts, const ReleaseUnits& command);
Result<Decision> rule(Facts facts, const RequeueUnits& command);
Result<Decision> rule(Facts facts, const UpdateJob& command);
Result<Decision> rule(Facts facts, const DrainNode& command);
Result<Decision> rule(Facts facts, const ResumeNode& command);
Result<Decision> rule(Facts facts, const FenceNode& command);
Result<Decision> rule(Facts facts, const MakeReservation& command);
Result<Decision> rule(Facts facts, const EndReservation& command);
Result<Decision> rule(Facts facts, const Configure& command);
Result<Decision> rule(Facts facts, const NodeReport& command);
Result<Decision> rule(Facts facts, const NodeUnreachable& command);
Result<Decision> rule(Facts facts, const NodeReachable& command);
Result<Decision> rule(Facts facts, const EngineSynchronised& command);
Result<Decision> rule(Facts facts, const AttemptStarted& command);
Result<Decision> rule(Facts facts, const AttemptReady& command);
Result<Decision> rule(Facts facts, const AttemptProgress& command);
Result<Decision> rule(Facts facts, const AttemptEnded& command);
Result<Decision> rule(Facts facts, const AttemptAbsent& command);
Result<Decision> rule(Facts facts, const AnswerClock& command);
Result<Decision> rule(Facts facts, const ClockJumped& command);
Result<Decision> rule(Facts facts, const AttemptSighted& command);
Result<Decision> rule(Facts facts, const AdoptCluster& command);

inline Decision decided(Bodies events) { return {std::move(events), {}}; }

// --- shared by the rules

// How an attempt's end changes its unit: state, whether it waits again and until when, its charge.
Ended end_of(Facts facts, const AttemptRecord& attempt, Exit exit, Usage usage);
// An attempt of which the engine knows nothing and which never ran: it waits again at once.
Ended never_ran(Facts facts, const AttemptRecord& attempt);

// denied unless `by` is an operator; `what` completes "... needs an operator".
Result<Ok> require_operator(const UserRef& by, std::string_view what);
// not_found with the nearest name, and what names there are.
Error unknown_name(std::string_view kind, std::string_view name,
                   const std::vector<std::string_view>& known);
Result<NodeId> node_named(const State& state, std::string_view name);

// Which promises to void.
bool claims_node(const Allocation& allocation, NodeId node);
void void_promises_on(const State& state, NodeId node, VoidCause cause, Bodies& out);
void void_promises_of(const State& state, JobId job, std::uint32_t group, const IndexSet& indices,
                      VoidCause cause, Bodies& out);
// The end of an attempt that an operator left behind; nothing when it is none.
std::optional<EventBody> leftover_end(const State& state, const AttemptEnded& ended);
// conflict while an engine shows attempts newer than the journal.
Result<Ok> require_journal_up_to_date(const State& state);
// Every attempt with a claim on the node ends as lost with it.
void lose_attempts(Facts facts, NodeId node, std::string_view why, Bodies& out);

// "job "train"", or "job 2 of this submission" when it has no name.
std::string name_in_submission(const Job& job, std::size_t position);
// invalid with a sentence when the job's own fields contradict each other.
Result<Ok> check_shape(Facts facts, const Job& job, const std::string& who);
// Gives the submission's dependencies their job ids; refuses unknown ones and cycles.
Result<Ok> resolve_dependencies(const State& state, std::vector<Job>& jobs);

}  // namespace busbar::core
