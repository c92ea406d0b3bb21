// Scratch: a copy-on-write overlay over State and Index. Every what-if (place, reserve, backfill,
// verify, accept, estimate) takes and releases here and never touches State.
//
// Time     the overlay stands at one moment; bookings (promises) and closures (maintenance) lie
//          ahead of it. `window` says what a node has free during a whole interval.
// Cost     take and release cost the nodes they name; buckets share what did not change, and are
//          brought up to date when a search asks for them.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "core/fit/ask.hpp"
#include "core/fit/memory.hpp"

namespace busbar::core {

class Scratch {
 public:
  // Books the promises and closes the maintenance windows of `state`.
  // With a `memory` it remembers there, else for itself.
  Scratch(const State& state, const Index& index, Tick now, Memory* memory = nullptr);
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  struct Mark {
    std::size_t changes = 0;
  };
  Mark mark() const { return {changes_.size()}; }
  // Takes back every take and release since the mark.
  void undo(Mark mark);

  // A unit's claims, held until `end`; counted against its tenant.
  void take(const UnitId& unit, TenantId tenant, Allocation allocation, Tick end);
  // A live attempt's claims, or those taken by `take` for this unit, come free.
  void release(const AttemptId& attempt);
  void release_taken(const UnitId& unit);

  void book(const Promised& promise);
  void unbook(const UnitId& unit);  // its reservation too
  // A place that is kept on this overlay alone, beside a booking the unit may have.
  void reserve(const Promised& place);
  const std::map<UnitId, Promised>& bookings() const { return bookings_; }
  // Whether any booking or closure exists: without one, limits do not matter to a fit.
  bool timed() const { return !bookings_.empty() || !reservations_.empty() || !closures_.empty(); }

  const State& state() const { return *state_; }
  const Index& index() const { return *index_; }
  Tick now() const { return now_; }
  const Node& node(NodeId id) const { return state_->nodes()[id.value - 1].node; }
  const NodeShape& shape(NodeId id) const { return index_->shapes()[id.value - 1]; }
  const NodeFree& free(NodeId id) const;
  // Whether it stands otherwise here than in the index.
  bool changed(NodeId id) const { return !changed_.empty() && changed_[id.value - 1] > 0; }

  // What the node has free for `ask` during its whole interval: nothing while it is closed.
  // `storage` is used where a booking must be counted in.
  const NodeFree* window(NodeId id, const Ask& ask, NodeFree& storage) const;
  // Open nodes of one hardware by bucket, as they stand on this overlay; bucket keys ascend.
  const Buckets& buckets(std::uint64_t hardware) const;
  Memory& memory() const { return *memory_; }
  const HardwareFit& hardware_fit_of(const Ask& ask, std::uint32_t group, std::uint32_t alternative,
                                     NodeId example) const;

  // The first name of the tenant's quota that the allocation would pass, by position.
  std::optional<std::size_t> quota_passed(TenantId tenant, const Allocation& allocation) const;
  std::int64_t quota_used(TenantId tenant, std::size_t position) const;
  std::uint64_t running(TenantId tenant) const;
  // What the tenant holds on this overlay beyond State.
  Held held_beyond(TenantId tenant) const;
  std::uint32_t taken_of(CohortId cohort) const;  // units taken, not released
  // Calls f(claims) for each taken unit of the job.
  template <class F>
  void each_taken_of(JobId job, F f) const {
    for (auto it = taken_.lower_bound(UnitId{job, 0, 0});
         it != taken_.end() && it->first.job == job; ++it)
      f(it->second.allocation.claims);
  }

  // When a live attempt's claims are expected back: its latest end, later by the cleanup bound
  // while it is not launched; an overdue one is given the cleanup bound from now.
  Tick expected_end(const AttemptUse& use) const;
  // Attempts and taken units by expected end, up to the unlimited ones: what comes free when.
  struct Holder {
    Tick end;
    UnitId unit;
    std::uint32_t attempt = 0;  // 0: taken on this overlay
    friend auto operator<=>(const Holder&, const Holder&) = default;
  };
  std::vector<Holder> holders_by_end() const;
  // Ends of bookings and closures: moments at which room appears without a release.
  std::vector<Tick> other_edges() const;
  void release(const Holder& holder);
  const std::vector<Claim>& claims_of(const Holder& holder) const;

 private:
  struct Taken {
    TenantId tenant;
    Allocation allocation;
    Tick end;
    std::vector<std::int64_t> quota;
    Held held;
  };
  struct TenantChange {
    std::vector<std::int64_t> quota;
    Held held;
    std::int64_t running = 0;
  };
  struct Change {
    enum class Kind : std::uint8_t { took, released, released_taken } kind;
    UnitId unit;
    std::uint32_t attempt = 0;
    std::optional<Taken> gone;  // of a released_taken
  };

  using Places = std::map<UnitId, Promised>;
  using PlacesOn = std::map<NodeId, std::set<UnitId>>;

  void put_place(const Promised& place, Places& places, PlacesOn& on);
  void drop_place(const UnitId& unit, Places& places, PlacesOn& on);
  NodeFree& own(NodeId id);
  void change_node(const Claim& claim, bool taken);
  void settle_buckets() const;
  NodeFree window_of_bookings(NodeId id, const Ask& ask) const;
  void count(TenantId tenant, const std::vector<std::int64_t>& quota, const Held& held,
             std::int64_t sign);
  void put(const UnitId& unit, Taken taken);
  Taken remove(const UnitId& unit);
  void return_attempt(const AttemptId& id, bool released);
  NodeFree at(NodeId id, Tick when, const Ask& ask) const;
  bool binds(const UnitId& unit, const Ask& ask) const;
  // Calls f(place) for each booking and reservation with a claim on the node.
  template <class F>
  void each_booked(NodeId id, F f) const {
    if (const auto on = booked_on_.find(id); on != booked_on_.end())
      for (const auto& unit : on->second) f(bookings_.at(unit));
    if (const auto on = reserved_on_.find(id); on != reserved_on_.end())
      for (const auto& unit : on->second) f(reservations_.at(unit));
  }

  const State* state_;
  const Index* index_;
  Tick now_;
  std::vector<std::uint32_t> changed_;  // by node id - 1: position in nodes_ + 1, or 0
  std::deque<NodeFree> nodes_;
  // Buckets of hardware of which a node changed, as of the last search; unsettled_ changed since.
  mutable std::map<std::uint64_t, Buckets> buckets_;
  mutable std::map<NodeId, std::pair<BucketKey, Slot>> stands_;
  mutable std::vector<NodeId> unsettled_;
  std::map<UnitId, Taken> taken_;
  std::map<NodeId, std::set<UnitId>> taken_on_;
  std::map<CohortId, std::uint32_t> taken_of_;
  std::set<AttemptId> released_;
  std::map<TenantId, TenantChange> tenants_;
  Places bookings_;
  PlacesOn booked_on_;
  Places reservations_;
  PlacesOn reserved_on_;
  mutable std::map<NodeId, NodeFree> beside_bookings_;
  std::map<NodeId, std::vector<std::pair<Tick, Tick>>> closures_;
  std::vector<Change> changes_;
  Memory* memory_;
  mutable Memory own_memory_;
};

}  // namespace busbar::core
