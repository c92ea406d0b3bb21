#include "daemon/clock.hpp"

#include <time.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>

namespace busbar::daemon {
namespace {

constexpr std::int64_t wall_drift_ms_max = 20;

std::int64_t read_ms(clockid_t which) {
  timespec now{};
  check(clock_gettime(which, &now) == 0, "the clock cannot be read");
  return std::int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1'000'000;
}

}  // namespace

std::string read_boot_id() {
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string id;
  std::getline(file, id);
  return id;
}

SystemClock::SystemClock() : boot_id_(read_boot_id()) {
  // A new installation's ticks begin at 1, so that 0 can mean "never happened".
  offset_ms_ = 1 - read_ms(CLOCK_BOOTTIME);
}

void SystemClock::resume(const ClockMark& mark) {
  const std::int64_t boot_ms = read_ms(CLOCK_BOOTTIME);
  const std::int64_t passed =
      mark.boot_id == boot_id_ && boot_ms >= mark.boot_ms
          ? boot_ms - mark.boot_ms
          : std::max<std::int64_t>(0, read_ms(CLOCK_REALTIME) - mark.unix_ms);
  offset_ms_ = mark.tick.value + passed - boot_ms;
  last_ = mark.tick.value;
}

Tick SystemClock::read() const {
  return Tick(std::max(last_.load(), read_ms(CLOCK_BOOTTIME) + offset_ms_));
}

Tick SystemClock::now() {
  const Tick at = read();
  last_ = at.value;
  return at;
}

// Kept while it is about right, so that a moment reads the same every time it is asked for.
std::int64_t SystemClock::wall_offset_ms() const {
  const std::int64_t now = read_ms(CLOCK_REALTIME) - (read_ms(CLOCK_BOOTTIME) + offset_ms_);
  const std::int64_t kept = wall_offset_ms_.load();
  if (std::abs(now - kept) <= wall_drift_ms_max) return kept;
  wall_offset_ms_ = now;
  return now;
}

std::int64_t SystemClock::unix_ms(Tick at) const {
  return at == tick_never ? INT64_MAX : at.value + wall_offset_ms();
}

Tick SystemClock::tick_of_unix_ms(std::int64_t unix_ms) const {
  return Tick(unix_ms - wall_offset_ms());
}

ClockMark SystemClock::mark() const {
  const std::int64_t boot_ms = read_ms(CLOCK_BOOTTIME);
  return {Tick(boot_ms + offset_ms_), boot_id_, boot_ms, read_ms(CLOCK_REALTIME)};
}

}  // namespace busbar::daemon
