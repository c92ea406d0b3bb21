#include "engine/local/core_book.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace busbar::local {
namespace {

using Ids = std::vector<std::uint32_t>;

// Two domains of four units.
std::vector<NumaDomain> two_domains() { return {{{0, 1, 2, 3}, {}}, {{4, 5, 6, 7}, {}}}; }

Launch launch_of(const std::string& name, std::int64_t milli, std::int32_t numa = -1) {
  Launch launch;
  launch.name = name;
  LaunchClaim claim;
  claim.claim.cores = MilliCores(milli);
  if (numa >= 0) claim.devices.push_back({.numa = numa});
  launch.claims.push_back(claim);
  return launch;
}

Ids ids_of(CoreBook& book, const Launch& launch) { return book.assign(launch)[0].core_ids; }

TEST(CoreBook, whole_cores_are_exclusive_and_stay_in_one_domain) {
  CoreBook book(two_domains());
  EXPECT_EQ(ids_of(book, launch_of("a", 2000)), (Ids{0, 1}));
  EXPECT_EQ(ids_of(book, launch_of("b", 4000)), (Ids{4, 5, 6, 7}));  // 2 are left in the first
  EXPECT_EQ(ids_of(book, launch_of("c", 1000)), (Ids{2}));
  book.release("b");
  EXPECT_EQ(ids_of(book, launch_of("d", 1000)), (Ids{3}));  // the fullest domain that holds it
  EXPECT_EQ(ids_of(book, launch_of("e", 2000)), (Ids{4, 5}));
  EXPECT_EQ(ids_of(book, launch_of("a", 2000)), (Ids{0, 1}));  // asked again
}

TEST(CoreBook, cores_lie_near_the_devices) {
  CoreBook book(two_domains());
  EXPECT_EQ(ids_of(book, launch_of("a", 2000, 1)), (Ids{4, 5}));
  EXPECT_EQ(ids_of(book, launch_of("b", 3000, 1)), (Ids{0, 6, 7}));
}

TEST(CoreBook, parts_share_a_pool_away_from_whole_claims) {
  CoreBook book(two_domains());
  EXPECT_EQ(ids_of(book, launch_of("a", 500)), (Ids{7}));
  EXPECT_EQ(ids_of(book, launch_of("b", 500)), (Ids{7}));
  EXPECT_EQ(ids_of(book, launch_of("c", 1500)), (Ids{5, 6, 7}));
  EXPECT_EQ(ids_of(book, launch_of("d", 5000)), (Ids{0, 1, 2, 3, 4}));
  book.release("a");
  book.release("c");
  EXPECT_EQ(ids_of(book, launch_of("e", 2000)), (Ids{5, 6}));  // the pool needs one unit only
}

TEST(CoreBook, an_adopted_attempt_keeps_its_units) {
  CoreBook before(two_domains());
  Launch launch = launch_of("a", 2000);
  launch.claims[0].claim = before.assign(launch)[0];
  CoreBook after(two_domains());
  after.adopt(launch);
  EXPECT_EQ(ids_of(after, launch_of("b", 2000)), (Ids{2, 3}));
  after.release("a");
  EXPECT_EQ(ids_of(after, launch_of("c", 2000)), (Ids{0, 1}));
}

TEST(CoreBook, an_exclusive_claim_gets_the_whole_node) {
  CoreBook book(two_domains());
  Launch launch = launch_of("a", 1000);
  launch.claims[0].claim.exclusive = true;
  EXPECT_EQ(ids_of(book, launch).size(), 8U);
}

RC_GTEST_PROP(CoreBook, whole_claims_never_share_a_unit, ()) {
  CoreBook book(two_domains());
  std::map<std::string, std::pair<std::int64_t, Ids>> held;
  std::int64_t free_milli = 8000;
  const auto steps = *rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 4000));
  int next = 0;
  for (const int step : steps) {
    if (step % 3 == 0 && !held.empty()) {
      const auto victim = std::next(held.begin(), step % static_cast<int>(held.size()));
      free_milli += victim->second.first;
      book.release(victim->first);
      held.erase(victim);
      continue;
    }
    const std::int64_t milli = step % 2 == 0 ? 1000 * (1 + step % 4) : 1 + step % 1999;
    if (milli > free_milli) continue;
    free_milli -= milli;
    const std::string name = "a" + std::to_string(next++);
    const Ids ids = ids_of(book, launch_of(name, milli));
    RC_ASSERT(!ids.empty());
    const bool whole = milli % 1000 == 0;
    if (whole) RC_ASSERT(ids.size() == static_cast<std::size_t>(milli / 1000));
    for (const auto& [other, of] : held) {
      if (!whole || of.first % 1000 != 0) continue;
      for (const std::uint32_t id : ids)
        RC_ASSERT(std::find(of.second.begin(), of.second.end(), id) == of.second.end());
    }
    held[name] = {milli, ids};
  }
}

}  // namespace
}  // namespace busbar::local
