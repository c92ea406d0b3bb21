// reserve: a head that waits is promised the earliest start that running work allows.
#include <algorithm>

#include "core/cycle/context.hpp"
#include "core/fit/fits.hpp"
#include "core/fit/release.hpp"

namespace busbar::core {
namespace {

constexpr std::uint32_t reserve_steps_max = 200'000;

}  // namespace

std::uint64_t promised_beside(const Context& context, const UnitId& unit, bool whole_tenant) {
  const State& state = context.view.state;
  const TenantId tenant = state.find(unit.job)->tenant;
  std::uint64_t count = 0;
  for (const auto& [other, promise] : context.scratch.bookings()) {
    if (other == unit) continue;
    const bool same = whole_tenant ? state.find(other.job)->tenant == tenant
                                   : other.job == unit.job && other.group == unit.group;
    count += same ? 1 : 0;
  }
  return count;
}

bool any_lower_promise(const Context& context, const Ask& ask) {
  const auto& bookings = context.scratch.bookings();
  return std::any_of(bookings.begin(), bookings.end(), [&](const auto& booking) {
    return context.view.state.find(booking.first.job)->job.priority < ask.job->priority;
  });
}

void void_broken(Context& context, const Ask& ask) {
  const State& state = context.view.state;
  std::vector<UnitId> broken;
  for (const auto& [unit, promise] : context.scratch.bookings()) {
    if (state.find(unit.job)->job.priority >= ask.job->priority) continue;
    const Ask other = make_ask(state, unit, 0, std::max(promise.at, context.view.now));
    if (!fits(context.scratch, other, promise.allocation)) broken.push_back(unit);
  }
  for (const UnitId& unit : broken) {
    context.scratch.unbook(unit);
    context.plan.steps.push_back(VoidStep{unit, VoidCause::priority});
    context.failed.clear();
    context.same_room = false;
    context.reopen = true;
  }
}

namespace {

std::vector<JobId> blockers_on(const Context& context, const Allocation& allocation) {
  std::vector<JobId> jobs;
  for (const auto& claim : allocation.claims)
    for (const auto& attempt : context.view.index.attempts_on(claim.node)) {
      if (jobs.size() == Verdict::blockers_max) return jobs;
      if (std::find(jobs.begin(), jobs.end(), attempt.unit.job) == jobs.end())
        jobs.push_back(attempt.unit.job);
    }
  return jobs;
}

// What was found when this unit was last a head, while nothing has made room since.
std::optional<Standing> as_before(const Context& context, const UnitId& unit) {
  if (!context.same_room) return std::nullopt;
  const auto booked = context.scratch.bookings().find(unit);
  if (booked != context.scratch.bookings().end())
    return Standing{booked->second.at, blockers_on(context, booked->second.allocation)};
  const auto& hopeless = context.cursor.hopeless;
  if (std::find(hopeless.begin(), hopeless.end(), unit) != hopeless.end()) return Standing{};
  return std::nullopt;
}

// The place is kept in this cycle alone; a promise that the unit holds stays as it is.
Standing keep_place(Context& context, const Ask& ask) {
  Scratch& scratch = context.scratch;
  Standing out;
  if (const auto booked = scratch.bookings().find(ask.unit); booked != scratch.bookings().end())
    out.at = booked->second.at;
  auto earliest = earliest_start(scratch, context.policy, ask, context.steps, reserve_steps_max);
  if (!earliest) return out;
  out.blockers = std::move(earliest->blockers);
  if (earliest->at >= out.at) return out;
  out.at = earliest->at;
  scratch.reserve({ask.unit, earliest->at, std::move(earliest->allocation)});
  return out;
}

}  // namespace

// A standing promise is replaced only by one that is earlier by more than what launching may take.
Standing reserve(Context& context, const Ask& given) {
  if (!context.view.state.config().policy.promise_heads) return keep_place(context, given);
  if (auto known = as_before(context, given.unit)) return std::move(*known);
  Scratch& scratch = context.scratch;
  Ask ask = given;
  ask.breaks_lower_bands = any_lower_promise(context, ask);
  std::optional<Promised> standing;
  const auto booked = scratch.bookings().find(ask.unit);
  if (booked != scratch.bookings().end()) standing = booked->second;
  scratch.unbook(ask.unit);
  auto earliest = earliest_start(scratch, context.policy, ask, context.steps, reserve_steps_max);
  const Span bound = context.view.state.config().cleanup_bound;
  Standing out;
  if (earliest) out.blockers = std::move(earliest->blockers);
  if (earliest && (!standing || earliest->at + bound < standing->at)) {
    PromiseStep step{ask.unit, earliest->at, std::move(earliest->allocation)};
    scratch.book({step.unit, step.at, step.allocation});
    if (ask.breaks_lower_bands) void_broken(context, ask);
    out.at = step.at;
    context.plan.steps.push_back(std::move(step));
  } else if (standing) {
    scratch.book(*standing);
    out.at = standing->at;
  } else {
    context.cursor.hopeless.push_back(ask.unit);
  }
  return out;
}

}  // namespace busbar::core
