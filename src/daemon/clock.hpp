// The one reader of time: tick = last tick + boot-time clock delta within a boot; across boots
// + max(0, wall delta). Suspend counts (CLOCK_BOOTTIME); steps of the wall clock do not.
//
// Threads  now() by the loop; the conversions by any thread.
#pragma once

#include <atomic>
#include <string>

#include "ports/clock.hpp"

namespace busbar::daemon {

class SystemClock : public Clock {
 public:
  SystemClock();
  // Goes on from where the journal's last batch left off.
  void resume(const ClockMark& mark);

  Tick now() override;
  std::int64_t unix_ms(Tick at) const override;
  Tick tick_of_unix_ms(std::int64_t unix_ms) const override;
  ClockMark mark() const override;
  // Reads the same clock without moving `mark`; any thread.
  Tick read() const;

 private:
  std::int64_t wall_offset_ms() const;

  std::string boot_id_;
  std::atomic<std::int64_t> offset_ms_{0};  // tick = CLOCK_BOOTTIME + offset
  std::atomic<std::int64_t> last_{0};
  mutable std::atomic<std::int64_t> wall_offset_ms_{0};  // unix = tick + offset
};

std::string read_boot_id();

}  // namespace busbar::daemon
