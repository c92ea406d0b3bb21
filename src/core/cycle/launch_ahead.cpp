// Launch-ahead: while an array of short tasks fills its places, its next units are sent to the
// engine before a place is free, at most two for each. An engine starts the one when the other has
// ended, so that no place waits for a report, a decision and the journal in between.
//
// What is staged has passed everybody who comes later. So it is only the first in the order that is
// staged, where no other tenant waits in its band; and it is taken back once somebody waits who
// goes before it, once its nodes are to be left alone, or once there is room elsewhere.
#include <algorithm>

#include "core/cycle/admit.hpp"
#include "core/cycle/context.hpp"
#include "core/fit/free.hpp"

namespace busbar::core {
namespace {

constexpr std::size_t per_place_max = 2;
constexpr std::uint32_t looks_max = 4096;  // live attempts looked at in one cycle

// Nobody waits beside the tenant in its band.
bool alone_in_band(const Context& context, std::int32_t band, TenantId tenant) {
  const Waiting& waiting = context.view.index.waiting();
  const auto at = waiting.find(band);
  if (at == waiting.end()) return true;
  const auto& tenants = at->second.tenants;
  return std::all_of(tenants.begin(), tenants.end(),
                     [&](const auto& line) { return line.first == tenant; });
}

// Whether `head`, which waits, comes before the units of `job`.
bool goes_before(const Context& context, const UnitId& head, const JobRecord& job) {
  if (head.job == job.job.id) return false;
  const State& state = context.view.state;
  const JobRecord& other = *state.find(head.job);
  if (other.job.priority != job.job.priority) return other.job.priority > job.job.priority;
  if (other.tenant != job.tenant && context.policy.shares()) return true;
  const UnitKey mine = context.policy.unit_key(state, job.job);
  const UnitKey its = context.policy.unit_key(state, other.job);
  return its != mine ? its < mine : head.job < job.job.id;
}

// Nothing new should start on these claims: their nodes are drained, reserved, or no longer what
// they were, as with a failed device.
bool left_alone(const Context& context, const Allocation& allocation) {
  for (const auto& claim : allocation.claims) {
    const Node& node = context.scratch.node(claim.node);
    if (!context.scratch.shape(claim.node).open || !holds(whole_node(node), node, claim, 0))
      return true;
    for (const auto& [id, reservation] : context.view.state.reservations())
      if (std::find(reservation.nodes.begin(), reservation.nodes.end(), claim.node) !=
          reservation.nodes.end())
        return true;
  }
  return false;
}

// Whether more runs than limits allow since they were lowered: then places are not passed on.
bool over_limits(const Context& context, const JobRecord& record, std::uint32_t group) {
  const State& state = context.view.state;
  const GroupRecord& units = record.groups[group];
  const std::uint32_t parallel = record.job.groups[group].parallel;
  if (parallel > 0 && units.live - units.staged > parallel) return true;
  const TenantConfig& tenant = state.config().tenants[record.tenant.value];
  if (tenant.running_max > 0 && state.tenants()[record.tenant.value].running > tenant.running_max)
    return true;
  const auto& used = context.view.index.tenants()[record.tenant.value].quota;
  for (std::size_t i = 0; i < tenant.quota.size(); ++i)
    if (used[i] > tenant.quota[i].count) return true;
  return false;
}

// A place whose attempt runs for longer than launch-ahead is meant for.
bool is_slow(const Context& context, const AttemptRecord& holder) {
  return holder.started != Tick(0) &&
         context.view.now - holder.started > context.view.state.config().policy.launch_ahead;
}

// Why a staged attempt is taken back; "" when it is not.
std::string why_back(const Context& context, const AttemptRecord& attempt) {
  const State& state = context.view.state;
  const JobRecord& job = *state.find(attempt.id.unit.job);
  const std::uint32_t group = attempt.id.unit.group;
  if (state.config().policy.launch_ahead == Span(0)) return "launch-ahead was switched off";
  if (left_alone(context, attempt.allocation)) return "its node is to be left alone";
  if (over_limits(context, job, group)) return "more runs than may";
  if (job_waits(state, job.job, group, context.view.now)) return "its job is to wait";
  if (!alone_in_band(context, job.job.priority, job.tenant)) return "another tenant waits";
  if (is_slow(context, state.holder(attempt))) return "its predecessor runs for long";
  if (context.next_up && goes_before(context, *context.next_up, job))
    return "job " + std::to_string(context.next_up->job.value) + " goes first";
  return "";
}

// How long a unit of the job has run on average, so far; nothing before each place has seen one.
std::optional<Span> mean_run(const JobRecord& record, Tick now) {
  const std::uint64_t places = std::max<std::uint64_t>(record.live - record.staged(), 1);
  const std::uint64_t ended = record.completed + record.failed;
  if (record.started == Tick(0) || ended < places) return {};
  const auto elapsed = static_cast<std::uint64_t>((now - record.started).value);
  return Span(static_cast<std::int64_t>(elapsed * places / ended));
}

// The end of a line of attempts on the same claims.
struct Tail {
  std::size_t staged = 0;  // already in the line
  Tick end;
  AttemptId id;
  friend auto operator<=>(const Tail&, const Tail&) = default;
};

std::vector<Tail> tails_of(Context& context, const CohortId& cohort) {
  const State& state = context.view.state;
  std::vector<Tail> tails;
  auto it = state.attempts().lower_bound(AttemptId{UnitId{cohort.job, cohort.group + 1, 0}, 0});
  for (std::uint32_t looks = 0; looks < looks_max && it != state.attempts().begin(); ++looks) {
    const auto& [id, attempt] = *--it;
    if (id.unit.job != cohort.job || id.unit.group != cohort.group) break;
    context.steps.used += 1;
    if (attempt.stop != StopCause::none || state.follower(id) != nullptr) continue;
    const AttemptRecord& holder = state.holder(attempt);
    std::size_t staged = 0;
    for (const auto* at = &attempt; at->staged(); at = state.find(at->after)) ++staged;
    if (staged >= per_place_max || holder.state != RunState::running ||
        holder.stop != StopCause::none || is_slow(context, holder) ||
        attempt.allocation.claims.size() != 1 || !attempt.allocation.claims.front().ports.empty() ||
        left_alone(context, attempt.allocation))
      continue;
    tails.push_back(
        {staged, context.scratch.expected_end(context.view.index.attempts().at(holder.id)), id});
  }
  std::sort(tails.begin(), tails.end());
  return tails;
}

// Whether the cohort of `unit`, the first in the order that waits, may be sent ahead.
bool may_stage(const Context& context, const UnitId& unit) {
  const State& state = context.view.state;
  const JobRecord& record = *state.find(unit.job);
  if (record.job.coupling != Coupling::loose || record.job.groups[unit.group].has_ready_probe ||
      context.closed.contains({unit.job, unit.group}))
    return false;
  const auto& promised = context.scratch.bookings();
  if (std::any_of(promised.begin(), promised.end(), [&](const auto& booking) {
        return booking.first.job != unit.job || booking.first.group != unit.group;
      }))
    return false;
  if (over_limits(context, record, unit.group)) return false;
  const auto mean = mean_run(record, context.view.now);
  return mean && *mean <= state.config().policy.launch_ahead &&
         alone_in_band(context, record.job.priority, record.tenant);
}

}  // namespace

void take_back(Context& context) {
  const State& state = context.view.state;
  std::vector<const AttemptRecord*> stay;
  for (const auto& [before, id] : state.followers()) {
    const AttemptRecord& attempt = *state.find(id);
    if (attempt.stop != StopCause::none) continue;
    context.steps.used += 1;
    if (std::string why = why_back(context, attempt); !why.empty())
      context.plan.steps.push_back(StopStep{id, StopCause::revoke, std::move(why)});
    else
      stay.push_back(&attempt);
  }
  if (context.next_up || !context.cursor.finished || context.sliced) return;
  // Nobody waits for room: where there is some, what is staged need not wait for it either.
  for (const AttemptRecord* attempt : stay) {
    const UnitId& unit = attempt->id.unit;
    const JobRecord& record = *state.find(unit.job);
    const Ask ask = make_ask(state, unit, context.view.index.class_of({unit.job, unit.group}),
                             context.view.now);
    if (array_room(context.scratch, record, unit.group) == 0 ||
        tenant_room(context.scratch, ask.tenant) == 0)
      return;
    Found found = find(context.scratch, context.policy, ask, context.steps);
    if (!found.allocation) return;
    context.scratch.take(unit, ask.tenant, std::move(*found.allocation), ask.end);
    context.plan.steps.push_back(StopStep{attempt->id, StopCause::revoke, "there is room for it"});
  }
}

void send_ahead(Context& context) {
  const State& state = context.view.state;
  if (!context.next_up || !context.cursor.finished || context.sliced ||
      state.config().policy.launch_ahead == Span(0))
    return;
  const UnitId first = *context.next_up;
  if (!may_stage(context, first)) return;
  const std::vector<Tail> tails = tails_of(context, {first.job, first.group});
  const GroupRecord& group = state.find(first.job)->groups[first.group];
  const std::vector<std::uint32_t> later = backing_off(group, context.view.now);
  auto index = group.waiting.next(first.index);
  for (const Tail& tail : tails) {
    const auto passed_over = [&](std::uint32_t unit) {
      return std::binary_search(later.begin(), later.end(), unit) ||
             context.started.contains({first.job, first.group, unit});
    };
    while (index && passed_over(*index)) index = group.waiting.next(*index + 1);
    if (!index) return;
    const UnitId unit{first.job, first.group, *index};
    // A promised unit is staged only where it starts in time; nobody is staged behind it.
    const auto promise = context.scratch.bookings().find(unit);
    if (promise != context.scratch.bookings().end() && tail.end > promise->second.at) continue;
    std::erase_if(context.plan.steps, [&](const Step& step) {
      const auto* promised = std::get_if<PromiseStep>(&step);
      return promised != nullptr && promised->unit == unit;
    });
    context.plan.steps.push_back(StageStep{unit, tail.id});
    index = group.waiting.next(*index + 1);
  }
}

}  // namespace busbar::core
