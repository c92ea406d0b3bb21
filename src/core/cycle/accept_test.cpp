// verify, the cycle's last pass, as tables: what happens between plan and accept makes a step
// stale, and a stale step is dropped and counted, never half carried out.
#include <gtest/gtest.h>

#include <functional>

#include "core/cycle/spec_testing.hpp"

namespace busbar::core {
namespace {

using testing::CycleWorld;
using testing::unit;

// n1 and n2 of 4 cores; tenant ada may hold 8 cores in 3 units; job 1, an array of which 2 may run
// at once, 2 cores a unit, waits.
struct Stage : CycleWorld {
  Stage() {
    Config config = world.state.config();
    config.tenants = {{.name = "ada", .quota = {{"cores", 8000}}, .running_max = 3},
                      {.name = "default"}};
    configure(config);
    add(testing::node("n1", 4));
    add(testing::node("n2", 4));
    wait_for("sweep", testing::array("sweep", {0, 3, 1}, 2), 2);
  }
  JobId wait_for(std::string name, Job job, std::int64_t cores) {
    job.name = std::move(name);
    job.tenant = "ada";
    job.time_limit = minutes(10);
    job.groups[0].any_of[0].resources = testing::resources(cores);
    return add(std::move(job));
  }
  Allocation on(std::uint64_t node, std::uint64_t job) {
    return {{testing::claim_on(NodeId(node), world.state.find(JobId(job))->job)}};
  }
  void grant(const UnitId& of, std::uint64_t node) {
    apply(Granted{world.state.next_attempt(of), on(node, of.job.value), minutes(10),
                  world.now + minutes(10)});
  }
  // Another job of the tenant that holds so much of a node.
  void grant_other(std::uint64_t node, std::int64_t cores) {
    const JobId other = wait_for("other", testing::loose("other"), cores);
    grant(unit(other.value), node);
  }
  StartStep start(std::uint32_t of = 0) { return {unit(1, of), on(1, 1)}; }
  // What is dropped of these steps, and what the others become.
  Accepted verify(std::vector<Step> steps) {
    Plan plan;
    plan.at = world.now;
    plan.steps = std::move(steps);
    return accept(world.state, index, plan);
  }
};

IndexSet only(std::uint32_t index) {
  IndexSet out;
  out.insert({index, index});
  return out;
}

const struct {
  const char* meanwhile;
  std::function<void(Stage&)> change;
  bool starts;
} starts[] = {
    {"nothing", [](Stage&) {}, true},
    {"another node was drained",
     [](Stage& s) {
       s.apply(NodeDrained{NodeId(2), "", "root"});
     },
     true},
    {"its node was drained",
     [](Stage& s) {
       s.apply(NodeDrained{NodeId(1), "", "root"});
     },
     false},
    {"its node went down",
     [](Stage& s) {
       s.apply(NodeReachability{NodeId(1), false});
     },
     false},
    {"maintenance of its node was planned",
     [](Stage& s) {
       s.apply(ReservationMade{{ReservationId(1),
                                "fan",
                                {NodeId(1)},
                                s.world.now + minutes(1),
                                s.world.now + minutes(9),
                                "root"}});
     },
     false},
    {"another took a part of the node", [](Stage& s) { s.grant_other(1, 2); }, true},
    {"another took the room", [](Stage& s) { s.grant_other(1, 3); }, false},
    {"the quota is spent but for what it needs",
     [](Stage& s) { s.grant_other(2, 4), s.grant_other(1, 2); }, true},
    {"the quota was cut",
     [](Stage& s) {
       Config config = s.world.state.config();
       config.tenants[0].quota = {{"cores", 5000}};
       s.configure(config);
       s.grant_other(2, 4);
     },
     false},
    {"the tenant runs all it may",
     [](Stage& s) { s.grant_other(2, 1), s.grant_other(2, 1), s.grant_other(2, 1); }, false},
    {"the array runs all it may", [](Stage& s) { s.grant(unit(1, 2), 2), s.grant(unit(1, 3), 2); },
     false},
    {"it was started", [](Stage& s) { s.grant(unit(1, 0), 2); }, false},
    {"it was cancelled",
     [](Stage& s) {
       s.apply(UnitsClosed{JobId(1), 0, only(0), RunState::cancelled, "", "ada"});
     },
     false},
    {"its neighbour was cancelled",
     [](Stage& s) {
       s.apply(UnitsClosed{JobId(1), 0, only(1), RunState::cancelled, "", "ada"});
     },
     true},
    {"it was held",
     [](Stage& s) {
       s.apply(UnitsHeld{JobId(1), 0, only(0), "", "ada"});
     },
     false},
};

TEST(Accept, AStartHoldsOnlyWhileAllThatItWasFoundWithHolds) {
  for (const auto& row : starts) {
    SCOPED_TRACE(row.meanwhile);
    Stage stage;
    const Step step = stage.start();
    row.change(stage);
    const Accepted accepted = stage.verify({step});
    EXPECT_EQ(accepted.dropped, row.starts ? 0U : 1U);
    ASSERT_EQ(accepted.events.size(), row.starts ? 1U : 0U);
    if (row.starts) {
      EXPECT_TRUE(std::holds_alternative<Granted>(accepted.events[0]));
    }
    for (const auto& body : accepted.events) stage.apply(body);
    EXPECT_EQ(stage.oversold(), "");
  }
}

TEST(Accept, StepsOfOnePlanCountWhatTheOnesBeforeThemTake) {
  Stage stage;
  Accepted accepted = stage.verify({stage.start(0), stage.start(0)});
  EXPECT_EQ(accepted.dropped, 1U) << "a unit starts once";
  accepted = stage.verify({stage.start(0), stage.start(1), stage.start(2)});
  EXPECT_EQ(accepted.dropped, 1U) << "the array runs at most two";
  accepted =
      stage.verify({CloseStep{JobId(1), 0, only(0), RunState::cancelled, "late"},
                    CloseStep{JobId(1), 0, only(0), RunState::cancelled, "late"}, stage.start(0)});
  EXPECT_EQ(accepted.dropped, 2U) << "what was closed neither closes again nor starts";
  ASSERT_EQ(accepted.events.size(), 1U);
}

const struct {
  const char* what;
  std::function<Step(Stage&)> make;  // after what made it stale
  bool holds;
} others[] = {
    {"a promise to a unit that waits",
     [](Stage& s) {
       return PromiseStep{unit(1, 0), s.world.now + minutes(1), s.on(1, 1)};
     },
     true},
    {"a promise whose moment has come",
     [](Stage& s) {
       return PromiseStep{unit(1, 0), s.world.now, s.on(1, 1)};
     },
     false},
    {"a promise to a unit that has started",
     [](Stage& s) {
       s.grant(unit(1, 0), 2);
       return PromiseStep{unit(1, 0), s.world.now + minutes(1), s.on(1, 1)};
     },
     false},
    {"an end of a promise that is none",
     [](Stage&) {
       return VoidStep{unit(1, 0), VoidCause::started};
     },
     false},
    {"a close of a unit that runs",
     [](Stage& s) {
       s.grant(unit(1, 0), 2);
       return CloseStep{JobId(1), 0, only(0), RunState::cancelled, "late"};
     },
     false},
    {"a close of a job that is gone",
     [](Stage&) {
       return CloseStep{JobId(9), 0, only(0), RunState::cancelled, "late"};
     },
     false},
    {"a stop of an attempt",
     [](Stage& s) {
       s.grant(unit(1, 0), 2);
       return StopStep{testing::attempt(1), StopCause::deadline, "late"};
     },
     true},
    {"a stop of an attempt that is stopped already",
     [](Stage& s) {
       s.grant(unit(1, 0), 2);
       s.apply(Stopping{testing::attempt(1), StopCause::cancel, "ada", ""});
       return StopStep{testing::attempt(1), StopCause::deadline, "late"};
     },
     false},
    {"a stop of an attempt that has ended",
     [](Stage& s) {
       s.grant(unit(1, 0), 2);
       s.end(testing::attempt(1));
       return StopStep{testing::attempt(1), StopCause::deadline, "late"};
     },
     false},
    {"the end of a reservation that an operator made longer",
     [](Stage& s) {
       s.apply(ReservationMade{
           {ReservationId(1), "fan", {NodeId(1)}, s.world.now, s.world.now + minutes(9), "root"}});
       return EndReservationStep{ReservationId(1)};
     },
     false},
    {"the end of a reservation that is gone",
     [](Stage&) { return EndReservationStep{ReservationId(1)}; }, false},
    {"retiring a job that waits", [](Stage&) { return RetireStep{JobId(1)}; }, false},
    {"retiring a job that is gone", [](Stage&) { return RetireStep{JobId(9)}; }, false},
};

TEST(Accept, OtherStepsAreDroppedOnceTheirCauseIsGone) {
  for (const auto& row : others) {
    SCOPED_TRACE(row.what);
    Stage stage;
    const Accepted accepted = stage.verify({row.make(stage)});
    EXPECT_EQ(accepted.dropped, row.holds ? 0U : 1U);
    EXPECT_EQ(accepted.events.size(), row.holds ? 1U : 0U);
  }
}

}  // namespace
}  // namespace busbar::core
