// The route table and docs/openapi.json name the same operations, with the same path parameters.
#include "api/routes.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>

#include "api/openapi.hpp"
#include "base/text.hpp"

namespace busbar::api {
namespace {

using nlohmann::json;

std::set<std::string> path_parameters(std::string_view pattern) {
  std::set<std::string> names;
  for (const std::string_view part : split(pattern, '/')) {
    if (part.starts_with('{')) names.insert(std::string(part.substr(1, part.size() - 2)));
  }
  return names;
}

TEST(Routes, TheDocumentHasExactlyTheseOperations) {
  const json document = json::parse(openapi_text());
  std::set<std::string> described;
  for (const auto& [path, operations] : document["paths"].items()) {
    for (const auto& [method, operation] : operations.items()) {
      std::string upper;
      for (const char c : method) upper += static_cast<char>(std::toupper(c));
      described.insert(upper + " " + path);
    }
  }
  std::set<std::string> served;
  for (const Route& route : routes())
    served.insert(std::string(route.method) + " " + std::string(route.pattern));
  EXPECT_EQ(described, served);
}

TEST(Routes, TheDocumentSaysWhoMayAndWhichParametersThePathHas) {
  const json document = json::parse(openapi_text());
  for (const Route& route : routes()) {
    const json& operation =
        document["paths"][std::string(route.pattern)][lower(std::string(route.method))];
    const std::string who = operation["x-busbar-who"];
    EXPECT_EQ(who == "operator", route.who == Who::op) << route.pattern;
    EXPECT_EQ(who == "public", route.who == Who::everyone) << route.pattern;
    std::set<std::string> described;
    for (const auto& parameter : operation.value("parameters", json::array())) {
      if (parameter["in"] == "path") described.insert(parameter["name"]);
    }
    EXPECT_EQ(described, path_parameters(route.pattern)) << route.pattern;
    std::set<std::string> query;
    for (const auto& parameter : operation.value("parameters", json::array())) {
      if (parameter["in"] == "query" && parameter["name"] != "revision")
        query.insert(parameter["name"]);
    }
    std::set<std::string> taken;
    for (const std::string_view name : split(route.query, ' '))
      if (!name.empty()) taken.emplace(name);
    EXPECT_EQ(query, taken) << route.method << " " << route.pattern;
    const bool keyed = operation.dump().find("Idempotency-Key") != std::string::npos;
    EXPECT_EQ(keyed, route.method == "POST") << route.pattern;
  }
}

TEST(Routes, APathIsDecodedPartByPart) {
  std::string allowed;
  const auto found = find_route("GET", "/v1/jobs/my%20job%2F1/units", allowed);
  ASSERT_TRUE(found.ok());
  EXPECT_EQ(found->parameters.at("ref"), "my job/1");
  EXPECT_FALSE(find_route("GET", "/v1/jobs/%zz", allowed).ok());
  EXPECT_FALSE(find_route("GET", "/v1/jobs/a%00b", allowed).ok());
  EXPECT_FALSE(find_route("GET", "/v1/jobs//units", allowed).ok());
}

}  // namespace
}  // namespace busbar::api
