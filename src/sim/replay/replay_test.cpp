// A workload through the production loop: what is measured, and that the same goes in and out.
#include "sim/replay/replay.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/rng.hpp"
#include "core/state/testing.hpp"
#include "sim/replay/summary.hpp"

namespace busbar::sim {
namespace {

Cluster machine(std::int64_t cores) {
  Cluster cluster;
  cluster.nodes.push_back(core::testing::node("n", cores));
  return cluster;
}

Config plain() {
  Config config;
  config.cleanup_bound = Span(0);
  return config;
}

TraceJob asks(std::int64_t submit_s, std::uint32_t tasks, std::int64_t run_s,
              std::int64_t limit_s) {
  TraceJob out;
  out.submit = seconds(submit_s);
  out.run_time = seconds(run_s);
  out.job = tasks > 1 ? core::testing::gang("j", tasks) : core::testing::loose("j");
  out.job.time_limit = seconds(limit_s);
  out.job.grace = Span(0);
  return out;
}

ReplayResult played(const Cluster& cluster, const Trace& trace, const ReplayOptions& options = {}) {
  auto result = replay(cluster, plain(), trace, options);
  check(result.ok(), result.ok() ? "" : result.error().text);
  return std::move(result).value();
}

// Four cores. B waits for A and is promised second 10; C is short enough to go first, D is not.
TEST(Replay, BackfillsBehindTheHeadByTheLimitsAndEndsByTheTruth) {
  Trace trace;
  trace.jobs = {asks(0, 3, 6, 10), asks(1, 4, 5, 5), asks(2, 1, 3, 8), asks(3, 1, 3, 9)};
  const ReplayResult result = played(machine(4), trace);
  const struct {
    std::int64_t started_s, ended_s;
  } rows[] = {{0, 6}, {6, 11}, {2, 5}, {11, 14}};
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(result.jobs[i].started, seconds(rows[i].started_s)) << "job " << i;
    EXPECT_EQ(result.jobs[i].ended, seconds(rows[i].ended_s)) << "job " << i;
    EXPECT_EQ(result.jobs[i].state, RunState::completed);
    EXPECT_EQ(result.jobs[i].attempts, 1U);
  }
  EXPECT_EQ(result.jobs[1].core_ms, 20'000);
  EXPECT_EQ(result.decisions, 4U);
}

TEST(Replay, OnlyTheLimitEndsWhatRunsLonger) {
  Trace trace;
  trace.jobs = {asks(0, 1, 60, 10)};
  const ReplayResult result = played(machine(1), trace);
  EXPECT_EQ(result.jobs[0].state, RunState::timeout);
  EXPECT_LE(result.jobs[0].ended, seconds(12));
  EXPECT_EQ(summarise(machine(1), trace, result).completed, 0U);
}

TEST(Replay, WhatCanNeverRunIsRefusedWithItsReasonAndCounted) {
  Trace trace;
  trace.jobs = {asks(0, 9, 1, 1), asks(0, 1, 1, 1)};
  const ReplayResult result = played(machine(4), trace);
  EXPECT_NE(result.jobs[0].refusal.find("4"), std::string::npos) << result.jobs[0].refusal;
  EXPECT_EQ(result.jobs[1].ended, seconds(1));
  const Summary summary = summarise(machine(4), trace, result);
  EXPECT_EQ(summary.jobs, 2U);
  EXPECT_EQ(summary.refused, 1U);
  EXPECT_EQ(summary.completed, 1U);
}

TEST(Replay, StopsWhereItIsToldTo) {
  Trace trace;
  trace.jobs = {asks(0, 1, 10, 10), asks(0, 1, 10, 10), asks(100, 1, 1, 1)};
  ReplayOptions options;
  options.until = seconds(15);
  const ReplayResult result = played(machine(1), trace, options);
  EXPECT_EQ(result.end, seconds(15));
  EXPECT_EQ(result.jobs[0].ended, seconds(10));
  EXPECT_EQ(result.jobs[1].started, seconds(10));
  EXPECT_EQ(result.jobs[1].ended, JobOutcome::never);
  EXPECT_EQ(result.jobs[2].started, JobOutcome::never);
}

Trace many(std::uint64_t seed) {
  Rng rng(seed);
  Trace trace;
  std::int64_t at = 0;
  for (int i = 0; i < 300; ++i) {
    at += static_cast<std::int64_t>(rng.below(40));
    const auto run = static_cast<std::int64_t>(1 + rng.below(300));
    trace.jobs.push_back(asks(at, static_cast<std::uint32_t>(1 + rng.below(16)), run,
                              run + static_cast<std::int64_t>(rng.below(300))));
  }
  return trace;
}

TEST(Replay, SameInputsGiveTheSameBytes) {
  const Trace trace = many(3);
  const ReplayResult once = played(machine(16), trace);
  const ReplayResult twice = played(machine(16), trace);
  EXPECT_EQ(once.journal_hash, twice.journal_hash);
  EXPECT_EQ(jobs_csv(trace, once), jobs_csv(trace, twice));
  EXPECT_EQ(cycles_csv(once), cycles_csv(twice));
  ReplayOptions options;
  options.seed = 2;
  EXPECT_NE(played(machine(16), trace, options).journal_hash, once.journal_hash);
}

// Whatever the workload: nobody starts before he came, runs as long as the truth says, and never
// are more cores held than there are.
TEST(Replay, EveryJobRunsOnceForItsTimeAndNoCoreIsHeldTwice) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    const Trace trace = many(seed);
    const ReplayResult result = played(machine(16), trace);
    std::map<Span, std::int64_t> changes;
    for (std::size_t i = 0; i < trace.jobs.size(); ++i) {
      const JobOutcome& job = result.jobs[i];
      ASSERT_EQ(job.state, RunState::completed);
      EXPECT_GE(job.started, job.submitted);
      EXPECT_EQ(job.ended - job.started, trace.jobs[i].run_time);
      changes[job.ended] -= trace.jobs[i].job.groups[0].count.min;
      changes[job.started] += trace.jobs[i].job.groups[0].count.min;
    }
    std::int64_t held = 0;
    for (const auto& [at, change] : changes) EXPECT_LE(held += change, 16) << "seed " << seed;
    for (const CycleRow& row : result.cycles) EXPECT_LE(row.cores_busy, 16'000);
  }
}

TEST(Summary, HasTheKeysThatReadersRelyOnAndNullWhereNothingApplies) {
  Trace trace;
  trace.jobs = {asks(0, 1, 100, 100), asks(0, 1, 50, 100)};
  const Summary summary = summarise(machine(1), trace, played(machine(1), trace));
  const auto json = nlohmann::ordered_json::parse(summary_json(summary));
  std::string keys;
  for (const auto& [key, value] : json.items()) keys += (keys.empty() ? "" : ", ") + key;
  EXPECT_EQ(keys,
            "jobs, completed, refused, makespan_s, wait_mean_s, wait_p99_s, wait_max_s, "
            "jct_mean_s, jct_p99_s, bsld_mean, utilization, gpu_allocated_pct, gpu_hours_per_job, "
            "deadline_met_ratio, preemptions, restarts, lost_work_gpu_hours, fairness_jain, "
            "finish_time_fairness_max, energy_kwh, carbon_g, cost, cycles, decisions_per_s, "
            "wall_s, peak_memory_bytes, journal_hash");
  EXPECT_EQ(json["jobs"], 2);
  EXPECT_EQ(json["makespan_s"], 150);
  EXPECT_EQ(json["wait_mean_s"], 50);
  EXPECT_EQ(json["wait_max_s"], 100);
  EXPECT_EQ(json["jct_mean_s"], 125);
  EXPECT_EQ(json["bsld_mean"], 2);  // 1 and 150 / 50
  EXPECT_EQ(json["utilization"], 1);
  EXPECT_TRUE(json["gpu_allocated_pct"].is_null());
  EXPECT_TRUE(json["deadline_met_ratio"].is_null());
  EXPECT_TRUE(json["fairness_jain"].is_null());
}

}  // namespace
}  // namespace busbar::sim
