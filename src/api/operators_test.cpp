// What operators see and do: tokens, nodes, adoption, the clock, reservations.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "api/fixture_test.hpp"
#include "api/testing.hpp"

namespace busbar::api {
namespace {

TEST_F(Handlers, TokensAreMadeListedAndRevokedByTheirUserOrAnOperator) {
  const Response made = ada_.post("/v1/tokens", R"({"expires": "+30d", "read_only": true})");
  ASSERT_EQ(made.status, 201) << made.body;
  const json token = body_of(made);
  EXPECT_EQ(token["user"], "ada");
  EXPECT_EQ(token["expires"], "2026-01-31T00:00:01.000Z");
  EXPECT_EQ(token["token"].get<std::string>().size(), 64U);
  EXPECT_EQ(get("/v1/tokens")["tokens"][0]["id"], token["id"]);
  EXPECT_EQ(get("/v1/tokens").dump().find(token["token"].get<std::string>()), std::string::npos);
  EXPECT_EQ(body_of(bob_.get("/v1/tokens"))["tokens"].size(), 0U);
  EXPECT_EQ(body_of(root_.get("/v1/tokens"))["tokens"].size(), 1U);
  refusal(bob_, "POST", "/v1/tokens", 403, R"({"user": "root"})");
  Caller carol = caller("carol", 1002);
  carol.user.is_operator = true;
  Asker operator_of_others(backend_, carol);
  refusal(operator_of_others, "POST", "/v1/tokens", 403, R"({"user": "root"})");
  EXPECT_EQ(operator_of_others.post("/v1/tokens", R"({"user": "daemon"})").status, 201);
  refusal(root_, "POST", "/v1/tokens", 404, R"({"user": "no-such-user-here"})");
  for (const char* wrong : {"2020-01-01T00:00:00Z", "-5d", "now", "soon", "unlimited"}) {
    const std::string said =
        refusal(ada_, "POST", "/v1/tokens", 400, R"({"expires": ")" + std::string(wrong) + "\"}");
    EXPECT_NE(said.find("such as 30d"), std::string::npos) << said;
    EXPECT_NE(said.find("never"), std::string::npos) << said;
  }
  EXPECT_EQ(body_of(root_.post("/v1/tokens", R"({"expires": "30d"})"))["expires"],
            token["expires"]);
  EXPECT_EQ(body_of(root_.post("/v1/tokens", R"({"expires": "never"})"))["expires"], nullptr);

  const std::string path = "/v1/tokens/" + token["id"].get<std::string>();
  refusal(bob_, "DELETE", path, 403);
  EXPECT_EQ(ada_.ask("DELETE", path).status, 200);
  refusal(ada_, "DELETE", path, 404);

  Caller far = caller();
  far.local = false;
  Asker over_tcp(backend_, far);
  EXPECT_NE(refusal(over_tcp, "POST", "/v1/tokens", 403).find("Unix socket"), std::string::npos);
  EXPECT_EQ(over_tcp.get("/v1/tokens").status, 200);
}

TEST_F(Handlers, ATokenThatMayOnlyLookChangesNothing) {
  backend_.add_node(node("n1", 8));
  backend_.add_job(loose("a"));
  Caller looking = caller();
  looking.read_only = true;
  Asker looks(backend_, looking);
  EXPECT_EQ(looks.get("/v1/jobs").status, 200);
  EXPECT_EQ(looks.post("/v1/plan", hello).status, 200);
  for (const Route& route : routes()) {
    if (route.method == "GET" || route.pattern == "/v1/plan") continue;
    EXPECT_EQ(looks.ask(std::string(route.method), std::string(route.pattern)).status, 403)
        << route.pattern;
  }
}

TEST_F(Handlers, NodesAreShownWithWhatIsFree) {
  const NodeId n1 = backend_.add_node(node("n1", 8, gibibytes(64), 2));
  backend_.add_node(node("n2", 4));
  backend_.add_job(loose("a", 1, core::testing::resources(3, gibibytes(1))));
  backend_.grant(unit(1), n1);
  const json page = get("/v1/nodes");
  ASSERT_EQ(page["nodes"].size(), 2U);
  EXPECT_EQ(page["nodes"][0]["state"], "MIXED");
  EXPECT_EQ(page["nodes"][0]["cores"]["free"], 5);
  EXPECT_EQ(page["nodes"][0]["attempts"][0], "1#1");
  EXPECT_EQ(page["nodes"][0]["devices"][0]["simulated"], true);
  EXPECT_EQ(page["nodes"][1]["state"], "IDLE");
  EXPECT_EQ(get("/v1/nodes?state=idle")["nodes"].size(), 1U);
  EXPECT_EQ(get("/v1/nodes?limit=1")["next"], "1");

  refusal(ada_, "POST", "/v1/nodes/n1/drain", 403);
  refusal(root_, "POST", "/v1/nodes/n9/drain", 404);
  EXPECT_EQ(root_.post("/v1/nodes/n1/drain", R"({"reason":"fan"})").status, 200);
  EXPECT_EQ(get("/v1/nodes/n1")["state"], "DRAINING");
  EXPECT_EQ(get("/v1/nodes/n1")["drain_reason"], "fan");
  EXPECT_EQ(root_.post("/v1/nodes/n1/resume").status, 200);
  EXPECT_EQ(get("/v1/nodes/n1")["state"], "MIXED");
}

TEST_F(Handlers, NewerAttemptsAreListedAndAdopted) {
  backend_.add_job(core::testing::array("sweep", {5, 9, 1}));
  EXPECT_EQ(get("/v1/adopt")["attempts"].size(), 0U);
  refusal(root_, "POST", "/v1/adopt", 409);
  backend_.happen(NewerSighted{"local", {unit(1, 2), 1}, true});
  backend_.happen(NewerSighted{"local", {unit(7), 3}, false});
  const json found = get("/v1/adopt");
  EXPECT_EQ(found["read_only"], true);
  ASSERT_EQ(found["attempts"].size(), 2U);
  EXPECT_EQ(found["attempts"][0]["ref"], "1_7#1");
  EXPECT_EQ(found["attempts"][0]["job_known"], true);
  EXPECT_EQ(found["attempts"][0]["running"], true);
  EXPECT_EQ(found["attempts"][1]["ref"], "7#3");
  EXPECT_EQ(found["attempts"][1]["name"], "bb-abc123-7-0x0-3");
  EXPECT_EQ(found["attempts"][1]["job_known"], false);
  EXPECT_EQ(get("/v1/status")["clusters"][0]["newer_attempts"], 2);
  EXPECT_NE(get("/v1/jobs/1/explain")["summary"].get<std::string>().find("'busbar adopt'"),
            std::string::npos);
  EXPECT_NE(refusal(ada_, "POST", "/v1/jobs", 409, hello).find("busbar adopt"), std::string::npos);

  refusal(ada_, "POST", "/v1/adopt", 403);
  refusal(root_, "POST", "/v1/adopt", 400, R"({"leftovers":"perhaps"})");
  refusal(root_, "POST", "/v1/adopt", 409, R"({"cluster":"slurm"})");
  EXPECT_EQ(root_.post("/v1/adopt", R"({"cluster":"local","leftovers":"keep"})").status, 200);
  EXPECT_EQ(get("/v1/adopt")["read_only"], false);
  EXPECT_EQ(get("/v1/adopt")["attempts"][0]["keep"], true);
  EXPECT_EQ(get("/v1/status")["clusters"][0]["leftovers"], 2);
  const Response submitted = ada_.post("/v1/jobs", hello);
  EXPECT_EQ(body_of(submitted)["jobs"][0]["id"], 8);
}

TEST_F(Handlers, AnOperatorAnswersForTheClock) {
  EXPECT_EQ(get("/v1/status")["clock_withheld_seconds"], 0);
  refusal(root_, "POST", "/v1/clock/accept", 409);
  for (const char* answer : {"accept", "ignore"}) {
    backend_.happen(ClockWithheld{hours(3)});
    EXPECT_EQ(get("/v1/status")["clock_withheld_seconds"], 10800);
    EXPECT_NE(ada_.get("/metrics").body.find("busbar_clock_withheld_seconds 10800"),
              std::string::npos);
    refusal(ada_, "POST", std::string("/v1/clock/") + answer, 403);
    EXPECT_EQ(root_.post(std::string("/v1/clock/") + answer).status, 200);
    EXPECT_EQ(get("/v1/status")["clock_withheld_seconds"], 0);
  }
}

TEST_F(Handlers, ReservationsAreMadeListedAndEnded) {
  backend_.add_node(node("n1", 8));
  refusal(ada_, "POST", "/v1/reservations", 403, R"({"name":"m","duration":"2h"})");
  refusal(root_, "POST", "/v1/reservations", 400, R"({"name":"m"})");
  const Response made = root_.post("/v1/reservations",
                                   R"({"name":"m","nodes":["n1"],"start":"+1h","duration":"2h"})");
  EXPECT_EQ(made.status, 201) << made.body;
  const json list = get("/v1/reservations");
  EXPECT_EQ(list["reservations"][0]["nodes"][0], "n1");
  EXPECT_EQ(list["reservations"][0]["start"], "2026-01-01T01:00:01.000Z");
  EXPECT_EQ(list["reservations"][0]["active"], false);
  EXPECT_EQ(root_.ask("DELETE", "/v1/reservations/m").status, 200);
  EXPECT_EQ(get("/v1/reservations")["reservations"].size(), 0U);
}

}  // namespace
}  // namespace busbar::api
