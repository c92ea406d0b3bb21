// Index: what placement needs of State, kept up to date by events and equal to Index(State) after
// any history. Per node: what is free. Per hardware: buckets that filter nodes. Per cohort (task
// group of a job): who may start, in order, by class. Per tenant: what it holds.
//
// Cost     an event costs the nodes and units it names, times a logarithm; `configured` and
//          `cluster_synchronised` cost all, a job's end or readiness also the jobs that wait for
//          it.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <vector>

#include "core/fit/bucket.hpp"
#include "core/fit/free.hpp"
#include "core/fit/ordered.hpp"
#include "core/state/state.hpp"

namespace busbar::core {

// What does not change while work comes and goes.
struct NodeShape {
  std::uint64_t hardware = 0;         // digest of all that placement may ask of the node itself
  std::vector<std::uint64_t> parts;   // digest of the enclosing parts, outermost (cluster) first
  std::vector<std::int64_t> weights;  // match::device_weight by ordinal
  std::uint64_t model = 0;            // digest of its first device's model; 0: it has none
  bool open = false;                  // reachable, not drained, its engine has told what runs
  friend bool operator==(const NodeShape&, const NodeShape&) = default;
};

// Nodes with as many whole free devices, and as large a largest free part of a shared one.
struct BucketKey {
  std::uint32_t devices_whole = 0;
  std::int64_t share_max = 0;  // thousandths, below 1000
  friend auto operator<=>(const BucketKey&, const BucketKey&) = default;
};
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

// What a live attempt that is not staged holds, as the index has counted it.
struct AttemptUse {
  TenantId tenant;
  Tick granted;
  Tick latest_end = tick_never;  // of the last that is staged on its claims
  bool launched = false;         // the engine said that it runs: latest_end is final
  std::vector<Claim> claims;
  std::vector<std::int64_t> quota;
  Held held;
  std::vector<AttemptId> staged;  // that wait for these claims, the next one first
  friend bool operator==(const AttemptUse&, const AttemptUse&) = default;
};

struct CohortId {
  JobId job;
  std::uint32_t group = 0;
  friend auto operator<=>(const CohortId&, const CohortId&) = default;
};
// A cohort's place among those of its tenant and class: by the policy's unit key, then id.
struct LineKey {
  std::int64_t unit_key = 0;
  CohortId cohort;
  friend auto operator<=>(const LineKey&, const LineKey&) = default;
};
// A cohort in its tenant's queue.
struct Queued {
  LineKey key;
  std::uint64_t unit_class = 0;
  friend auto operator<=>(const Queued&, const Queued&) = default;
};
// A cohort among those of its class.
struct ClassMember {
  TenantId tenant;
  LineKey key;
  friend auto operator<=>(const ClassMember&, const ClassMember&) = default;
};
// The cohorts of one unit class (fit/unit_class.hpp) in one priority band.
struct ClassInBand {
  Ordered<ClassMember> members;
  std::map<Span, std::uint32_t> holds;  // limit + grace, and how many cohorts hold that long
  friend bool operator==(const ClassInBand&, const ClassInBand&) = default;
};
struct Band {
  std::map<TenantId, Ordered<Queued>> tenants;
  std::map<std::uint64_t, ClassInBand> classes;
  std::uint64_t cohorts = 0;
  friend bool operator==(const Band&, const Band&) = default;
};

struct HigherBandFirst {
  bool operator()(std::int32_t a, std::int32_t b) const { return a > b; }
};
using Waiting = std::map<std::int32_t, Band, HigherBandFirst>;

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
  // By NodeShape::model, of open nodes that have devices.
  struct ModelFree {
    std::uint64_t nodes = 0;
    MilliDevices devices;
    friend bool operator==(const ModelFree&, const ModelFree&) = default;
  };
  const std::map<std::uint64_t, ModelFree>& devices_free() const { return devices_free_; }
  // The event that last changed the node or what is free on it; of an index built anew, the last
  // event of all.
  Revision touched(NodeId node) const { return touched_.by_node[node.value - 1]; }
  const std::set<AttemptId>& attempts_on(NodeId node) const { return on_node_[node.value - 1]; }
  const std::map<AttemptId, AttemptUse>& attempts() const { return attempts_; }
  // Live attempts by latest end, then id: the order in which claims come free.
  const std::set<std::pair<Tick, AttemptId>>& by_end() const { return by_end_; }
  const std::vector<TenantUse>& tenants() const { return tenants_; }
  // Cohorts with a waiting unit whose dependencies are met and whose begin time has come.
  const Waiting& waiting() const { return waiting_; }
  // The class of a cohort whose job has not ended.
  std::uint64_t class_of(const CohortId& cohort) const;
  // Cohorts with a waiting unit and a dependency that can never be met.
  const std::set<CohortId>& doomed() const { return doomed_; }
  // The last event that may have made room for somebody, now or at a later time. An index built
  // anew does not know and names the last event of all.
  Revision room_since() const { return room_.since; }
  // Up to here begin times have been looked at.
  Tick begun_until() const { return begun_until_; }
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

  enum class Gate : std::uint8_t { open, shut, doomed };  // by its dependencies and begin time
  struct GroupEntry {
    std::uint64_t unit_class = 0;
    bool waiting = false;
    bool held = false;
    friend bool operator==(const GroupEntry&, const GroupEntry&) = default;
  };
  struct JobEntry {  // how a job stands in the sets above
    std::int32_t band = 0;
    TenantId tenant;
    Gate gate = Gate::open;
    bool ended_all = false;  // these three are what dependents look at
    bool failed = false;
    bool ready = false;
    List<GroupEntry> groups;
    std::int64_t unit_key = 0;
    Span hold;
    Tick deadline = tick_never;
    Tick begin;
    Tick ended;
    friend bool operator==(const JobEntry&, const JobEntry&) = default;
  };
  struct Room {  // does not follow from State, see room_since()
    Revision since;
    friend bool operator==(const Room&, const Room&) { return true; }
  };

  struct Touched {  // does not follow from State
    std::vector<Revision> by_node;
    friend bool operator==(const Touched&, const Touched&) { return true; }
  };

  std::vector<NodeFree> nodes_;
  std::vector<NodeShape> shapes_;
  Touched touched_;
  std::vector<std::set<AttemptId>> on_node_;
  std::map<std::uint64_t, Buckets> hardware_;
  std::map<std::uint64_t, ModelFree> devices_free_;
  std::map<AttemptId, AttemptUse> attempts_;
  std::map<AttemptId, AttemptId> holder_of_;  // of staged attempts
  std::set<std::pair<Tick, AttemptId>> by_end_;
  std::vector<TenantUse> tenants_;
  std::map<JobId, JobEntry> jobs_;
  Waiting waiting_;
  std::set<CohortId> held_;
  std::set<CohortId> doomed_;
  std::set<std::pair<Tick, JobId>> deadlines_;
  std::set<std::pair<Tick, JobId>> begins_;
  std::map<UnitId, Tick> retry_at_;
  std::set<std::pair<Tick, UnitId>> retries_;
  std::set<std::pair<Tick, JobId>> ended_;
  Tick begun_until_;
  Room room_;
};

// What the claims weigh, exclusive ones as their whole node.
Held held_by(const State& state, const std::vector<NodeShape>& shapes,
             const std::vector<Claim>& claims);

}  // namespace busbar::core
