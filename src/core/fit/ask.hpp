// One unit that asks for a place, and the answer: an allocation, or what was missing.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/explain/verdict.hpp"
#include "core/fit/index.hpp"

namespace busbar::core {

// The unit would hold its place during [start, end); see place_end.
struct Ask {
  const Job* job = nullptr;
  UnitId unit;
  TenantId tenant;
  std::uint32_t attempt = 1;     // the number its next attempt bears
  std::uint64_t unit_class = 0;  // fit/unit_class.hpp
  Tick start;
  Tick end = tick_never;
  bool breaks_lower_bands = false;  // promises of lower priority bands do not bind it
};

// Until when a unit granted at `start` may hold its place: its limit counts from the first
// instruction, and an engine may take the cleanup bound to launch it.
Tick place_end(const State& state, const Job& job, Tick start);
Ask make_ask(const State& state, const UnitId& unit, std::uint64_t unit_class, Tick start);

// Why there was no place, in the words of Verdict.
struct Miss {
  Reason reason = Reason::resources;
  std::string resource;
  std::int64_t wanted = 0;
  std::int64_t free = 0;
  std::int64_t capacity = 0;
  std::uint32_t nodes_fit = 0;
  std::uint32_t nodes_wanted = 0;
  std::string where;
  bool shorter_may_fit = false;  // a promise or a maintenance reservation stood in the way
  bool time_may_help = false;    // a maintenance reservation did: it ends without an event
};

struct Found {
  std::optional<Allocation> allocation;
  Miss miss;  // when there is none
};

// Work of a search, counted in nodes looked at. A claim that is taken, accepted and applied costs
// as much as so many of them.
inline constexpr std::uint32_t steps_per_claim = 128;
struct Steps {
  std::uint32_t used = 0;
};

}  // namespace busbar::core
