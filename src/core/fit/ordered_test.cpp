#include "core/fit/ordered.hpp"

#include <gtest/gtest.h>

#include <set>

#include "base/rng.hpp"

namespace busbar::core {
namespace {

std::vector<int> walk(const Ordered<int>& values) {
  std::vector<int> out;
  for (const int value : values) out.push_back(value);
  return out;
}

// Against std::set, under every mix of growing, shrinking and asking.
TEST(Ordered, IsASet) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    Rng rng(seed);
    Ordered<int> ours;
    std::set<int> theirs;
    const bool ascending = rng.chance(1, 3);
    for (int step = 0; step < 4000; ++step) {
      const int value = ascending && step < 1000 ? step : static_cast<int>(rng.below(1000));
      const bool grow = step < 1500 ? rng.chance(4, 5) : rng.chance(1, 3);
      if (grow) {
        ours.insert(value);
        theirs.insert(value);
      } else {
        ours.erase(value);
        theirs.erase(value);
      }
      const int asked = static_cast<int>(rng.below(1000));
      const auto lower = theirs.lower_bound(asked);
      const auto upper = theirs.upper_bound(asked);
      const auto mine = ours.lower_bound(asked);
      ASSERT_EQ(mine == ours.end(), lower == theirs.end());
      if (lower != theirs.end()) {
        ASSERT_EQ(*mine, *lower);
      }
      const auto above = ours.upper_bound(asked);
      ASSERT_EQ(above == ours.end(), upper == theirs.end());
      if (upper != theirs.end()) {
        ASSERT_EQ(*above, *upper);
      }
    }
    ASSERT_EQ(ours.size(), theirs.size());
    ASSERT_EQ(walk(ours), std::vector<int>(theirs.begin(), theirs.end()));
    Ordered<int> anew;
    for (const int value : theirs) anew.insert(value);
    ASSERT_EQ(anew, ours);
    anew.erase(*theirs.begin());
    ASSERT_FALSE(anew == ours);
  }
}

}  // namespace
}  // namespace busbar::core
