// The cycle: plan(View, Policy, Cursor, budget, seed) -> Plan, and accept(State, Plan) -> Events.
//
// plan is pure and reads like a recipe of named passes: expire, admit, order, place, reserve,
// backfill, verify. One call is one slice: at most `budget` steps (a node looked at is a step,
// and what else costs counts as some, see fit/ask.hpp), never a time. The returned Cursor says
// where the next slice goes on; `finished` when the whole order was walked. A slice always gets on
// by at least one unit or cohort, so that any budget ends. Every waiting cohort leaves a finished
// cycle with a start or a verdict, its own or its class's: a class that cannot start is passed over
// as a whole.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "core/explain/verdict.hpp"
#include "core/fit/index.hpp"
#include "core/fit/memory.hpp"
#include "core/state/state.hpp"

namespace busbar::core {

class Policy;  // core/policy/policy.hpp

struct View {
  const State& state;
  const Index& index;
  Tick now;
  Memory* memory = nullptr;  // kept between slices by whoever plans again and again
};

struct StepBudget {
  std::uint32_t steps = 20000;
};

// How far the order was walked in one tenant's part of a priority band.
struct CursorPlace {
  TenantId tenant;
  std::int64_t unit_key = 0;  // of the last cohort walked
  JobId job;
  std::uint32_t group = 0;
  friend bool operator==(const CursorPlace&, const CursorPlace&) = default;
};
template <class V>
void describe(V& visit, Like<CursorPlace> auto& place) {
  visit("tenant", place.tenant);
  visit("unit_key", place.unit_key);
  visit("job", place.job);
  visit("group", place.group);
}

// Where in the order the last slice stopped; a plain value that stays right when cohorts before it
// come or go. Void after `configured` or a new epoch, and when finished: the next slice then starts
// a new cycle.
struct Cursor {
  std::uint64_t config_version = 0;
  std::int64_t usage_epoch = 0;
  std::uint64_t position = 0;  // cohorts walked so far, for people
  bool finished = true;
  std::int32_t band = 0;            // the one under way, or above all; higher ones are done
  std::vector<CursorPlace> places;  // in that band, by tenant
  std::uint32_t heads = 0;          // units met so far that wait for resources, up to promises_max
  bool blocked = false;             // with backfill switched off: a head waits, nothing may pass
  // Index::room_since() when the cycle began, and whether it was the same when the one before
  // began: then a head's promise, or that none could be given, stands without another search.
  Revision room;
  bool same_room = false;
  std::vector<UnitId> hopeless;  // heads to which no start could be promised
  // Classes that found no place in this band whatever their limit, while Index::room_since() stays.
  std::vector<std::uint64_t> full;
  Revision full_since;
  friend bool operator==(const Cursor&, const Cursor&) = default;
};
template <class V>
void describe(V& visit, Like<Cursor> auto& cursor) {
  visit("config_version", cursor.config_version);
  visit("usage_epoch", cursor.usage_epoch);
  visit("position", cursor.position);
  visit("finished", cursor.finished);
  visit("band", cursor.band);
  visit("places", cursor.places);
  visit("heads", cursor.heads);
  visit("blocked", cursor.blocked);
  visit("room", cursor.room);
  visit("same_room", cursor.same_room);
  visit("hopeless", cursor.hopeless);
  visit("full", cursor.full);
  visit("full_since", cursor.full_since);
}

struct StartStep {
  UnitId unit;
  Allocation allocation;
  friend bool operator==(const StartStep&, const StartStep&) = default;
};
// Launch-ahead: sent to the engine before its claims are free, to start when `after` has ended.
struct StageStep {
  UnitId unit;
  AttemptId after;
  friend bool operator==(const StageStep&, const StageStep&) = default;
};
struct CloseStep {  // deadline passed, dependency that can never be satisfied
  JobId job;
  std::uint32_t group = 0;
  IndexSet indices;
  RunState state = RunState::cancelled;
  std::string reason;
};
struct StopStep {  // a running attempt past its deadline, or a staged one that is taken back
  AttemptId attempt;
  StopCause cause = StopCause::deadline;
  std::string reason;
};
struct PromiseStep {
  UnitId unit;
  Tick at;
  Allocation allocation;
};
struct VoidStep {
  UnitId unit;
  VoidCause cause = VoidCause::started;
};
struct EndReservationStep {
  ReservationId id;
};
struct RetireStep {
  JobId job;
};
using Step = std::variant<StartStep, CloseStep, StopStep, PromiseStep, VoidStep, EndReservationStep,
                          RetireStep, StageStep>;

struct Plan {
  Revision based_on;
  Tick at;
  std::vector<Step> steps;  // in the order they must be accepted
  Verdicts verdicts;        // of what was looked at in this slice and did not start whole
  std::uint32_t steps_used = 0;
};

struct Slice {
  Plan plan;
  Cursor cursor;
};

Slice plan(const View& view, const Policy& policy, const Cursor& cursor, StepBudget budget,
           std::uint64_t seed);

struct Accepted {
  std::vector<EventBody> events;
  std::uint32_t dropped = 0;  // stale steps
};
// Re-checks each step against current State and Index (they may have moved since plan). This is the
// cycle's last pass, verify: a plan that is accepted at once loses no step (tests check it).
Accepted accept(const State& state, const Index& index, const Plan& plan);

// The earliest tick > now at which time alone can change what plan decides: a begin time, a retry's
// not_before, a deadline, a reservation's edge, a promise due, a job to retire. tick_never: none.
Tick next_due(const State& state, Tick now);
// The same in a few steps; prefer it where an Index is at hand.
Tick next_due(const State& state, const Index& index, Tick now);

}  // namespace busbar::core
