#include "cli/interactive.hpp"

#include <gtest/gtest.h>

#include <cstdlib>

namespace busbar::cli {
namespace {

TEST(JobInTerminal, is_the_command_behind_the_wrapper_and_never_restarts) {
  setenv("TERM", "xterm-test", 1);
  JobOptions options;
  options.cores = "2";
  options.environment = {"A=1"};
  const Json job = job_in_terminal({"/bin/bash", "-l"}, options, "/opt/busbar-pty", "/s", "word");
  const std::vector<std::string> words = {"/opt/busbar-pty", "/s", "--", "/bin/bash", "-l"};
  EXPECT_EQ(job.at("command"), Json(words));
  EXPECT_EQ(job.at("name"), "bash");
  EXPECT_EQ(job.at("restart"), "never");
  EXPECT_EQ(job.at("cores"), 2);
  EXPECT_EQ(job.at("environment"),
            Json({{"A", "1"}, {"TERM", "xterm-test"}, {"PTY_WORD", "word"}}));
  options.environment = {"TERM=vt100"};
  EXPECT_EQ(job_in_terminal({"sh"}, options, "/w", "/s", "word").at("environment").at("TERM"),
            "vt100");
}

TEST(JobInTerminal, is_one_task_on_this_machine) {
  const std::tuple<JobOptions, const char*, const char*> table[] = {
      {{}, "", ""},
      {{.cores = "4", .gpus = "1"}, "", ""},
      {{}, "http://localhost:1", "leave --url"},
      {{.array = "1-3"}, "", "leave --array"},
      {{.tasks = "2"}, "", "leave --array, --tasks"},
      {{.launcher = "mpi"}, "", "--launcher away"}};
  for (const auto& [options, url, sentence] : table) {
    const std::string fault = fault_for_terminal(options, url);
    EXPECT_EQ(fault.empty(), std::string_view(sentence).empty()) << fault;
    EXPECT_NE(fault.find(sentence), std::string::npos) << fault;
  }
}

}  // namespace
}  // namespace busbar::cli
