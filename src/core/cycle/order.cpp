#include "core/cycle/order.hpp"

#include <algorithm>
#include <limits>

namespace busbar::core {
namespace {

// For the heaps of the standard library, which keep the largest on top.
constexpr auto later = [](const auto& a, const auto& b) { return a.key > b.key; };

constexpr LineKey last_key{std::numeric_limits<std::int64_t>::max(), {}};
constexpr LineKey first_key{std::numeric_limits<std::int64_t>::min(), {}};

// Lanes are made class by class where so many times fewer cohorts are looked at.
constexpr std::uint64_t by_class_gain = 8;
constexpr std::uint32_t passed_per_step = 8;

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
  recall_full(context);
  open_turns();
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

// Where tenants play no part, each has its turn by the first of its units.
TenantKey Order::key_of(TenantId tenant) {
  if (!context_.policy.shares()) {
    const Head* head = settle(tenant);
    return head == nullptr ? last_key.unit_key : head->key.unit_key;
  }
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
    context_.cursor.full.clear();
    done_.clear();
    left_.clear();
    open_band();
    if (!turns_.empty()) return true;
  }
}

void Order::open_band() {
  const auto band = waiting_.find(context_.cursor.band);
  context_.full.clear();
  if (band != waiting_.end() && !context_.wants_heads()) probe(context_, band->second);
  open_turns();
}

void Order::open_turns() {
  open_ = true;
  turns_.clear();
  lanes_.clear();
  const auto band = waiting_.find(context_.cursor.band);
  band_ = band == waiting_.end() ? nullptr : &band->second;
  choose_classes();
  std::set<TenantId> tenants;
  for (const auto& [unit_class, members] : classes_) {
    TenantId last = nobody;
    for (const ClassMember& member : *members)
      if (member.tenant != last) tenants.insert(last = member.tenant);
  }
  if (band_ != nullptr && !by_class_)
    for (const auto& [tenant, unused] : band_->tenants) tenants.insert(tenants.end(), tenant);
  const auto stragglers = stragglers_.find(context_.cursor.band);
  if (stragglers != stragglers_.end())
    for (const auto& [tenant, items] : stragglers->second) tenants.insert(tenant);
  for (const TenantId tenant : tenants)
    if (!left_.contains(tenant)) turns_.insert({key_of(tenant), tenant});
}

void Order::choose_classes() {
  by_class_ = band_ != nullptr && !context_.wants_heads();
  classes_.clear();
  if (!by_class_) return;
  std::uint64_t members = 0;
  for (const auto& [unit_class, asks] : band_->classes) {
    if (context_.full.contains(unit_class)) continue;
    classes_.emplace_back(unit_class, &asks.members);
    members += asks.members.size();
  }
  by_class_ = members * by_class_gain < band_->cohorts;
  if (!by_class_) classes_.clear();
}

void Order::reopen() { open_band(); }

const LineKey* Order::done_until(TenantId tenant) const {
  const auto it = done_.find(tenant);
  return it == done_.end() ? nullptr : &it->second;
}

void Order::open_queue(TenantId tenant, Lane& lane) {
  const auto queue = band_->tenants.find(tenant);
  if (queue == band_->tenants.end()) return;
  const LineKey* done = done_until(tenant);
  constexpr std::uint64_t last_class = std::numeric_limits<std::uint64_t>::max();
  Head head;
  head.source = Source::queue;
  head.queue_end = queue->second.end();
  head.queued =
      done == nullptr ? queue->second.begin() : queue->second.upper_bound({*done, last_class});
  if (head.queued == head.queue_end) return;
  head.key = head.queued->key;
  head.unit_class = head.queued->unit_class;
  lane.push_back(head);
}

void Order::open_members(TenantId tenant, Lane& lane) {
  const LineKey* done = done_until(tenant);
  context_.steps.used += static_cast<std::uint32_t>(classes_.size());
  for (const auto& [unit_class, members] : classes_) {
    if (context_.passes_over(tenant, unit_class)) continue;
    Head head;
    head.source = Source::members;
    head.unit_class = unit_class;
    head.members_end = members->end();
    head.member = done == nullptr ? members->lower_bound({tenant, first_key})
                                  : members->upper_bound({tenant, *done});
    if (head.member == head.members_end || head.member->tenant != tenant) continue;
    head.key = head.member->key;
    lane.push_back(head);
  }
}

Order::Lane& Order::lane_of(TenantId tenant) {
  const auto [it, fresh] = lanes_.try_emplace(tenant);
  Lane& lane = it->second;
  if (!fresh) return lane;
  if (band_ != nullptr && by_class_) open_members(tenant, lane);
  if (band_ != nullptr && !by_class_) open_queue(tenant, lane);
  const LineKey* done = done_until(tenant);
  const auto band = stragglers_.find(context_.cursor.band);
  if (band != stragglers_.end())
    if (const auto mine = band->second.find(tenant); mine != band->second.end())
      for (const Item& item : mine->second)
        if (done == nullptr || item.key > *done)
          lane.push_back({item.key, item.unit_class, Source::straggler, {}, {}, {}, {}});
  std::make_heap(lane.begin(), lane.end(), later);
  return lane;
}

void Order::pop(Lane& lane) {
  std::pop_heap(lane.begin(), lane.end(), later);
  lane.pop_back();
}

// Some cohorts passed over count as one looked at.
bool Order::passes_over(TenantId tenant, std::uint64_t unit_class) {
  if (!context_.passes_over(tenant, unit_class)) return false;
  if (++passed_ == passed_per_step) {
    context_.steps.used += 1;
    passed_ = 0;
  }
  return true;
}

// The next of the head's source that is not passed over; false at the end.
bool Order::next_in_source(TenantId tenant, Head& head) {
  if (head.source == Source::straggler) return false;
  if (head.source == Source::members) {
    ++head.member;
    if (head.member == head.members_end || head.member->tenant != tenant) return false;
    head.key = head.member->key;
    return !passes_over(tenant, head.unit_class);
  }
  do {
    ++head.queued;
    if (head.queued == head.queue_end) return false;
  } while (passes_over(tenant, head.queued->unit_class));
  head.key = head.queued->key;
  head.unit_class = head.queued->unit_class;
  return true;
}

// The head of the tenant's lane, after what is passed over and what was done already as a
// straggler.
const Order::Head* Order::settle(TenantId tenant) {
  Lane& lane = lane_of(tenant);
  while (!lane.empty()) {
    const Head& head = lane.front();
    const LineKey* done = done_until(tenant);
    const bool again = done != nullptr && head.key <= *done;
    const bool skip = head.source != Source::straggler && passes_over(tenant, head.unit_class);
    if (!again && !skip) return &head;
    Head next = head;
    pop(lane);
    if (!next_in_source(tenant, next)) continue;
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
  note_full(context_, cursor);
}

// The lane moves on when it is next looked at: what is done is not shown again.
void Order::advance() {
  const TenantId tenant = turns_.begin()->second;
  done_[tenant] = lanes_.at(tenant).front().key;
  context_.cursor.position += 1;
  if (!context_.policy.shares()) rekey();
}

void Order::leave_tenant() {
  const TenantId tenant = turns_.begin()->second;
  done_[tenant] = last_key;
  left_.insert(tenant);
  turns_.erase(turns_.begin());
}

}  // namespace busbar::core
