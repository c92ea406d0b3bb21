#include "core/cycle/plan.hpp"

#include <limits>

#include "core/cycle/context.hpp"

namespace busbar::core {
namespace {

// The cursor to start from: the given one, or the beginning of a new cycle.
Cursor resume(const View& view, const Cursor& given) {
  const Config& config = view.state.config();
  const std::int64_t epoch = epoch_start(config, view.now).value;
  if (!given.finished && given.config_version == view.state.config_version() &&
      given.usage_epoch == epoch)
    return given;
  Cursor fresh;
  fresh.config_version = view.state.config_version();
  fresh.usage_epoch = epoch;
  fresh.finished = false;
  fresh.room = view.index.room_since();
  fresh.same_room = given.config_version == fresh.config_version && given.room == fresh.room;
  if (fresh.same_room) fresh.hopeless = given.hopeless;
  fresh.band = std::numeric_limits<std::int32_t>::max();
  return fresh;
}

}  // namespace

// The recipe. The walk admits, orders, places, reserves and backfills cohort by cohort, because
// what one takes decides what the next may have. Units are
// sent ahead only after a cycle of one slice, which knows who waits. verify is accept, which
// re-checks every step. The default policy draws no chance, so the seed does not reach a decision
// yet.
Slice plan(const View& view, const Policy& policy, const Cursor& cursor, StepBudget budget,
           std::uint64_t) {
  Context context(view, policy, resume(view, cursor), budget);
  context.sliced = !cursor.finished;
  context.plan.based_on = view.state.revision();
  context.plan.at = view.now;
  if (view.memory != nullptr) view.memory->bound();
  expire(context);
  close_doomed(context);
  keep_promises(context);
  promise_all(context);
  walk(context);
  take_back(context);
  send_ahead(context);
  context.plan.steps_used = context.steps.used;
  return {std::move(context.plan), std::move(context.cursor)};
}

}  // namespace busbar::core
