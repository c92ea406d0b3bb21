// The one place that reads time. Ticks never run backwards; suspend and clock changes are the
// implementation's to judge (design.md section 2).
#pragma once

#include <cstdint>

#include "base/units.hpp"

namespace busbar {

class Clock {
 public:
  virtual ~Clock() = default;
  virtual Tick now() = 0;  // monotone
  // Wall time in milliseconds since 1970 for showing and for reading absolute times of people.
  virtual std::int64_t unix_ms(Tick at) const = 0;
  virtual Tick tick_of_unix_ms(std::int64_t unix_ms) const = 0;
};

}  // namespace busbar
