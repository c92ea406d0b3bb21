#include "core/fit/scratch.hpp"

#include <algorithm>

#include "base/check.hpp"

namespace busbar::core {

Tick place_end(const State& state, const Job& job, Tick start) {
  return state.latest_end(job, job.time_limit, start) + state.config().cleanup_bound;
}

Ask make_ask(const State& state, const UnitId& unit, std::uint64_t unit_class, Tick start) {
  const JobRecord* record = state.find(unit.job);
  check(record != nullptr, "a unit asks whose job is gone");
  Ask ask;
  ask.job = &record->job;
  ask.unit = unit;
  ask.tenant = record->tenant;
  const auto& units = *record->groups[unit.group].units;
  const auto again = units.find(unit.index);
  ask.attempt = again == units.end() ? 1 : again->second.attempts + 1;
  ask.unit_class = unit_class;
  ask.start = start;
  ask.end = place_end(state, record->job, start);
  return ask;
}

Scratch::Scratch(const State& state, const Index& index, Tick now, Memory* memory)
    : state_(&state), index_(&index), now_(now), memory_(memory) {
  if (memory_ == nullptr) memory_ = &own_memory_;
  for (const auto& [id, reservation] : state.reservations())
    if (reservation.end > now)
      for (const NodeId node : reservation.nodes)
        closures_[node].push_back({reservation.start, reservation.end});
  for (const auto& [unit, promise] : state.promises()) book(promise);
}

void Scratch::put_place(const Promised& place, Places& places, PlacesOn& on) {
  for (const auto& claim : place.allocation.claims) {
    on[claim.node].insert(place.unit);
    beside_bookings_.erase(claim.node);
  }
  places[place.unit] = place;
}

void Scratch::drop_place(const UnitId& unit, Places& places, PlacesOn& on) {
  const auto it = places.find(unit);
  if (it == places.end()) return;
  for (const auto& claim : it->second.allocation.claims) {
    const auto node = on.find(claim.node);
    if (node == on.end()) continue;
    beside_bookings_.erase(claim.node);
    node->second.erase(unit);
    if (node->second.empty()) on.erase(node);
  }
  places.erase(it);
}

void Scratch::book(const Promised& promise) {
  unbook(promise.unit);
  put_place(promise, bookings_, booked_on_);
}

void Scratch::reserve(const Promised& place) {
  drop_place(place.unit, reservations_, reserved_on_);
  put_place(place, reservations_, reserved_on_);
}

void Scratch::unbook(const UnitId& unit) {
  drop_place(unit, bookings_, booked_on_);
  drop_place(unit, reservations_, reserved_on_);
}

const NodeFree& Scratch::free(NodeId id) const {
  if (changed(id)) return nodes_[changed_[id.value - 1] - 1];
  return index_->nodes()[id.value - 1];
}

NodeFree& Scratch::own(NodeId id) {
  if (changed_.empty()) changed_.resize(index_->nodes().size());
  std::uint32_t& position = changed_[id.value - 1];
  if (position == 0) {
    nodes_.push_back(index_->nodes()[id.value - 1]);
    position = static_cast<std::uint32_t>(nodes_.size());
  }
  return nodes_[position - 1];
}

void Scratch::change_node(const Claim& claim, bool taken) {
  NodeFree& free = own(claim.node);
  (taken ? core::take : core::give)(free, node(claim.node), claim);
  if (!beside_bookings_.empty()) beside_bookings_.erase(claim.node);
  if (shape(claim.node).open) unsettled_.push_back(claim.node);
}

void Scratch::settle_buckets() const {
  for (const NodeId id : unsettled_) {
    const auto [at, fresh] = stands_.try_emplace(id);
    if (fresh) {
      const NodeFree& base = index_->nodes()[id.value - 1];
      at->second = {bucket_key(base), slot(base, id)};
    }
    const NodeFree& now_free = free(id);
    const std::pair<BucketKey, Slot> now{bucket_key(now_free), slot(now_free, id)};
    if (at->second == now) continue;
    const std::uint64_t hardware = shape(id).hardware;
    const auto [mine, copied] = buckets_.try_emplace(hardware);
    if (copied) mine->second = index_->hardware().at(hardware);
    const auto before = mine->second.find(at->second.first);
    before->second.erase(at->second.second);
    if (before->second.empty()) mine->second.erase(before);
    mine->second[now.first].insert(now.second);
    at->second = now;
  }
  unsettled_.clear();
}

const Buckets& Scratch::buckets(std::uint64_t hardware) const {
  static const Buckets none;
  if (!unsettled_.empty()) settle_buckets();
  const auto mine = buckets_.find(hardware);
  if (mine != buckets_.end()) return mine->second;
  const auto base = index_->hardware().find(hardware);
  return base == index_->hardware().end() ? none : base->second;
}

void Scratch::count(TenantId tenant, const std::vector<std::int64_t>& quota, const Held& held,
                    std::int64_t sign) {
  TenantChange& change = tenants_[tenant];
  change.quota.resize(std::max(change.quota.size(), quota.size()));
  for (std::size_t i = 0; i < quota.size(); ++i) change.quota[i] += sign * quota[i];
  change.held.cores += sign * held.cores;
  change.held.memory += sign * held.memory;
  change.held.weight += sign * held.weight;
  change.running += sign;
}

void Scratch::put(const UnitId& unit, Taken taken) {
  for (const auto& claim : taken.allocation.claims) {
    change_node(claim, true);
    taken_on_[claim.node].insert(unit);
  }
  count(taken.tenant, taken.quota, taken.held, 1);
  taken_of_[{unit.job, unit.group}] += 1;
  taken_.emplace(unit, std::move(taken));
}

Scratch::Taken Scratch::remove(const UnitId& unit) {
  const auto it = taken_.find(unit);
  check(it != taken_.end(), "a unit is released that was not taken");
  Taken taken = std::move(it->second);
  taken_.erase(it);
  for (const auto& claim : taken.allocation.claims) {
    change_node(claim, false);
    taken_on_[claim.node].erase(unit);
  }
  count(taken.tenant, taken.quota, taken.held, -1);
  taken_of_[{unit.job, unit.group}] -= 1;
  return taken;
}

void Scratch::return_attempt(const AttemptId& id, bool released) {
  const AttemptUse& use = index_->attempts().at(id);
  for (const auto& claim : use.claims) change_node(claim, !released);
  count(use.tenant, use.quota, use.held, released ? -1 : 1);
  if (released)
    released_.insert(id);
  else
    released_.erase(id);
}

void Scratch::take(const UnitId& unit, TenantId tenant, Allocation allocation, Tick end) {
  check(!taken_.contains(unit), "a unit is taken twice");
  Taken taken;
  taken.tenant = tenant;
  taken.end = end;
  taken.held = held_by(*state_, index_->shapes(), allocation.claims);
  for (const auto& limit : state_->config().tenants[tenant.value].quota)
    taken.quota.push_back(quota_amount(*state_, allocation, limit.name));
  taken.allocation = std::move(allocation);
  put(unit, std::move(taken));
  changes_.push_back({Change::Kind::took, unit, 0, {}});
}

void Scratch::release(const AttemptId& attempt) {
  if (released_.contains(attempt) || !index_->attempts().contains(attempt)) return;
  return_attempt(attempt, true);
  changes_.push_back({Change::Kind::released, attempt.unit, attempt.number, {}});
}

void Scratch::release_taken(const UnitId& unit) {
  Taken gone = remove(unit);
  changes_.push_back({Change::Kind::released_taken, unit, 0, std::move(gone)});
}

void Scratch::release(const Holder& holder) {
  if (holder.attempt == 0)
    release_taken(holder.unit);
  else
    release(AttemptId{holder.unit, holder.attempt});
}

const std::vector<Claim>& Scratch::claims_of(const Holder& holder) const {
  if (holder.attempt == 0) return taken_.at(holder.unit).allocation.claims;
  return index_->attempts().at(AttemptId{holder.unit, holder.attempt}).claims;
}

void Scratch::undo(Mark mark) {
  while (changes_.size() > mark.changes) {
    Change change = std::move(changes_.back());
    changes_.pop_back();
    if (change.kind == Change::Kind::took)
      remove(change.unit);
    else if (change.kind == Change::Kind::released)
      return_attempt({change.unit, change.attempt}, false);
    else
      put(change.unit, std::move(*change.gone));
  }
}

bool Scratch::binds(const UnitId& unit, const Ask& ask) const {
  if (unit == ask.unit) return false;
  if (!ask.breaks_lower_bands) return true;
  const JobRecord* owner = state_->find(unit.job);
  return owner == nullptr || owner->job.priority >= ask.job->priority;
}

Tick Scratch::expected_end(const AttemptUse& use) const {
  const Span bound = state_->config().cleanup_bound;
  const Tick end = use.launched ? use.latest_end : use.latest_end + bound;
  if (end > now_) return end;
  return now_ + std::max(bound, seconds(1));
}

// The node as it will stand at `when`: what ends until then is free, what is promised is taken.
NodeFree Scratch::at(NodeId id, Tick when, const Ask& ask) const {
  NodeFree free_then = free(id);
  const Node& machine = node(id);
  const auto give_back = [&](const std::vector<Claim>& claims) {
    for (const auto& claim : claims)
      if (claim.node == id) core::give(free_then, machine, claim);
  };
  for (const auto& attempt : index_->attempts_on(id)) {
    const AttemptUse& use = index_->attempts().at(attempt);
    if (expected_end(use) <= when && !released_.contains(attempt)) give_back(use.claims);
  }
  if (const auto on = taken_on_.find(id); on != taken_on_.end())
    for (const auto& unit : on->second)
      if (const Taken& taken = taken_.at(unit); taken.end <= when)
        give_back(taken.allocation.claims);
  each_booked(id, [&](const Promised& place) {
    if (place.at > when || !binds(place.unit, ask)) return;
    const JobRecord* owner = state_->find(place.unit.job);
    if (owner != nullptr && place_end(*state_, owner->job, place.at) <= when) return;
    for (const auto& claim : place.allocation.claims)
      if (claim.node == id) core::take(free_then, machine, claim);
  });
  return free_then;
}

NodeFree Scratch::window_of_bookings(NodeId id, const Ask& ask) const {
  NodeFree least = at(id, ask.start, ask);
  each_booked(id, [&](const Promised& place) {
    if (place.at > ask.start && place.at < ask.end && binds(place.unit, ask))
      keep_smaller(least, at(id, place.at, ask));
  });
  return least;
}

const NodeFree* Scratch::window(NodeId id, const Ask& ask, NodeFree& storage) const {
  if (!closures_.empty())
    if (const auto closed = closures_.find(id); closed != closures_.end())
      for (const auto& [start, end] : closed->second)
        if (ask.start < end && start < ask.end) return nullptr;
  const bool from_now = ask.start <= now_;
  if (!booked_on_.contains(id) && !reserved_on_.contains(id)) {
    if (from_now) return &free(id);
    storage = at(id, ask.start, ask);
    return &storage;
  }
  bool none_counts = from_now;
  bool all_count = from_now && !ask.breaks_lower_bands;
  each_booked(id, [&](const Promised& place) {
    const bool begins_inside = place.at < ask.end;
    none_counts = none_counts && !begins_inside;
    all_count = all_count && begins_inside && place.unit != ask.unit;
  });
  if (none_counts) return &free(id);
  if (!all_count) {
    storage = window_of_bookings(id, ask);
    return &storage;
  }
  // What is left beside all bookings of the node is the same for everybody who asks from now on.
  const auto [left, fresh] = beside_bookings_.try_emplace(id);
  if (fresh) left->second = window_of_bookings(id, ask);
  return &left->second;
}

const HardwareFit& Scratch::hardware_fit_of(const Ask& ask, std::uint32_t group,
                                            std::uint32_t alternative, NodeId example) const {
  const Memory::FitKey key{ask.unit_class, shape(example).hardware, group, alternative};
  const auto [it, fresh] = memory_->fits.try_emplace(key);
  if (fresh) it->second = hardware_fit(node(example), ask.job->groups[group].any_of[alternative]);
  return it->second;
}

std::optional<std::size_t> Scratch::quota_passed(TenantId tenant,
                                                 const Allocation& allocation) const {
  const auto& limits = state_->config().tenants[tenant.value].quota;
  for (std::size_t i = 0; i < limits.size(); ++i) {
    const std::int64_t wanted = quota_amount(*state_, allocation, limits[i].name);
    if (wanted > 0 && quota_used(tenant, i) + wanted > limits[i].count) return i;
  }
  return std::nullopt;
}

std::int64_t Scratch::quota_used(TenantId tenant, std::size_t position) const {
  std::int64_t used = index_->tenants()[tenant.value].quota[position];
  const auto it = tenants_.find(tenant);
  if (it != tenants_.end() && position < it->second.quota.size())
    used += it->second.quota[position];
  return used;
}

std::uint64_t Scratch::running(TenantId tenant) const {
  const auto it = tenants_.find(tenant);
  const std::int64_t more = it == tenants_.end() ? 0 : it->second.running;
  return static_cast<std::uint64_t>(
      static_cast<std::int64_t>(state_->tenants()[tenant.value].running) + more);
}

Held Scratch::held_beyond(TenantId tenant) const {
  const auto it = tenants_.find(tenant);
  return it == tenants_.end() ? Held{} : it->second.held;
}

std::uint32_t Scratch::taken_of(CohortId cohort) const {
  const auto it = taken_of_.find(cohort);
  return it == taken_of_.end() ? 0 : it->second;
}

std::vector<Tick> Scratch::other_edges() const {
  std::vector<Tick> edges;
  for (const auto* places : {&bookings_, &reservations_})
    for (const auto& [unit, place] : *places) {
      const JobRecord* owner = state_->find(unit.job);
      if (owner == nullptr) continue;
      const Tick end = place_end(*state_, owner->job, place.at);
      if (end != tick_never) edges.push_back(end);
    }
  for (const auto& [node, closed] : closures_)
    for (const auto& [start, end] : closed) edges.push_back(end);
  return edges;
}

std::vector<Scratch::Holder> Scratch::holders_by_end() const {
  std::vector<Holder> holders;
  for (const auto& [end, id] : index_->by_end()) {
    if (end == tick_never) break;
    if (!released_.contains(id))
      holders.push_back({expected_end(index_->attempts().at(id)), id.unit, id.number});
  }
  for (const auto& [unit, taken] : taken_)
    if (taken.end != tick_never) holders.push_back({taken.end, unit, 0});
  std::sort(holders.begin(), holders.end());
  return holders;
}

}  // namespace busbar::core
