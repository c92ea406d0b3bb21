#include "core/cycle/order.hpp"

#include <algorithm>
#include <limits>

namespace busbar::core {
namespace {

// For the heaps of the standard library, which keep the largest on top.
constexpr auto later = [](const auto& a, const auto& b) { return a.key > b.key; };

constexpr LineKey last_key{std::numeric_limits<std::int64_t>::max(), {}};

}  // namespace

Order::Order(Context& context) : context_(context), waiting_(context.view.index.waiting()) {
  gather_stragglers();
  const auto first = waiting_.lower_bound(context.cursor.band);
  const bool resumed = (first != waiting_.end() && first->first == context.cursor.band) ||
                       stragglers_.contains(context.cursor.band);
  if (!resumed) {
    next_band();
    return;
  }
  for (const auto& place : context.cursor.places) {
    const LineKey key{place.unit_key, {place.job, place.group}};
    done_[place.tenant] = key;
    if (key >= last_key) left_.insert(place.tenant);
  }
  open_band();
  if (turns_.empty()) next_band();
}

void Order::gather_stragglers() {
  const State& state = context_.view.state;
  const Index& index = context_.view.index;
  const auto add = [&](const JobRecord& record, std::uint32_t group) {
    const CohortId cohort{record.job.id, group};
    const UnitKey key = context_.policy.unit_key(state, record.job);
    stragglers_[record.job.priority][record.tenant].push_back(
        {record.tenant, {key, cohort}, index.class_of(cohort)});
  };
  for (const auto& [unit, promise] : context_.scratch.bookings())
    add(*state.find(unit.job), unit.group);
  constexpr JobId last{std::numeric_limits<std::uint64_t>::max()};
  for (auto it = index.begins().upper_bound({index.begun_until(), last});
       it != index.begins().end() && it->first <= context_.view.now; ++it) {
    const JobRecord& record = *state.find(it->second);
    for (std::uint32_t g = 0; g < record.groups.size(); ++g)
      if (!record.groups[g].waiting.empty()) add(record, g);
  }
}

TenantKey Order::key_of(TenantId tenant) const {
  return context_.policy.tenant_key(context_.view, tenant, context_.scratch.held_beyond(tenant));
}

// Opens the first band below the cursor's in which somebody has a turn.
bool Order::next_band() {
  for (;;) {
    auto line = waiting_.upper_bound(context_.cursor.band);
    auto straggler = stragglers_.upper_bound(context_.cursor.band);
    if (!open_) {  // the first of all
      line = waiting_.lower_bound(context_.cursor.band);
      straggler = stragglers_.lower_bound(context_.cursor.band);
      open_ = true;
    }
    if (line == waiting_.end() && straggler == stragglers_.end()) return false;
    const bool by_line = line != waiting_.end() &&
                         (straggler == stragglers_.end() || line->first >= straggler->first);
    context_.cursor.band = by_line ? line->first : straggler->first;
    context_.cursor.places.clear();
    done_.clear();
    left_.clear();
    open_band();
    if (!turns_.empty()) return true;
  }
}

void Order::open_band() {
  open_ = true;
  turns_.clear();
  lanes_.clear();
  classes_.clear();
  context_.full.clear();
  const auto found = waiting_.find(context_.cursor.band);
  band_ = found == waiting_.end() ? nullptr : &found->second;
  std::set<TenantId> tenants;
  few_ = band_ != nullptr && !context_.wants_heads();
  std::size_t lines = 0;
  if (few_) {
    probe(context_, *band_);
    for (const auto& [unit_class, asks] : band_->classes) {
      if (context_.full.contains(unit_class)) continue;
      classes_.push_back(unit_class);
      lines += asks.tenants.size();
    }
    few_ = lines < band_->tenants.size();
  }
  for (const std::uint64_t unit_class : classes_)
    if (few_) {
      const auto& asks = band_->classes.at(unit_class).tenants;
      tenants.insert(asks.begin(), asks.end());
    }
  if (band_ != nullptr && !few_)
    for (const auto& [tenant, unused] : band_->tenants) tenants.insert(tenants.end(), tenant);
  const auto stragglers = stragglers_.find(context_.cursor.band);
  if (stragglers != stragglers_.end())
    for (const auto& [tenant, items] : stragglers->second) tenants.insert(tenant);
  for (const TenantId tenant : tenants)
    if (!left_.contains(tenant)) turns_.insert({key_of(tenant), tenant});
}

void Order::reopen() { open_band(); }

const LineKey* Order::done_until(TenantId tenant) const {
  const auto it = done_.find(tenant);
  return it == done_.end() ? nullptr : &it->second;
}

void Order::add_line(TenantId tenant, std::uint64_t unit_class, const Line& line, Lane& lane) {
  if (context_.passes_over(tenant, unit_class)) return;
  const LineKey* done = done_until(tenant);
  const auto at = done == nullptr ? line.begin() : line.upper_bound(*done);
  if (at != line.end()) lane.push_back({*at, unit_class, &line, at});
}

void Order::open_lines(TenantId tenant, Lane& lane) {
  const auto lines = band_->tenants.find(tenant);
  if (lines == band_->tenants.end()) return;
  if (!few_) {
    for (const auto& [unit_class, line] : lines->second) add_line(tenant, unit_class, line, lane);
    return;
  }
  for (const std::uint64_t unit_class : classes_) {
    const auto line = lines->second.find(unit_class);
    if (line != lines->second.end()) add_line(tenant, unit_class, line->second, lane);
  }
}

Order::Lane& Order::lane_of(TenantId tenant) {
  const auto [it, fresh] = lanes_.try_emplace(tenant);
  Lane& lane = it->second;
  if (!fresh) return lane;
  if (band_ != nullptr) open_lines(tenant, lane);
  const LineKey* done = done_until(tenant);
  const auto band = stragglers_.find(context_.cursor.band);
  if (band != stragglers_.end())
    if (const auto mine = band->second.find(tenant); mine != band->second.end())
      for (const Item& item : mine->second)
        if (done == nullptr || item.key > *done)
          lane.push_back({item.key, item.unit_class, nullptr, {}});
  std::make_heap(lane.begin(), lane.end(), later);
  return lane;
}

void Order::pop(Lane& lane) {
  std::pop_heap(lane.begin(), lane.end(), later);
  lane.pop_back();
}

// The head of the tenant's lane, after what is passed over and what was done already as a
// straggler.
const Order::Head* Order::settle(TenantId tenant) {
  Lane& lane = lane_of(tenant);
  while (!lane.empty()) {
    const Head& head = lane.front();
    const LineKey* done = done_until(tenant);
    const bool again = done != nullptr && head.key <= *done;
    const bool skip = head.line != nullptr && context_.passes_over(tenant, head.unit_class);
    if (!again && !skip) return &head;
    Head next = head;
    pop(lane);
    if (skip || next.line == nullptr || ++next.at == next.line->end()) continue;
    next.key = *next.at;
    lane.push_back(next);
    std::push_heap(lane.begin(), lane.end(), later);
  }
  return nullptr;
}

std::optional<Order::Item> Order::front() {
  for (;;) {
    while (!turns_.empty()) {
      const TenantId tenant = turns_.begin()->second;
      if (const Head* head = settle(tenant)) return Item{tenant, head->key, head->unit_class};
      turns_.erase(turns_.begin());
    }
    if (!next_band()) return std::nullopt;
  }
}

void Order::rekey() {
  const TenantId tenant = turns_.begin()->second;
  turns_.erase(turns_.begin());
  turns_.insert({key_of(tenant), tenant});
}

void Order::note(Cursor& cursor) const {
  cursor.places.clear();
  for (const auto& [tenant, key] : done_)
    cursor.places.push_back({tenant, key.unit_key, key.cohort.job, key.cohort.group});
}

// The lane moves on when it is next looked at: what is done is not shown again.
void Order::advance() {
  const TenantId tenant = turns_.begin()->second;
  done_[tenant] = lanes_.at(tenant).front().key;
  context_.cursor.position += 1;
}

void Order::leave_tenant() {
  const TenantId tenant = turns_.begin()->second;
  done_[tenant] = last_key;
  left_.insert(tenant);
  turns_.erase(turns_.begin());
}

}  // namespace busbar::core
