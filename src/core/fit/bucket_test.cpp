#include "core/fit/bucket.hpp"

#include <gtest/gtest.h>

#include <set>

#include "base/rng.hpp"

namespace busbar::core {
namespace {

std::vector<Slot> found(const Bucket& bucket, std::int64_t cores, std::int64_t memory) {
  std::vector<Slot> out;
  bucket.each(cores, memory, [&](const Slot& slot) {
    out.push_back(slot);
    return true;
  });
  return out;
}

TEST(Bucket, FindsWhatAPlainSetFindsAfterAnyHistory) {
  Rng rng(7);
  Bucket bucket;
  std::set<Slot> plain;
  for (std::uint32_t i = 0; i < 20'000; ++i) {
    const Slot slot{std::int64_t(rng.below(50)), std::int64_t(rng.below(50)),
                    NodeId(static_cast<std::uint32_t>(rng.below(20)))};
    if (plain.erase(slot) > 0)
      bucket.erase(slot);
    else if (plain.size() < 700 || rng.chance(1, 8)) {
      plain.insert(slot);
      bucket.insert(slot);
    }
    if (i % 500 != 0) continue;
    const auto cores = std::int64_t(rng.below(50));
    const auto memory = std::int64_t(rng.below(50));
    std::vector<Slot> expected;
    for (const Slot& each : plain)
      if (each.cores >= cores && each.memory >= memory) expected.push_back(each);
    ASSERT_EQ(found(bucket, cores, memory), expected);
  }
}

TEST(Bucket, ACopyKeepsItsSlotsWhenTheOtherChanges) {
  Bucket bucket;
  for (std::uint32_t n = 1; n <= 300; ++n) bucket.insert({n % 7, n % 11, NodeId(n)});
  const Bucket copy = bucket;
  const std::vector<Slot> before = found(copy, 0, 0);
  for (std::uint32_t n = 1; n <= 300; n += 2) bucket.erase({n % 7, n % 11, NodeId(n)});
  EXPECT_EQ(found(copy, 0, 0), before);
  EXPECT_EQ(found(bucket, 0, 0).size(), 150u);
}

TEST(Bucket, EqualityIsOfWhatItHoldsNotOfHowItCameThere) {
  Bucket up;
  Bucket down;
  for (std::uint32_t n = 1; n <= 200; ++n) up.insert({n, 1, NodeId(n)});
  for (std::uint32_t n = 200; n >= 1; --n) down.insert({n, 1, NodeId(n)});
  EXPECT_EQ(up, down);
  down.erase({5, 1, NodeId(5)});
  EXPECT_NE(up, down);
}

}  // namespace
}  // namespace busbar::core
