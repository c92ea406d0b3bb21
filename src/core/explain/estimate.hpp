// What is computed on request about a waiting unit: its position in the order, its likely start.
#pragma once

#include <cstdint>
#include <optional>

#include "core/cycle/plan.hpp"

namespace busbar::core {

class Policy;

// How many cohorts (task groups with a waiting unit) stand before the job's first one, plus 1;
// nothing when no unit of it waits. `out_of` is how many there are.
struct Position {
  std::uint64_t position = 0;
  std::uint64_t out_of = 0;
};
std::optional<Position> position(const View& view, const Policy& policy, JobId job);

// When the unit would start if nothing else arrived and everything ran to its limit: those before
// it are placed in order, each at its earliest start; what it depends on ends at its limit. Nothing
// when that is unknown: a hold, a dependency with several waiting units or that need not be met,
// work without a limit in the way, or more than a bounded number of units before it.
std::optional<Tick> estimate_start(const View& view, const Policy& policy, const UnitId& unit);

}  // namespace busbar::core
