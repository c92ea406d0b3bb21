// What the models are known by: the figures their papers print, read back by the trace reader.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <map>

#include "sim/models/ai_mix.hpp"
#include "sim/models/chance.hpp"
#include "sim/models/lublin.hpp"
#include "sim/trace/native.hpp"

namespace busbar::sim {
namespace {

Trace read(const std::string& text) {
  auto trace = read_native(text, "model");
  EXPECT_TRUE(trace.ok()) << trace.error().text;
  return trace.ok() ? std::move(trace.value()) : Trace{};
}

template <class Matches>
double share(const Trace& trace, const Matches& matches) {
  const auto count = std::count_if(trace.jobs.begin(), trace.jobs.end(), matches);
  return static_cast<double>(count) / static_cast<double>(trace.jobs.size());
}

std::uint64_t cores_of(const TraceJob& job) { return job.job.groups[0].count.max; }

TEST(Chance, GammasHaveTheirMeanAndDeviation) {
  const struct {
    double shape, scale;
  } rows[] = {{0.5, 2}, {4.2, 0.94}, {312, 0.03}};
  for (const auto& row : rows) {
    Chance chance(7);
    double sum = 0, squares = 0;
    constexpr int draws = 200'000;
    for (int i = 0; i < draws; ++i) {
      const double value = chance.gamma(row.shape, row.scale);
      sum += value;
      squares += value * value;
    }
    const double mean = sum / draws, variance = squares / draws - mean * mean;
    EXPECT_NEAR(mean / (row.shape * row.scale), 1, 0.01) << row.shape;
    EXPECT_NEAR(variance / (row.shape * row.scale * row.scale), 1, 0.03) << row.shape;
  }
}

TEST(Chance, PartsOfAGammaAreThoseOfTheTables) {
  EXPECT_NEAR(gamma_below(1, 1, 1), 1 - std::exp(-1), 1e-10) << "an exponential";
  EXPECT_NEAR(gamma_below(3.841458820694124, 0.5, 2), 0.95, 1e-9) << "chi-square, one degree";
  EXPECT_NEAR(gamma_below(18.307038053275146, 5, 2), 0.95, 1e-9) << "chi-square, ten degrees";
  EXPECT_EQ(gamma_below(0, 2, 3), 0);
  EXPECT_NEAR(gamma_below(1000, 2, 3), 1, 1e-12);
}

TEST(Lublin, SizesAreThoseOfThePaper) {
  const Trace trace = read(lublin_trace({20'000, 1, 128, 0}));
  ASSERT_EQ(trace.jobs.size(), 20'000U);
  EXPECT_NEAR(share(trace, [](const TraceJob& job) { return cores_of(job) == 1; }), 0.244, 0.01);
  const auto power_of_two = [](const TraceJob& job) {
    return cores_of(job) > 1 && std::has_single_bit(cores_of(job));
  };
  // Others are a power of two by chance sometimes.
  EXPECT_NEAR(share(trace, power_of_two), 0.576 + 0.05, 0.04);
  EXPECT_TRUE(std::all_of(trace.jobs.begin(), trace.jobs.end(),
                          [](const TraceJob& job) { return cores_of(job) <= 128; }));
  EXPECT_GT(share(trace, [](const TraceJob& job) { return cores_of(job) == 128; }), 0.005);
}

TEST(Lublin, BigJobsRunLongerAndNobodyOverTwoDays) {
  const Trace trace = read(lublin_trace({20'000, 2, 128, 0}));
  double sums[2] = {}, counts[2] = {};
  for (const TraceJob& job : trace.jobs) {
    EXPECT_LE(job.run_time, seconds(162'755)) << "exp(12) s";
    EXPECT_LE(job.run_time, job.job.time_limit);
    const int big = cores_of(job) > 16 ? 1 : 0;
    sums[big] += std::log(static_cast<double>(job.run_time.value) / 1000);
    counts[big] += 1;
  }
  EXPECT_GT(sums[1] / counts[1], sums[0] / counts[0] + 0.5);
}

TEST(Lublin, NightsAreQuietAndTheLoadIsWhatWasAskedFor) {
  const Trace trace = read(lublin_trace({20'000, 3, 128, 0.8}));
  std::map<std::int64_t, int> by_hour;
  double work = 0;
  for (const TraceJob& job : trace.jobs) {
    ++by_hour[job.submit.value / 3'600'000 % 24];
    work += static_cast<double>(job.run_time.value) * static_cast<double>(cores_of(job));
  }
  EXPECT_GT(by_hour[14], 3 * by_hour[4]);
  EXPECT_NEAR(work / (128.0 * static_cast<double>(trace.jobs.back().submit.value)), 0.8, 0.04);
}

TEST(AiMix, SharesAreThoseOfItsTable) {
  const Trace trace = read(ai_mix_trace({20'000, 1, 256, 8, 8, 0.9}));
  ASSERT_EQ(trace.jobs.size(), 20'000U);
  std::map<std::string, double> shares;
  for (const TraceJob& job : trace.jobs) shares[job.job.name] += 1.0 / 20'000;
  EXPECT_NEAR(shares["prepare"], 0.133, 0.01);
  EXPECT_NEAR(shares["notebook"] + shares["serve"], 0.378, 0.01) << "a part of a device";
  EXPECT_NEAR(shares["try"] + shares["sweep"] + shares["train"] + shares["pretrain"], 0.489, 0.01);
  const auto trains = [](const TraceJob& job) { return job.job.name == "train"; };
  const auto fails = [&](const TraceJob& job) { return trains(job) && job.exit_code != 0; };
  EXPECT_NEAR(share(trace, fails) / share(trace, trains), 0.305, 0.05);
  const auto gang = [](const TraceJob& job) { return job.job.coupling == Coupling::tight; };
  EXPECT_NEAR(share(trace, gang), 0.01, 0.004);
}

TEST(Models, NobodyAsksForMoreThanTheMachineHas) {
  for (const std::uint32_t cores : {8U, 9U, 16U, 100U})
    for (const TraceJob& job : read(lublin_trace({2000, 5, cores, 0})).jobs)
      ASSERT_LE(cores_of(job), cores);
  for (const auto& [devices, each] : {std::pair(1U, 1U), {8U, 8U}, {16U, 8U}, {12U, 4U}})
    for (const TraceJob& job : read(ai_mix_trace({2000, 5, devices, each, 8, 0})).jobs) {
      const Resources& wanted = job.job.groups[0].any_of[0].resources;
      const std::uint64_t count = wanted.devices.empty() ? 0 : wanted.devices[0].count;
      ASSERT_LE(count, each) << job.job.name;
      const bool gang = job.job.coupling == Coupling::tight;
      ASSERT_LE(count * (gang ? cores_of(job) : 1), devices) << job.job.name;
    }
}

TEST(AiMix, WeekendsAreQuiet) {
  const Trace trace = read(ai_mix_trace({30'000, 4, 64, 8, 8, 0}));
  std::map<std::int64_t, double> by_day;
  for (const TraceJob& job : trace.jobs) by_day[job.submit.value / 86'400'000 % 7] += 1;
  EXPECT_NEAR(by_day[5] / by_day[1], 0.5, 0.1);
}

TEST(Models, TheSameSeedGivesTheSameBytesAndAnotherOneOthers) {
  EXPECT_EQ(lublin_trace({500, 9, 64, 0.7}), lublin_trace({500, 9, 64, 0.7}));
  EXPECT_NE(lublin_trace({500, 9, 64, 0.7}), lublin_trace({500, 10, 64, 0.7}));
  EXPECT_EQ(ai_mix_trace({500, 9, 16, 4, 8, 0.7}), ai_mix_trace({500, 9, 16, 4, 8, 0.7}));
  EXPECT_NE(ai_mix_trace({500, 9, 16, 4, 8, 0.7}), ai_mix_trace({500, 10, 16, 4, 8, 0.7}));
}

}  // namespace
}  // namespace busbar::sim
