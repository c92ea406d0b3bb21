#include "daemon/clock.hpp"

#include <time.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <utility>

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

ClockSource machine_clock() {
  return {[] { return read_ms(CLOCK_BOOTTIME); }, [] { return read_ms(CLOCK_REALTIME); },
          read_boot_id()};
}

SystemClock::SystemClock(ClockSource source) : source_(std::move(source)) {
  // A new installation's ticks begin at 1, so that 0 can mean "never happened".
  last_boot_ms_ = source_.boot_ms();
  offset_ms_ = 1 - last_boot_ms_;
  last_ = 1;
}

Span SystemClock::resume(const ClockMark& mark) {
  const std::int64_t boot_ms = source_.boot_ms();
  const bool same_boot = mark.boot_id == source_.boot_id && boot_ms >= mark.boot_ms;
  const std::int64_t wall = source_.unix_ms() - mark.unix_ms;
  const Span passed(same_boot ? boot_ms - mark.boot_ms : std::max<std::int64_t>(0, wall));
  jump_ = passed > jump_max ? passed : Span(0);
  last_ = mark.tick.value;
  last_boot_ms_ = boot_ms;
  offset_ms_ = mark.tick.value + (passed - jump_).value - boot_ms;
  return Span(same_boot ? 0 : std::max<std::int64_t>(0, -wall));
}

// Between a jump and the loop's now(), which takes it out, readers see the tick before it.
Tick SystemClock::read() const {
  const std::int64_t boot_ms = source_.boot_ms();
  if (boot_ms - last_boot_ms_ > jump_max.value) return Tick(last_.load());
  return Tick(std::max(last_.load(), boot_ms + offset_ms_));
}

Tick SystemClock::now() {
  const std::int64_t boot_ms = source_.boot_ms();
  const Span passed(boot_ms - last_boot_ms_);
  if (passed > jump_max) {
    jump_ += passed;
    offset_ms_ -= passed.value;
  }
  last_boot_ms_ = boot_ms;
  last_ = std::max(last_.load(), boot_ms + offset_ms_);
  return Tick(last_.load());
}

Span SystemClock::take_jump() { return std::exchange(jump_, Span(0)); }

void SystemClock::advance(Span withheld) {
  offset_ms_ += withheld.value;
  last_ += withheld.value;
}

// Kept while it is about right, so that a moment reads the same every time it is asked for.
std::int64_t SystemClock::wall_offset_ms() const {
  const std::int64_t now = source_.unix_ms() - (source_.boot_ms() + offset_ms_);
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
  return {Tick(last_.load()), source_.boot_id, last_boot_ms_, source_.unix_ms()};
}

}  // namespace busbar::daemon
