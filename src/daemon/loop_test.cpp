// Commands that come several at a time share a turn; those that come one by one wait for nobody.
#include "daemon/loop.hpp"

#include <gtest/gtest.h>

namespace busbar::daemon {
namespace {

using std::chrono::microseconds;

TEST(NextGap, GrowsWhileSeveralComeAtATimeAndShrinksWhileTheyComeOneByOne) {
  struct Case {
    microseconds gap;
    std::size_t commands;
    unsigned cores;
    microseconds next;
  };
  const Case table[] = {
      {microseconds(0), 1, 2, microseconds(1500)},     // the first turn of all
      {microseconds(1500), 1, 2, microseconds(1500)},  // one client that waits for each answer
      {microseconds(1500), 2, 2, microseconds(3000)},
      {microseconds(3000), 9, 2, microseconds(6000)},
      {microseconds(6000), 50, 2, microseconds(8000)},
      {microseconds(8000), 50, 2, microseconds(8000)},
      {microseconds(8000), 1, 2, microseconds(4000)},
      {microseconds(8000), 0, 2, microseconds(4000)},  // only something due
      {microseconds(12000), 50, 1, microseconds(16000)},
      {microseconds(1500), 50, 16, microseconds(1500)},  // cores enough for the turns
      {microseconds(1500), 50, 64, microseconds(1500)},
      {microseconds(1500), 50, 0, microseconds(3000)},  // their number is not known
  };
  for (const Case& c : table)
    EXPECT_EQ(next_gap(c.gap, c.commands, c.cores).count(), c.next.count())
        << c.commands << " commands after " << c.gap.count() << " us on " << c.cores << " cores";
}

}  // namespace
}  // namespace busbar::daemon
