#include "cli/jobs.hpp"

#include <gtest/gtest.h>

#include <cstdlib>

namespace busbar::cli {
namespace {

TEST(JobOfCommand, IsTheJobFileOneWouldWrite) {
  EXPECT_EQ(job_of_command({"/usr/bin/echo", "a b", "[c]"}, {}),
            Json::parse(R"({"name": "echo", "command": ["/usr/bin/echo", "a b", "[c]"]})"));
}

TEST(JobOfCommand, NumbersAreNumbersAndWordsAreText) {
  JobOptions options;
  options.name = "4";
  options.cores = "4";
  options.memory = "16G";
  options.gpus = "H100:2";
  options.tasks = "4..16";
  options.priority = "-10";
  options.time = "90";
  options.after = {"12", "prep:any"};
  options.exclusive = true;
  EXPECT_EQ(job_of_command({"true"}, options),
            Json::parse(R"({"name": "4", "command": ["true"], "cores": 4, "memory": "16G",
                            "gpus": "H100:2", "tasks": "4..16", "priority": -10, "time": "90",
                            "after": ["12", "prep:any"], "exclusive": true})"));
}

TEST(JobOfScript, TheScriptIsWhatRuns) {
  JobOptions options;
  options.array = "1-3";
  options.hold = true;
  EXPECT_EQ(job_of_script("#!/bin/sh\necho\n", options),
            Json::parse(R"({"run": "#!/bin/sh\necho\n", "array": "1-3", "hold": true})"));
}

TEST(JobOfCommand, VariablesAreSetOrHandedOn) {
  setenv("BUSBAR_TEST_GIVEN", "mine", 1);
  unsetenv("BUSBAR_TEST_ABSENT");
  JobOptions options;
  options.environment = {"A=1=2", "EMPTY=", "BUSBAR_TEST_GIVEN", "BUSBAR_TEST_ABSENT"};
  EXPECT_EQ(job_of_command({"true"}, options)["environment"],
            Json::parse(R"({"A": "1=2", "EMPTY": "", "BUSBAR_TEST_GIVEN": "mine"})"));
}

TEST(ExpandReference, UnitsOfARange) {
  using Units = std::vector<std::string>;
  EXPECT_EQ(expand_reference("17", 9), Units{"17"});
  EXPECT_EQ(expand_reference("17_4", 9), Units{"17_4"});
  EXPECT_EQ(expand_reference("17_[1-3,9]", 9), (Units{"17_1", "17_2", "17_3", "17_9"}));
  EXPECT_EQ(expand_reference("17.learner.[0-1]", 9), (Units{"17.learner.0", "17.learner.1"}));
  EXPECT_EQ(expand_reference("17_[0-999999999]", 2), (Units{"17_0", "17_1"}));
  EXPECT_EQ(expand_reference("17", 0), Units{});
}

TEST(UnitReference, BeginsWithAJobsNumber) {
  for (const char* unit : {"17_4", "17_[1-3]", "17.learner.0", "17.3"})
    EXPECT_TRUE(is_unit_reference(unit)) << unit;
  for (const char* job : {"17", "last", "train.sh", "a_b", "", "17x_1"})
    EXPECT_FALSE(is_unit_reference(job)) << job;
}

TEST(ExitCode, OfAJob) {
  const auto code = [](const char* json) { return exit_code_of(Json::parse(json)); };
  EXPECT_EQ(code(R"({"state": "COMPLETED", "exit_code": 0})"), 0);
  EXPECT_EQ(code(R"({"state": "FAILED", "exit_code": 7})"), 7);
  EXPECT_EQ(code(R"({"state": "CANCELLED", "exit_code": 0})"), exit_busbar_failed);
  EXPECT_EQ(code(R"({"state": "NODE_FAIL", "exit_code": null})"), exit_busbar_failed);
  EXPECT_EQ(code(R"({"state": "RUNNING", "exit_code": null})"), 0);
}

TEST(StartOfTail, CountsAnUnfinishedLineAsOne) {
  struct Row {
    const char* text;
    std::int64_t lines;
    const char* tail;
  };
  const Row table[] = {{"a\nb\nc\n", 1, "c\n"}, {"a\nb\nc\n", 2, "b\nc\n"}, {"a\nb", 1, "b"},
                       {"a\n", 5, "a\n"},       {"a\nb\n", 0, ""},          {"", 3, ""},
                       {"\n\n", 1, "\n"}};
  for (const Row& row : table)
    EXPECT_EQ(std::string(row.text).substr(start_of_tail(row.text, row.lines)), row.tail)
        << row.text;
}

TEST(OptionsGiven, NamesEachWithItsField) {
  EXPECT_EQ(options_given({}), "");
  JobOptions options;
  options.array = "1-3";
  options.after = {"12"};
  EXPECT_EQ(options_given(options), "--array (`array:`), --after (`after:`)");
  options = {};
  options.environment = {"A=1"};
  options.hold = true;
  EXPECT_EQ(options_given(options), "--env (`environment:`), --hold (`hold:`)");
}

TEST(UsedWords, SaysWhatIsSimulated) {
  const std::pair<const char*, const char*> table[] = {
      {R"({"total": 8, "free": 6.5})", "1.5/8"},
      {R"({"total": 8, "free": 6, "simulated": 0})", "2/8"},
      {R"({"total": 8, "free": 6, "simulated": 8})", "2/8 (simulated)"},
      {R"({"total": 8, "free": 6, "simulated": 4})", "2/8 (4 simulated)"},
      {R"({"total": 0, "free": 0, "simulated": 0})", "0/0"}};
  for (const auto& [json, words] : table) EXPECT_EQ(used_words(Json::parse(json)), words);
}

TEST(WantsWords, SaysWhatIsSimulated) {
  EXPECT_EQ(wants_words({{"resources", "H100:4"}}), "H100:4");
  EXPECT_EQ(wants_words({{"resources", "H100:4"}, {"simulated", true}}), "H100:4 (simulated)");
}

TEST(DeviceWords, AddsUpSharesByModel) {
  EXPECT_EQ(device_words(Json::parse(R"([
              {"model": "H100", "share": 1, "simulated": true},
              {"model": "H100", "share": 0.25, "simulated": true},
              {"model": "A100", "share": 1, "simulated": false}])")),
            "1.25 x H100 (simulated), 1 x A100");
  EXPECT_EQ(device_words(Json::array()), "");
}

TEST(ApiError, TheSentenceAndTheHintOfTheDaemon) {
  const std::string body = R"({"error": {"code": "x", "message": "no such job", "hint": "look"}})";
  const std::pair<int, Errc> table[] = {{400, Errc::invalid},       {401, Errc::denied},
                                        {403, Errc::denied},        {404, Errc::not_found},
                                        {409, Errc::conflict},      {413, Errc::invalid},
                                        {422, Errc::unsatisfiable}, {503, Errc::unavailable}};
  for (const auto& [status, code] : table) {
    const Error error = api_error({status, body, {}});
    EXPECT_EQ(error.code, code) << status;
    EXPECT_EQ(error.text, "no such job\nlook");
  }
}

TEST(ApiError, WhatIsNoAnswerOfOursIsSaidSo) {
  for (const char* body : {"", "<html>", "[]", R"({"error": "x"})", R"({"error": {"message": 1}})"})
    EXPECT_EQ(api_error({502, body, {}}).text, "the daemon answered HTTP 502") << body;
}

TEST(Escape, OnePathSegment) { EXPECT_EQ(escape("17_[1-2] /\xc3"), "17_%5B1-2%5D%20%2F%C3"); }

TEST(Fields, OfAnotherTypeAreTheDefault) {
  const Json json = Json::parse(R"({"a": null, "b": "x\u001b", "c": 3, "d": [1], "e": true})");
  EXPECT_EQ(text_at(json, "a"), "");
  EXPECT_EQ(text_at(json, "b"), "x?");
  EXPECT_EQ(text_at(json, "c"), "");
  EXPECT_EQ(integer_at(json, "b", -1), -1);
  EXPECT_EQ(integer_at(json, "c"), 3);
  EXPECT_TRUE(list_at(json, "c").empty());
  EXPECT_EQ(list_at(json, "d").size(), 1U);
  EXPECT_TRUE(object_at(json, "nothing").empty());
  EXPECT_TRUE(flag_at(json, "e"));
  EXPECT_FALSE(flag_at(json, "c"));
}

}  // namespace
}  // namespace busbar::cli
