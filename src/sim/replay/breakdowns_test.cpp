// Nodes that fail, come back, and are slow: what becomes of the work.
#include "sim/replay/breakdowns.hpp"

#include <gtest/gtest.h>

#include "core/state/testing.hpp"
#include "sim/replay/replay.hpp"

namespace busbar::sim {
namespace {

// Of one core each.
Cluster nodes(std::size_t count) {
  Cluster cluster;
  for (std::size_t i = 1; i <= count; ++i)
    cluster.nodes.push_back(core::testing::node("n" + std::to_string(i), 1));
  return cluster;
}

TraceJob job(std::int64_t run_s) {
  TraceJob one;
  one.run_time = seconds(run_s);
  one.job = core::testing::loose("j");
  return one;
}

ReplayResult play(const Cluster& cluster, const Trace& trace, std::uint64_t seed = 1) {
  Config config;
  config.cleanup_bound = Span(0);
  ReplayOptions options;
  options.seed = seed;
  auto result = replay(cluster, config, trace, options);
  EXPECT_TRUE(result.ok()) << result.error().text;
  return result.ok() ? std::move(result.value()) : ReplayResult{};
}

// Reports take some milliseconds, and a unit that lost its node waits a moment before it runs
// again.
void expect_about(Span value, std::int64_t wanted_s) {
  EXPECT_GE(value, seconds(wanted_s)) << value.value;
  EXPECT_LE(value, seconds(wanted_s + 120)) << value.value;
}

TEST(Breakdowns, WhatRanOnALostNodeRunsElsewhereOnceItIsFenced) {
  Cluster cluster = nodes(2);
  cluster.failures = {{0, seconds(50), hours(5)}};
  const ReplayResult result = play(cluster, {{job(3600)}, {}});
  EXPECT_EQ(result.jobs[0].state, RunState::completed);
  EXPECT_EQ(result.jobs[0].restarts, 1U);
  EXPECT_EQ(result.jobs[0].nodes, "n2");
  expect_about(result.jobs[0].ended, 50 + 600 + 3600);
}

TEST(Breakdowns, WithoutAFenceItWaitsForTheNode) {
  Cluster cluster = nodes(2);
  cluster.failures = {{0, seconds(50), hours(5)}};
  cluster.fence_after = span_unlimited;
  const ReplayResult result = play(cluster, {{job(3600)}, {}});
  EXPECT_EQ(result.jobs[0].restarts, 1U);
  expect_about(result.jobs[0].ended, 50 + 5 * 3600 + 3600);
}

TEST(Breakdowns, ANodeThatIsBackTakesWorkAgain) {
  Cluster cluster = nodes(1);
  cluster.failures = {{0, seconds(50), hours(5)}, {0, seconds(60), hours(50)}};
  const ReplayResult result = play(cluster, {{job(3600)}, {}});
  EXPECT_EQ(result.jobs[0].state, RunState::completed);
  expect_about(result.jobs[0].ended, 50 + 5 * 3600 + 3600);
}

TEST(Breakdowns, WhatWasSavedIsNotDoneAgain) {
  Cluster cluster = nodes(1);
  cluster.failures = {{0, seconds(1050), hours(1)}};
  TraceJob saved = job(3600);
  saved.checkpoint = seconds(500);
  saved.restart_cost = seconds(30);
  const ReplayResult result = play(cluster, {{saved}, {}});
  expect_about(result.jobs[0].ended, 1050 + 3600 + (3600 - 1000) + 30);
}

TEST(Breakdowns, SlowNodesTakeLongerAndTheSlowestOfAGangCounts) {
  Cluster cluster = nodes(2);
  cluster.natures.resize(2);
  cluster.natures[1].speed_milli = 500;
  TraceJob gang = job(1000);
  gang.job = core::testing::gang("g", 2);
  const ReplayResult result = play(cluster, {{gang}, {}});
  expect_about(result.jobs[0].ended, 2000);
}

TEST(Breakdowns, RatesGiveTheSameFailuresForASeedAndEndWhenNothingElseHappens) {
  Cluster cluster = nodes(8);
  cluster.natures.assign(8, {hours(10), hours(1), 1000});
  Trace trace;
  for (int i = 0; i < 40; ++i) trace.jobs.push_back(job(7200));
  trace.jobs.push_back(job(60));
  trace.jobs.back().job.hold = true;  // nobody ever releases it
  const ReplayResult one = play(cluster, trace), two = play(cluster, trace);
  EXPECT_EQ(one.journal_hash, two.journal_hash);
  EXPECT_NE(one.journal_hash, play(cluster, trace, 2).journal_hash);
  std::uint32_t restarts = 0;
  for (std::size_t i = 0; i < 40; ++i) {
    EXPECT_EQ(one.jobs[i].state, RunState::completed) << i;
    restarts += one.jobs[i].restarts;
  }
  EXPECT_GT(restarts, 0U);
}

TEST(Breakdowns, TimesBetweenThemAreExponential) {
  Rng rng(3);
  double sum = 0;
  int over_mean = 0;
  constexpr int draws = 100'000;
  for (int i = 0; i < draws; ++i) {
    const Span span = draw_exponential(rng, hours(10));
    sum += static_cast<double>(span.value) / draws;
    over_mean += span > hours(10) ? 1 : 0;
  }
  EXPECT_NEAR(sum / 36'000'000, 1, 0.01);
  EXPECT_NEAR(static_cast<double>(over_mean) / draws, 0.3679, 0.005);
}

}  // namespace
}  // namespace busbar::sim
