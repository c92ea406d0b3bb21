#include "api/json_out.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "api/request.hpp"

namespace busbar::api {
namespace {

TEST(JsonOut, AnyBytesGiveValidJson) {
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all += static_cast<char>(byte);
  const auto parsed = nlohmann::json::parse(to_json(all), nullptr, false);
  ASSERT_FALSE(parsed.is_discarded());
  EXPECT_EQ(to_json(std::string("a\"b\\c\n\x01 \xC3\xA9 \xFF")),
            "\"a\\\"b\\\\c\\n\\u0001 \xC3\xA9 \xEF\xBF\xBD\"");
}

TEST(JsonOut, NumbersSpansAndMoments) {
  EXPECT_EQ(to_json(Seconds{Span(1500)}), "1.500");
  EXPECT_EQ(to_json(Seconds{Span(-2000)}), "-2");
  EXPECT_EQ(to_json(Thousandths{250}), "0.250");
  EXPECT_EQ(to_json(std::optional<int>()), "null");
  EXPECT_EQ(to_json(Moment{1'767'225'600'123}), "\"2026-01-01T00:00:00.123Z\"");
  EXPECT_EQ(to_json(LabelMap{{{"a", "1"}, {"b", ""}}}), R"({"a":"1","b":""})");
}

TEST(Targets, AreSplitAndDecoded) {
  Request request;
  ASSERT_TRUE(parse_target("/v1/jobs?name=a%20b&x=1+2&flag", request).ok());
  EXPECT_EQ(request.path, "/v1/jobs");
  EXPECT_EQ(request.query.at("name"), "a b");
  EXPECT_EQ(request.query.at("x"), "1 2");
  EXPECT_EQ(request.query.at("flag"), "");
  using namespace std::string_view_literals;
  for (const std::string_view wrong :
       {""sv, "v1"sv, "/a?x=%4"sv, "/a?x=%gg"sv, "/a?x=1&x=2"sv, "/a?x=%00"sv, "/a?x=\0"sv}) {
    Request other;
    EXPECT_FALSE(parse_target(wrong, other).ok()) << wrong;
  }
}

}  // namespace
}  // namespace busbar::api
