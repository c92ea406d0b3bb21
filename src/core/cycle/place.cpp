// The walk: cohort by cohort in the order, each unit is admitted, placed, promised a start if it is
// a head, or left with a verdict. Behind a promise this is EASY backfilling: a unit may take what a
// promise will need only if its own latest end comes first (fit/scratch sees to it).
#include <algorithm>

#include "core/cycle/admit.hpp"
#include "core/cycle/order.hpp"

namespace busbar::core {
namespace {

constexpr TenantId nobody{0xffffffff};

enum class Outcome : std::uint8_t { started, done };

class Walk {
 public:
  explicit Walk(Context& context)
      : context_(context), state_(context.view.state), order_(context) {}

  void run() {
    while (const auto item = order_.front()) {
      item_ = *item;
      context_.steps.used += 1;
      if (try_cohort() == Outcome::started)
        order_.rekey();
      else {
        walks_.erase(item_.cohort);
        order_.advance();
      }
      if (context_.spent() && order_.front()) return order_.note(context_.cursor);
    }
    context_.cursor.finished = true;
  }

 private:
  Outcome try_cohort();
  bool admit(CohortWalk& walk, const JobRecord& record);
  std::optional<UnitId> next_unit(CohortWalk& walk, const GroupRecord& group) const;
  Outcome try_unit(CohortWalk& walk, const UnitId& unit);
  Found search(Ask& ask);
  const Memo* remembered(const Ask& ask) const;
  void remember(const Ask& ask, const Miss& miss);
  Outcome wait(CohortWalk& walk, const Ask& ask, const Miss& miss);
  bool is_head() const;
  std::uint64_t promised_beside(const UnitId& unit, bool whole_tenant) const;
  std::uint64_t left(const CohortWalk& walk) const;
  void say(Verdict verdict) { context_.plan.verdicts.push_back(std::move(verdict)); }
  void say(const CohortWalk& walk, Miss miss);

  Context& context_;
  const State& state_;
  Order order_;
  Order::Item item_;
  std::map<CohortId, CohortWalk> walks_;
};

// Units of the cohort that wait and neither started nor back off.
std::uint64_t Walk::left(const CohortWalk& walk) const {
  const GroupRecord& group = state_.find(walk.id.job)->groups[walk.id.group];
  return group.waiting.size() - walk.started - walk.backing_off.size();
}

void Walk::say(const CohortWalk& walk, Miss miss) {
  say(verdict_of(context_, walk.id, left(walk), miss));
}

// Promises to other units of the cohort, or of its whole tenant: they keep their room in the
// array's and the tenant's limits.
std::uint64_t Walk::promised_beside(const UnitId& unit, bool whole_tenant) const {
  std::uint64_t count = 0;
  for (const auto& [other, promise] : context_.scratch.bookings()) {
    if (other == unit) continue;
    const bool same = whole_tenant
                          ? state_.find(other.job)->job.tenant == state_.find(unit.job)->job.tenant
                          : other.job == unit.job && other.group == unit.group;
    count += same ? 1 : 0;
  }
  return count;
}

Outcome Walk::try_cohort() {
  const JobRecord& record = *state_.find(item_.cohort.job);
  if (context_.closed.contains(item_.cohort)) return Outcome::done;
  CohortWalk& walk = walks_[item_.cohort];
  walk.id = item_.cohort;
  if (!walk.admitted && !admit(walk, record)) return Outcome::done;
  const GroupRecord& group = record.groups[walk.id.group];
  const auto unit = next_unit(walk, group);
  if (!unit) return Outcome::done;
  if (array_room(context_.scratch, record, walk.id.group) <= promised_beside(*unit, false)) {
    Miss miss;
    miss.reason = Reason::array_limit;
    miss.wanted = 1;
    miss.capacity = record.job.groups[walk.id.group].parallel;
    say(walk, miss);
    return Outcome::done;
  }
  if (tenant_room(context_.scratch, item_.tenant) <= promised_beside(*unit, true)) {
    Miss miss;
    miss.reason = Reason::tenant_limit;
    miss.wanted = 1;
    miss.capacity =
        static_cast<std::int64_t>(state_.config().tenants[item_.tenant.value].running_max);
    miss.where = record.job.tenant;
    say(walk, miss);
    return Outcome::done;
  }
  return try_unit(walk, *unit);
}

// admit: dependencies, begin times, back-off.
bool Walk::admit(CohortWalk& walk, const JobRecord& record) {
  walk.admitted = true;
  const GroupRecord& group = record.groups[walk.id.group];
  if (auto reason = never_admitted(state_, record.job)) {
    context_.plan.steps.push_back(CloseStep{walk.id.job, walk.id.group, group.waiting,
                                            RunState::cancelled, std::move(*reason)});
    context_.closed.insert(walk.id);
    return false;
  }
  if (auto waits = job_waits(state_, record.job, walk.id.group, context_.view.now)) {
    waits->units = group.waiting.size();
    say(std::move(*waits));
    return false;
  }
  walk.started = 0;
  for (auto it = context_.started.lower_bound(UnitId{walk.id.job, walk.id.group, 0});
       it != context_.started.end() && it->job == walk.id.job && it->group == walk.id.group; ++it)
    walk.started += 1;  // due promises
  if (group.units.empty()) return true;
  walk.backing_off = backing_off(group, context_.view.now);
  if (walk.backing_off.empty()) return true;
  Verdict verdict;
  verdict.job = walk.id.job;
  verdict.group = walk.id.group;
  verdict.reason = Reason::backoff;
  verdict.units = walk.backing_off.size();
  for (const std::uint32_t index : walk.backing_off)
    verdict.start_estimate = std::min(verdict.start_estimate, group.units.at(index).not_before);
  say(std::move(verdict));
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

bool Walk::is_head() const {
  const PolicyConfig& policy = state_.config().policy;
  return policy.reserve && context_.cursor.heads < policy.promises_max;
}

Outcome Walk::try_unit(CohortWalk& walk, const UnitId& unit) {
  Ask ask = make_ask(state_, unit, item_.unit_class, context_.view.now);
  if (context_.cursor.blocked) {  // backfill is switched off and a head waits
    Miss miss;
    miss.reason = Reason::priority;
    say(walk, miss);
    return Outcome::done;
  }
  const bool promised = context_.scratch.bookings().contains(unit);
  if (const Memo* memo = promised ? nullptr : remembered(ask)) return wait(walk, ask, memo->miss);
  if (context_.cursor.heads > 0) context_.backfilled += 1;
  Found found = search(ask);
  if (!found.allocation) {
    remember(ask, found.miss);
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

void Walk::remember(const Ask& ask, const Miss& miss) {
  const TenantId tenant = miss.reason == Reason::quota ? ask.tenant : nobody;
  Memo& memo = context_.failed[{ask.unit_class, tenant}];
  memo.shortest_end = miss.shorter_may_fit ? std::min(memo.shortest_end, ask.end) : Tick(0);
  memo.miss = miss;
}

// The unit stays: as a head it is promised a start, and the next unit of its cohort may be a head
// too; otherwise all units left in the cohort wait for the same reason.
Outcome Walk::wait(CohortWalk& walk, const Ask& ask, const Miss& miss) {
  Verdict verdict = verdict_of(context_, walk.id, left(walk), miss);
  const bool head = miss.reason == Reason::resources || miss.reason == Reason::reserved;
  bool more = false;
  if (head && is_head()) {
    const Standing standing = reserve(context_, ask);
    context_.cursor.heads += 1;
    if (standing.at != tick_never) {
      verdict.start_estimate = standing.at;
      if (!standing.blockers.empty()) verdict.blockers = standing.blockers;
      if (verdict.resource != "maintenance") verdict.reason = Reason::resources;
    }
    more = is_head();
  } else if (const auto booked = context_.scratch.bookings().find(ask.unit);
             booked != context_.scratch.bookings().end()) {
    verdict.start_estimate = booked->second.at;
  }
  if (head && !context_.first_head) context_.first_head = ask.unit;
  if (head && !state_.config().policy.backfill) context_.cursor.blocked = true;
  if (more && !context_.cursor.blocked) {
    walk.next_index = ask.unit.index + 1;
    const GroupRecord& group = state_.find(walk.id.job)->groups[walk.id.group];
    if (next_unit(walk, group)) return Outcome::started;  // not advanced: the next unit's turn
  }
  say(std::move(verdict));
  return Outcome::done;
}

}  // namespace

void start(Context& context, const Ask& ask, Allocation allocation) {
  Scratch& scratch = context.scratch;
  scratch.unbook(ask.unit);
  scratch.take(ask.unit, ask.tenant, allocation, ask.end);
  if (ask.breaks_lower_bands) void_broken(context, ask);
  context.started.insert(ask.unit);
  context.plan.steps.push_back(StartStep{ask.unit, std::move(allocation)});
}

void walk(Context& context) { Walk(context).run(); }

}  // namespace busbar::core
