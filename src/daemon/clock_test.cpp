// Ticks go on across restarts, boots and sleep, and take no jump above an hour unasked.
#include "daemon/clock.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <ctime>
#include <memory>

namespace busbar::daemon {
namespace {

constexpr std::int64_t minute_ms = 60'000;
constexpr std::int64_t hour_ms = 60 * minute_ms;

// A machine whose clocks a test sets.
struct Machine {
  std::int64_t boot_ms = 10 * minute_ms;
  std::int64_t unix_ms = 1'800'000'000'000;
  std::string boot_id = "boot-1";

  SystemClock clock() {
    return SystemClock({[this] { return boot_ms; }, [this] { return unix_ms; }, boot_id});
  }
  void pass(std::int64_t ms) {
    boot_ms += ms;
    unix_ms += ms;
  }
};

TEST(SystemClock, AMomentReadsTheSameEveryTime) {
  SystemClock clock;
  const Tick at = clock.now();
  const std::int64_t first = clock.unix_ms(at);
  EXPECT_LE(std::abs(first - std::int64_t{std::time(nullptr)} * 1000), 5000);
  for (int i = 0; i < 100'000; ++i) ASSERT_EQ(clock.unix_ms(at), first);
  EXPECT_EQ(clock.tick_of_unix_ms(first), at);
}

TEST(SystemClock, GoesOnFromTheMark) {
  SystemClock first;
  ClockMark mark = first.mark();
  mark.tick = Tick(5'000'000);
  SystemClock second;
  EXPECT_EQ(second.resume(mark), Span(0));
  EXPECT_GE(second.now().value, 5'000'000);
  EXPECT_LT(second.now().value, 5'060'000);
  EXPECT_LE(std::abs(second.unix_ms(mark.tick) - mark.unix_ms), 100);
  EXPECT_EQ(second.unix_ms(tick_never), INT64_MAX);
}

// The daemon stops at tick T; what the next one makes of the time until it starts.
TEST(SystemClock, AtAStart) {
  const struct {
    const char* what;
    std::int64_t boot_delta_ms;  // negative: the machine was started again that long before
    std::int64_t wall_delta_ms;
    std::int64_t counted_ms;
    std::int64_t withheld_ms;
    std::int64_t back_ms;
  } rows[] = {
      {"at once", 5, 5, 5, 0, 0},
      {"a break within a boot", 59 * minute_ms, 59 * minute_ms, 59 * minute_ms, 0, 0},
      {"an hour sharp", hour_ms, hour_ms, hour_ms, 0, 0},
      {"a long break within a boot", 3 * hour_ms, 3 * hour_ms, 0, 3 * hour_ms, 0},
      {"a step of the wall clock within a boot", minute_ms, 9 * hour_ms, minute_ms, 0, 0},
      {"the wall clock set back within a boot", minute_ms, -9 * hour_ms, minute_ms, 0, 0},
      {"a new boot", -minute_ms, 4 * minute_ms, 4 * minute_ms, 0, 0},
      {"a new boot on the next day", -minute_ms, 20 * hour_ms, 0, 20 * hour_ms, 0},
      {"a new boot with a dead clock battery", -minute_ms, -30 * hour_ms, 0, 0, 30 * hour_ms},
  };
  for (const auto& row : rows) {
    Machine machine;
    SystemClock before = machine.clock();
    machine.pass(7 * minute_ms);
    const Tick last = before.now();
    const ClockMark mark = before.mark();
    EXPECT_EQ(mark.tick, last);
    machine.unix_ms += row.wall_delta_ms;
    if (row.boot_delta_ms >= 0) {
      machine.boot_ms += row.boot_delta_ms;
    } else {
      machine.boot_ms = -row.boot_delta_ms;
      machine.boot_id = "boot-2";
    }
    SystemClock after = machine.clock();
    EXPECT_EQ(after.resume(mark), Span(row.back_ms)) << row.what;
    EXPECT_EQ(after.now(), last + Span(row.counted_ms)) << row.what;
    EXPECT_EQ(after.take_jump(), Span(row.withheld_ms)) << row.what;
    EXPECT_EQ(after.take_jump(), Span(0)) << row.what << ": told once";
    EXPECT_EQ(after.unix_ms(after.now()), machine.unix_ms) << row.what << ": now is now";
    machine.pass(30);
    EXPECT_EQ(after.now(), last + Span(row.counted_ms + 30)) << row.what << ": and on";
  }
}

TEST(SystemClock, AnHourOfSleepBetweenTwoLooksIsWithheldAndNobodySeesItBefore) {
  Machine machine;
  SystemClock clock = machine.clock();
  const Tick before = clock.now();
  machine.pass(hour_ms + 1);
  EXPECT_EQ(clock.read(), before) << "a reader comes first";
  EXPECT_EQ(clock.now(), before);
  EXPECT_EQ(clock.take_jump(), Span(hour_ms + 1));
  machine.pass(minute_ms);
  EXPECT_EQ(clock.read(), before + Span(minute_ms));
  EXPECT_EQ(clock.now(), before + Span(minute_ms));
  machine.pass(59 * minute_ms);
  EXPECT_EQ(clock.now(), before + Span(hour_ms));
  EXPECT_EQ(clock.take_jump(), Span(0)) << "less than an hour was seen as it went by";
}

TEST(SystemClock, WhatIsAcceptedIsInTheNextTickAndInTheMark) {
  Machine machine;
  SystemClock clock = machine.clock();
  const Tick before = clock.now();
  machine.pass(2 * hour_ms);
  clock.now();
  const Span jump = clock.take_jump();
  clock.advance(jump);
  EXPECT_EQ(clock.mark().tick, before + jump);
  EXPECT_EQ(clock.now(), before + Span(2 * hour_ms));
  EXPECT_EQ(clock.take_jump(), Span(0));
  SystemClock next = machine.clock();
  next.resume(clock.mark());
  EXPECT_EQ(next.now(), before + jump) << "a restart keeps the answer";
}

// A batch written after the sleep and before the loop looked would carry the jump away.
TEST(SystemClock, TheMarkStandsWhereTheLoopLastLooked) {
  Machine machine;
  SystemClock clock = machine.clock();
  const Tick before = clock.now();
  machine.pass(2 * hour_ms);
  const ClockMark mark = clock.mark();
  EXPECT_EQ(mark.tick, before);
  SystemClock next = machine.clock();
  next.resume(mark);
  EXPECT_EQ(next.now(), before);
  EXPECT_EQ(next.take_jump(), Span(2 * hour_ms));
}

}  // namespace
}  // namespace busbar::daemon
