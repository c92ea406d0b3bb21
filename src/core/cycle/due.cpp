// next_due: when the loop must wake although nothing happens.
#include <algorithm>

#include "core/cycle/plan.hpp"

namespace busbar::core {
namespace {

struct Earliest {
  Tick now;
  Tick due = tick_never;
  void offer(Tick tick) {
    if (tick > now && tick < due) due = tick;
  }
};

void offer_common(Earliest& earliest, const State& state) {
  for (const auto& [id, reservation] : state.reservations()) {
    earliest.offer(reservation.start);
    earliest.offer(reservation.end);
  }
  for (const auto& [unit, promise] : state.promises()) earliest.offer(promise.at);
}

// The first entry of a (tick, id) set that lies after `now`.
template <class Set>
void offer_first(Earliest& earliest, const Set& set, Span after) {
  using Id = typename Set::value_type::second_type;
  auto it = set.upper_bound({Tick(earliest.now.value - after.value), Id{}});
  for (; it != set.end(); ++it) {
    if (it->first + after <= earliest.now) continue;
    earliest.offer(it->first + after);
    return;
  }
}

}  // namespace

Tick next_due(const State& state, const Index& index, Tick now) {
  Earliest earliest{now};
  offer_common(earliest, state);
  offer_first(earliest, index.deadlines(), Span(0));
  offer_first(earliest, index.begins(), Span(0));
  offer_first(earliest, index.retries(), Span(0));
  offer_first(earliest, index.ended(), state.config().finished_keep);
  return earliest.due;
}

Tick next_due(const State& state, Tick now) {
  Earliest earliest{now};
  offer_common(earliest, state);
  for (const auto& [id, record] : state.jobs()) {
    if (record.ended_all()) {
      earliest.offer(record.ended + state.config().finished_keep);
      continue;
    }
    earliest.offer(record.job.deadline_at);
    if (record.waiting > 0) earliest.offer(record.job.begin_at);
    for (const auto& group : record.groups)
      for (const auto& [unit, again] : *group.units)
        if (!again.live && group.waiting.contains(unit)) earliest.offer(again.not_before);
  }
  return earliest.due;
}

}  // namespace busbar::core
