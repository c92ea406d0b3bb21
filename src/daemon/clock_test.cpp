#include "daemon/clock.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <ctime>

namespace busbar::daemon {
namespace {

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
  second.resume(mark);
  EXPECT_GE(second.now().value, 5'000'000);
  EXPECT_LT(second.now().value, 5'060'000);
  EXPECT_LE(std::abs(second.unix_ms(mark.tick) - mark.unix_ms), 100);
  EXPECT_EQ(second.unix_ms(tick_never), INT64_MAX);
}

}  // namespace
}  // namespace busbar::daemon
