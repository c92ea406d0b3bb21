// Launch-ahead, by situation: what is sent ahead, what is taken back, and who is never passed.
#include <gtest/gtest.h>

#include "core/cycle/spec_testing.hpp"

namespace busbar::core {
namespace {

using testing::CycleWorld;
using testing::unit;

// n1 of two cores, and job 1: an array of one-core units of which the first two have run for a
// second and the next two run.
struct Sweep : CycleWorld {
  explicit Sweep(Job job = testing::array("sweep", {0, 19, 1})) {
    Config config = world.state.config();
    config.tenants = {{.name = "ada"}, {.name = "bob"}, {.name = "default"}};
    configure(config);
    add(testing::node("n1", 2));
    submit(std::move(job), "ada");
    cycle();
    run_all();
    world.advance(seconds(1));
    end({unit(1, 0), 1});
    end({unit(1, 1), 1});
    turn();
    run_all();
  }
  JobId submit(Job job, std::string tenant, std::int32_t priority = 0) {
    job.tenant = std::move(tenant);
    job.priority = priority;
    job.groups[0].any_of[0].resources = testing::resources(1);
    return add(std::move(job));
  }
  void turn() {
    cycle();
    EXPECT_EQ(shrunk ? "" : problem, "");
  }
  void run_all() {
    for (const auto& [id, attempt] : std::map(world.state.attempts()))
      if (!attempt.staged() && attempt.started == Tick(0))
        apply(Running{id, {}, attempt.latest_end});
  }
  bool shrunk = false;  // there is less than is held, or limits are lower
  // "2<4<6 3<5": the lines of job 1 by unit.
  std::string lines() const {
    std::string text;
    for (const auto& [id, attempt] : world.state.attempts()) {
      if (attempt.staged()) continue;
      if (!text.empty()) text += ' ';
      text += std::to_string(id.unit.index);
      for (auto* next = world.state.follower(id); next != nullptr;
           next = world.state.follower(next->id))
        text += "<" + std::to_string(next->id.unit.index);
    }
    return text;
  }
  std::size_t stops(StopCause cause) const {
    return static_cast<std::size_t>(
        std::count_if(accepted.begin(), accepted.end(), [&](const EventBody& body) {
          const auto* stop = std::get_if<Stopping>(&body);
          return stop != nullptr && stop->cause == cause;
        }));
  }
  void tell(const Command& command) {
    const auto decision = decide(world.state, command, world.now);
    ASSERT_TRUE(decision.ok());
    for (const auto& body : decision->events) apply(body);
  }
  // The engine has taken back all that it was asked to.
  void confirm() {
    for (const auto& [id, attempt] : std::map(world.state.attempts())) {
      if (attempt.stop != StopCause::revoke) continue;
      Exit exit;
      exit.cause = EndCause::stopped;
      tell(AttemptEnded{id, exit, {}});
    }
  }
};

TEST(LaunchAhead, TheNextUnitsOfAShortArrayAreStagedTwoForEachPlace) {
  Sweep world;
  EXPECT_EQ(world.lines(), "2 3") << "they do not run yet: where they run is not final";
  world.turn();
  EXPECT_EQ(world.lines(), "2<4 3<5");
  world.turn();
  EXPECT_EQ(world.lines(), "2<4<6 3<5<7");
  world.turn();
  EXPECT_EQ(world.lines(), "2<4<6 3<5<7") << "two are the most";
}

TEST(LaunchAhead, TheClaimsPassOnAndAreFreeAtNoMoment) {
  Sweep world;
  world.turn();
  const NodeFree before = world.index.nodes()[0];
  world.end({unit(1, 2), 1});
  EXPECT_EQ(world.index.nodes()[0].cores, before.cores);
  EXPECT_EQ(world.lines(), "3<5 4");
  EXPECT_EQ(world.index, Index(world.world.state));
  EXPECT_EQ(world.world.state.find(AttemptId{unit(1, 4), 1})->granted, world.world.now);
  EXPECT_EQ(world.world.state.find(AttemptId{unit(1, 4), 1})->state, RunState::configuring);
  world.run_all();
  world.turn();
  EXPECT_EQ(world.lines(), "3<5<7 4<6") << "places with a shorter line come first";
}

TEST(LaunchAhead, StagedUnitsDoNotCountAgainstLimits) {
  Sweep world(testing::array("sweep", {0, 19, 1}, 2));  // two at once
  world.turn();
  EXPECT_EQ(world.lines(), "2<4 3<5");
  const JobRecord& record = *world.world.state.find(JobId(1));
  EXPECT_EQ(record.live, 4U);
  EXPECT_EQ(record.staged(), 2U);
  EXPECT_EQ(world.world.state.tenants()[0].running, 2U);
  EXPECT_EQ(world.index.tenants()[0].held.cores, 2000);
}

const struct {
  const char* when;
  std::function<void(Sweep&)> change;
} nothing_staged[] = {
    {"the units run for long", [](Sweep& world) { world.world.advance(minutes(10)); }},
    {"another tenant waits", [](Sweep& world) { world.submit(testing::loose("b"), "bob"); }},
    {"one of a higher band waits",
     [](Sweep& world) { world.submit(testing::loose("b"), "ada", 5); }},
    {"it is switched off",
     [](Sweep& world) {
       Config config = world.world.state.config();
       config.policy.launch_ahead = Span(0);
       world.configure(config);
     }},
    {"its node is drained",
     [](Sweep& world) {
       world.apply(NodeDrained{NodeId(1), "", "root"});
     }},
    {"fewer of the array may run",
     [](Sweep& world) {
       Job job = world.world.state.find(JobId(1))->job;
       job.groups[0].parallel = 1;
       world.shrunk = true;
       world.apply(JobUpdated{std::move(job), "ada"});
     }},
    {"the tenant may run less",
     [](Sweep& world) {
       Config config = world.world.state.config();
       config.tenants[0].running_max = 1;
       world.shrunk = true;
       world.configure(config);
     }},
    {"the tenant may hold less",
     [](Sweep& world) {
       Config config = world.world.state.config();
       config.tenants[0].quota = {{"cores", 1000}};
       world.shrunk = true;
       world.configure(config);
     }},
    {"its node has less than it had",
     [](Sweep& world) {
       Node node = world.world.state.nodes()[0].node;
       node.cores = whole_cores(0);
       world.shrunk = true;
       world.apply(NodeRegistered{std::move(node)});
     }},
    {"its job is to begin later",
     [](Sweep& world) {
       Job job = world.world.state.find(JobId(1))->job;
       job.begin_at = world.world.now + hours(1);
       world.apply(JobUpdated{std::move(job), "ada"});
     }},
    {"its node is reserved for later",
     [](Sweep& world) {
       world.apply(ReservationMade{{world.world.state.next_reservation(),
                                    "window",
                                    {NodeId(1)},
                                    world.world.now + hours(1),
                                    world.world.now + hours(2),
                                    "root"}});
     }},
};

TEST(LaunchAhead, NothingIsStagedThatOthersWouldWaitFor) {
  for (const auto& row : nothing_staged) {
    Sweep world;
    row.change(world);
    world.turn();
    EXPECT_EQ(world.lines(), "2 3") << row.when;
  }
}

TEST(LaunchAhead, WhatIsStagedIsTakenBackWhenOthersWouldWaitForIt) {
  for (const auto& row : nothing_staged) {
    Sweep world;
    world.turn();
    ASSERT_EQ(world.lines(), "2<4 3<5");
    row.change(world);
    world.turn();
    EXPECT_EQ(world.stops(StopCause::revoke), 2U) << row.when;
    world.confirm();
    EXPECT_EQ(world.lines(), "2 3") << row.when;
    EXPECT_EQ(world.index, Index(world.world.state)) << row.when;
    const JobRecord& record = *world.world.state.find(JobId(1));
    EXPECT_EQ(record.waiting, 16U) << row.when;
    EXPECT_EQ(*record.end_reason, "") << "it says nothing of how the job went";
  }
}

TEST(LaunchAhead, WhatIsHeldWhileItIsStagedIsTakenBackAndHeld) {
  Sweep world;
  world.turn();
  UnitSelector all{JobId(1)};
  const auto decision = decide(world.world.state, HoldUnits{all, testing::op()}, world.world.now);
  ASSERT_TRUE(decision.ok());
  for (const auto& body : decision->events) world.apply(body);
  world.confirm();
  EXPECT_EQ(world.lines(), "2 3");
  EXPECT_EQ(world.world.state.find(JobId(1))->held, 16U);
  EXPECT_EQ(world.world.state.find(JobId(1))->waiting, 0U);
}

TEST(LaunchAhead, AnEndThatIsAskedForReachesWhatIsStagedFirst) {
  Sweep world;
  world.turn();
  UnitSelector all{JobId(1)};
  for (const Command& command :
       {Command(CancelUnits{all, testing::op(), ""}), Command(RequeueUnits{all, testing::op()}),
        Command(FenceNode{"n1", "", testing::op()})}) {
    const auto decision = decide(world.world.state, command, world.world.now);
    ASSERT_TRUE(decision.ok());
    std::vector<std::uint32_t> order;
    for (const auto& body : decision->events) {
      if (const auto* stop = std::get_if<Stopping>(&body))
        order.push_back(stop->attempt.unit.index);
      if (const auto* ended = std::get_if<Ended>(&body)) order.push_back(ended->attempt.unit.index);
    }
    EXPECT_EQ(order, (std::vector<std::uint32_t>{4, 5, 2, 3}));
  }
}

TEST(LaunchAhead, ADeadlineEndsWhatIsStagedAsWhatWaits) {
  Job job = testing::array("sweep", {0, 19, 1});
  job.deadline_at = Tick(60'000);
  Sweep world(std::move(job));
  world.turn();
  world.world.now = Tick(60'000);
  world.turn();
  EXPECT_EQ(world.stops(StopCause::cancel), 2U);
  EXPECT_EQ(world.stops(StopCause::deadline), 2U);
}

TEST(LaunchAhead, BehindOneThatHangsNothingWaitsWhileLaterWorkGoesOn) {
  Sweep world(testing::array("sweep", {0, 5, 1}));
  world.submit(testing::array("later", {0, 99, 1}), "ada");
  world.turn();
  ASSERT_EQ(world.lines(), "2<4 3<5");
  world.world.advance(seconds(11));
  world.turn();
  EXPECT_EQ(world.stops(StopCause::revoke), 2U);
  world.confirm();
  world.end({unit(1, 2), 1});
  world.turn();
  EXPECT_TRUE(world.world.state.find(AttemptId{unit(1, 4), 2}) != nullptr)
      << "before the later job";
}

TEST(LaunchAhead, ALaterJobOfTheSameTenantWaitsBehindWhatIsStaged) {
  Sweep world(testing::array("sweep", {0, 6, 1}));
  world.submit(testing::loose("later"), "ada");
  world.turn();
  world.turn();
  EXPECT_EQ(world.lines(), "2<4<6 3<5");
  world.turn();
  EXPECT_EQ(world.stops(StopCause::revoke), 0U);
}

TEST(LaunchAhead, BehindAnUnluckyPredecessorAUnitMovesToWhereThereIsRoom) {
  Sweep world(testing::array("sweep", {0, 5, 1}));
  world.turn();
  ASSERT_EQ(world.lines(), "2<4 3<5");
  world.end({unit(1, 3), 1});
  world.run_all();
  world.end({unit(1, 5), 1});
  world.turn();
  EXPECT_EQ(world.stops(StopCause::revoke), 1U) << "a core is free and nobody else waits";
  world.confirm();
  world.turn();
  EXPECT_EQ(world.lines(), "2 4");
  EXPECT_EQ(world.world.state.find(unit(1, 4))->attempts, 2U);
  EXPECT_FALSE(world.world.state.find(unit(1, 4))->requeued);
}

TEST(LaunchAhead, OneThatHasStartedIsNotTakenBack) {
  Sweep world;
  world.turn();
  world.submit(testing::loose("b"), "bob");
  world.turn();
  ASSERT_EQ(world.stops(StopCause::revoke), 2U);
  world.end({unit(1, 2), 1});
  const AttemptId next{unit(1, 4), 1};
  world.tell(AttemptStarted{next, {}});
  EXPECT_EQ(world.world.state.find(next)->state, RunState::running);
  EXPECT_EQ(world.world.state.find(next)->stop, StopCause::none);
}

TEST(LaunchAhead, APromisedHeadIsStagedWhereItStartsInTimeAndNobodyBehindItBefore) {
  Job job = testing::array("sweep", {0, 19, 1});
  job.time_limit = seconds(30);
  job.grace = Span(0);
  Sweep world(std::move(job));
  world.turn();
  EXPECT_EQ(world.lines(), "2<4 3<5");
  for (int i = 0; i < 3; ++i) world.turn();
  for (const auto& [id, promise] : world.world.state.promises())
    EXPECT_GE(promise.at, world.world.now + seconds(30)) << "the places are taken for longer now";
}

// As long as the line is two deep, no end lies further away than three limits.
TEST(LaunchAhead, EndsDoNotPileUpWhilePlacesPassOn) {
  Job job = testing::array("sweep", {0, 199, 1});
  job.time_limit = minutes(1);
  job.grace = seconds(30);
  Sweep world(std::move(job));
  for (int i = 0; i < 40; ++i) {
    world.run_all();
    world.turn();
    world.turn();
    world.world.advance(seconds(1));
    std::vector<AttemptId> ended;
    for (const auto& [id, attempt] : world.world.state.attempts())
      if (!attempt.staged()) ended.push_back(id);
    for (const AttemptId& id : ended) world.end(id);
    for (const auto& [id, attempt] : world.world.state.attempts())
      EXPECT_LE(world.world.state.latest_end(attempt), world.world.now + seconds(3 * 90));
    for (const auto& [end, id] : world.index.by_end())
      EXPECT_LE(end, world.world.now + seconds(3 * 90));
  }
  EXPECT_GT(world.world.state.find(JobId(1))->completed, 60U);
}

TEST(LaunchAhead, GangsServicesAndPortsAreNeverStaged) {
  const std::function<void(Job&)> shapes[] = {
      [](Job& job) { job.groups[0].has_ready_probe = true; },
      [](Job& job) { job.groups[0].any_of[0].resources.ports = 1; },
  };
  for (const auto& shape : shapes) {
    Sweep world;
    Job job = testing::array("other", {0, 9, 1});
    shape(job);
    job.tenant = "ada";
    job.groups[0].any_of[0].resources.cores = whole_cores(1);
    world.add(std::move(job));
    for (int i = 0; i < 40; ++i) {
      world.run_all();
      world.world.advance(seconds(1));
      const auto attempts = world.world.state.attempts();
      for (const auto& [id, attempt] : attempts)
        if (!attempt.staged()) world.end(id);
      world.turn();
      for (const auto& [before, id] : world.world.state.followers())
        EXPECT_EQ(id.unit.job, JobId(1));
    }
    EXPECT_TRUE(world.world.state.find(JobId(2))->ended_all());
  }
}

TEST(LaunchAhead, AStartThatIsToldBeforeThePredecessorsEndIsNotBelieved) {
  Sweep world;
  world.turn();
  const AttemptId next{unit(1, 4), 1};
  EXPECT_TRUE(decide(world.world.state, AttemptStarted{next, {}}, world.world.now)->events.empty());
}

TEST(LaunchAhead, AFencedNodeLosesItsAttemptsAndWhatWasStagedWaitsAgain) {
  Sweep world;
  world.turn();
  world.tell(FenceNode{"n1", "smoke", testing::op()});
  EXPECT_EQ(world.index, Index(world.world.state));
  EXPECT_TRUE(world.world.state.attempts().empty());
  EXPECT_TRUE(world.world.state.find(JobId(1))->groups[0].waiting.contains(4));
  EXPECT_TRUE(world.world.state.find(JobId(1))->groups[0].waiting.contains(5));
}

}  // namespace
}  // namespace busbar::core
