// What ends teach about run times, and what is expected of those who wait.
#include <gtest/gtest.h>

#include "core/policy/policy.hpp"
#include "core/state/testing.hpp"

namespace busbar::core {
namespace {

using namespace testing;

struct Learning : ::testing::Test {
  World world;
  NodeId n1;

  Learning() {
    Config config = world.state.config();
    config.policy.predict = true;
    config.policy.order = UnitOrder::slowdown;
    world.must(Configure{config});
    n1 = world.add(node("n1", 64));
  }
  JobId submit(const std::string& name, std::int64_t limit_s, std::uint32_t width = 1) {
    SubmitJobs command;
    command.user = user(name, 1000);
    Job job = width > 1 ? gang("j", width) : loose("j");
    job.time_limit = seconds(limit_s);
    command.jobs.push_back(job);
    const auto decision = world.tell(command);
    check(decision.ok(), "the job was refused");
    return decision->jobs.front();
  }
  // It runs and ends after so long.
  Decision run(JobId job, std::int64_t run_s, EndCause cause = EndCause::exited) {
    const UnitId one{job, 0, 0};
    world.grant(one, n1);
    world.must(AttemptStarted{{one, 1}, {}});
    world.advance(seconds(run_s));
    Exit exit;
    exit.cause = cause;
    const auto decision = world.tell(AttemptEnded{{one, 1}, exit, {}});
    check(decision.ok(), "the end was refused");
    return *decision;
  }
  std::int64_t expected_s(JobId job) {
    const RunPrediction* found = world.state.find_prediction(job);
    return found == nullptr ? -1 : found->run_time.value / 1000;
  }
};

TEST_F(Learning, NothingIsKnownButTheLimit) { EXPECT_EQ(expected_s(submit("ada", 600)), 600); }

// One end of 100 s, and the width's average (100 s too) as two more.
TEST_F(Learning, ThePastOfTheUserAndOfTheWidthIsWeighed) {
  run(submit("ada", 600), 100);
  EXPECT_EQ(expected_s(submit("ada", 600)), 100);
  EXPECT_EQ(expected_s(submit("bob", 600)), 100) << "of bob nothing is known: the width's average";
  EXPECT_EQ(expected_s(submit("bob", 600, 2)), 600) << "and of that width neither";
  // bob: (400 + 2 x 250) / 3, where 250 is the width's average of 100 and 400
  run(submit("bob", 600), 400);
  EXPECT_NEAR(static_cast<double>(expected_s(submit("bob", 600))), 300, 1);
  // ada: (100 + 2 x 250) / 3
  EXPECT_NEAR(static_cast<double>(expected_s(submit("ada", 600))), 200, 1);
}

TEST_F(Learning, WhatIsLongAgoCountsForLess) {
  for (int i = 0; i < 30; ++i) run(submit("ada", 1000), 500);
  for (int i = 0; i < 8; ++i) run(submit("ada", 1000), 50);
  EXPECT_LT(expected_s(submit("ada", 1000)), 230);
  EXPECT_GT(expected_s(submit("ada", 1000)), 50);
}

TEST_F(Learning, NobodyIsExpectedToRunBeyondItsLimit) {
  run(submit("ada", 1000), 900);
  EXPECT_EQ(expected_s(submit("ada", 60)), 60);
}

TEST_F(Learning, AnEndRefreshesTheUsersJobsThatWaitAndNoOthers) {
  const JobId mine = submit("ada", 600);
  const JobId another = submit("bob", 600);
  const Decision end = run(submit("ada", 600), 60);
  EXPECT_EQ(expected_s(mine), 60);
  EXPECT_EQ(expected_s(another), 600);
  ASSERT_EQ(end.events.size(), 2U);
  const auto& learned = std::get<Learned>(end.events[1]);
  ASSERT_EQ(learned.predictions.size(), 1U);
  EXPECT_EQ(learned.predictions[0].job, mine);
  ASSERT_EQ(learned.statistics.size(), 2U);
  EXPECT_EQ(learned.statistics[0].name, "user ada");
  EXPECT_EQ(learned.statistics[1].name, "width 1");
}

TEST_F(Learning, OnlyEndsThatNobodyAskedForTeach) {
  const struct {
    EndCause cause;
    bool teaches;
  } rows[] = {{EndCause::exited, true},
              {EndCause::timed_out, true},
              {EndCause::stopped, false},
              {EndCause::launch_failed, false},
              {EndCause::node_lost, false}};
  for (const auto& row : rows) {
    const Decision end = run(submit("ada", 600), 60, row.cause);
    EXPECT_EQ(end.events.size(), row.teaches ? 2U : 1U) << to_string(row.cause);
  }
}

TEST_F(Learning, WhatEndedIsForgottenAndASnapshotKeepsTheRest) {
  const JobId over = submit("ada", 600);
  run(over, 60);
  EXPECT_EQ(expected_s(over), -1);
  const JobId waits = submit("ada", 600);
  EXPECT_TRUE(world.state.predicted_of("ada").contains(waits));
  const auto again = decode_state(encode_state(world.state));
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(*again, world.state);
}

TEST_F(Learning, TheOrderFollowsWhatIsExpected) {
  run(submit("slow", 3600), 3000);
  run(submit("quick", 3600), 20);
  const JobId slow = submit("slow", 3600);
  const JobId quick = submit("quick", 3600);
  const auto policy = make_policy(world.state.config().policy);
  const auto key = [&](JobId id) {
    return policy->unit_key(world.state, world.state.find(id)->job);
  };
  EXPECT_LT(key(quick), key(slow));
}

TEST(LearningNothing, WhereThePolicyDoesNotPredict) {
  World world;
  const NodeId n1 = world.add(node("n1", 8));
  world.add(loose("a"));
  world.grant(unit(1), n1);
  world.must(AttemptStarted{attempt(1), {}});
  world.advance(seconds(5));
  const auto end = world.tell(AttemptEnded{attempt(1), {}, {}});
  ASSERT_TRUE(end.ok());
  EXPECT_EQ(end->events.size(), 1U);
  EXPECT_EQ(world.state.find_prediction(JobId(1)), nullptr);
}

}  // namespace
}  // namespace busbar::core
