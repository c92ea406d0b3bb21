// The default policy's choices: who goes first, and where work goes.
#include "core/policy/policy.hpp"

#include <gtest/gtest.h>

#include "core/cycle/spec_testing.hpp"

namespace busbar::core {
namespace {

using testing::CycleWorld;
using testing::unit;

TEST(DefaultPolicy, IsTheOnlyNameThereIs) {
  ASSERT_EQ(policy_names().size(), 1U);
  EXPECT_EQ(policy_names()[0], "default");
  EXPECT_EQ(make_policy(PolicyConfig{})->name(), "default");
}

// --- tenants

struct Shares : ::testing::Test {
  CycleWorld world;

  // Tenants a (weight 100) and b (weight 200) on one node of 8 cores.
  Shares() {
    Config config = world.world.state.config();
    config.tenants = {
        {.name = "a", .weight = 100}, {.name = "b", .weight = 200}, {.name = "default"}};
    config.usage_epoch = minutes(1);
    config.usage_half_life = hours(1);
    world.configure(config);
    world.add(testing::node("n1", 8));
  }
  AttemptId hold(const char* tenant, std::int64_t cores) {
    Job job = testing::loose("j", 1, testing::resources(cores));
    job.tenant = tenant;
    const UnitId id = unit(world.add(job).value);
    const AttemptId attempt = world.world.state.next_attempt(id);
    world.apply(Granted{attempt,
                        {{testing::claim_on(NodeId(1), world.world.state.find(id.job)->job)}},
                        span_unlimited,
                        tick_never});
    return attempt;
  }
  TenantKey key(const char* tenant, const Held& beyond = {}) {
    return world.policy->tenant_key(world.view(), *world.world.state.find_tenant(tenant), beyond);
  }
};

TEST_F(Shares, WhoHoldsNothingAndHeldNothingGoesFirst) {
  EXPECT_EQ(key("a"), 0);
  hold("a", 1);
  EXPECT_GT(key("a"), 0);
  EXPECT_EQ(key("b"), 0);
}

TEST_F(Shares, TwiceTheWeightMayHoldTwiceAsMuch) {
  hold("a", 1);
  hold("b", 2);
  EXPECT_EQ(key("a"), key("b"));
  hold("b", 1);
  EXPECT_LT(key("a"), key("b"));
}

TEST_F(Shares, WhatTheCycleHandsOutCountsAtOnce) {
  hold("a", 1);
  const TenantKey before = key("a");
  EXPECT_GT(key("a", Held{.cores = 1000}), before);
  EXPECT_EQ(key("a", Held{.cores = 1000}), 2 * before);
}

TEST_F(Shares, TheKeyMovesWithTheEpochOnly) {
  hold("a", 4);
  world.world.now = Tick(world.world.now.value / 60'000 * 60'000 + 60'000);
  const TenantKey at_start = key("a");
  world.world.now = world.world.now + Span(59'999);
  EXPECT_EQ(key("a"), at_start);
  world.world.now = world.world.now + Span(1);
  EXPECT_GT(key("a"), at_start);
}

TEST_F(Shares, PastUseFadesByHalfInAHalfLife) {
  const AttemptId attempt = hold("a", 8);
  world.world.now = world.world.now + hours(2);
  world.end(attempt);
  world.world.now = Tick(world.world.now.value / 60'000 * 60'000 + 60'000);
  const TenantKey fresh = key("a");
  ASSERT_GT(fresh, 0);
  world.world.now = world.world.now + hours(1);
  const TenantKey later = key("a");
  EXPECT_NEAR(static_cast<double>(later), static_cast<double>(fresh) / 2,
              static_cast<double>(fresh) / 1000);
  world.world.now = world.world.now + hours(1000);
  EXPECT_EQ(key("a"), 0);
}

TEST_F(Shares, TheLargestShareOfAnyResourceCounts) {
  Job job = testing::loose("j", 1, testing::resources(1, gibibytes(32)));  // 1/8 and 1/2
  job.tenant = "a";
  const UnitId id = unit(world.add(job).value);
  world.apply(Granted{world.world.state.next_attempt(id),
                      {{testing::claim_on(NodeId(1), world.world.state.find(id.job)->job)}},
                      span_unlimited,
                      tick_never});
  const TenantKey by_memory = key("a");
  EXPECT_EQ(by_memory, key("b", Held{.cores = 8000})) << "half of the memory, half of b's weight";
}

// --- units

TEST(DefaultPolicy, InsideATenantTheEarlierSubmissionGoesFirst) {
  EXPECT_EQ(testing::run_spec(R"(
    nodes 1
    t=0  submit A limit=10            -> start
    t=1  submit B limit=10            -> hold Resources at=10
    t=2  submit C limit=10            -> hold Resources
    t=10 finish A                     -> start B
    t=20 finish B                     -> start C
  )"),
            "");
}

// --- orders

struct Orders : ::testing::Test {
  CycleWorld world;

  // Names in the order of their keys.
  std::string by(UnitOrder order, PolicyConfig config = {}) {
    config.order = order;
    const auto policy = make_policy(config);
    std::vector<std::pair<UnitKey, std::string>> keys;
    for (const auto& [id, record] : world.world.state.jobs())
      keys.emplace_back(policy->unit_key(world.world.state, record.job), record.job.name);
    std::sort(keys.begin(), keys.end());
    std::string names;
    for (const auto& [key, name] : keys) names += name;
    return names;
  }
  void submit(std::string name, std::int64_t at_s, std::uint32_t width, std::int64_t limit_s,
              std::int64_t deadline_s = 0) {
    world.world.now = Tick(at_s * 1000);
    Job job = testing::gang(std::move(name), width);
    job.time_limit = seconds(limit_s);
    if (deadline_s > 0) job.deadline_at = Tick(deadline_s * 1000);
    world.add(job);
  }
};

TEST_F(Orders, EachGoesByItsFormula) {
  submit("a", 10, 64, 1000);
  submit("b", 200, 8, 3600, 9000);
  submit("c", 4000, 1, 7200, 8000);
  submit("d", 50'000, 2, 60);
  const struct {
    UnitOrder order;
    const char* names;
  } rows[] = {
      {UnitOrder::fcfs, "abcd"},
      {UnitOrder::sjf, "dabc"},
      {UnitOrder::saf, "dcba"},
      // log10(r) n + 870 log10(s): 1062, 2030, 3138, 4092
      {UnitOrder::f1, "abcd"},
      // sqrt(r) n + 25600 log10(s): 27624, 59386, 92297, 120311
      {UnitOrder::f2, "abcd"},
      // r n + 6860000 log10(s): in the order of s
      {UnitOrder::f3, "abcd"},
      // r sqrt(n) + 530000 log10(s): the same
      {UnitOrder::f4, "abcd"},
      {UnitOrder::edf, "cbad"},
      {UnitOrder::multifactor, "abcd"},
  };
  for (const auto& row : rows) EXPECT_EQ(by(row.order), row.names) << to_string(row.order);
}

TEST_F(Orders, TheFunctionsTradeSizeAgainstArrival) {
  submit("a", 1000, 100, 10'000);
  submit("b", 1001, 1, 10);
  for (const UnitOrder order : {UnitOrder::f1, UnitOrder::f2, UnitOrder::f3, UnitOrder::f4})
    EXPECT_EQ(by(order), "ba");
  submit("c", 100'000'000, 1, 10);  // three years later
  for (const UnitOrder order : {UnitOrder::f1, UnitOrder::f2, UnitOrder::f3, UnitOrder::f4})
    EXPECT_EQ(by(order), "bac");
}

TEST_F(Orders, PointsForAgeAreWeighedAgainstPointsForSize) {
  submit("a", 100, 1, 60);
  submit("b", 86'500, 10, 60);  // a day later
  EXPECT_EQ(by(UnitOrder::multifactor), "ab");
  PolicyConfig config;
  config.age_weight = 1000;
  config.core_weight = 200;  // nine cores more are worth 1.8 days
  EXPECT_EQ(by(UnitOrder::multifactor, config), "ba");
  config.core_weight = 100;
  EXPECT_EQ(by(UnitOrder::multifactor, config), "ab");
}

// Two tenants; without shares the shortest goes first whosever it is.
TEST(NoShares, MakeOneOrderOfAllTenants) {
  CycleWorld world;
  Config config = world.world.state.config();
  config.tenants = {{.name = "a"}, {.name = "b"}, {.name = "default"}};
  config.policy.share = TenantShare::none;
  config.policy.order = UnitOrder::sjf;
  world.configure(config);
  world.add(testing::node("n1", 1));
  const struct {
    const char* tenant;
    std::int64_t limit_s;
  } jobs[] = {{"a", 50}, {"b", 40}, {"a", 30}, {"b", 20}, {"a", 10}};
  for (const auto& row : jobs) {
    Job job = testing::loose("j");
    job.tenant = row.tenant;
    job.time_limit = seconds(row.limit_s);
    world.add(job);
  }
  std::string started;
  for (int i = 0; i < 5; ++i) {
    world.cycle();
    ASSERT_EQ(world.world.state.attempts().size(), 1U);
    const AttemptId id = world.world.state.attempts().begin()->first;
    started += std::to_string(id.unit.job.value);
    world.end(id);
  }
  EXPECT_EQ(started, "54321");
}

// --- nodes

TEST(DefaultPolicy, WorkIsPackedWhereItStraysAndWastesLeast) {
  struct Place {
    std::int64_t cores_free;
    std::uint32_t devices;  // of the node
    std::uint32_t idle;     // of these
    std::uint32_t opened;   // by the tasks
  };
  const struct {
    const char* why;
    bool devices, shares;
    Place better, worse;
  } rows[] = {
      {"without devices keeps off accelerator nodes", false, false, {64, 0, 0, 0}, {4, 8, 8, 0}},
      {"the fuller node of two alike", false, false, {4, 0, 0, 0}, {8, 0, 0, 0}},
      {"fewest idle devices are left", true, false, {16, 8, 2, 2}, {16, 8, 8, 2}},
      {"a device that is shared already", true, true, {16, 8, 8, 0}, {16, 8, 1, 1}},
      {"devices before cores", true, false, {16, 8, 2, 1}, {2, 8, 3, 1}},
  };
  const auto packing = make_packing(PolicyConfig{});
  EXPECT_TRUE(packing->follows_buckets());
  const State state;
  const Index index(state);
  for (const auto& row : rows) {
    const auto score = [&](const Place& place) {
      const Node node = testing::node("n", 64, gibibytes(64), place.devices);
      NodeFree free;
      free.cores = whole_cores(place.cores_free);
      free.memory = gibibytes(64);
      HardwareFit fit;
      fit.devices_whole = row.devices && !row.shares ? 1 : 0;
      fit.share_max = row.shares ? 500 : 0;
      Memory memory;
      return packing->score({.state = state,
                             .index = index,
                             .node = node,
                             .free = free,
                             .fit = fit,
                             .wanted = testing::resources(),
                             .devices_idle = place.idle,
                             .devices_opened = place.opened,
                             .memory_of = memory});
    };
    EXPECT_GT(score(row.better), score(row.worse)) << row.why;
  }
}

}  // namespace
}  // namespace busbar::core
