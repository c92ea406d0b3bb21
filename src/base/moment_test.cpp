#include "base/moment.hpp"

#include <gtest/gtest.h>

namespace busbar {
namespace {

TEST(Moments, AreReadAsPeopleWriteThem) {
  const std::int64_t now = 1'767'225'600'000;
  struct Row {
    const char* text;
    std::int64_t expected;
  };
  for (const Row& row :
       {Row{"now", now}, Row{"+90m", now + 5'400'000}, Row{"2026-01-01T00:00:00Z", now},
        Row{"2026-01-01T01:00:00+01:00", now}, Row{"2026-01-01T00:00:00.5Z", now + 500},
        Row{"2026-01-01T00:00Z", now}, Row{"2026-01-01", now}, Row{"1970-01-01T00:00:00Z", 0},
        Row{"2024-02-29T00:00:00Z", 1709164800000}})
    EXPECT_EQ(parse_moment(row.text, now).value(), row.expected) << row.text;
  for (const char* wrong :
       {"", "yesterday", "2026-13-01T00:00:00Z", "2026-02-30T00:00:00Z", "2026-02-30",
        "2026-01-01T00:00:00", "2026-01-01T25:00:00Z", "+x", "2026-01-01T00:00:00Zjunk"})
    EXPECT_FALSE(parse_moment(wrong, now).ok()) << wrong;
}

TEST(Moments, WrittenAndReadAgainAreTheSame) {
  for (std::int64_t moment = -86'400'000LL * 366; moment < 4'102'444'800'000;
       moment += 86'400'000LL * 17 + 12'345)
    EXPECT_EQ(parse_moment(format_moment(moment), 0).value(), moment);
}

}  // namespace
}  // namespace busbar
