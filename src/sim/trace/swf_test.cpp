// The Standard Workload Format: what a row means, what is left out, what is refused and where.
#include "sim/trace/swf.hpp"

#include <gtest/gtest.h>

namespace busbar::sim {
namespace {

// job submit wait run procs cpu mem procs_req time_req mem_req status user group exe queue part
// prev think
constexpr const char* one = "7 10 5 60 4 -1 -1 4 120 -1 1 3 1 -1 -1 -1 -1 -1\n";

TEST(Swf, AProcessorIsATaskAndTheRequestedTimeIsTheLimit) {
  const auto trace = read_swf(std::string("; MaxProcs: 8\n\n") + one, "log.swf");
  ASSERT_TRUE(trace.ok()) << trace.error().text;
  ASSERT_EQ(trace->jobs.size(), 1U);
  const TraceJob& job = trace->jobs[0];
  EXPECT_EQ(job.submit, seconds(10));
  EXPECT_EQ(job.run_time, seconds(60));
  EXPECT_EQ(job.job.name, "7");
  EXPECT_EQ(job.job.user.name, "user3");
  EXPECT_EQ(job.job.user.uid, 3U);
  EXPECT_EQ(job.job.time_limit, seconds(120));
  EXPECT_EQ(job.job.coupling, Coupling::tight);
  ASSERT_EQ(job.job.groups.size(), 1U);
  EXPECT_EQ(job.job.groups[0].count.min, 4U);
  EXPECT_EQ(job.job.groups[0].count.max, 4U);
  EXPECT_EQ(job.job.groups[0].any_of[0].resources.cores, whole_cores(1));
  EXPECT_TRUE(trace->remarks.empty());
}

TEST(Swf, WhatIsUnknownIsTakenFromWhatIsKnown) {
  const struct {
    const char* why;
    const char* row;
    std::int64_t tasks, limit_s, run_ms;
  } rows[] = {
      {"no request: what was used", "1 0 -1 60 4 -1 -1 -1 120 -1 1 3 1 -1 -1 -1 -1 -1", 4, 120,
       60'000},
      {"no limit: the run time", "1 0 -1 60 4 -1 -1 4 -1 -1 1 3 1 -1 -1 -1 -1 -1", 4, 60, 60'000},
      {"over the limit: the limit", "1 0 -1 90 4 -1 -1 4 60 -1 1 3 1 -1 -1 -1 -1 -1", 4, 60,
       60'000},
      {"parts of seconds", "1 0.25 -1 1.5 1 -1 -1 1 2 -1 1 3 1 -1 -1 -1 -1 -1", 1, 2, 1500},
      {"a job of no length", "1 0 -1 0 1 -1 -1 1 60 -1 0 3 1 -1 -1 -1 -1 -1", 1, 60, 0},
  };
  for (const auto& row : rows) {
    const auto trace = read_swf(row.row, "log.swf");
    ASSERT_TRUE(trace.ok()) << row.why << ": " << trace.error().text;
    const TraceJob& job = trace->jobs.at(0);
    EXPECT_EQ(job.job.groups[0].count.min, row.tasks) << row.why;
    EXPECT_EQ(job.job.time_limit, seconds(row.limit_s)) << row.why;
    EXPECT_EQ(job.run_time, Span(row.run_ms)) << row.why;
  }
}

TEST(Swf, NumbersOfManyDigitsAreReadWhole) {
  const auto trace = read_swf(
      "12345678 87654321 -1 12345.6789 1 -1 -1 1 54321 -1 1 3 1 -1 -1 -1 -1 -1", "log.swf");
  ASSERT_TRUE(trace.ok());
  EXPECT_EQ(trace->jobs[0].job.name, "12345678");
  EXPECT_EQ(trace->jobs[0].submit, seconds(87'654'321));
  EXPECT_EQ(trace->jobs[0].run_time, Span(12'345'678));
}

TEST(Swf, JobsThatNeverRanAreLeftOutAndCounted) {
  const auto trace = read_swf(std::string(one) +
                                  "8 11 -1 -1 4 -1 -1 4 120 -1 5 3 1 -1 -1 -1 -1 -1\n"
                                  "9 12 -1 60 -1 -1 -1 -1 120 -1 5 3 1 -1 -1 -1 -1 -1\n",
                              "log.swf");
  ASSERT_TRUE(trace.ok());
  EXPECT_EQ(trace->jobs.size(), 1U);
  ASSERT_EQ(trace->remarks.size(), 1U);
  EXPECT_EQ(trace->remarks[0],
            "2 jobs are left out: they never ran (no run time, or no processors)");
}

TEST(Swf, JobsComeByTheTimeTheyCame) {
  const auto trace = read_swf(
      "1 30 -1 1 1 -1 -1 1 1 -1 1 1 1 -1 -1 -1 -1 -1\n2 10 -1 1 1 -1 -1 1 1 -1 1 1 1 -1 -1 -1 -1 "
      "-1\n"
      "3 30 -1 1 1 -1 -1 1 1 -1 1 1 1 -1 -1 -1 -1 -1\n",
      "log.swf");
  ASSERT_TRUE(trace.ok());
  std::string order;
  for (const auto& job : trace->jobs) order += job.job.name;
  EXPECT_EQ(order, "213");
}

TEST(Swf, AWrongRowIsRefusedWithItsPlace) {
  const struct {
    const char* row;
    const char* sentence;
  } rows[] = {
      {"1 2 3", "log.swf:2: 3 fields where a job has 18; a comment begins with ';'"},
      {"1 0 -1 1 1 -1 -1 1 1 -1 1 1 1 -1 -1 -1 -1 -1 9",
       "log.swf:2: more fields where a job has 18; a comment begins with ';'"},
      {"x 0 -1 1 1 -1 -1 1 1 -1 1 1 1 -1 -1 -1 -1 -1",
       "log.swf:2: field 1 (job number): \"x\" is no number"},
      {"1 -5 -1 1 1 -1 -1 1 1 -1 1 1 1 -1 -1 -1 -1 -1",
       "log.swf:2: field 2 (submit time): \"-5\" is before the beginning of the log"},
      {"1 0 -1 1 1.5 -1 -1 1 1 -1 1 1 1 -1 -1 -1 -1 -1",
       "log.swf:2: field 5 (processors): \"1.5\" is no whole number"},
      {"1 0 -1 1 1 -1 -1 99999999 1 -1 1 1 1 -1 -1 -1 -1 -1",
       "log.swf:2: field 8 (processors requested): \"99999999\" is more than 10000000"},
      {"1 99999999999999 -1 1 1 -1 -1 1 1 -1 1 1 1 -1 -1 -1 -1 -1",
       "log.swf:2: field 2 (submit time): \"99999999999999\" is more than 3155760000"},
  };
  for (const auto& row : rows) {
    const auto trace = read_swf(std::string(one) + row.row, "log.swf");
    ASSERT_FALSE(trace.ok()) << row.row;
    EXPECT_EQ(trace.error().text, row.sentence);
  }
}

}  // namespace
}  // namespace busbar::sim
