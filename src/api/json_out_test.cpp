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

TEST(Moments, AreReadAsPeopleWriteThem) {
  const std::int64_t now = 1'767'225'600'000;
  struct Row {
    const char* text;
    std::int64_t expected;
  };
  for (const Row& row :
       {Row{"now", now}, Row{"+90m", now + 5'400'000}, Row{"2026-01-01T00:00:00Z", now},
        Row{"2026-01-01T01:00:00+01:00", now}, Row{"2026-01-01T00:00:00.5Z", now + 500},
        Row{"2026-01-01T00:00Z", now}, Row{"1970-01-01T00:00:00Z", 0},
        Row{"2024-02-29T00:00:00Z", 1709164800000}})
    EXPECT_EQ(parse_moment(row.text, now).value(), row.expected) << row.text;
  for (const char* wrong :
       {"", "yesterday", "2026-13-01T00:00:00Z", "2026-02-30T00:00:00Z", "2026-01-01",
        "2026-01-01T00:00:00", "2026-01-01T25:00:00Z", "+x", "2026-01-01T00:00:00Zjunk"})
    EXPECT_FALSE(parse_moment(wrong, now).ok()) << wrong;
}

TEST(Moments, WrittenAndReadAgainAreTheSame) {
  for (std::int64_t moment = -86'400'000LL * 366; moment < 4'102'444'800'000;
       moment += 86'400'000LL * 17 + 12'345)
    EXPECT_EQ(parse_moment(format_moment(moment), 0).value(), moment);
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
