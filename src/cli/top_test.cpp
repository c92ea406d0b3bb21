#include "cli/top.hpp"

#include <gtest/gtest.h>

namespace busbar::cli {
namespace {

TopAnswers sample() {
  return {Json::parse(R"({"version": "0.1.0", "uptime_seconds": 90,
                          "jobs": {"pending": 1, "running": 1, "ended": 3},
                          "cores": {"total": 8, "free": 6}, "devices": {"total": 4, "free": 0}})"),
          Json::parse(R"({"nodes": [{"memory_bytes": {"total": 17179869184,
                                                      "free": 8589934592}}]})"),
          Json::parse(R"({"jobs": [
            {"id": 8, "name": "waits", "user": "ann", "state": "PENDING", "resources": "2 cores",
             "units": {"running": 0, "waiting": 1, "total": 1}, "reason": "Resources",
             "predicted_start": "2030-01-01T00:10:00Z", "nodes": []},
            {"id": 7, "name": "runs", "user": "bob", "state": "RUNNING", "resources": "H100:4",
             "units": {"running": 1, "waiting": 0, "total": 1}, "reason": null,
             "started": "2029-12-31T23:59:00Z", "nodes": ["n1", "n2"]}]})")};
}

const std::int64_t now = unix_ms_of("2030-01-01T00:00:00Z");

TEST(TopFrame, MetersThenRunningJobsThenWaitingOnes) {
  const std::vector<std::string> wanted = {
      "busbar 0.1.0  up 1m30s  jobs:  1 pending  1 running  3 ended",
      "cores   [||||||||                      ] 2/8",
      "memory  [|||||||||||||||               ] 8G/16G",
      "devices [||||||||||||||||||||||||||||||] 4/4",
      "",
      "JOB  NAME   USER  STATE    UNITS    TIME       WANTS    WHERE OR WHY",
      "7    runs   bob   RUNNING  1r 0w 1  1m00s      H100:4   n1,n2",
      "8    waits  ann   PENDING  0r 1w 1  in 10m00s  2 cores  Resources"};
  EXPECT_EQ(top_frame(sample(), {}, 40, 0, now), wanted);
}

TEST(TopFrame, SaysWhatIsSimulated) {
  TopAnswers answers = sample();
  answers.status["devices"]["simulated"] = 4;
  answers.jobs["jobs"][1]["simulated"] = true;
  const auto frame = top_frame(answers, {}, 40, 0, now);
  EXPECT_TRUE(frame[3].ends_with("4/4 (simulated)")) << frame[3];
  EXPECT_NE(frame[6].find("H100:4 (simulated)"), std::string::npos) << frame[6];
}

TEST(TopFrame, HeldUnitsAreCounted) {
  TopAnswers answers = sample();
  answers.jobs["jobs"][0]["units"] = {{"running", 0}, {"waiting", 3}, {"held", 2}, {"total", 9}};
  const auto frame = top_frame(answers, {}, 40, 0, now);
  EXPECT_NE(frame[7].find("PENDING  0r 3w 2h 9  "), std::string::npos) << frame[7];
}

TEST(TopFrame, AJobThatTellsHowFarItIsShowsIt) {
  TopAnswers answers = sample();
  answers.jobs["jobs"][1]["progress"] = {
      {"work_done", 120}, {"work_total", 1000}, {"predicted_end", "2030-01-01T00:10:00Z"}};
  EXPECT_EQ(
      top_frame(answers, {}, 40, 0, now)[6],
      "7    runs   bob   RUNNING  1r 0w 1  1m00s      H100:4   n1,n2  120 of 1000 (12%), done "
      "in 10m00s");
  answers.jobs["jobs"][1]["progress"] = {{"work_done", 120}, {"work_total", nullptr}};
  EXPECT_TRUE(top_frame(answers, {}, 40, 0, now)[6].ends_with("n1,n2  120"));
}

TEST(TopFrame, NeverMoreLinesThanTheTerminal) {
  for (std::size_t height = 1; height < 12; ++height)
    EXPECT_LE(top_frame(sample(), {}, height, 0, now).size(), height);
}

TEST(TopFrame, Scrolls) {
  const auto frame = top_frame(sample(), {}, 40, 1, now);
  ASSERT_EQ(frame.size(), 7U);
  EXPECT_TRUE(frame[6].starts_with("8    waits"));
  EXPECT_EQ(top_frame(sample(), {}, 40, 99, now).size(), 5U);
}

TEST(TopFrame, ColoursOnlyWhenWanted) {
  for (const auto& line : top_frame(sample(), {}, 40, 0, now))
    EXPECT_EQ(line.find('\x1b'), std::string::npos);
  const auto frame = top_frame(sample(), {true, 80, true}, 40, 0, now);
  EXPECT_NE(frame[6].find("\x1b[32mRUNNING"), std::string::npos);
}

TEST(TopFrame, AnEmptyMachineAndAnswersWithoutFields) {
  const auto frame = top_frame({Json::object(), Json::object(), Json::object()}, {}, 40, 0, now);
  EXPECT_EQ(frame.back(), "no waiting or running jobs");
}

}  // namespace
}  // namespace busbar::cli
