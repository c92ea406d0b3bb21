#include "api/replica.hpp"

#include <gtest/gtest.h>

#include <atomic>

#include "core/state/testing.hpp"

namespace busbar::api {
namespace {

using core::testing::loose;
using core::testing::node;
using core::testing::World;
using namespace std::chrono_literals;

TEST(Replica, ShowsWhatItWasFedAndNothingElse) {
  World world;
  world.add(node("n1", 8));
  Replica replica(core::State{});
  EXPECT_FALSE(replica.wait_for(Revision(1), 0ms));
  world.add(loose("a"));
  replica.feed(world.events);
  ASSERT_TRUE(replica.wait_for(world.state.revision(), 10s));
  replica.with([&](const ReadView& view) {
    EXPECT_EQ(view.state, world.state);
    EXPECT_EQ(view.index, core::Index(world.state));
    EXPECT_EQ(view.active, (ActiveJobs{{JobId(1), view.state.find(JobId(1))}}));
  });
  EXPECT_EQ(replica.copy(), world.state);
}

TEST(Replica, AJobThatEndsIsNoLongerActiveAndHasNoVerdict) {
  World world;
  const NodeId n1 = world.add(node("n1", 8));
  world.add(loose("a"));
  Replica replica(world.state);
  core::Verdict verdict;
  verdict.job = JobId(1);
  replica.publish({{verdict}, {}}, true);
  const std::size_t before = world.events.size();
  const AttemptId attempt = world.grant(core::testing::unit(1), n1);
  world.end(attempt);
  replica.feed(
      Events(world.events.begin() + static_cast<std::ptrdiff_t>(before), world.events.end()));
  ASSERT_TRUE(replica.wait_for(world.state.revision(), 10s));
  replica.with([&](const ReadView& view) {
    EXPECT_TRUE(view.active.empty());
    const core::JobRecord* record = view.state.find(JobId(1));
    EXPECT_TRUE(record == nullptr ||
                view.verdicts.of(view.state, view.index, *record, world.now).empty());
  });
}

TEST(Replica, AStreamResumesWhereItWasAndIsToldWhenItCannot) {
  World world;
  world.add(node("n1", 8));
  Replica replica(core::State{}, 4);
  for (int i = 0; i < 9; ++i) world.add(loose("a"));
  replica.feed(world.events);  // revisions 1 to 10
  ASSERT_TRUE(replica.wait_for(Revision(10), 10s));
  const EventRead some = replica.read_events(Revision(7), 2);
  ASSERT_EQ(some.events.size(), 2U);
  EXPECT_EQ(some.events[0]->revision, Revision(8));
  EXPECT_EQ(some.next, Revision(9));
  EXPECT_TRUE(replica.read_events(Revision(10), 10).events.empty());
  EXPECT_FALSE(replica.read_events(Revision(6), 10).lost);
  EXPECT_TRUE(replica.read_events(Revision(5), 10).lost);
  EXPECT_EQ(replica.read_events(Revision(5), 10).next, Revision(6)) << "the oldest is kept";
  EXPECT_TRUE(replica.read_events(Revision(11), 10).lost);
  EXPECT_EQ(replica.read_events(Revision(11), 10).next, Revision(10));
}

TEST(Replica, ReadersDoNotKeepTheWriterOut) {
  World world;
  world.add(node("n1", 8));
  Replica replica(world.state);
  std::atomic<bool> stop{false};
  std::vector<std::thread> readers;
  for (int i = 0; i < 4; ++i) {
    readers.emplace_back([&] {
      while (!stop) {
        replica.with([](const ReadView& view) {
          EXPECT_EQ(view.index.nodes().size(), view.state.nodes().size());
        });
      }
    });
  }
  const std::size_t before = world.events.size();
  for (int i = 0; i < 200; ++i) world.add(loose("a"));
  for (std::size_t i = before; i < world.events.size(); ++i) replica.feed({world.events[i]});
  EXPECT_TRUE(replica.wait_for(world.state.revision(), 20s));
  stop = true;
  for (std::thread& reader : readers) reader.join();
}

TEST(Replica, StoppingWakesThoseWhoWait) {
  Replica replica(core::State{});
  std::thread waiter([&] { EXPECT_FALSE(replica.wait_for(Revision(5), 60s)); });
  replica.stop();
  waiter.join();
}

}  // namespace
}  // namespace busbar::api
