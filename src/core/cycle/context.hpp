// What the passes of one slice share. Internal to core/cycle.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/cycle/plan.hpp"
#include "core/fit/find.hpp"
#include "core/fit/scratch.hpp"
#include "core/policy/policy.hpp"

namespace busbar::core {

constexpr TenantId nobody{0xffffffff};

// A class that found no place in this slice; units that would end as late or later need not try.
struct Memo {
  Tick shortest_end = tick_never;
  Miss miss;
};

// A cohort under way: what is known of it since it was first met in this slice.
struct CohortWalk {
  CohortId id;
  bool admitted = false;
  std::vector<std::uint32_t> backing_off;
  std::uint32_t next_index = 0;
  std::uint64_t started = 0;
};

struct Context {
  Context(const View& view_in, const Policy& policy_in, const Cursor& cursor_in,
          StepBudget budget_in)
      : view(view_in),
        policy(policy_in),
        cursor(cursor_in),
        budget(budget_in),
        scratch(view_in.state, view_in.index, view_in.now, view_in.memory),
        same_room(cursor_in.same_room && cursor_in.room == view_in.index.room_since()) {}

  const View& view;
  const Policy& policy;
  Cursor cursor;
  StepBudget budget;
  Steps steps;
  Scratch scratch;
  Plan plan;
  std::uint32_t backfilled = 0;  // units searched behind the heads in this slice
  // By unit class and tenant; the tenant is `nobody` where its quota played no part.
  std::map<std::pair<std::uint64_t, TenantId>, Memo> failed;
  // Classes of the band under way of which not even the unit with the shortest limit finds a place.
  std::set<std::uint64_t> full;
  bool same_room;       // see Cursor::same_room; false once something else was decided since
  bool reopen = false;  // what is passed over has changed: the order must be opened again
  std::set<UnitId> started;
  std::set<CohortId> closed;
  std::optional<UnitId> first_head;
  bool sliced = false;            // the cycle began in an earlier slice
  std::optional<UnitId> next_up;  // the first in the order that waits for an end of what runs

  bool wants_heads() const {
    const PolicyConfig& chosen = view.state.config().policy;
    return chosen.reserve && cursor.heads < chosen.promises_max;
  }
  // Whether nothing of the tenant's line of this class can start, nor be a head.
  bool passes_over(TenantId tenant, std::uint64_t unit_class) const {
    if (!wants_heads() && full.contains(unit_class)) return true;
    const auto memo = failed.find({unit_class, tenant});
    return memo != failed.end() && memo->second.shortest_end == Tick(0);
  }
  bool spent() const {
    return steps.used >= budget.steps || backfilled >= view.state.config().policy.backfill_depth;
  }
};

// The passes, in the order of the recipe; each in its own file.
void expire(Context& context);         // expire.cpp
void keep_promises(Context& context);  // promises.cpp
void promise_all(Context& context);    // guard.cpp: every job a latest start, where so configured
void walk(Context& context);           // place.cpp: admit, order, place, reserve, backfill
void close_doomed(Context& context);   // expire.cpp
void take_back(Context& context);      // launch_ahead.cpp
void send_ahead(Context& context);

// probe.cpp: fills Context::full for the band under way, by one search for each class.
void probe(Context& context, const Band& band);
void probe_class(Context& context, const Band& band, std::uint64_t unit_class);
// The classes of `full` that a later slice of this cycle need not ask again, into its cursor, and
// out of it.
void note_full(const Context& context, Cursor& cursor);
void recall_full(Context& context);
// Into the view's memory: nobody of the class that holds its place for `hold` or longer finds one.
void keep_failure(Context& context, std::uint64_t unit_class, Span hold, std::uint32_t steps,
                  const Miss& miss);

// reserve.cpp: a promise for a head that waits, or the one it has; its tick and who is in the way.
struct Standing {
  Tick at = tick_never;
  std::vector<JobId> blockers;
};
Standing reserve(Context& context, const Ask& ask);

// Promises to other units of the unit's cohort, or of its whole tenant: they keep their room in the
// array's and the tenant's limits.
std::uint64_t promised_beside(const Context& context, const UnitId& unit, bool whole_tenant);

// Whether a promise of a lower priority band than the ask's stands.
bool any_lower_promise(const Context& context, const Ask& ask);
// Voids the promises of lower bands that what was just taken or booked for `ask` breaks.
void void_broken(Context& context, const Ask& ask);

// place.cpp
void start(Context& context, const Ask& ask, Allocation allocation);

// verdicts.cpp: says why the class waits, for one tenant or for all.
void say_class(Context& context, std::optional<TenantId> tenant,
               std::optional<std::uint64_t> unit_class, const Miss& miss);

// place.cpp: notes that the class of the ask found no place, for the tenant alone where its quota
// was the reason, and says so.
void remember(Context& context, const Ask& ask, const Miss& miss);

// verdicts.cpp
Verdict verdict_of(const Context& context, const CohortId& cohort, std::uint64_t units,
                   const Miss& miss);

}  // namespace busbar::core
