#include <gtest/gtest.h>

#include "cli/jobs.hpp"

namespace busbar::cli {
namespace {

Json rows() {
  return Json::parse(R"([
    {"ref": "65", "job": 65, "job_name": "sweep", "user": "ann", "attempt": 0, "units": 3,
     "state": "CANCELLED", "final": true, "nodes": [], "exit": {"code": 0, "detail": ""},
     "usage": {}, "submitted": "2030-01-01T00:00:00.000Z", "started": null,
     "ended": "2030-01-01T00:05:00.000Z"},
    {"ref": "65_1", "job": 65, "job_name": "sweep", "user": "ann", "attempt": 2, "units": 1,
     "state": "COMPLETED", "final": true, "nodes": ["n1"], "exit": {"code": 0, "detail": ""},
     "usage": {"cpu_seconds": 12.5, "memory_peak_bytes": 2097152, "wall_seconds": 20,
               "read_bytes": 1048576, "written_bytes": 0},
     "submitted": "2030-01-01T00:00:00.000Z", "started": "2030-01-01T00:02:00.000Z",
     "ended": "2030-01-01T00:02:20.000Z"},
    {"ref": "66", "job": 66, "job_name": "other", "user": "bob", "attempt": 1, "units": 1,
     "state": "COMPLETED", "final": true, "nodes": ["n1"], "exit": {"code": 0, "detail": ""},
     "usage": {"cpu_seconds": 0.001, "wall_seconds": 0}, "submitted": "2030-01-01T00:01:00.000Z",
     "started": "2030-01-01T00:01:00.000Z", "ended": "2030-01-01T00:01:00.500Z"},
    {"ref": "65_1", "job": 65, "job_name": "sweep", "user": "ann", "attempt": 1, "units": 1,
     "state": "FAILED", "final": false, "nodes": ["n2"], "exit": {"code": 7, "detail": "why"},
     "usage": {"cpu_seconds": 1.5, "memory_peak_bytes": 4194304, "wall_seconds": 2},
     "submitted": "2030-01-01T00:00:00.000Z", "started": "2030-01-01T00:01:00.000Z",
     "ended": "2030-01-01T00:01:02.000Z"}])");
}

TEST(PastTable, FailuresFirstAlignedAndNothingOfWhatNeverRan) {
  EXPECT_EQ(past_table(rows(), 9, {}),
            "ATTEMPT  STATE      EXIT  RAN    CPU   PEAK  READ  WRITTEN  ON\n"
            "65       CANCELLED  -     -      -     -     -     -\n"
            "65_1#1   FAILED     7     2.0s   1.5s  4M    -     -        n2  why\n"
            "65_1#2   COMPLETED  0     20s    12s   2M    1M    -        n1\n"
            "66#1     COMPLETED  0     0.50s  0s    -     -     -        n1\n");
}

TEST(PastTable, SaysWhatRanOnSimulatedDevices) {
  Json row = rows()[2];
  EXPECT_EQ(past_table(Json::array({row}), 1, {}).find("simulated"), std::string::npos);
  row["simulated"] = true;
  EXPECT_NE(past_table(Json::array({row}), 1, {}).find("n1 (simulated)"), std::string::npos);
  EXPECT_TRUE(flag_at(jobs_of_rows(Json::array({row}))[0], "simulated"));
}

TEST(PastTable, AtMostSoManyRows) {
  const std::string table = past_table(rows(), 1, {});
  EXPECT_NE(table.find("CANCELLED"), std::string::npos);
  EXPECT_EQ(table.find("COMPLETED"), std::string::npos);
}

TEST(JobsOfRows, AddsUpWhatAJobWaitedRanAndUsed) {
  const Json jobs = jobs_of_rows(rows());
  ASSERT_EQ(jobs.size(), 2U);
  EXPECT_EQ(integer_at(jobs[0], "job"), 65);
  EXPECT_EQ(object_at(jobs[0], "states"), Json::parse(R"({"CANCELLED": 3, "COMPLETED": 1})"));
  EXPECT_EQ(integer_at(jobs[0], "attempts"), 2);
  EXPECT_EQ(number_at(jobs[0], "cpu_seconds"), 14);
  EXPECT_EQ(integer_at(jobs[0], "memory_peak_bytes"), 4194304);
  EXPECT_EQ(integer_at(jobs[0], "read_bytes"), 1048576);
  EXPECT_EQ(number_at(jobs[0], "wait_seconds"), 60);  // to the first start
  EXPECT_EQ(number_at(jobs[0], "ran_seconds"), 240);  // from there to the last end
  EXPECT_EQ(number_at(jobs[1], "wait_seconds"), 0);
  EXPECT_EQ(number_at(jobs[1], "ran_seconds"), 0.5);
  EXPECT_TRUE(jobs_of_rows(Json::array()).empty());
}

}  // namespace
}  // namespace busbar::cli
