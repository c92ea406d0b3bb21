// The walk: cohort by cohort in the order, each unit is admitted, placed, promised a start if it is
// a head, or left with a verdict. Behind a promise this is EASY backfilling: a unit may take what a
// promise will need only if its own latest end comes first (fit/scratch sees to it). A class that
// has failed is passed over by the order.
#include <algorithm>

#include "core/cycle/admit.hpp"
#include "core/cycle/order.hpp"

namespace busbar::core {
namespace {

enum class Outcome : std::uint8_t { started, done, tenant_done };

class Walk {
 public:
  explicit Walk(Context& context)
      : context_(context), state_(context.view.state), order_(context) {}

  void run() {
    while (!context_.cursor.blocked) {
      const auto item = order_.front();
      if (!item) break;
      item_ = *item;
      context_.steps.used += 1;
      const bool wanted_heads = context_.wants_heads();
      go_on(try_cohort());
      if (context_.reopen || wanted_heads != context_.wants_heads()) order_.reopen();
      context_.reopen = false;
      if (context_.spent() && !context_.cursor.blocked && order_.front())
        return order_.note(context_.cursor);
    }
    if (context_.cursor.blocked) say_blocked();
    context_.cursor.finished = true;
  }

 private:
  void go_on(Outcome outcome);
  void say_blocked();
  void say_tenant_limit(const JobRecord& record);
  Outcome try_cohort();
  bool admit(CohortWalk& walk, const JobRecord& record);
  std::optional<UnitId> next_unit(CohortWalk& walk, const GroupRecord& group) const;
  Outcome try_unit(CohortWalk& walk, const UnitId& unit);
  Found search(Ask& ask);
  const Memo* remembered(const Ask& ask) const;
  Outcome wait(CohortWalk& walk, const Ask& ask, const Miss& miss);
  std::uint64_t left(const CohortWalk& walk) const;
  void say(Verdict verdict) { context_.plan.verdicts.cohorts.push_back(std::move(verdict)); }
  void say(const CohortWalk& walk, Miss miss);

  Context& context_;
  const State& state_;
  Order order_;
  Order::Item item_;
  std::map<CohortId, CohortWalk> walks_;
};

void Walk::go_on(Outcome outcome) {
  if (outcome == Outcome::started) return order_.rekey();
  walks_.erase(item_.key.cohort);
  if (outcome == Outcome::done) return order_.advance();
  order_.leave_tenant();
}

// With backfill switched off a head that waits lets nobody pass.
void Walk::say_blocked() {
  Miss miss;
  miss.reason = Reason::priority;
  for (const auto& [band, unused] : context_.view.index.waiting())
    if (band <= context_.cursor.band)
      context_.plan.verdicts.classes.push_back(
          {band, {}, {}, verdict_of(context_, CohortId{}, 0, miss)});
}

void Walk::say_tenant_limit(const JobRecord& record) {
  Miss miss;
  miss.reason = Reason::tenant_limit;
  miss.wanted = 1;
  miss.capacity =
      static_cast<std::int64_t>(state_.config().tenants[item_.tenant.value].running_max);
  miss.where = record.job.tenant;
  say_class(context_, item_.tenant, {}, miss);
}

// Units of the cohort that wait and neither started nor back off.
std::uint64_t Walk::left(const CohortWalk& walk) const {
  const GroupRecord& group = state_.find(walk.id.job)->groups[walk.id.group];
  return group.waiting.size() - walk.started - walk.backing_off.size();
}

void Walk::say(const CohortWalk& walk, Miss miss) {
  say(verdict_of(context_, walk.id, left(walk), miss));
}

Outcome Walk::try_cohort() {
  const JobRecord& record = *state_.find(item_.key.cohort.job);
  if (context_.closed.contains(item_.key.cohort)) return Outcome::done;
  CohortWalk& walk = walks_[item_.key.cohort];
  walk.id = item_.key.cohort;
  if (!walk.admitted && !admit(walk, record)) return Outcome::done;
  const GroupRecord& group = record.groups[walk.id.group];
  const auto unit = next_unit(walk, group);
  if (!unit) return Outcome::done;
  if (array_room(context_.scratch, record, walk.id.group) <=
      promised_beside(context_, *unit, false)) {
    Miss miss;
    miss.reason = Reason::array_limit;
    miss.wanted = 1;
    miss.capacity = record.job.groups[walk.id.group].parallel;
    say(walk, miss);
    if (!context_.next_up) context_.next_up = *unit;
    return Outcome::done;
  }
  if (tenant_room(context_.scratch, item_.tenant) <= promised_beside(context_, *unit, true)) {
    say_tenant_limit(record);
    return Outcome::tenant_done;
  }
  return try_unit(walk, *unit);
}

// admit: dependencies, begin times, back-off.
bool Walk::admit(CohortWalk& walk, const JobRecord& record) {
  walk.admitted = true;
  const GroupRecord& group = record.groups[walk.id.group];
  if (job_waits(state_, record.job, walk.id.group, context_.view.now)) return false;
  walk.started = 0;
  for (auto it = context_.started.lower_bound(UnitId{walk.id.job, walk.id.group, 0});
       it != context_.started.end() && it->job == walk.id.job && it->group == walk.id.group; ++it)
    walk.started += 1;  // due promises
  if (!group.units->empty()) walk.backing_off = backing_off(group, context_.view.now);
  return true;
}

std::optional<UnitId> Walk::next_unit(CohortWalk& walk, const GroupRecord& group) const {
  for (auto index = group.waiting.next(walk.next_index); index;
       index = group.waiting.next(*index + 1)) {
    const UnitId unit{walk.id.job, walk.id.group, *index};
    const bool later = std::binary_search(walk.backing_off.begin(), walk.backing_off.end(), *index);
    if (!later && !context_.started.contains(unit)) return unit;
  }
  return std::nullopt;
}

Outcome Walk::try_unit(CohortWalk& walk, const UnitId& unit) {
  Ask ask = make_ask(state_, unit, item_.unit_class, context_.view.now);
  const bool promised = context_.scratch.bookings().contains(unit);
  if (const Memo* memo = promised ? nullptr : remembered(ask)) return wait(walk, ask, memo->miss);
  if (context_.cursor.heads > 0) context_.backfilled += 1;
  const std::uint32_t before = context_.steps.used;
  Found found = search(ask);
  if (!found.allocation) {
    remember(context_, ask, found.miss);
    const auto band = context_.view.index.waiting().find(context_.cursor.band);
    if (context_.full.contains(ask.unit_class))
      keep_failure(context_, ask.unit_class, Span(0), context_.steps.used - before, found.miss);
    else if (found.miss.reason != Reason::quota && !context_.wants_heads() &&
             band != context_.view.index.waiting().end())
      probe_class(context_, band->second, ask.unit_class);
    return wait(walk, ask, found.miss);
  }
  start(context_, ask, std::move(*found.allocation));
  walk.started += 1;
  walk.next_index = unit.index + 1;
  return Outcome::started;
}

// A place beside all promises, or else over promises of lower bands.
Found Walk::search(Ask& ask) {
  Found found = find(context_.scratch, context_.policy, ask, context_.steps);
  if (found.allocation || !found.miss.shorter_may_fit) return found;
  if (!any_lower_promise(context_, ask)) return found;
  Ask over = ask;
  over.breaks_lower_bands = true;
  Found other = find(context_.scratch, context_.policy, over, context_.steps);
  if (!other.allocation) return found;
  ask = over;
  return other;
}

const Memo* Walk::remembered(const Ask& ask) const {
  for (const TenantId tenant : {nobody, ask.tenant}) {
    const auto memo = context_.failed.find({ask.unit_class, tenant});
    if (memo != context_.failed.end() && ask.end >= memo->second.shortest_end) return &memo->second;
  }
  return nullptr;
}

// The unit stays: as a head it is promised a start, and the next unit of its cohort may be a head
// too; otherwise all units left in the cohort wait for the same reason.
Outcome Walk::wait(CohortWalk& walk, const Ask& ask, const Miss& miss) {
  Verdict verdict = verdict_of(context_, walk.id, left(walk), miss);
  const bool head = miss.reason == Reason::resources || miss.reason == Reason::reserved;
  bool more = false;
  bool own = false;  // what is said of the class does not say all of this cohort
  if (head && context_.wants_heads()) {
    own = true;
    const Standing standing = reserve(context_, ask);
    context_.cursor.heads += 1;
    if (standing.at != tick_never) {
      verdict.start_estimate = standing.at;
      if (!standing.blockers.empty()) verdict.blockers = standing.blockers;
      if (verdict.resource != "maintenance") verdict.reason = Reason::resources;
    }
    more = context_.wants_heads();
  } else if (const auto booked = context_.scratch.bookings().find(ask.unit);
             booked != context_.scratch.bookings().end()) {
    own = true;
    verdict.start_estimate = booked->second.at;
  }
  if (head && !context_.first_head) context_.first_head = ask.unit;
  if (head && !context_.next_up) context_.next_up = ask.unit;
  if (head && !state_.config().policy.backfill) context_.cursor.blocked = true;
  if (more && !context_.cursor.blocked) {
    walk.next_index = ask.unit.index + 1;
    const GroupRecord& group = state_.find(walk.id.job)->groups[walk.id.group];
    if (next_unit(walk, group)) return Outcome::started;  // not advanced: the next unit's turn
  }
  const auto memo = context_.failed.find({ask.unit_class, nobody});
  const bool some_may_fit = memo != context_.failed.end() && memo->second.shortest_end > Tick(0);
  if (own || some_may_fit) say(std::move(verdict));
  return Outcome::done;
}

}  // namespace

void remember(Context& context, const Ask& ask, const Miss& miss) {
  const bool quota = miss.reason == Reason::quota;
  const TenantId tenant = quota ? ask.tenant : nobody;
  Memo& memo = context.failed[{ask.unit_class, tenant}];
  memo.shortest_end = miss.shorter_may_fit ? std::min(memo.shortest_end, ask.end) : Tick(0);
  memo.miss = miss;
  if (!quota && !miss.shorter_may_fit) context.full.insert(ask.unit_class);
  say_class(context, quota ? std::optional(tenant) : std::nullopt, ask.unit_class, miss);
}

void start(Context& context, const Ask& ask, Allocation allocation) {
  Scratch& scratch = context.scratch;
  scratch.unbook(ask.unit);
  scratch.take(ask.unit, ask.tenant, allocation, ask.end);
  if (ask.breaks_lower_bands) void_broken(context, ask);
  context.started.insert(ask.unit);
  context.steps.used += static_cast<std::uint32_t>(allocation.claims.size()) * steps_per_claim;
  context.plan.steps.push_back(StartStep{ask.unit, std::move(allocation)});
}

void walk(Context& context) { Walk(context).run(); }

}  // namespace busbar::core
