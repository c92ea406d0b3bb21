// Intervals against the textbook, and runs side by side as somebody types it.
#include "lab/comparison.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "lab/journal_tool.hpp"
#include "lab/sim_tool.hpp"

namespace busbar::lab {
namespace {

namespace fs = std::filesystem;

TEST(Estimate, IsStudentsInterval) {
  const Estimate three = estimate({1, 2, 3});
  EXPECT_DOUBLE_EQ(three.mean, 2);
  EXPECT_NEAR(*three.half, 4.303 / std::sqrt(3.0), 1e-9);
  EXPECT_FALSE(estimate({5}).half);
  EXPECT_DOUBLE_EQ(*estimate({5, 5, 5, 5}).half, 0);
}

class Comparison : public ::testing::Test {
 protected:
  Comparison() {
    char name[] = "/tmp/busbar-compare-XXXXXX";
    folder_ = mkdtemp(name);
  }
  ~Comparison() override { fs::remove_all(folder_); }

  // A run of as many jobs as waits, one behind the other, a second each.
  void put(const std::string& name, double bsld, const std::vector<double>& waits) {
    const fs::path at = folder_ / name;
    fs::create_directories(at);
    double sum = 0;
    std::ofstream jobs(at / "jobs.csv");
    jobs << "name,wait_s,run_s,bounded_slowdown,nodes\n";
    for (const double wait : waits) {
      sum += wait;
      jobs << "\"a, \"\"b\"\"\"," << wait << ",10.000,1.0000,\"n1,n2\"\n";
    }
    jobs << "refused,,,,\n";
    std::ofstream(at / "summary.json")
        << R"({"jobs": 40, "deadline_met_ratio": null, "wait_mean_s": )"
        << sum / static_cast<double>(waits.size()) << R"(, "bsld_mean": )" << bsld
        << R"(, "journal_hash": "00"})";
    std::ofstream(at / "cycles.csv") << "at_s,starts,waiting,running,cores_busy\n"
                                        "0,2,4,2,2\n30,0,0,1,1\n60,0,0,0,0\n";
  }
  std::string path(const std::string& name) const { return (folder_ / name).string(); }
  Runs read(const std::string& name) {
    auto runs = read_runs(path(name));
    EXPECT_TRUE(runs.ok()) << runs.error().text;
    return runs.ok() ? std::move(runs.value()) : Runs{};
  }
  int compare(const std::vector<std::string>& names, bool json = false) {
    std::vector<std::string> folders;
    for (const auto& name : names) folders.push_back(path(name));
    std::ostringstream out, trouble;
    const int code = compare_runs(folders, json, out, trouble);
    out_ = out.str();
    trouble_ = trouble.str();
    return code;
  }

  fs::path folder_;
  std::string out_, trouble_;
};

TEST_F(Comparison, OfSeedsTheIntervalIsOverTheSeedsAndOfTheirPairs) {
  for (const int seed : {1, 2, 10}) {
    put("a/seed-" + std::to_string(seed), seed, {1});
    put("b/seed-" + std::to_string(seed), seed - 0.5, {1});
  }
  const Runs a = read("a"), b = read("b/");
  ASSERT_EQ(a.runs.size(), 3U);
  EXPECT_EQ(a.runs[2].seed, "10") << "in the order of numbers";
  EXPECT_NEAR(figure_of(a, "bsld_mean")->mean, 13.0 / 3, 1e-9);
  EXPECT_GT(*figure_of(a, "bsld_mean")->half, 5);
  const auto change = change_of(a, b, "bsld_mean");
  EXPECT_NEAR(change->mean, -0.5, 1e-9);
  EXPECT_NEAR(*change->half, 0, 1e-9) << "each seed changed by as much";
  EXPECT_FALSE(figure_of(a, "deadline_met_ratio"));
  EXPECT_FALSE(change_of(a, b, "deadline_met_ratio"));
}

TEST_F(Comparison, OfOneRunTheIntervalIsOverBatchesOfJobs) {
  std::vector<double> waits, longer;
  for (int i = 0; i < 100; ++i) waits.push_back(i % 10 + i / 5), longer.push_back(waits.back() + 2);
  put("a", 3, waits);
  put("b", 3, longer);
  const Runs a = read("a"), b = read("b");
  EXPECT_NEAR(figure_of(a, "wait_mean_s")->mean, 14, 1e-9);
  EXPECT_GT(*figure_of(a, "wait_mean_s")->half, 1);
  EXPECT_NEAR(change_of(a, b, "wait_mean_s")->mean, 2, 1e-9);
  EXPECT_NEAR(*change_of(a, b, "wait_mean_s")->half, 0, 1e-9);
  put("few", 3, {1, 2, 3});
  EXPECT_FALSE(figure_of(read("few"), "wait_mean_s")->half) << "too few for batches";
}

TEST_F(Comparison, PrintsATableAndCurvesOnOneAxis) {
  put("a", 4, std::vector<double>(60, 8));
  put("b", 3, std::vector<double>(60, 6));
  ASSERT_EQ(compare({"a", "b"}), exit_fine) << trouble_;
  EXPECT_NE(out_.find("bsld_mean"), std::string::npos) << out_;
  EXPECT_NE(out_.find("-25.0 ±0.0 % *"), std::string::npos) << out_;
  EXPECT_EQ(out_.find("deadline_met_ratio"), std::string::npos) << "null everywhere";
  EXPECT_NE(out_.find("cores busy, from 0 to 2 over 1m"), std::string::npos) << out_;
  ASSERT_EQ(compare({"a", "b"}, true), exit_fine);
  const auto json = nlohmann::json::parse(out_);
  EXPECT_EQ(json["runs"][1]["changes"]["bsld_mean"]["mean"], -1);
  EXPECT_EQ(json["runs"][0]["cores_busy"][0], 2);
  EXPECT_EQ(json["runs"][0]["cores_busy"][59], 1);
  EXPECT_EQ(json["runs"][0]["waiting"][29], 4);
  EXPECT_EQ(json["runs"][0]["waiting"][30], 0);
}

TEST_F(Comparison, SaysWhatIsMissingOrWrong) {
  put("a", 4, {1});
  EXPECT_EQ(compare({"a"}), exit_usage);
  EXPECT_NE(trouble_.find("name from 2 to 16 folders"), std::string::npos) << trouble_;
  EXPECT_EQ(compare({"a", "none"}), exit_usage);
  EXPECT_NE(trouble_.find("none: No such file"), std::string::npos) << trouble_;
  fs::create_directories(folder_ / "empty");
  EXPECT_EQ(compare({"a", "empty"}), exit_usage);
  EXPECT_NE(trouble_.find("empty/summary.json: No such file"), std::string::npos) << trouble_;
  put("wrong", 4, {1});
  std::ofstream(folder_ / "wrong" / "jobs.csv") << "wait_s,run_s,bounded_slowdown\n1,x,1\n";
  EXPECT_EQ(compare({"a", "wrong"}), exit_usage);
  EXPECT_NE(trouble_.find("jobs.csv:2: run_s: \"x\" is no number"), std::string::npos) << trouble_;
  std::ofstream(folder_ / "wrong" / "summary.json") << "[";
  EXPECT_EQ(compare({"a", "wrong"}), exit_usage);
  EXPECT_NE(trouble_.find("summary.json: is no summary"), std::string::npos) << trouble_;
}

}  // namespace
}  // namespace busbar::lab
