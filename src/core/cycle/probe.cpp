// probe: before the band is walked for backfilling, each class of it is asked once, as the unit
// that would hold its place for the shortest time. Where even that finds none, the whole class is
// passed over: a cycle in which nothing can start costs its classes, not its units.
#include <algorithm>

#include "core/cycle/context.hpp"

namespace busbar::core {
namespace {

// As the cohort with the shortest hold would ask; its other properties are those of the class.
Ask shortest_ask(const Context& context, std::uint64_t unit_class, const ClassInBand& asks) {
  const State& state = context.view.state;
  const CohortId cohort = asks.members.begin()->key.cohort;
  const std::uint32_t index = *state.find(cohort.job)->groups[cohort.group].waiting.next(0);
  Ask ask = make_ask(state, {cohort.job, cohort.group, index}, unit_class, context.view.now);
  const Span bound = state.config().cleanup_bound;
  ask.end = context.view.now + asks.holds.begin()->first + bound + bound;
  return ask;
}

// The miss of the last search like this one, when nothing has made room since.
const Memory::Failure* known_failure(const Context& context, std::uint64_t unit_class, Span hold) {
  if (context.view.memory == nullptr || !context.plan.steps.empty()) return nullptr;
  const auto& failures = context.view.memory->failures;
  const auto it = failures.find(unit_class);
  if (it == failures.end() || it->second.hold > hold) return nullptr;
  return it->second.room_since == context.view.index.room_since() ? &it->second : nullptr;
}

}  // namespace

void keep_failure(Context& context, std::uint64_t unit_class, Span hold, std::uint32_t steps,
                  const Miss& miss) {
  if (context.view.memory == nullptr || miss.time_may_help) return;
  context.view.memory->failures[unit_class] = {context.view.index.room_since(), hold, steps, miss};
}

void probe_class(Context& context, const Band& band, std::uint64_t unit_class) {
  const auto asks = band.classes.find(unit_class);
  if (asks == band.classes.end()) return;
  const Ask ask = shortest_ask(context, unit_class, asks->second);
  const std::uint32_t before = context.steps.used;
  const Found found = find(context.scratch, context.policy, ask, context.steps);
  if (found.allocation || found.miss.reason == Reason::quota) return;
  if (found.miss.shorter_may_fit && any_lower_promise(context, ask)) return;
  context.full.insert(unit_class);
  remember(context, ask, found.miss);
  keep_failure(context, unit_class, asks->second.holds.begin()->first, context.steps.used - before,
               found.miss);
}

void note_full(const Context& context, Cursor& cursor) {
  std::vector<std::uint64_t> full;
  for (const std::uint64_t unit_class : context.full) {
    const auto memo = context.failed.find({unit_class, nobody});
    const auto& before = context.cursor.full;
    const bool known = std::binary_search(before.begin(), before.end(), unit_class);
    if (known || (memo != context.failed.end() && memo->second.shortest_end == Tick(0)))
      full.push_back(unit_class);
  }
  cursor.full = std::move(full);
  cursor.full_since = context.view.index.room_since();
}

void recall_full(Context& context) {
  Cursor& cursor = context.cursor;
  if (cursor.full_since != context.view.index.room_since()) cursor.full.clear();
  context.full.insert(cursor.full.begin(), cursor.full.end());
}

// Gangs are asked when their turn comes: a search for one that finds a place costs a walk over all
// nodes it could use.
void probe(Context& context, const Band& band) {
  for (const auto& [unit_class, asks] : band.classes) {
    const Span hold = asks.holds.begin()->first;
    if (const auto* known = known_failure(context, unit_class, hold)) {
      context.steps.used += known->steps;
      context.full.insert(unit_class);
      Ask ask;
      ask.unit_class = unit_class;
      if (known->miss.shorter_may_fit) ask = shortest_ask(context, unit_class, asks);
      remember(context, ask, known->miss);
      continue;
    }
    const CohortId first = asks.members.begin()->key.cohort;
    if (context.view.state.find(first.job)->job.coupling == Coupling::loose)
      probe_class(context, band, unit_class);
  }
}

}  // namespace busbar::core
