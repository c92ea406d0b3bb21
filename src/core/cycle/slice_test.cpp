#include <gtest/gtest.h>

#include "core/cycle/spec_testing.hpp"

namespace busbar::core {
namespace {

using testing::CycleWorld;

// What is started costs more than finding its place: a slice of many starts stays short.
TEST(Slice, ItsBudgetCountsWhatStartsCost) {
  CycleWorld world;
  world.add(testing::node("n1", 1000));
  for (int i = 0; i < 100; ++i) world.add(testing::loose("job", 1, testing::resources(1)));
  const StepBudget budget{10 * steps_per_claim};
  Cursor cursor;
  std::size_t slices = 0;
  do {
    const Slice slice = plan(world.view(), *world.policy, cursor, budget, 1);
    EXPECT_LE(slice.plan.steps.size(), 10u);
    cursor = slice.cursor;
    for (EventBody& body : accept(world.world.state, world.index, slice.plan).events)
      world.apply(std::move(body));
    ++slices;
  } while (!cursor.finished);
  EXPECT_EQ(world.world.state.attempts().size(), 100u);
  EXPECT_GE(slices, 10u);
}

// A class of which nobody finds a place is not asked again by the next slice, unless something has
// made room since.
TEST(Slice, TheNextKnowsWhichClassesAreFull) {
  CycleWorld world;
  world.add(testing::node("n1", 1));
  world.remembers = false;
  world.add(testing::loose("head", 1, testing::resources(2)));
  for (int i = 0; i < 50; ++i) world.add(testing::loose("wide", 1, testing::resources(3)));
  for (int i = 0; i < 50; ++i) world.add(testing::loose("job", 1, testing::resources(1)));
  Cursor cursor = plan(world.view(), *world.policy, {}, {1}, 1).cursor;
  EXPECT_FALSE(cursor.finished);
  while (cursor.full.empty() && !cursor.finished)
    cursor = plan(world.view(), *world.policy, cursor, {1}, 1).cursor;
  ASSERT_FALSE(cursor.full.empty());
  EXPECT_EQ(cursor.full_since, world.index.room_since());
  world.add(testing::node("n2", 4));
  const Slice slice = plan(world.view(), *world.policy, cursor, {20000}, 1);
  EXPECT_FALSE(slice.plan.steps.empty());
}

}  // namespace
}  // namespace busbar::core
