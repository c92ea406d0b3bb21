#include <gtest/gtest.h>

#include "core/cycle/spec_testing.hpp"
#include "core/explain/estimate.hpp"
#include "core/query/what_if.hpp"

namespace busbar::core {
namespace {

using testing::CycleWorld;

struct Explained : ::testing::Test {
  CycleWorld world;

  Job job(std::string name, Resources each, Span limit = span_unlimited) {
    Job out = testing::loose(std::move(name), 1, std::move(each));
    out.time_limit = limit;
    out.grace = Span(0);
    return out;
  }
  // The sentence of the job's verdict after a cycle.
  std::string say(JobId id) {
    world.cycle();
    EXPECT_EQ(world.problem, "");
    for (const auto& verdict : world.verdicts)
      if (verdict.job == id) return explain(world.world.state, verdict, world.world.now);
    return "no verdict";
  }
  Resources h100(std::uint32_t count) {
    Resources out = testing::resources();
    out.devices.push_back(testing::gpus(count, "H100"));
    return out;
  }
};

TEST_F(Explained, ResourcesWithNumbersAndTheEndThatFreesThem) {
  world.add(testing::node("gpu1", 16, gibibytes(64), 8, "NVIDIA H100 80GB HBM3"));
  world.add(job("train", h100(7), minutes(25)));
  EXPECT_EQ(say(world.add(job("big", h100(4)))),
            "waits for resources: needs 4 H100, 1 free of 8 (node gpu1 is closest); starts in 25m "
            "at the latest, when job 1 (train) ends");
}

TEST_F(Explained, ThePromiseThatAShortJobMustNotDelay) {
  world.add(testing::node("n1", 2));
  world.add(job("first", testing::resources(1), minutes(10)));
  world.add(job("second", testing::resources(2), minutes(10)));
  EXPECT_EQ(say(world.add(job("third", testing::resources(1), minutes(11)))),
            "holds back so that job 2 (second), which is first, starts in 10m; a shorter time "
            "limit could let it pass");
}

TEST_F(Explained, DependenciesLimitsAndQuotas) {
  world.add(testing::node("n1", 8));
  world.add(job("prep", testing::resources(1)));
  Job next = job("next", testing::resources(1));
  next.after.push_back({.job = JobId(1)});
  EXPECT_EQ(say(world.add(next)), "waits for job 1 (prep) to complete");
  EXPECT_EQ(say(world.add(testing::array("sweep", {0, 9, 1}, 2))),
            "its array runs at most 2 at once; a higher 'parallel' would let more start");
  Config config = world.world.state.config();
  config.tenants = {{.name = "ada", .quota = {{"cores", 2000}}}, {.name = "default"}};
  world.configure(config);
  Job wide = job("wide", testing::resources(3));
  wide.tenant = "ada";
  EXPECT_EQ(say(world.add(wide)), "the quota of tenant ada has 2 of 2 cores left, it needs 3");
}

TEST_F(Explained, MaintenanceByName) {
  const NodeId n1 = world.add(testing::node("n1", 2));
  world.apply(ReservationMade{{ReservationId(1),
                               "cooling",
                               {n1},
                               world.world.now + minutes(30),
                               world.world.now + minutes(90),
                               "root"}});
  EXPECT_EQ(say(world.add(job("long", testing::resources(1), hours(1)))),
            "would run into the reservation cooling on node n1, which begins in 30m; a shorter "
            "time limit could let it pass; starts in 1h30m at the latest");
  EXPECT_EQ(say(world.add(job("longer", testing::resources(1), hours(2)))),
            "would run into the reservation cooling on node n1, which begins in 30m; a shorter "
            "time limit could let it pass");
}

TEST_F(Explained, AStartThatWasOnlyComputedIsSaidInsteadOfAnUnknownEnd) {
  world.add(testing::node("n1", 1));
  world.add(job("endless", testing::resources(1)));
  world.cycle();
  const JobId waits = world.add(job("waits", testing::resources(1)));
  EXPECT_EQ(say(waits),
            "waits for resources: needs 1 core, 0 free of 1 (node n1 is closest); job 1 (endless) "
            "holds it and no end is known: a time limit on running jobs would tell");
  for (const auto& verdict : world.verdicts) {
    const Tick likely = world.world.now + minutes(25);
    EXPECT_EQ(explain(world.world.state, verdict, world.world.now, likely),
              "waits for resources: needs 1 core, 0 free of 1 (node n1 is closest); job 1 "
              "(endless) holds it; it should start in 25m");
    EXPECT_TRUE(tells_start(verdict, likely));
    EXPECT_FALSE(tells_start(verdict));
  }
}

TEST_F(Explained, NodesOutOfServiceThatAJobNeedsAreNamed) {
  const NodeId n1 = world.add(testing::node("n1", 8));
  const NodeId n2 = world.add(testing::node("n2", 8));
  const NodeId n3 = world.add(testing::node("n3", 8));
  world.add(testing::node("small", 2));
  Job together = testing::gang("together", 3, testing::resources(3));
  together.groups[0].tasks_per_node = 1;
  together.groups[0].nodes = 3;
  world.apply(NodeDrained{n3, "new memory", "root"});
  const JobId gang = world.add(together);
  EXPECT_EQ(say(gang),
            "too little is in service for its 3 tasks: n3 is drained or unreachable; it starts "
            "when enough is back");
  Job picky = job("picky", testing::resources(8));
  picky.exclude = {"n1"};
  world.apply(NodeDrained{n2, "", "root"});
  EXPECT_EQ(say(world.add(picky)),
            "only nodes that are drained or unreachable would do (n2, n3); it starts when one is "
            "back");
  world.apply(NodeResumed{n3, "root"});
  world.apply(NodeResumed{n2, "root"});
  EXPECT_EQ(say(gang), "no verdict") << "it starts";
  static_cast<void>(n1);
}

TEST_F(Explained, PositionAndEstimate) {
  world.add(testing::node("n1", 1));
  for (int i = 0; i < 4; ++i) world.add(job("j", testing::resources(1), minutes(10)));
  world.cycle();
  const auto place = position(world.view(), *world.policy, JobId(4));
  ASSERT_TRUE(place.has_value());
  EXPECT_EQ(place->position, 3u);
  EXPECT_EQ(place->out_of, 3u);
  const Tick now = world.world.now;
  const auto at = [&](std::uint64_t id) {
    return estimate_start(world.view(), *world.policy, testing::unit(id));
  };
  EXPECT_EQ(at(2), now + minutes(10));
  EXPECT_EQ(at(3), now + minutes(20));
  EXPECT_EQ(at(4), now + minutes(30));
  EXPECT_EQ(at(1), std::nullopt);  // it runs
}

TEST_F(Explained, WhatASubmissionWouldGet) {
  world.add(testing::node("n1", 1));
  world.add(job("now", testing::resources(1), minutes(10)));
  world.cycle();
  Job job_wanted = job("wanted", testing::resources(1), minutes(5));
  job_wanted.id = JobId(2);
  job_wanted.tenant = "default";
  const std::uint64_t before = world.world.state.digest();
  const auto planned =
      plan_submission(world.world.state, {Submitted{{job_wanted}, ""}}, world.world.now);
  ASSERT_EQ(planned.size(), 1u);
  EXPECT_EQ(planned[0].start, world.world.now + minutes(10));
  EXPECT_EQ(planned[0].units_now, 0u);
  EXPECT_TRUE(planned[0].verdict.has_value());
  EXPECT_EQ(world.world.state.digest(), before);
}

}  // namespace
}  // namespace busbar::core
