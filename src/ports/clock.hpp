// The one place that reads time. Ticks never run backwards; suspend and clock changes are the
// implementation's to judge: what goes by unseen and is longer than an hour is withheld from ticks,
// and told once, until somebody decides that it counts.
#pragma once

#include <cstdint>
#include <string>

#include "base/units.hpp"

namespace busbar {

// Where a clock stood: stored with every batch, so that ticks go on across restarts and boots of
// the machine.
struct ClockMark {
  Tick tick;
  std::string boot_id;
  std::int64_t boot_ms = 0;  // CLOCK_BOOTTIME at that tick
  std::int64_t unix_ms = 0;  // wall time at that tick
};

class Clock {
 public:
  virtual ~Clock() = default;
  virtual Tick now() = 0;  // monotone
  // Wall time in milliseconds since 1970 for showing and for reading absolute times of people.
  virtual std::int64_t unix_ms(Tick at) const = 0;
  virtual Tick tick_of_unix_ms(std::int64_t unix_ms) const = 0;
  virtual ClockMark mark() const = 0;  // at the last now()
  // What was withheld since this was last asked; 0: nothing.
  virtual Span take_jump() = 0;
  // Ticks contain `withheld` from here on.
  virtual void advance(Span withheld) = 0;
};

}  // namespace busbar
