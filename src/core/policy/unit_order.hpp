// The order of units inside a tenant and band, by name: docs/policies.md has
// the formulas and where they come from.
#pragma once

#include <cstdint>

#include "core/state/state.hpp"

namespace busbar::core {

// Of expected inverses: one per millisecond, and the run time below which none is counted.
inline constexpr std::int64_t inverse_one = std::int64_t{1} << 40;
inline constexpr std::int64_t run_ms_min = 10'000;

// Smaller goes first; equal keys go by id. A function of what was submitted and
// of the configuration alone.
std::int64_t order_key(const PolicyConfig& policy, const State& state, const Job& job);

// What the order sees of a job.
struct Size {
  std::int64_t limit_s = 1;  // what it may run, at least 1; a century where it has no limit
  std::int64_t width = 1;    // devices of one unit where it asks for any, else whole cores; >= 1
  std::int64_t cores = 0;    // thousandths, of one unit
  std::int64_t devices = 0;  // thousandths, of one unit
};
Size size_of(const Job& job);

}  // namespace busbar::core
