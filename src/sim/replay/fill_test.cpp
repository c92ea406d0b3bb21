// The fill experiment: who arrives, what counts, and that nobody who found no place tries again.
#include "sim/replay/fill.hpp"

#include <gtest/gtest.h>

#include <set>

#include "core/state/testing.hpp"
#include "sim/replay/summary.hpp"

namespace busbar::sim {
namespace {

Cluster devices(std::uint32_t nodes, std::uint32_t each) {
  Cluster cluster;
  for (std::uint32_t i = 0; i < nodes; ++i)
    cluster.nodes.push_back(core::testing::node("n" + std::to_string(i), 64, gibibytes(64), each));
  return cluster;
}

TraceJob asks(const std::string& name, std::uint32_t count, std::int64_t share_milli = 1000) {
  TraceJob out;
  out.run_time = seconds(5);
  DeviceRequest request = core::testing::gpus(count);
  request.share = MilliDevices(share_milli);
  Resources each = core::testing::resources();
  if (count > 0) each.devices.push_back(request);
  out.job = core::testing::loose(name, 1, each);
  return out;
}

std::vector<std::string> names(const Trace& trace) {
  std::vector<std::string> out;
  for (const TraceJob& job : trace.jobs) out.push_back(job.job.name);
  return out;
}

std::int64_t wanted(const Cluster& cluster, const Trace& trace) {
  std::int64_t sum = 0;
  for (const TraceJob& job : trace.jobs) sum += Measure(cluster).of(job.job);
  return sum;
}

TEST(FillArrivals, AllComeInARandomOrderThenMoreAreDrawnUpToTheMark) {
  const Cluster cluster = devices(10, 4);
  Trace trace;
  for (int i = 0; i < 30; ++i) trace.jobs.push_back(asks("j" + std::to_string(i), 1));
  const Trace first = *fill_arrivals(cluster, trace, 1);
  EXPECT_EQ(first.jobs.size(), 52U);  // 130 % of 40
  EXPECT_EQ(wanted(cluster, first), 52'000);
  const auto in_order = names(first);
  const std::set<std::string> before(in_order.begin(), in_order.begin() + 30);
  EXPECT_EQ(before.size(), 30U) << "each of the workload once, before any is drawn again";
  EXPECT_NE(names(first), names(*fill_arrivals(cluster, trace, 2)));
  EXPECT_EQ(names(first), names(*fill_arrivals(cluster, trace, 1)));
}

TEST(FillArrivals, WhereTheWorkloadAsksForMoreJobsAreLeftOut) {
  const Cluster cluster = devices(1, 4);
  Trace trace;
  for (int i = 0; i < 20; ++i) trace.jobs.push_back(asks("j" + std::to_string(i), 1));
  EXPECT_EQ(fill_arrivals(cluster, trace, 1)->jobs.size(), 5U);
}

TEST(FillArrivals, AWorkloadThatAsksForNoneOfItIsRefused) {
  Trace trace;
  trace.jobs.push_back(asks("cpu", 0));
  EXPECT_NE(fill_arrivals(devices(1, 4), trace, 1).error().text.find("no job asks"),
            std::string::npos);
}

TEST(FillMarks, AverageTheArrivalsThatRoundToThem) {
  const Cluster cluster = devices(1, 4);  // 4000
  const FillMarks marks = fill_marks_of(
      cluster, {{3570, 3570}, {3600, 3600}, {3610, 3500}, {4000, 3000}, {4010, 3400}});
  EXPECT_DOUBLE_EQ(*marks[0], 100 * (3600 + 3500) / 2.0 / 4000);  // 3580 to 3619
  EXPECT_EQ(marks[1], std::nullopt);
  EXPECT_DOUBLE_EQ(*marks[2], 100 * (3000 + 3400) / 2.0 / 4000);
}

TEST(Fill, WhoFindsNoPlaceAtOnceIsGoneAndNobodyLeaves) {
  const Cluster cluster = devices(1, 2);
  Trace trace;
  const std::pair<const char*, std::uint32_t> rows[] = {{"a", 1}, {"b", 2}, {"c", 1}, {"d", 1}};
  for (const auto& [name, count] : rows) {
    trace.jobs.push_back(asks(name, count));
    trace.jobs.back().submit = seconds(static_cast<std::int64_t>(trace.jobs.size()));
    trace.jobs.back().run_time = span_unlimited;
  }
  ReplayOptions options;
  options.mode = ReplayMode::fill;
  const auto result = replay(cluster, Config{}, trace, options);
  ASSERT_TRUE(result.ok()) << result.error().text;
  const struct {
    std::int64_t arrived, allocated;
  } points[] = {{1000, 1000}, {3000, 1000}, {4000, 2000}, {5000, 2000}};
  ASSERT_EQ(result->fill.size(), 4U);
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(result->fill[i].arrived, points[i].arrived) << i;
    EXPECT_EQ(result->fill[i].allocated, points[i].allocated) << i;
  }
  EXPECT_EQ(result->jobs[1].state, RunState::cancelled);
  EXPECT_EQ(result->jobs[2].state, RunState::running);
  EXPECT_EQ(result->jobs[2].started, seconds(3));
  EXPECT_EQ(result->jobs[3].state, RunState::cancelled);
  const std::string json = summary_json(summarise(cluster, trace, *result));
  EXPECT_NE(json.find("\"gpu_allocated_pct_at\": {\"90\": null"), std::string::npos) << json;
  EXPECT_NE(json.find("\"gpu_allocated_pct\": 100"), std::string::npos) << json;
}

}  // namespace
}  // namespace busbar::sim
