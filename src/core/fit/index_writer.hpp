// The one writer of an Index, from the events and from a whole State. Internal to core/fit.
#pragma once

#include "core/fit/index.hpp"

namespace busbar::core {

struct IndexWriter {
  Index& index;
  const State& after;
  bool rebuilding = false;

  void rebuild();

  // index.cpp: nodes and attempts
  void refresh_node(NodeId id);
  void refresh_attempt(const AttemptId& id);
  void drop_attempt(const AttemptId& id);
  void count_tenant(const AttemptUse& use, std::int64_t sign);
  void measure(AttemptUse& use);
  void move_bucket(NodeId id, bool add);
  void count_devices(const NodeShape& shape, const NodeFree& free, bool add);
  void touch_node(NodeId id, const Claim& claim, bool taken);

  // index_jobs.cpp: who waits
  void refresh_job(JobId id, bool same_class = true);
  void refresh_dependents(JobId id);
  void open_begun();
  Index::Gate gate_of(const Job& job) const;
  Index::JobEntry entry_of(const JobRecord& record, const Index::JobEntry* old) const;
  void put(JobId id, const Index::JobEntry& entry);
  void remove(JobId id, const Index::JobEntry& entry);
  void join(const LineKey& key, const Index::JobEntry& entry, std::uint64_t unit_class);
  void leave(const LineKey& key, const Index::JobEntry& entry, std::uint64_t unit_class);
  void refresh_retries(JobId job, std::uint32_t group, IndexRange range);
  void refresh_retries(JobId job, std::uint32_t group, const IndexSet& indices);

  void operator()(const Configured&) { rebuild(); }
  void operator()(const Submitted& event);
  void operator()(const UnitsClosed& event);
  void operator()(const UnitsHeld& event);
  void operator()(const UnitsReleased& event);
  void operator()(const UnitsRequeued& event);
  void operator()(const JobUpdated& event);
  void operator()(const Granted& event);
  void operator()(const Running& event);
  void operator()(const Ended& event);
  void operator()(const NodeRegistered& event);
  void operator()(const NodeReachability& event) { refresh_node(event.node); }
  void operator()(const NodeDrained& event) { refresh_node(event.node); }
  void operator()(const NodeResumed& event) { refresh_node(event.node); }
  void operator()(const NodeFenced& event) { refresh_node(event.node); }
  void operator()(const ClusterSynchronised& event);
  void operator()(const JobRetired& event) { refresh_job(event.job); }
  void operator()(const BecameReady& event) { refresh_job(event.attempt.unit.job); }
  void operator()(const Progressed&) {}
  void operator()(const Stopping&) {}
  void operator()(const ReservationMade&) {}
  void operator()(const ReservationEnded&) {}
  void operator()(const Promised&) {}
  void operator()(const PromiseVoided&) {}
  void operator()(const SliceDecided&) {}
  void operator()(const ClockWithheld&) {}
  void operator()(const ClockAnswered&) {}
  void operator()(const NewerSighted&) {}
  void operator()(const ClusterAdopted&) { rebuild(); }
  void operator()(const LeftoverEnded&) {}
  void operator()(const Learned& event);
};

}  // namespace busbar::core
