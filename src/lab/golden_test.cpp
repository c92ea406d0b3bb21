// Small workloads of our own models, played under several policies, give the summaries that are
// kept in tests/golden/summaries: on every machine, and until somebody changes the policy on
// purpose. BUSBAR_WRITE_GOLDEN=1 writes them anew; the change to review is then the diff.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "lab/journal_tool.hpp"
#include "lab/sim_tool.hpp"

namespace busbar::lab {
namespace {

namespace fs = std::filesystem;

struct Case {
  const char* name;
  GenerateOrder workload;
  const char* cluster;
  const char* policy;
};

constexpr const char* batch_cluster = "nodes: [{name: n, count: 4, cores: 16, memory: 64G}]\n";
constexpr const char* ai_cluster =
    "nodes:\n"
    "  - {name: a, count: 4, cores: 64, memory: 512G, gpus: H100:8}\n"
    "  - {name: b, count: 2, cores: 32, memory: 256G, gpus: L40:4}\n";

const Case cases[] = {
    {"batch-default",
     {.model = "lublin", .jobs = 400, .seed = 1, .load = 0.9, .cores = 64},
     batch_cluster,
     "{}\n"},
    {"batch-no-promises",
     {.model = "lublin", .jobs = 400, .seed = 1, .load = 0.9, .cores = 64},
     batch_cluster,
     "policy: {promises_max: 0}\n"},
    {"ai-default",
     {.model = "ai", .jobs = 400, .seed = 1, .load = 0.9, .devices = 40},
     ai_cluster,
     "{}\n"},
    {"ai-fragmentation",
     {.model = "ai", .jobs = 400, .seed = 1, .load = 0.9, .devices = 40},
     ai_cluster,
     "policy: {pack: fragmentation, demand: [{cores: 8, gpus: 1}, {cores: 2, gpu: 0.25}]}\n"},
};

std::string text_of(const fs::path& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

// Without what differs from run to run.
std::string without_measured(const std::string& summary) {
  std::istringstream lines(summary);
  std::string kept;
  for (std::string line; std::getline(lines, line);) {
    const bool measured = line.find("\"wall_s\"") != std::string::npos ||
                          line.find("\"decisions_per_s\"") != std::string::npos ||
                          line.find("\"peak_memory_bytes\"") != std::string::npos;
    if (!measured) kept += line + "\n";
  }
  return kept;
}

class Golden : public ::testing::TestWithParam<Case> {};

TEST_P(Golden, SummaryIsWhatItWas) {
  char name[] = "/tmp/busbar-golden-XXXXXX";
  const fs::path folder = mkdtemp(name);
  const Case& param = GetParam();
  std::ostringstream trace, out, trouble;
  ASSERT_EQ(generate_workload(param.workload, trace, trouble), exit_fine) << trouble.str();
  std::ofstream(folder / "trace.jsonl") << trace.str();
  std::ofstream(folder / "cluster.yaml") << param.cluster;
  std::ofstream(folder / "policy.yaml") << param.policy;
  SimulationOrder order;
  order.cluster = folder / "cluster.yaml";
  order.workload = folder / "trace.jsonl";
  order.policy = folder / "policy.yaml";
  order.out = folder / "out";
  ASSERT_EQ(run_simulation(order, out, trouble), exit_fine) << trouble.str();
  const std::string summary = without_measured(text_of(folder / "out" / "summary.json"));
  fs::remove_all(folder);
  const fs::path kept = fs::path(SUMMARY_GOLDEN_FOLDER) / (std::string(param.name) + ".json");
  if (std::getenv("BUSBAR_WRITE_GOLDEN") != nullptr) std::ofstream(kept) << summary;
  EXPECT_EQ(summary, text_of(kept));
}

INSTANTIATE_TEST_SUITE_P(Models, Golden, ::testing::ValuesIn(cases), [](const auto& one) {
  std::string name = one.param.name;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

}  // namespace
}  // namespace busbar::lab
