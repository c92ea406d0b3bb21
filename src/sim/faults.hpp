// How rough a simulation is. Chances are in thousandths.
#pragma once

#include <cstdint>

#include "base/units.hpp"

namespace busbar::sim {

// Thrown by a twin to end the loop between two of its steps, as SIGKILL would.
struct Crash {
  const char* where;
};

struct Faults {
  std::uint32_t lost = 60;     // a report vanishes
  std::uint32_t doubled = 60;  // a report comes twice
  std::uint32_t late = 150;    // a report takes up to `late_max`
  Span late_max = seconds(40);
  std::uint32_t backward = 40;  // an attempt that was told to have ended is told to run again
  std::uint32_t forget = 3;     // an exit is forgotten before it was acknowledged, at each resync
  std::uint32_t crash = 4;      // the loop dies at a step
  bool on = true;
};

}  // namespace busbar::sim
