#include "core/state/dependency.hpp"

namespace busbar::core {

bool all_ready(const JobRecord& record) {
  return record.live > 0 && record.ready == record.live && record.waiting == 0 && record.held == 0;
}

// A dependency that has left State had ended, and nobody waited for it then: it counts as met.
DependencyState dependency_state(const State& state, const Dependency& dependency) {
  const JobRecord* on = state.find(dependency.job);
  if (on == nullptr) return DependencyState::met;
  const bool ended = on->ended_all();
  const auto met = [&](bool holds) {
    if (holds) return DependencyState::met;
    return ended ? DependencyState::never : DependencyState::waits;
  };
  switch (dependency.kind) {
    case DependencyKind::ok:
      return met(ended && on->failed == 0);
    case DependencyKind::any:
      return met(ended);
    case DependencyKind::failed:
      return met(ended && on->failed > 0);
    case DependencyKind::ready:
      return met(all_ready(*on));
  }
  return DependencyState::waits;
}

}  // namespace busbar::core
