// The one reader of time: tick = last tick + boot-time clock delta within a boot; across boots
// + max(0, wall delta). Suspend counts (CLOCK_BOOTTIME); steps of the wall clock do not.
//
// A delta above `jump_max`, whether the daemon was away or the machine slept, is not added: ticks
// go on as if it had not been, and take_jump() tells it, until advance() adds it.
//
// Threads  now, take_jump, advance and mark by the loop; the conversions and read by any thread.
#pragma once

#include <atomic>
#include <functional>
#include <string>

#include "ports/clock.hpp"

namespace busbar::daemon {

inline constexpr Span jump_max = hours(1);

// What a SystemClock reads; tests put in their own.
struct ClockSource {
  std::function<std::int64_t()> boot_ms;  // since the machine started, suspend included
  std::function<std::int64_t()> unix_ms;
  std::string boot_id;
};
ClockSource machine_clock();

class SystemClock : public Clock {
 public:
  explicit SystemClock(ClockSource source = machine_clock());
  // Goes on from where the journal's last batch left off. By how much the wall clock ran backwards
  // across boots; 0: it did not, or a boot-time clock was there to count by.
  Span resume(const ClockMark& mark);

  Tick now() override;
  std::int64_t unix_ms(Tick at) const override;
  Tick tick_of_unix_ms(std::int64_t unix_ms) const override;
  ClockMark mark() const override;
  Span take_jump() override;
  void advance(Span withheld) override;
  // Reads the same clock without moving `mark`; any thread.
  Tick read() const;

 private:
  std::int64_t wall_offset_ms() const;

  ClockSource source_;
  std::atomic<std::int64_t> offset_ms_{0};     // tick = boot-time clock + offset
  std::atomic<std::int64_t> last_{0};          // tick of the last now()
  std::atomic<std::int64_t> last_boot_ms_{0};  // boot-time clock at the last now()
  Span jump_;
  mutable std::atomic<std::int64_t> wall_offset_ms_{0};  // unix = tick + offset
};

std::string read_boot_id();

}  // namespace busbar::daemon
