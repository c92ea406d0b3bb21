// busbar-lab sim, as somebody types it: files in a folder, a table and files out.
#include "lab/sim_tool.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "lab/cluster_file.hpp"
#include "lab/journal_tool.hpp"

namespace busbar::lab {
namespace {

namespace fs = std::filesystem;

TEST(ClusterFile, KindsBecomeNodesInPartsOfTheirOwn) {
  const auto cluster = read_cluster(
      "topology_levels: [row, rack]\n"
      "nodes:\n"
      "  - {name: a, count: 5, cores: 96, memory: 1T, gpus: H100:4, gpu_memory: 80G,\n"
      "     link_domain_size: 2, features: [fast, ib], parts: {row: 4, rack: 2}}\n"
      "  - {name: b, cores: 0.5, parts: {row: 1, rack: 1}}\n",
      "c.yaml");
  ASSERT_TRUE(cluster.ok()) << cluster.error().text;
  ASSERT_EQ(cluster->nodes.size(), 6U);
  const Node& third = cluster->nodes[2];
  EXPECT_EQ(third.name, "a3");
  EXPECT_EQ(third.topology, (std::vector<std::string>{"row1", "rack2"}));
  EXPECT_EQ(third.cores, whole_cores(96));
  ASSERT_EQ(third.devices.size(), 4U);
  EXPECT_EQ(third.devices[3].model, "H100");
  EXPECT_EQ(third.devices[3].memory, gibibytes(80));
  EXPECT_EQ(third.devices[1].link_domain, 1U);
  EXPECT_EQ(third.devices[2].link_domain, 2U);
  EXPECT_EQ(cluster->nodes[4].topology, (std::vector<std::string>{"row2", "rack3"}));
  EXPECT_EQ(cluster->nodes[5].name, "b");
  EXPECT_EQ(cluster->nodes[5].cores, MilliCores(500));
  EXPECT_EQ(cluster->nodes[5].topology, (std::vector<std::string>{"row3", "rack4"}));
}

TEST(ClusterFile, SaysHowNodesFailAndHowFastTheyAre) {
  const auto cluster = read_cluster(
      "nodes:\n"
      "  - {name: a, count: 2, cores: 4}\n"
      "  - {name: b, cores: 4, mtbf: 40d, repair: 6h, speed: 0.8}\n"
      "failures: [{node: a2, at: 2h, down: 30m}]\n"
      "fence_after: unlimited\n",
      "c.yaml");
  ASSERT_TRUE(cluster.ok()) << cluster.error().text;
  ASSERT_EQ(cluster->natures.size(), 3U);
  EXPECT_EQ(cluster->natures[0], sim::NodeNature{});
  EXPECT_EQ(cluster->natures[2], (sim::NodeNature{hours(960), hours(6), 800}));
  ASSERT_EQ(cluster->failures.size(), 1U);
  EXPECT_EQ(cluster->failures[0].node, 1U);
  EXPECT_EQ(cluster->failures[0].at, hours(2));
  EXPECT_EQ(cluster->failures[0].down, minutes(30));
  EXPECT_EQ(cluster->fence_after, span_unlimited);
}

TEST(ClusterFile, WhatIsWrongIsSaidWithItsPlace) {
  const struct {
    const char* yaml;
    const char* sentence;
  } rows[] = {
      {"{}", "nodes"},
      {"nodes: []", "c.yaml:1:8: nodes: must be a list of at least one kind of node"},
      {"nodes:\n  - {cores: 4}", "c.yaml:2:5: nodes[0]"},
      {"nodes:\n  - {name: n, cores: 0}", "nodes[0].cores: must be more than 0"},
      {"nodes:\n  - {name: n, cores: 1, gpus: 8}",
       "nodes[0].gpus: write a model and up to 1024 devices, such as H100:8"},
      {"topology_levels: [rack]\nnodes:\n  - {name: n, cores: 1, parts: {row: 2}}",
       "nodes[0].parts.row: is not among topology_levels"},
      {"nodes:\n  - {name: n, cores: 1}\n  - {name: n, cores: 2}", "names two nodes n"},
      {"nodes:\n  - {name: n, cores: 1, coers: 2}", "did you mean"},
      {"nodes:\n  - {name: n, cores: 1, mtbf: 3s}", "nodes[0].mtbf: must be a minute or more"},
      {"nodes:\n  - {name: n, cores: 1, speed: 0}", "nodes[0].speed: must be from 0.001 to 1000"},
      {"nodes: [{name: n, cores: 1}]\nfailures: [{node: m, at: 1h, down: 1h}]",
       "failures[0].node: there is no node \"m\""},
      {"nodes: [{name: n, cores: 1}]\nfailures: [{node: n, at: 1h, down: 0s}]",
       "failures[0].down: must be a duration above 0"},
  };
  for (const auto& row : rows) {
    const auto cluster = read_cluster(row.yaml, "c.yaml");
    ASSERT_FALSE(cluster.ok()) << row.yaml;
    EXPECT_NE(cluster.error().text.find(row.sentence), std::string::npos) << cluster.error().text;
  }
}

TEST(PolicyFile, IsReadInTheWordsOfTheDaemon) {
  const auto config = read_policy(
      "policy: {promises_max: 3}\ntenants: [{name: a, weight: 300}, {name: b}]\n", "p.yaml");
  ASSERT_TRUE(config.ok()) << config.error().text;
  EXPECT_EQ(config->policy.promises_max, 3U);
  EXPECT_EQ(config->tenants.size(), 2U);
  EXPECT_EQ(config->default_tenant, "a");
  EXPECT_EQ(config->cleanup_bound, Span(0));
  const auto wrong = read_policy("policy: {name: fastest}\n", "p.yaml");
  ASSERT_FALSE(wrong.ok());
  EXPECT_NE(wrong.error().text.find("p.yaml:1:16: policy.name"), std::string::npos)
      << wrong.error().text;
}

class SimTool : public ::testing::Test {
 protected:
  SimTool() {
    char name[] = "/tmp/busbar-sim-XXXXXX";
    folder_ = mkdtemp(name);
    write("c.yaml", "nodes: [{name: n, cores: 4}]\n");
    write("w.swf",
          "; three jobs\n"
          "1 0 -1 100 4 -1 -1 4 100 -1 1 1 1 -1 -1 -1 -1 -1\n"
          "2 0 -1 50 4 -1 -1 4 100 -1 1 2 1 -1 -1 -1 -1 -1\n"
          "3 0 -1 50 9 -1 -1 9 100 -1 1 2 1 -1 -1 -1 -1 -1\n");
  }
  ~SimTool() override { fs::remove_all(folder_); }

  void write(const std::string& name, const std::string& text) {
    std::ofstream(folder_ / name) << text;
  }
  std::string text_of(const fs::path& name) {
    std::stringstream text;
    text << std::ifstream(folder_ / name).rdbuf();
    return text.str();
  }
  int lab(std::vector<std::string> words) {
    std::vector<std::string> all = {"busbar-lab",  "sim",          "run",
                                    "--cluster",   path("c.yaml"), "--workload",
                                    path("w.swf"), "--out",        path("out")};
    all.insert(all.end(), words.begin(), words.end());
    return typed(all);
  }
  int typed(const std::vector<std::string>& words) {
    std::vector<const char*> pointers;
    for (const auto& word : words) pointers.push_back(word.c_str());
    std::ostringstream out;
    std::ostringstream trouble;
    const int code = run_lab(static_cast<int>(pointers.size()), pointers.data(), out, trouble);
    out_ = out.str();
    trouble_ = trouble.str();
    return code;
  }
  std::string path(const std::string& name) const { return (folder_ / name).string(); }

  fs::path folder_;
  std::string out_, trouble_;
};

TEST_F(SimTool, WritesItsFilesAndPrintsATable) {
  ASSERT_EQ(lab({}), exit_fine) << trouble_;
  EXPECT_NE(out_.find("MEAN BSLD"), std::string::npos);
  EXPECT_NE(out_.find("written to " + path("out")), std::string::npos);
  const auto summary = nlohmann::json::parse(text_of("out/summary.json"));
  EXPECT_EQ(summary["jobs"], 3);
  EXPECT_EQ(summary["completed"], 2);
  EXPECT_EQ(summary["refused"], 1);
  EXPECT_EQ(summary["wait_max_s"], 100);
  const std::string jobs = text_of("out/jobs.csv");
  EXPECT_NE(jobs.find("\n2,user2,,4,0.000,100.000,150.000,100.000,50.000,3.0000,COMPLETED,1,0,"),
            std::string::npos)
      << jobs;
  EXPECT_NE(jobs.find(",REFUSED,"), std::string::npos) << jobs;
  EXPECT_TRUE(text_of("out/cycles.csv").starts_with("at_s,starts,waiting,running,cores_busy\n"));
}

TEST_F(SimTool, EachSeedHasAFolderAndJsonIsALineEach) {
  ASSERT_EQ(lab({"--seeds", "3-4", "--json"}), exit_fine) << trouble_;
  std::istringstream lines(out_);
  std::string line;
  int count = 0;
  for (; std::getline(lines, line); ++count) EXPECT_EQ(nlohmann::json::parse(line)["jobs"], 3);
  EXPECT_EQ(count, 2);
  EXPECT_TRUE(fs::exists(folder_ / "out/seed-3/summary.json"));
  EXPECT_TRUE(fs::exists(folder_ / "out/seed-4/jobs.csv"));
}

TEST_F(SimTool, FillDrawsUntilMoreArrivedThanThereIs) {
  write("c.yaml", "nodes: [{name: n, count: 2, cores: 8, gpus: A100:4}]\n");
  write("w.swf",
        "{\"busbar_trace\": 1}\n{\"submit\": 0, \"run\": 1, \"job\": {\"gpus\": 1}}\n"
        "{\"submit\": 0, \"run\": 1, \"job\": {\"gpu\": 0.5}}\n");
  ASSERT_EQ(lab({"--mode", "fill", "--format", "jsonl", "--json"}), exit_fine) << trouble_;
  const auto summary = nlohmann::json::parse(out_);
  EXPECT_EQ(summary["gpu_allocated_pct"], 100);
  EXPECT_GT(summary["jobs"], 8);
  EXPECT_TRUE(summary["gpu_allocated_pct_at"].contains("130"));
}

TEST_F(SimTool, WhatCannotBeReadIsSaidAndNothingIsWritten) {
  write("p.yaml", "policy: {promises_max: many}\n");
  write("w.txt", "");
  const struct {
    std::vector<std::string> words;
    std::string sentence;
  } rows[] = {
      {{"--policy", path("none.yaml")}, path("none.yaml") + ": No such file"},
      {{"--policy", path("p.yaml")}, path("p.yaml") + ":1:24: policy.promises_max"},
      {{"--seeds", "9-2"}, "--seeds \"9-2\": write a number, or a range"},
      {{"--until", "soon"}, "soon"},
      {{"--mode", "empty"}, "--mode: \"empty\" is none; write replay or fill"},
      {{"--format", "xyz"}, "add --format with one of: jsonl, swf, sacct, openb"},
      {{"--jobs", "-1"}, "sim run: "},
  };
  for (const auto& row : rows) {
    EXPECT_EQ(lab(row.words), exit_usage);
    EXPECT_NE(trouble_.find(row.sentence), std::string::npos) << trouble_;
    EXPECT_FALSE(fs::exists(folder_ / "out")) << row.sentence;
  }
}

TEST_F(SimTool, AModelMakesATraceThatPlays) {
  for (const char* model : {"lublin", "ai"}) {
    ASSERT_EQ(typed({"busbar-lab", "sim", "generate", model, "--jobs", "60", "--cores", "16",
                     "--devices", "16", "--load", "0.7"}),
              exit_fine)
        << trouble_;
    write("model.jsonl", out_);
    write("model.yaml", "nodes: [{name: n, count: 2, cores: 64, memory: 1T, gpus: H100:8}]\n");
    ASSERT_EQ(typed({"busbar-lab", "sim", "run", "--cluster", path("model.yaml"), "--workload",
                     path("model.jsonl"), "--out", path(model)}),
              exit_fine)
        << trouble_;
    const auto summary = nlohmann::json::parse(text_of(fs::path(model) / "summary.json"));
    EXPECT_EQ(summary["jobs"], 60);
    EXPECT_EQ(summary["refused"], 0) << text_of(fs::path(model) / "jobs.csv");
  }
}

TEST_F(SimTool, AModelThatIsNoneIsRefused) {
  EXPECT_EQ(typed({"busbar-lab", "sim", "generate", "feitelson"}), exit_usage);
  EXPECT_EQ(trouble_, "busbar: sim generate: \"feitelson\" is no model; there are lublin and ai\n");
  EXPECT_EQ(typed({"busbar-lab", "sim", "generate", "ai", "--devices", "4"}), exit_usage);
  EXPECT_EQ(trouble_,
            "busbar: sim generate: --devices 4 is less than one node of --devices-per-node 8\n");
  EXPECT_EQ(typed({"busbar-lab", "sim", "generate", "ai", "--load", "0"}), exit_usage);
  EXPECT_NE(trouble_.find("--load"), std::string::npos) << trouble_;
}

}  // namespace
}  // namespace busbar::lab
