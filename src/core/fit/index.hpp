// Index: what placement needs of State, kept up to date by events and equal to Index(State) after
// any history. Per node: what is free. Per hardware: buckets that filter nodes. Per cohort (task
// group of a job): who waits, in order. Per tenant: what it holds.
//
// Cost     an event costs the nodes and units it names, times a logarithm; `configured` and
//          `cluster_synchronised` cost all.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <vector>

#include "core/fit/free.hpp"
#include "core/state/state.hpp"

namespace busbar::core {

// What does not change while work comes and goes.
struct NodeShape {
  std::uint64_t hardware = 0;         // digest of all that placement may ask of the node itself
  std::vector<std::uint64_t> parts;   // digest of the enclosing parts, outermost (cluster) first
  std::vector<std::int64_t> weights;  // match::device_weight by ordinal
  bool open = false;                  // reachable, not drained, its engine has told what runs
  friend bool operator==(const NodeShape&, const NodeShape&) = default;
};

// Nodes with as many whole free devices, and as large a largest free part of a shared one.
struct BucketKey {
  std::uint32_t devices_whole = 0;
  std::int64_t share_max = 0;  // thousandths, below 1000
  friend auto operator<=>(const BucketKey&, const BucketKey&) = default;
};
// Inside a bucket nodes stand by free cores, then memory, then id: best fit first.
struct Slot {
  std::int64_t cores = 0;
  std::int64_t memory = 0;
  NodeId node;
  friend auto operator<=>(const Slot&, const Slot&) = default;
};
using Bucket = std::set<Slot>;
using Buckets = std::map<BucketKey, Bucket>;

BucketKey bucket_key(const NodeFree& free);
inline Slot slot(const NodeFree& free, NodeId node) {
  return {free.cores.value, free.memory.value, node};
}

// Amounts that shares are measured in; devices in thousandths of a device's weight.
struct Held {
  std::int64_t cores = 0;
  std::int64_t memory = 0;
  std::int64_t weight = 0;
  friend bool operator==(const Held&, const Held&) = default;
};

__extension__ typedef __int128 Wide;  // ISO C++ has no name for it

struct TenantUse {
  std::vector<std::int64_t> quota;  // held of each name of TenantConfig::quota, in its order
  Held held;
  std::array<Wide, 3> held_ticks{};  // sums over attempts of amount x grant tick, as in Held
  friend bool operator==(const TenantUse&, const TenantUse&) = default;
};

// What a live attempt holds, as the index has counted it.
struct AttemptUse {
  TenantId tenant;
  Tick granted;
  Tick latest_end = tick_never;
  bool launched = false;  // the engine said that it runs: latest_end is final
  std::vector<Claim> claims;
  std::vector<std::int64_t> quota;
  Held held;
  friend bool operator==(const AttemptUse&, const AttemptUse&) = default;
};

struct CohortId {
  JobId job;
  std::uint32_t group = 0;
  friend auto operator<=>(const CohortId&, const CohortId&) = default;
};
// Cohorts of a tenant with a waiting unit; the value is the unit class (fit/unit_class.hpp).
using Cohorts = std::map<CohortId, std::uint64_t>;

struct HigherBandFirst {
  bool operator()(std::int32_t a, std::int32_t b) const { return a > b; }
};
using Waiting = std::map<std::int32_t, std::map<TenantId, Cohorts>, HigherBandFirst>;

class Index {
 public:
  explicit Index(const State& state);
  // `after` is the State that has just applied `event`; what the index must know of the time
  // before, it keeps itself.
  void apply(const State& after, const Event& event);

  const std::vector<NodeFree>& nodes() const { return nodes_; }     // by node id - 1
  const std::vector<NodeShape>& shapes() const { return shapes_; }  // by node id - 1
  // Open nodes only, by NodeShape::hardware.
  const std::map<std::uint64_t, Buckets>& hardware() const { return hardware_; }
  const std::set<AttemptId>& attempts_on(NodeId node) const { return on_node_[node.value - 1]; }
  const std::map<AttemptId, AttemptUse>& attempts() const { return attempts_; }
  // Live attempts by latest end, then id: the order in which claims come free.
  const std::set<std::pair<Tick, AttemptId>>& by_end() const { return by_end_; }
  const std::vector<TenantUse>& tenants() const { return tenants_; }
  const Waiting& waiting() const { return waiting_; }
  // The class of a cohort that waits.
  std::uint64_t class_of(const CohortId& cohort) const;
  // Cohorts with a held unit.
  const std::set<CohortId>& held() const { return held_; }
  // (deadline, job) of jobs that have not ended.
  const std::set<std::pair<Tick, JobId>>& deadlines() const { return deadlines_; }
  // (begin, job) of jobs with a begin time that have a waiting unit.
  const std::set<std::pair<Tick, JobId>>& begins() const { return begins_; }
  // (not before, unit) of waiting units that retry.
  const std::set<std::pair<Tick, UnitId>>& retries() const { return retries_; }
  // (end, job) of jobs that have ended.
  const std::set<std::pair<Tick, JobId>>& ended() const { return ended_; }

  friend bool operator==(const Index&, const Index&) = default;

 private:
  friend struct IndexWriter;

  struct JobEntry {  // how a job stands in the sets above
    std::int32_t band = 0;
    TenantId tenant;
    std::set<std::uint32_t> waiting;  // groups
    std::set<std::uint32_t> held;     // groups
    Tick deadline = tick_never;
    Tick begin;
    Tick ended;
    friend bool operator==(const JobEntry&, const JobEntry&) = default;
  };

  std::vector<NodeFree> nodes_;
  std::vector<NodeShape> shapes_;
  std::vector<std::set<AttemptId>> on_node_;
  std::map<std::uint64_t, Buckets> hardware_;
  std::map<AttemptId, AttemptUse> attempts_;
  std::set<std::pair<Tick, AttemptId>> by_end_;
  std::vector<TenantUse> tenants_;
  std::map<JobId, JobEntry> jobs_;
  Waiting waiting_;
  std::set<CohortId> held_;
  std::set<std::pair<Tick, JobId>> deadlines_;
  std::set<std::pair<Tick, JobId>> begins_;
  std::map<UnitId, Tick> retry_at_;
  std::set<std::pair<Tick, UnitId>> retries_;
  std::set<std::pair<Tick, JobId>> ended_;
};

// What the claims weigh, exclusive ones as their whole node.
Held held_by(const State& state, const std::vector<NodeShape>& shapes,
             const std::vector<Claim>& claims);

}  // namespace busbar::core
