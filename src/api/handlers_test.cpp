// Handlers as a user sees them: a request against a built State, and the answer.
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "api/event_text.hpp"
#include "api/fixture_test.hpp"
#include "api/progress_gate.hpp"
#include "api/testing.hpp"

namespace busbar::api {
namespace {

TEST_F(Handlers, ASubmittedJobIsListedShownAndCounted) {
  backend_.add_node(node("n1", 8));
  const Response answer = ada_.post("/v1/jobs?file=hello.yaml", hello);
  ASSERT_EQ(answer.status, 201) << answer.body;
  const json submitted = body_of(answer);
  EXPECT_EQ(submitted["jobs"][0]["id"], 1);
  EXPECT_EQ(submitted["jobs"][0]["name"], "hello");
  EXPECT_EQ(submitted["revision"], backend_.state().revision().value);

  const json listed = get("/v1/jobs");
  ASSERT_EQ(listed["jobs"].size(), 1U);
  EXPECT_EQ(listed["jobs"][0]["state"], "PENDING");
  EXPECT_EQ(listed["jobs"][0]["user"], "ada");
  EXPECT_EQ(listed["jobs"][0]["units"]["waiting"], 1);
  EXPECT_EQ(listed["jobs"][0]["submitted"], "2026-01-01T00:00:01.000Z");
  EXPECT_EQ(listed["next"], nullptr);

  const json shown = get("/v1/jobs/last");
  EXPECT_EQ(shown["groups"][0]["run"], "echo hello");
  EXPECT_EQ(shown["groups"][0]["working_directory"], "/tmp");
  EXPECT_EQ(get("/v1/status")["jobs"]["pending"], 1);
}

TEST_F(Handlers, WhatAJobRunsIsShownToItsOwnerAndToOperatorsOnly) {
  backend_.add_node(node("n1", 8));
  ASSERT_EQ(ada_.post("/v1/jobs", hello).status, 201);
  EXPECT_TRUE(body_of(ada_.get("/v1/jobs/1"))["groups"][0].contains("run"));
  EXPECT_TRUE(body_of(root_.get("/v1/jobs/1"))["groups"][0].contains("run"));
  EXPECT_FALSE(body_of(bob_.get("/v1/jobs/1"))["groups"][0].contains("run"));
}

TEST_F(Handlers, AWrongJobFileIsRefusedWithItsPlace) {
  const std::string text = refusal(ada_, "POST", "/v1/jobs?file=my.yaml", 400, "nam: x\nrun: y\n");
  EXPECT_NE(text.find("my.yaml:1:1"), std::string::npos) << text;
  EXPECT_NE(text.find("name"), std::string::npos) << text;
  EXPECT_NE(refusal(ada_, "POST", "/v1/jobs?directory=here", 400, hello).find("absolute"),
            std::string::npos);
}

TEST_F(Handlers, AJobFileThatIsOnlyCheckedIsNotSubmitted) {
  backend_.add_node(node("n1", 8));
  const Response good = ada_.post("/v1/jobs?check=true&file=hello.yaml", hello);
  ASSERT_EQ(good.status, 200) << good.body;
  EXPECT_EQ(body_of(good)["jobs"].size(), 0U);
  EXPECT_EQ(get("/v1/jobs")["jobs"].size(), 0U);
  const std::string said =
      refusal(ada_, "POST", "/v1/jobs?check=true&file=a.yaml", 400, "run: [x\n");
  EXPECT_TRUE(said.starts_with("a.yaml:")) << said;
  refusal(ada_, "POST", "/v1/jobs?check=perhaps", 400, hello);
  EXPECT_EQ(ada_.post("/v1/jobs?check=false", hello).status, 201);
}

TEST_F(Handlers, ANodeThatIsExcludedAndNotKnownIsWarnedOf) {
  backend_.add_node(node("n1", 8));
  const auto warnings = [&](const std::string& names) {
    return body_of(ada_.post("/v1/jobs?file=a.yaml", hello + ("exclude: " + names + "\n")))
        .at("warnings");
  };
  EXPECT_EQ(warnings("[n3, n2]").at(0),
            "a.yaml: job \"hello\": exclude: no node is called n2 yet; 'busbar nodes' lists them");
  backend_.add_node(node("n2", 8));
  EXPECT_EQ(warnings("n2").size(), 0U);
}

TEST_F(Handlers, AnImpossibleJobIsUnsatisfiable) {
  backend_.add_node(node("n1", 8));
  const std::string text =
      refusal(ada_, "POST", "/v1/jobs", 422, "name: big\nrun: x\ndirectory: /tmp\ncores: 64\n");
  EXPECT_NE(text.find("8"), std::string::npos) << text;
  EXPECT_FALSE(
      refusal(ada_, "POST", "/v1/plan", 422, "name: big\nrun: x\ndirectory: /tmp\ncores: 64\n")
          .empty());
}

TEST_F(Handlers, JobsArePagedNewestFirstAndFiltered) {
  backend_.add_node(node("n1", 8));
  for (int i = 0; i < 7; ++i) backend_.add_job(loose("job" + std::to_string(i)));
  json page = get("/v1/jobs?limit=3");
  std::vector<int> seen;
  for (int pages = 0; pages < 5; ++pages) {
    for (const auto& job : page["jobs"]) seen.push_back(job["id"]);
    if (page["next"].is_null()) break;
    page = get("/v1/jobs?limit=3&page=" + page["next"].get<std::string>());
  }
  EXPECT_EQ(seen, (std::vector<int>{7, 6, 5, 4, 3, 2, 1}));
  EXPECT_EQ(get("/v1/jobs?order=oldest&limit=2")["jobs"][0]["id"], 1);
  EXPECT_EQ(get("/v1/jobs?name=job4")["jobs"].size(), 1U);
  EXPECT_EQ(get("/v1/jobs?name=job*&limit=50")["jobs"].size(), 7U);
  EXPECT_EQ(get("/v1/jobs?user=bob")["jobs"].size(), 0U);
  EXPECT_EQ(get("/v1/jobs?user=me")["jobs"].size(), 7U);
  EXPECT_EQ(get("/v1/jobs?state=running")["jobs"].size(), 0U);
  EXPECT_NE(refusal(ada_, "GET", "/v1/jobs?state=runing", 400).find("RUNNING"), std::string::npos);
  EXPECT_NE(refusal(ada_, "GET", "/v1/jobs?limit=0", 400).find("limit"), std::string::npos);
}

TEST_F(Handlers, EndedJobsLeaveTheDefaultList) {
  const NodeId n1 = backend_.add_node(node("n1", 8));
  backend_.add_job(loose("a"));
  const AttemptId attempt = backend_.grant(unit(1), n1);
  backend_.run(attempt);
  EXPECT_EQ(get("/v1/jobs")["jobs"][0]["state"], "RUNNING");
  EXPECT_EQ(get("/v1/jobs")["jobs"][0]["nodes"][0], "n1");
  backend_.end(attempt, RunState::failed, 3);
  EXPECT_EQ(get("/v1/jobs")["jobs"].size(), 0U);
  const json ended = get("/v1/jobs?state=ended")["jobs"][0];
  EXPECT_EQ(ended["state"], "FAILED");
  EXPECT_EQ(ended["exit_code"], 3);
  EXPECT_EQ(ended["reason"], "exit code 3");
}

TEST_F(Handlers, AnEndedJobKeepsItsStartAndOneThatNeverRanHasNoExitCode) {
  const NodeId n1 = backend_.add_node(node("n1", 8));
  backend_.add_job(loose("ran"));
  backend_.add_job(loose("never"));
  const AttemptId attempt = backend_.grant(unit(1), n1);
  backend_.run(attempt);
  backend_.advance(seconds(9));
  backend_.end(attempt);
  EXPECT_EQ(ada_.post("/v1/jobs/2/cancel").status, 200);
  const json ran = get("/v1/jobs/1");
  EXPECT_EQ(ran["started"], "2026-01-01T00:00:01.000Z");
  EXPECT_EQ(ran["ended"], "2026-01-01T00:00:10.000Z");
  EXPECT_EQ(ran["exit_code"], 0);
  const json never = get("/v1/jobs/2");
  EXPECT_EQ(never["state"], "CANCELLED");
  EXPECT_EQ(never["started"], nullptr);
  EXPECT_EQ(never["exit_code"], nullptr);
  EXPECT_EQ(get("/v1/units/2")["exit_code"], nullptr);
  EXPECT_EQ(get("/v1/jobs/2/wait")["exit_code"], nullptr);
  EXPECT_EQ(get("/v1/jobs/2/explain")["summary"], "It has ended: cancelled by ada.");
  backend_.happen(JobRetired{JobId(1)});
  backend_.happen(JobRetired{JobId(2)});
  EXPECT_EQ(get("/v1/jobs/1")["started"], "2026-01-01T00:00:01.000Z");
  EXPECT_EQ(get("/v1/jobs/2")["exit_code"], nullptr);
}

TEST_F(Handlers, WhatChangesNothingSaysSo) {
  const NodeId n1 = backend_.add_node(node("n1", 8));
  backend_.add_job(array("sweep", {1, 3, 1}));
  const auto message = [&](const std::string& target) {
    const Response response = ada_.post("/v1/jobs/" + target);
    EXPECT_EQ(response.status, 200) << response.body;
    return body_of(response).value("message", "");
  };
  EXPECT_EQ(message("1/release"), "1: was not held");
  EXPECT_EQ(message("1/requeue"), "1: waits already");
  EXPECT_EQ(message("1_2/hold"), "1_2: held");
  EXPECT_EQ(message("1_2/hold"), "1_2: held already");
  const AttemptId attempt = backend_.grant(unit(1), n1);
  backend_.run(attempt);
  EXPECT_EQ(message("1_1/hold"), "1_1: runs already, and what runs goes on; nothing was held");
  backend_.end(attempt);
  EXPECT_EQ(message("1_1/cancel"), "1_1: ended already");
  EXPECT_EQ(message("1/cancel"), "1: cancelled");
  EXPECT_EQ(message("1/cancel"), "1: ended already: CANCELLED");
  EXPECT_EQ(message("1/hold"), "1: ended already: CANCELLED");
  backend_.happen(JobRetired{JobId(1)});
  EXPECT_EQ(message("1/cancel"), "1: ended already: CANCELLED");
  refusal(ada_, "POST", "/v1/jobs/9/cancel", 404);
}

TEST_F(Handlers, AnUnknownQueryParameterIsRefusedWithTheNearestOne) {
  EXPECT_NE(refusal(ada_, "GET", "/v1/jobs?stat=running", 400).find("did you mean state?"),
            std::string::npos);
  EXPECT_NE(refusal(ada_, "GET", "/v1/status?zzzzzz=1", 400).find("it takes revision"),
            std::string::npos);
  EXPECT_EQ(ada_.get("/v1/jobs?revision=0").status, 200);
  EXPECT_EQ(ada_.get("/metrics?name=x").status, 200);
}

TEST_F(Handlers, AJobTellsItsProgressAndOnlyItsOwnUserMay) {
  const NodeId n1 = backend_.add_node(node("n1", 8));
  backend_.add_job(loose("train"));
  backend_.run(backend_.grant(unit(1), n1));
  backend_.advance(seconds(100));
  const std::string path = "/v1/attempts/bb-abc123-1-0x0-1/progress";
  EXPECT_EQ(get("/v1/jobs/1")["progress"], nullptr);
  EXPECT_EQ(ada_.post(path, R"({"done": 25, "total": 100})").status, 202);
  const json progress = get("/v1/jobs/1")["progress"];
  EXPECT_EQ(progress["work_done"], 25);
  EXPECT_EQ(progress["work_total"], 100);
  EXPECT_EQ(progress["told"], "2026-01-01T00:01:41.000Z");
  EXPECT_EQ(progress["predicted_end"], "2026-01-01T00:06:41.000Z");  // 25 took 100 s
  EXPECT_EQ(ada_.post(path, R"({"done": 50, "total": 100, "rate_per_hour": 18000})").status, 202);
  EXPECT_EQ(get("/v1/units/1")["attempt"]["progress"]["predicted_end"], "2026-01-01T00:01:51.000Z");
  EXPECT_EQ(ada_.post(path, R"({"done": 60})").status, 202);
  EXPECT_EQ(get("/v1/jobs/1")["progress"]["work_total"], nullptr);
  EXPECT_EQ(get("/v1/jobs/1")["progress"]["predicted_end"], nullptr);

  refusal(bob_, "POST", path, 403, R"({"done": 1})");
  refusal(root_, "POST", path, 403, R"({"done": 1})");
  refusal(ada_, "POST", path, 400, R"({"done": -1})");
  refusal(ada_, "POST", path, 400, R"({"total": 5})");
  refusal(ada_, "POST", path, 400, R"({"done": 1, "percent": 5})");
  refusal(ada_, "POST", "/v1/attempts/bb-abc123-1-0x0-2/progress", 404, R"({"done": 1})");
  refusal(ada_, "POST", "/v1/attempts/bb-zzzzzz-1-0x0-1/progress", 404, R"({"done": 1})");
  refusal(ada_, "POST", "/v1/attempts/nonsense/progress", 400, R"({"done": 1})");
}

TEST(Progress, AtMostOneReportPerIntervalAndTheNewestOfThoseBetween) {
  ProgressGate gate(seconds(5));
  const auto report = [](std::uint64_t job, std::int64_t done) {
    return AttemptProgress{{{JobId(job), 0, 0}, 1}, done};
  };
  const auto at = [](std::int64_t second) { return Tick(0) + seconds(second); };
  EXPECT_TRUE(gate.offer(report(1, 1), at(10)).has_value());
  for (int i = 2; i < 1000; ++i) EXPECT_FALSE(gate.offer(report(1, i), at(11)).has_value());
  EXPECT_TRUE(gate.offer(report(2, 1), at(11)).has_value()) << "each attempt by itself";
  EXPECT_TRUE(gate.due(at(14)).empty());
  const auto due = gate.due(at(15));
  ASSERT_EQ(due.size(), 1U);
  EXPECT_EQ(due[0].work_done, 999);
  EXPECT_FALSE(gate.offer(report(1, 1000), at(16)).has_value());
  EXPECT_EQ(gate.due(at(20)).size(), 1U);
  EXPECT_TRUE(gate.due(at(30)).empty());
  EXPECT_TRUE(gate.offer(report(1, 1001), at(31)).has_value());
}

TEST_F(Handlers, UnitsThatAreAlikeAreOneEntry) {
  const NodeId n1 = backend_.add_node(node("n1", 64));
  backend_.add_job(array("sweep", {1, 1000, 1}));
  backend_.run(backend_.grant(unit(1, 9), n1));
  const AttemptId done = backend_.grant(unit(1, 0), n1);
  backend_.end(done);
  const json page = get("/v1/jobs/1/units");
  ASSERT_EQ(page["units"].size(), 4U) << page.dump(1);
  EXPECT_EQ(page["units"][0]["ref"], "1_1");
  EXPECT_EQ(page["units"][0]["state"], "COMPLETED");
  EXPECT_EQ(page["units"][1]["ref"], "1_[2-9]");
  EXPECT_EQ(page["units"][2]["ref"], "1_10");
  EXPECT_EQ(page["units"][2]["attempt"]["nodes"][0], "n1");
  EXPECT_EQ(page["units"][3]["ref"], "1_[11-1000]");
  EXPECT_EQ(page["units"][3]["count"], 990);
  EXPECT_EQ(get("/v1/jobs/1/units?state=live")["units"].size(), 1U);
  const json second = get("/v1/jobs/1/units?limit=2&page=" +
                          get("/v1/jobs/1/units?limit=2")["next"].get<std::string>());
  EXPECT_EQ(second["units"][0]["ref"], "1_10");
}

TEST_F(Handlers, AUnitShowsItsAttemptWithDevicesAndItsPast) {
  const NodeId n1 = backend_.add_node(node("n1", 8, gibibytes(64), 4));
  Resources resources = core::testing::resources(2);
  resources.devices.push_back(gpus(2));
  backend_.add_job(loose("train", 1, resources));
  const AttemptId first = backend_.grant(unit(1), n1, 0);
  backend_.run(first);
  const json live = get("/v1/units/1");
  EXPECT_EQ(live["attempt"]["name"], "1#1");
  EXPECT_EQ(live["attempt"]["claims"][0]["devices"][1]["ordinal"], 1);
  EXPECT_EQ(live["attempt"]["claims"][0]["devices"][1]["simulated"], true);
  EXPECT_EQ(live["attempt"]["claims"][0]["cores"], 2);
  backend_.end(first, RunState::failed, 9);
  const json past = get("/v1/units/1");
  EXPECT_EQ(past["state"], "FAILED");
  EXPECT_EQ(past["attempt"], nullptr);
  EXPECT_EQ(past["past"][0]["exit"]["code"], 9);
}

TEST_F(Handlers, HowTheLastAttemptEndedIsTheJobsReason) {
  const NodeId n1 = backend_.add_node(node("n1", 64));
  struct Row {
    RunState state;
    Exit exit;
    const char* reason;
  };
  const Row rows[] = {
      {RunState::failed, {EndCause::exited, 3, 0, ""}, "exit code 3"},
      {RunState::failed, {EndCause::exited, 137, 9, ""}, "ended by SIGKILL"},
      {RunState::failed, {EndCause::exited, 139, 11, ""}, "ended by SIGSEGV"},
      {RunState::failed, {EndCause::exited, 143, 15, "not ready within 1s"}, "not ready within 1s"},
      {RunState::timeout, {EndCause::timed_out, 143, 15, ""}, "reached its time limit"},
      {RunState::timeout,
       {EndCause::stopped, 143, 15, "its deadline passed while it ran"},
       "its deadline passed while it ran"},
      {RunState::cancelled,
       {EndCause::stopped, 143, 15, "cancelled by ada: too slow"},
       "cancelled by ada: too slow"},
      {RunState::out_of_memory,
       {EndCause::out_of_memory, 137, 9, ""},
       "needed more memory than it asked for"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.reason);
    const JobId id = backend_.add_job(loose("j"));
    const AttemptId attempt = backend_.grant(unit(id.value), n1);
    backend_.run(attempt);
    Ended event;
    event.attempt = attempt;
    event.state = row.state;
    event.exit = row.exit;
    backend_.happen(event);
    const std::string target = "/v1/jobs/" + std::to_string(id.value);
    EXPECT_EQ(get(target)["reason"], row.reason);
    EXPECT_EQ(get(target + "/wait?timeout=0")["job"]["reason"], row.reason);
    EXPECT_EQ(get(target + "/explain")["summary"],
              "It has ended: " + std::string(row.reason) + ".");
    backend_.happen(JobRetired{id});
    EXPECT_EQ(get(target)["reason"], row.reason) << "in the history";
  }
}

TEST_F(Handlers, UnitsCancelledBeforeTheyRanAreCountedAsSuchAndHaveNoPast) {
  const NodeId n1 = backend_.add_node(node("n1", 8));
  backend_.add_job(array("sweep", {0, 3, 1}));
  const AttemptId failed = backend_.grant(unit(1, 0), n1);
  backend_.run(failed);
  backend_.end(failed, RunState::failed, 1);
  EXPECT_EQ(ada_.post("/v1/jobs/1_[1-2]/cancel").status, 200);
  const json job = get("/v1/jobs/1");
  for (const json& counts : {job["units"], job["groups"][0]["units"]}) {
    EXPECT_EQ(counts["failed"], 1);
    EXPECT_EQ(counts["cancelled"], 2);
    EXPECT_EQ(counts["waiting"], 1);
    EXPECT_EQ(counts["total"], 4);
  }
  EXPECT_EQ(get("/v1/units/1_0")["past"].size(), 1U);
  const json cancelled = get("/v1/units/1_1");
  EXPECT_EQ(cancelled["state"], "CANCELLED");
  EXPECT_EQ(cancelled["past"].size(), 0U);
  EXPECT_EQ(cancelled["reason"], "cancelled by ada");
  EXPECT_EQ(get("/v1/history?job=1")["rows"].size(), 2U) << "the history knows of both ends";
}

TEST_F(Handlers, WhatIsSimulatedSaysSo) {
  Node real = node("real", 8, gibibytes(64), 2, "NVIDIA H100 80GB HBM3");
  for (auto& device : real.devices) device.simulated = false;
  const NodeId n1 = backend_.add_node(node("n1", 8, gibibytes(64), 4));
  backend_.add_node(real);
  const json devices = get("/v1/status")["devices"];
  EXPECT_EQ(devices["total"], 6);
  EXPECT_EQ(devices["simulated"], 4);
  const auto wants = [](List<DeviceRequest> devices_wanted) {
    Resources out = core::testing::resources(1);
    out.devices = std::move(devices_wanted);
    return out;
  };
  backend_.add_job(loose("none", 1, wants({})));
  backend_.add_job(loose("either", 1, wants({gpus(1)})));
  backend_.add_job(loose("simulated", 1, wants({gpus(1, "A100")})));
  backend_.add_job(loose("real", 1, wants({gpus(1, "H100")})));
  for (const auto& [ref, simulated] :
       {std::pair{"none", false}, {"either", false}, {"simulated", true}, {"real", false}})
    EXPECT_EQ(get(std::string("/v1/jobs/") + ref)["simulated"], simulated) << ref;
  backend_.run(backend_.grant(unit(2), n1));
  EXPECT_EQ(get("/v1/jobs/either")["simulated"], true) << "it got a simulated one";
}

TEST_F(Handlers, UnitsThatWaitAndUnitsThatAreHeldAreToldApart) {
  const NodeId n1 = backend_.add_node(node("n1", 8));
  backend_.add_job(array("sweep", {0, 3, 1}));
  backend_.run(backend_.grant(unit(1, 0), n1));
  EXPECT_EQ(ada_.post("/v1/jobs/1_3/hold").status, 200);
  EXPECT_EQ(get("/v1/jobs/1/explain")["summary"],
            "1 unit runs. 2 units more: the scheduler has not looked at it yet; ask again in a "
            "moment. 1 unit more: held by ada; 'busbar release 1_3' lets it go.");
  EXPECT_EQ(ada_.post("/v1/jobs/1/hold").status, 200);
  EXPECT_EQ(get("/v1/jobs/1/explain")["summary"],
            "1 unit runs. 3 units more: held by ada; 'busbar release 1' lets it go.");
  EXPECT_EQ(get("/v1/units/1_3")["reason"], "Held by ada");
}

TEST_F(Handlers, AnAttemptSaysWhatItsLatestEndIsMadeOf) {
  const NodeId n1 = backend_.add_node(node("n1", 8));
  Job job = loose("j");
  job.time_limit = seconds(20);
  job.grace = seconds(30);
  backend_.add_job(job);
  const AttemptId attempt = backend_.grant(unit(1), n1);
  backend_.happen(Running{attempt, {}, backend_.now() + seconds(60)});
  EXPECT_EQ(get("/v1/units/1")["attempt"]["latest_end_parts"],
            "limit 20s + grace 30s + cleanup 10s");
}

TEST_F(Handlers, ReferencesAreNumbersNamesLastAndArrayIndices) {
  backend_.add_node(node("n1", 8));
  backend_.add_job(array("sweep", {10, 30, 10}));
  backend_.add_job(loose("prep"));
  EXPECT_EQ(get("/v1/jobs/sweep")["id"], 1);
  EXPECT_EQ(get("/v1/jobs/last")["id"], 2);
  EXPECT_EQ(get("/v1/units/1_20")["index"], 1);
  EXPECT_EQ(get("/v1/units/1_20")["array_index"], 20);
  EXPECT_EQ(get("/v1/units/sweep_20")["ref"], "1_20");
  EXPECT_EQ(get("/v1/units/last.0")["ref"], "2");
  struct Row {
    const char* target;
    int status;
    const char* says;
  };
  for (const Row& row :
       {Row{"/v1/jobs/99", 404, "no job 99"}, Row{"/v1/jobs/nothing", 404, "'nothing'"},
        Row{"/v1/units/1_15", 404, "1_10"}, Row{"/v1/units/sweep_15", 404, "1_10"},
        Row{"/v1/units/no_15", 404, "'no_15'"}, Row{"/v1/units/1", 400, "3 units"},
        Row{"/v1/units/1_[", 400, "1_["}, Row{"/v1/nothing", 404, "openapi"}}) {
    const std::string text = refusal(ada_, "GET", row.target, row.status);
    EXPECT_NE(text.find(row.says), std::string::npos) << row.target << ": " << text;
  }
}

TEST_F(Handlers, OnlyTheOwnerAndOperatorsChangeAJob) {
  backend_.add_node(node("n1", 8));
  backend_.add_job(loose("a", 3));
  refusal(bob_, "POST", "/v1/jobs/1/cancel", 403);
  EXPECT_EQ(ada_.post("/v1/jobs/1/hold").status, 200);
  EXPECT_EQ(get("/v1/jobs/1")["units"]["held"], 3);
  EXPECT_EQ(ada_.post("/v1/jobs/1/release").status, 200);
  EXPECT_EQ(ada_.post("/v1/jobs/1.1/cancel", R"({"reason":"too slow"})").status, 200);
  EXPECT_EQ(get("/v1/jobs/1")["units"]["waiting"], 2);
  EXPECT_EQ(root_.post("/v1/jobs/1/cancel").status, 200);
  EXPECT_EQ(get("/v1/jobs/1")["state"], "CANCELLED");
}

TEST_F(Handlers, AJobIsUpdatedByNamedFields) {
  backend_.add_node(node("n1", 8));
  backend_.add_job(loose("a"));
  EXPECT_EQ(ada_.ask("PATCH", "/v1/jobs/1", R"({"name":"b","time_limit":"2h"})").status, 200);
  const json shown = get("/v1/jobs/1");
  EXPECT_EQ(shown["name"], "b");
  EXPECT_EQ(shown["time_limit_seconds"], 7200);
  EXPECT_EQ(ada_.ask("PATCH", "/v1/jobs/1", R"({"priority":-1000})").status, 200);
  refusal(ada_, "PATCH", "/v1/jobs/1", 400, R"({"priority":1001})");
  EXPECT_NE(refusal(ada_, "PATCH", "/v1/jobs/1", 400, R"({"time_limt":"2h"})").find("time_limit"),
            std::string::npos);
  refusal(ada_, "PATCH", "/v1/jobs/1", 400, "{}");
  refusal(ada_, "PATCH", "/v1/jobs/1", 400, "[1");
}

TEST_F(Handlers, WaitingEndsWithTheJobsExitCode) {
  const NodeId n1 = backend_.add_node(node("n1", 8));
  backend_.add_job(loose("a"));
  EXPECT_EQ(get("/v1/jobs/1/wait?timeout=0")["done"], false);
  const AttemptId attempt = backend_.grant(unit(1), n1);
  backend_.run(attempt);
  EXPECT_EQ(get("/v1/jobs/1/wait?timeout=0&until=running")["done"], true);
  backend_.end(attempt, RunState::failed, 7);
  const json ended = get("/v1/jobs/1/wait");
  EXPECT_EQ(ended["done"], true);
  EXPECT_EQ(ended["exit_code"], 7);
  backend_.happen(JobRetired{JobId(1)});
  EXPECT_EQ(get("/v1/jobs/1/wait")["exit_code"], 7);
  EXPECT_EQ(get("/v1/jobs/1")["in_history"], true);
}

TEST_F(Handlers, AVerdictIsTheReasonAndTheExplanation) {
  backend_.add_node(node("n1", 8));
  backend_.add_job(loose("a"));
  backend_.settle();
  core::Verdict verdict;
  verdict.job = JobId(1);
  verdict.units = 1;
  verdict.reason = core::Reason::resources;
  verdict.resource = "cores";
  verdict.wanted = 4000;
  verdict.free = 1000;
  verdict.capacity = 8000;
  verdict.start_estimate = Tick(61'000);
  backend_.replica().publish({{verdict}, {}}, true);
  for (int i = 0; i < 200 && get("/v1/jobs")["jobs"][0]["reason"].is_null(); ++i) usleep(5000);
  EXPECT_EQ(get("/v1/jobs")["jobs"][0]["reason"], "Resources: wants 4 cores, 1 free");
  const json why = get("/v1/jobs/1/explain");
  EXPECT_EQ(why["verdicts"][0]["reason"], "Resources");
  EXPECT_EQ(why["verdicts"][0]["wanted"], 4000);
  EXPECT_FALSE(why["summary"].get<std::string>().empty());
  EXPECT_EQ(why["predicted_in_seconds"], 60);
  EXPECT_EQ(why["position"], 1);
}

TEST_F(Handlers, TheReasonSaysWhatIsSimulated) {
  Node simulated = node("n1", 8, gibibytes(64), 4);
  for (auto& device : simulated.devices) device.simulated = true;
  backend_.add_node(simulated);
  Resources wanted = core::testing::resources(1);
  wanted.devices = {gpus(3, "A100")};
  backend_.add_job(loose("a", 1, wanted));
  backend_.settle();
  core::Verdict verdict;
  verdict.job = JobId(1);
  verdict.units = 1;
  verdict.reason = core::Reason::resources;
  verdict.resource = "A100";
  verdict.wanted = 3000;
  verdict.free = 1000;
  backend_.replica().publish({{verdict}, {}}, true);
  const auto reason = [&] { return get("/v1/jobs")["jobs"][0]["reason"]; };
  for (int i = 0; i < 200 && reason().is_null(); ++i) usleep(5000);
  EXPECT_EQ(reason(), "Resources: wants 3 A100 (simulated), 1 free");
}

TEST_F(Handlers, ALogIsReadByOffsetFromTheEndAndByItsOwnerOnly) {
  const NodeId n1 = backend_.add_node(node("n1", 8));
  const std::string folder = ::testing::TempDir() + "/busbar_api_log";
  mkdir(folder.c_str(), 0755);
  ASSERT_EQ(ada_.post("/v1/jobs", "name: a\nrun: x\ndirectory: " + folder + "\n").status, 201);
  Response log = ada_.get("/v1/units/1/log");
  EXPECT_EQ(log.status, 200);
  EXPECT_EQ(log.body, "");
  const AttemptId attempt = backend_.grant(unit(1), n1);
  backend_.run(attempt);
  std::ofstream(folder + "/busbar-1.out") << "hello world\n";
  log = ada_.get("/v1/units/1/log?offset=6&length=3");
  EXPECT_EQ(log.body, "wor");
  const std::map<std::string, std::string> headers(log.headers.begin(), log.headers.end());
  EXPECT_EQ(headers.at("X-Busbar-Offset"), "6");
  EXPECT_EQ(headers.at("X-Busbar-Size"), "12");
  EXPECT_EQ(headers.at("X-Busbar-State"), "RUNNING");
  EXPECT_EQ(ada_.get("/v1/units/1/log?offset=-6").body, "world\n");
  EXPECT_EQ(ada_.get("/v1/units/1/log?offset=-600").body, "hello world\n");
  backend_.log_begin = 6;  // "hello " was there before
  EXPECT_EQ(ada_.get("/v1/units/1/log").body, "world\n");
  EXPECT_EQ(ada_.get("/v1/units/1/log?offset=0&length=5").body, "hello");
  EXPECT_EQ(ada_.get("/v1/units/1/log?offset=-600").body, "world\n");
  refusal(bob_, "GET", "/v1/units/1/log", 403);
  refusal(ada_, "GET", "/v1/units/1/log?attempt=2", 404);
  refusal(ada_, "GET", "/v1/units/1/log?stream=out", 400);
  backend_.end(attempt);
  backend_.happen(JobRetired{JobId(1)});
  EXPECT_EQ(ada_.get("/v1/units/1/log").body, "world\n");
}

TEST_F(Handlers, BeforeAnAttemptRunsNothingOfItsFileIsShown) {
  const NodeId n1 = backend_.add_node(node("n1", 8));
  const std::string folder = ::testing::TempDir() + "/busbar_api_log";
  mkdir(folder.c_str(), 0755);
  std::ofstream(folder + "/shared") << "another's\n";
  ASSERT_EQ(
      ada_.post("/v1/jobs", "name: a\nrun: x\noutput: shared\ndirectory: " + folder + "\n").status,
      201);
  const auto nothing_known = [&](const std::string& query) {
    const Response log = ada_.get("/v1/units/1/log" + query);
    const std::map<std::string, std::string> headers(log.headers.begin(), log.headers.end());
    EXPECT_EQ(log.status, 200) << query;
    EXPECT_EQ(log.body, "") << query;
    EXPECT_EQ(headers.at("X-Busbar-Path"), "") << query;
    EXPECT_FALSE(headers.contains("X-Busbar-Offset")) << query;
  };
  nothing_known("");
  backend_.grant(unit(1), n1);  // CONFIGURING
  nothing_known("");
  nothing_known("?offset=-4096");
}

TEST_F(Handlers, HistoryIsPagedNewestFirst) {
  const NodeId n1 = backend_.add_node(node("n1", 8));
  backend_.add_job(loose("a", 5));
  for (std::uint32_t i = 0; i < 5; ++i) {
    backend_.advance(seconds(10));
    const AttemptId attempt = backend_.grant(unit(1, i), n1);
    backend_.run(attempt);
    backend_.end(attempt);
  }
  const json first = get("/v1/history?limit=2");
  EXPECT_EQ(first["rows"][0]["ref"], "1.4");
  const json second = get("/v1/history?limit=2&page=" + first["next"].get<std::string>());
  EXPECT_EQ(second["rows"][0]["ref"], "1.2");
  EXPECT_EQ(get("/v1/history?state=failed")["rows"].size(), 0U);
  EXPECT_EQ(get("/v1/history?from=2026-01-01T00:00:45Z")["rows"].size(), 1U);
  refusal(ada_, "GET", "/v1/history?from=yesterday", 400);
}

TEST_F(Handlers, EventsTellWhatHappenedInALine) {
  const NodeId n1 = backend_.add_node(node("n1", 8));
  backend_.add_job(array("sweep", {1, 3, 1}));
  const AttemptId attempt = backend_.grant(unit(1, 1), n1);
  backend_.end(attempt, RunState::failed, 2);
  Outcome outcome = ada_.outcome("GET", "/v1/events?since=0&job=1");
  auto& stream = std::get<EventStream>(outcome);
  std::string text;
  for (const auto& event : backend_.replica().read_events(stream.since, 100).events)
    text += stream.write(*event);
  EXPECT_EQ(text.find("node_registered"), std::string::npos);
  EXPECT_NE(text.find("event: submitted"), std::string::npos);
  EXPECT_NE(text.find("1_2#1 starts on n1"), std::string::npos) << text;
  EXPECT_NE(text.find("ended FAILED with exit code 2"), std::string::npos) << text;
  refusal(ada_, "GET", "/v1/events?kind=endd", 400);
}

TEST_F(Handlers, EventsKeepTheKeyOfASubmissionToThemselves) {
  backend_.add_node(node("n1", 8));
  ASSERT_EQ(ada_.ask("POST", "/v1/jobs", hello, {{"idempotency-key", "secret-key"}}).status, 201);
  Outcome outcome = bob_.outcome("GET", "/v1/events?since=0");
  auto& stream = std::get<EventStream>(outcome);
  std::string text;
  for (const auto& event : backend_.replica().read_events(stream.since, 100).events)
    text += stream.write(*event);
  EXPECT_NE(text.find("event: submitted"), std::string::npos);
  EXPECT_EQ(text.find("secret-key"), std::string::npos) << text;
  EXPECT_EQ(text.find("idempotency_key"), std::string::npos) << text;
}

TEST_F(Handlers, WithoutATokenOnlyHealthAndTheDocumentAnswer) {
  Asker nobody(backend_, Caller{});
  EXPECT_EQ(nobody.get("/healthz").status, 200);
  EXPECT_EQ(nobody.get("/v1/openapi.json").status, 200);
  for (const Route& route : routes()) {
    if (route.who == Who::everyone) continue;
    std::string path(route.pattern);
    for (const char* name : {"{ref}", "{name}", "{id}"}) {
      if (const auto at = path.find(name); at != std::string::npos)
        path.replace(at, std::string(name).size(), "1");
    }
    EXPECT_EQ(nobody.ask(std::string(route.method), path).status, 401) << path;
  }
}

TEST_F(Handlers, AnotherMethodIsRefusedWithThoseThatAreAllowed) {
  const Response response = ada_.ask("DELETE", "/v1/jobs");
  EXPECT_EQ(response.status, 405);
  EXPECT_EQ(response.headers[0].second, "POST, GET");
}

TEST_F(Handlers, AFullJournalShowsInHealthAndRefusesCommands) {
  backend_.add_node(node("n1", 8));
  backend_.set_health(JournalHealth::full);
  EXPECT_EQ(ada_.get("/healthz").status, 503);
  EXPECT_EQ(get("/v1/status")["health"], "full");
  refusal(ada_, "POST", "/v1/jobs", 503, hello);
}

TEST_F(Handlers, MetricsAreInPrometheusText) {
  backend_.add_node(node("n1", 8));
  const std::string text = ada_.get("/metrics").body;
  EXPECT_NE(text.find("# TYPE busbar_nodes gauge\nbusbar_nodes 1\n"), std::string::npos) << text;
  EXPECT_NE(text.find("busbar_jobs{state=\"pending\"} 0\n"), std::string::npos) << text;
}

}  // namespace
}  // namespace busbar::api
