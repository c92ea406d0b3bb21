// What the tests of handlers share: a State, and who asks.
#pragma once

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>  // tidy: heavy, tests read answers
#include <string>

#include "api/testing.hpp"

namespace busbar::api {

using core::testing::array;
using core::testing::gang;
using core::testing::gpus;
using core::testing::loose;
using core::testing::node;
using core::testing::unit;
using nlohmann::json;
using testing::Asker;
using testing::caller;
using testing::operator_caller;
using testing::TestBackend;

inline constexpr const char* hello = "name: hello\nrun: echo hello\ndirectory: /tmp\n";

inline json body_of(const Response& response) { return json::parse(response.body); }

class Handlers : public ::testing::Test {
 protected:
  TestBackend backend_;
  Asker ada_{backend_};
  Asker bob_{backend_, caller("bob", 1001)};
  Asker root_{backend_, operator_caller()};

  json get(const std::string& target) {
    const Response response = ada_.get(target);
    EXPECT_EQ(response.status, 200) << target << ": " << response.body;
    return body_of(response);
  }
  std::string refusal(Asker& who, const std::string& method, const std::string& target, int status,
                      const std::string& body = "") {
    const Response response = who.ask(method, target, body);
    EXPECT_EQ(response.status, status) << target << ": " << response.body;
    return response.status >= 400 ? body_of(response)["error"]["message"] : "";
  }
};

}  // namespace busbar::api
