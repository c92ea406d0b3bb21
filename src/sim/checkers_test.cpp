// A checker that cannot fail proves nothing: each planted violation gives its sentence.
#include "sim/checkers.hpp"

#include <gtest/gtest.h>

#include "core/state/testing.hpp"

namespace busbar::sim {
namespace {

using core::testing::array;
using core::testing::attempt;
using core::testing::gang;
using core::testing::gpus;
using core::testing::loose;
using core::testing::resources;
using core::testing::unit;

struct Planted : core::testing::World {
  NodeId n1;
  Planted() {
    check_invariants = false;  // what is planted breaks them
    Node node = core::testing::node("n1", 4, gibibytes(8), 2);
    node.named = {{"license", 1}};
    n1 = add(node);
  }
  // Grants the unit one task on n1, with a claim changed by hand.
  template <class Change>
  void plant(const UnitId& which, Change change) {
    Claim claim = core::testing::claim_on(n1, state.find(which.job)->job);
    change(claim);
    grant(which, Allocation{{claim}});
  }
};

Resources one_gpu() {
  Resources out = resources();
  out.devices.push_back(gpus(1));
  return out;
}

TEST(CheckCapacity, ACleanStateIsClean) {
  Planted world;
  world.add(loose("a", 2, one_gpu()));
  world.grant(unit(1, 0), world.n1, 0);
  world.grant(unit(1, 1), world.n1, 1);
  EXPECT_EQ(check_capacity(world.state), std::nullopt);
  EXPECT_EQ(check_quotas(world.state), std::nullopt);
  EXPECT_EQ(check_gangs(world.state), std::nullopt);
}

TEST(CheckCapacity, TwoClaimsOnOneDevice) {
  Planted world;
  world.add(loose("a", 2, one_gpu()));
  world.grant(unit(1, 0), world.n1, 1);
  world.grant(unit(1, 1), world.n1, 1);
  EXPECT_EQ(check_capacity(world.state), "device 1 of n1 is oversold");
}

TEST(CheckCapacity, EachQuantityOfANode) {
  const struct {
    const char* expected;
    void (*change)(Claim&);
  } rows[] = {
      {"cores of n1 are oversold", [](Claim& c) { c.cores = whole_cores(5); }},
      {"memory of n1 is oversold", [](Claim& c) { c.memory = gibibytes(9); }},
      {"scratch of n1 is oversold", [](Claim& c) { c.scratch = gibibytes(101); }},
      {"license of n1 is oversold",
       [](Claim& c) {
         c.named = {{"license", 2}};
       }},
      {"unicorns of n1 is oversold",
       [](Claim& c) {
         c.named = {{"unicorns", 1}};
       }},
      {"n1 has no device 2",
       [](Claim& c) {
         c.devices = {{2, MilliDevices(10)}};
       }},
      {"port 20001 of n1 is given twice",
       [](Claim& c) {
         c.ports = {20001, 20001};
       }},
  };
  for (const auto& row : rows) {
    Planted world;
    world.add(loose("a"));
    world.plant(unit(1), row.change);
    EXPECT_EQ(check_capacity(world.state), row.expected);
  }
}

TEST(CheckCapacity, AnExclusiveNodeIsNotShared) {
  Planted world;
  world.add(loose("a", 2));
  world.plant(unit(1, 0), [](Claim& c) { c.exclusive = true; });
  EXPECT_EQ(check_capacity(world.state), std::nullopt);
  world.grant(unit(1, 1), world.n1);
  EXPECT_EQ(check_capacity(world.state), "n1 is exclusive and shared");
}

TEST(CheckQuotas, MoreThanTheTenantMayHoldOrRun) {
  for (const bool by_count : {false, true}) {
    Planted world;
    Config config;
    if (by_count) {
      config.tenants[0].running_max = 1;
    } else {
      config.tenants[0].quota = {{"cores", 1500}};
    }
    world.apply(Configured{config, 1});
    world.add(loose("a", 2));
    world.grant(unit(1, 0), world.n1);
    EXPECT_EQ(check_quotas(world.state), std::nullopt);
    world.grant(unit(1, 1), world.n1);
    EXPECT_EQ(check_quotas(world.state), by_count
                                             ? "tenant default runs 2 units and may run 1"
                                             : "tenant default holds 2000 of cores and may hold "
                                               "1500");
  }
}

TEST(CheckGangs, AGangWithATaskMissing) {
  Planted world;
  world.add(gang("a", 3));
  world.plant(unit(1), [](Claim& c) { c.tasks = 2; });
  EXPECT_EQ(check_gangs(world.state), "gang 1 holds 2 tasks of group 0, wanted 3..3");
}

TEST(CheckGrant, AnArrayOverItsLimit) {
  Planted world;
  world.add(array("a", {1, 4, 1}, 1));
  world.grant(unit(1, 0), world.n1);
  EXPECT_EQ(check_grant(world.state, std::get<Granted>(world.events.back().body)), std::nullopt);
  world.grant(unit(1, 1), world.n1);
  EXPECT_EQ(check_grant(world.state, std::get<Granted>(world.events.back().body)),
            "array 1 runs 2 units and may run 1");
}

TEST(CheckGangs, ALooseUnitIsOneTask) {
  Planted world;
  world.add(loose("a"));
  world.plant(unit(1), [](Claim& c) { c.tasks = 2; });
  EXPECT_EQ(check_gangs(world.state), "a unit of loose job 1 holds more than one task");
}

// --- the order of events

Event at(std::int64_t tick, EventBody body) { return {Revision(1), Tick(tick), std::move(body)}; }
Granted granted(const AttemptId& id) { return {id, {}, span_unlimited, tick_never}; }

TEST(CheckHistory, AStartAfterWhatWasPromised) {
  History history;
  EXPECT_EQ(history.see(at(10, Promised{unit(1), Tick(100), {}})), std::nullopt);
  EXPECT_EQ(history.see(at(101, granted(attempt(1)))), "job 1 was promised 100 and started 101");
}

TEST(CheckHistory, AStartInTimeOrAfterAVoidedPromiseIsKept) {
  History in_time;
  EXPECT_EQ(in_time.see(at(10, Promised{unit(1), Tick(100), {}})), std::nullopt);
  EXPECT_EQ(in_time.see(at(100, granted(attempt(1)))), std::nullopt);
  History voided;
  EXPECT_EQ(voided.see(at(10, Promised{unit(1), Tick(100), {}})), std::nullopt);
  EXPECT_EQ(voided.see(at(20, PromiseVoided{unit(1), VoidCause::node_lost})), std::nullopt);
  EXPECT_EQ(voided.see(at(500, granted(attempt(1)))), std::nullopt);
}

TEST(CheckHistory, AnAttemptGrantedTwice) {
  History history;
  EXPECT_EQ(history.see(at(1, granted(attempt(1)))), std::nullopt);
  EXPECT_EQ(history.see(at(2, granted(attempt(1)))), "attempt 1 of job 1 came after 1");
}

TEST(CheckHistory, AUnitWithTwoLiveAttempts) {
  History history;
  EXPECT_EQ(history.see(at(1, granted(attempt(1)))), std::nullopt);
  EXPECT_EQ(history.see(at(2, granted(attempt(1, 0, 2)))),
            "attempt 2 of job 1 was granted while 1 lives");
}

TEST(CheckHistory, WhatWasNotGrantedNeitherRunsNorEnds) {
  History runs;
  EXPECT_EQ(runs.see(at(1, Running{attempt(1), {}, Tick(9)})),
            "an attempt runs that was not granted");
  History ends;
  EXPECT_EQ(ends.see(at(1, granted(attempt(1)))), std::nullopt);
  EXPECT_EQ(ends.see(at(2, Ended{attempt(1)})), std::nullopt);
  EXPECT_EQ(ends.see(at(3, Ended{attempt(1)})), "an attempt ended that was not live");
}

}  // namespace
}  // namespace busbar::sim
