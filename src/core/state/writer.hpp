// The one writer of State: apply() visits each event with it, and the snapshot codec fills a State
// through it. Internal to core/state.
#pragma once

#include "core/state/state.hpp"

namespace busbar::core {

// Remembers why an attempt of the job ended, unless a worse end closed a unit before.
void note_end(JobRecord& record, const Ended& event);

struct StateWriter {
  State& state;
  Tick now;  // the event's

  void operator()(const Configured& event);
  void operator()(const Submitted& event);
  void operator()(const UnitsClosed& event);
  void operator()(const UnitsHeld& event);
  void operator()(const UnitsReleased& event);
  void operator()(const UnitsRequeued& event);
  void operator()(const JobUpdated& event);
  void operator()(const Granted& event);
  void operator()(const Running& event);
  void operator()(const BecameReady& event);
  void operator()(const Progressed& event);
  void operator()(const Stopping& event);
  void operator()(const Ended& event);
  void operator()(const NodeRegistered& event);
  void operator()(const NodeReachability& event);
  void operator()(const NodeDrained& event);
  void operator()(const NodeResumed& event);
  void operator()(const NodeFenced& event);
  void operator()(const ReservationMade& event);
  void operator()(const ReservationEnded& event);
  void operator()(const Promised& event);
  void operator()(const PromiseVoided& event);
  void operator()(const ClusterSynchronised& event);
  void operator()(const JobRetired& event);
  void operator()(const SliceDecided& event);
  void operator()(const ClockWithheld& event);
  void operator()(const ClockAnswered& event);
  void operator()(const NewerSighted& event);
  void operator()(const ClusterAdopted& event);
  void operator()(const LeftoverEnded& event);
  void operator()(const Learned& event);

  void stamp(const Event& event);
  void forget_old_keys();
  // Fills what snapshots leave out from what they hold.
  void derive();

  JobRecord& job(JobId id);
  GroupRecord& group(JobRecord& record, std::uint32_t position);
  AttemptRecord& attempt(const AttemptId& id);
  NodeRecord& node(NodeId id);
  TenantRecord& tenant_of(const JobRecord& record);
  void name_tenants();
  void name_tenant(JobRecord& record);
  void forget_promises(JobId job, std::uint32_t group, const IndexSet& indices);
  void depend(const JobRecord& record);
  void forget_prediction(const JobRecord& record);
  void settle(JobRecord& record);
  void change_limit(const Job& owner, AttemptRecord& attempt) const;
  void stage(GroupRecord& units, const AttemptRecord& staged);
  void pass_on(JobRecord& record, GroupRecord& units, const AttemptRecord& ended);
  void end_live(JobRecord& record, GroupRecord& units, const Ended& event);
  void count_attempts_from(const AttemptId& seen);
  void add_charge(TenantRecord& tenant, std::int64_t charge);
  void count_node(const Node& node, std::int64_t sign);

  // Every stored field of a State, for the codec; `visit` takes fields, maps and sets.
  template <class V, Like<State> S>
  static void describe_state(V& visit, S& state);
};

// Runs of finished units, sorted, disjoint, equal neighbours merged.
void insert_finished(List<FinishedRun>& runs, FinishedRun run);
// Takes [range.first, range.last] out; returns what was there.
List<FinishedRun> take_finished(List<FinishedRun>& runs, IndexRange range);

}  // namespace busbar::core
