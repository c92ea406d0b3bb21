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
            "waits for resources: needs 4 H100 (simulated), 1 free of 8 (node gpu1 is closest); "
            "starts in 25m at the latest, when job 1 (train) ends");
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
            "would run into the reservation cooling on node n1, which begins in 30m: it may "
            "hold its place for 1h; a shorter time limit could let it pass; starts in 1h30m at "
            "the latest");
  EXPECT_EQ(say(world.add(job("longer", testing::resources(1), hours(2)))),
            "would run into the reservation cooling on node n1, which begins in 30m: it may "
            "hold its place for 2h; a shorter time limit could let it pass");
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
              "(endless) holds it; it should start in 25m or sooner");
    EXPECT_TRUE(tells_start(verdict, likely));
    EXPECT_FALSE(tells_start(verdict));
  }
}

// The end that is unknown belongs to the job without a limit, whoever else is in the way.
TEST_F(Explained, WhoHasNoLimitIsBlamedAndNobodyElse) {
  world.add(testing::node("n1", 2));
  const JobId running = world.add(job("long", testing::resources(1), seconds(30)));
  world.cycle();
  world.add(job("nolimit", testing::resources(2)));
  EXPECT_EQ(say(world.add(job("third", testing::resources(2), seconds(5)))),
            "waits for resources: needs 2 cores, 1 free of 2 (node n1 is closest); job 1 (long) "
            "holds it and ends in 30s at the latest; it is behind job 2 (nolimit), which has no "
            "time limit");
  world.end({testing::unit(running.value), 1});
  world.cycle();  // it starts
  EXPECT_EQ(say(JobId(3)),
            "waits for resources: needs 2 cores, 0 free of 2 (node n1 is closest); job 2 (nolimit) "
            "holds it and no end is known: a time limit on running jobs would tell");
}

TEST_F(Explained, OneOfTwoThatHoldItHasNoLimit) {
  world.add(testing::node("n1", 2));
  world.add(job("short", testing::resources(1), seconds(30)));
  world.add(job("endless", testing::resources(1)));
  world.cycle();
  EXPECT_EQ(say(world.add(job("both", testing::resources(2)))),
            "waits for resources: needs 2 cores, 0 free of 2 (node n1 is closest); jobs 1 (short) "
            "and 2 (endless) hold it, and job 2 (endless) has no time limit, which would tell an "
            "end");
}

TEST_F(Explained, AnEndIsTakenApartWhereItIsMoreThanTheLimit) {
  Config config = world.world.state.config();
  config.cleanup_bound = seconds(10);
  world.configure(config);
  world.add(testing::node("n1", 1));
  Job first = job("first", testing::resources(1), seconds(20));
  first.grace = seconds(30);
  const JobId id = world.add(first);
  world.cycle();
  const AttemptId attempt{testing::unit(id.value), 1};
  world.apply(Running{attempt, {}, world.world.state.find(attempt)->latest_end});
  EXPECT_EQ(say(world.add(job("second", testing::resources(1), seconds(20)))),
            "waits for resources: needs 1 core, 0 free of 1 (node n1 is closest); starts in 1m at "
            "the latest, when job 1 (first) ends (limit 20s + grace 30s + cleanup 10s)");
  EXPECT_EQ(latest_end_parts(config, job("plain", testing::resources()), span_unlimited), "");
  config.cleanup_bound = Span(0);
  EXPECT_EQ(latest_end_parts(config, job("plain", testing::resources()), minutes(1)), "");
}

TEST_F(Explained, WhatSomebodyDidIsSaidOnceAndWithItsReason) {
  const NodeId n1 = world.add(testing::node("n1", 4));
  Job alone = job("alone", testing::resources(1));
  alone.exclusive = true;
  world.add(job("other", testing::resources(1), minutes(5)));
  world.cycle();
  const std::string waits = say(world.add(alone));
  EXPECT_EQ(waits.substr(0, waits.find(';')),
            "waits for resources: needs 1 core on a node of its own (exclusive), and none is free "
            "(node n1 is closest)");
  world.apply(NodeDrained{n1, "new fan", "root"});
  EXPECT_EQ(say(world.add(job("later", testing::resources(2)))),
            "only node n1 would do, which is drained (new fan); it starts when it is back");
  const JobId held = world.add(job("held", testing::resources(1)));
  world.apply(
      UnitsHeld{held, 0, world.world.state.find(held)->groups[0].waiting, "held by root", "root"});
  EXPECT_EQ(say(held), "held by root; 'busbar release 4' lets it go");
  const JobId some = world.add(testing::array("sweep", {1, 9, 1}));
  IndexSet one;
  one.insert({2, 2});
  world.apply(UnitsHeld{some, 0, one, "a licence is missing", "root"});
  EXPECT_EQ(held_text(*world.world.state.find(some)),
            "held: a licence is missing; 'busbar release 5_3' lets it go");
}

TEST_F(Explained, ARetrySaysHowTheLastAttemptEnded) {
  world.add(testing::node("n1", 4));
  const JobId id = world.add(job("flaky", testing::resources(1)));
  world.cycle();
  Ended event;
  event.attempt = {testing::unit(id.value), 1};
  event.state = RunState::failed;
  event.exit.code = 3;
  event.next = UnitNext::waits;
  event.not_before = world.world.now + seconds(9);
  event.restarts = 1;
  world.apply(event);
  EXPECT_EQ(say(id), "failed before (exit code 3) and is tried again in 9s");
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

TEST_F(Explained, AChainOfDependenciesStartsWhenEachHasHeldToItsLimit) {
  world.add(testing::node("n1", 4));
  const auto after = [&](std::uint64_t id, DependencyKind kind, Span limit) {
    Job chained = job("j", testing::resources(1), limit);
    chained.after = {{kind, JobId(id), 0, ""}};
    return chained;
  };
  world.add(job("a", testing::resources(1), minutes(10)));
  world.add(after(1, DependencyKind::ok, minutes(5)));
  world.add(after(2, DependencyKind::any, minutes(1)));
  world.add(after(1, DependencyKind::failed, minutes(1)));
  world.add(after(3, DependencyKind::ok, span_unlimited));
  world.add(after(5, DependencyKind::ok, minutes(1)));
  world.cycle();
  const Tick end = world.world.state.live_attempt(testing::unit(1))->latest_end;
  const auto at = [&](std::uint64_t id) {
    return estimate_start(world.view(), *world.policy, testing::unit(id));
  };
  const Span around =
      world.world.state.find(JobId(2))->job.grace + world.world.state.config().cleanup_bound;
  EXPECT_EQ(at(2), end);
  EXPECT_EQ(at(3), end + minutes(5) + around);
  EXPECT_EQ(at(4), std::nullopt) << "job 1 need not fail";
  EXPECT_EQ(at(5), end + minutes(6) + (around + around));
  EXPECT_EQ(at(6), std::nullopt) << "job 5 has no limit";
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
