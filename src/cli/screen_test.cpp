#include "cli/screen.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace busbar::cli {
namespace {

Table two_rows() {
  Table table({"JOB", "STATE", "WHY"});
  table.add({"1", "RUNNING", "vm"}, Colour::green, 1);
  table.add({"123456", "PENDING", "waits for four devices"}, Colour::yellow, 1);
  return table;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> out;
  for (std::size_t start = 0; start < text.size();) {
    const std::size_t end = text.find('\n', start);
    out.push_back(text.substr(start, end - start));
    start = end + 1;
  }
  return out;
}

TEST(Table, ColumnsAreAsWideAsTheirWidestCell) {
  EXPECT_EQ(two_rows().text({}),
            "JOB     STATE    WHY\n"
            "1       RUNNING  vm\n"
            "123456  PENDING  waits for four devices\n");
}

TEST(Table, ALineEndsWhereTheTerminalEnds) {
  const Screen screen{false, 24, false};
  EXPECT_EQ(two_rows().text(screen),
            "JOB     STATE    WHY\n"
            "1       RUNNING  vm\n"
            "123456  PENDING  waits ~\n");
}

TEST(Table, ColoursOnlyWhereATerminalShowsThem) {
  EXPECT_EQ(two_rows().text({}).find('\x1b'), std::string::npos);
  const Screen colourful{true, 0, false};
  const std::string text = two_rows().text(colourful);
  EXPECT_NE(text.find("\x1b[32mRUNNING\x1b[0m"), std::string::npos) << text;
  EXPECT_NE(text.find("\x1b[33mPENDING\x1b[0m"), std::string::npos) << text;
}

TEST(Table, ColoursDoNotMoveColumns) {
  const std::string text = two_rows().text({true, 0, false});
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\x1b')
      i = text.find('m', i);
    else
      plain += text[i];
  }
  EXPECT_EQ(plain, two_rows().text({}));
}

TEST(Table, ACellIsOneLine) {
  Table table({"WHY", "X"});
  table.add({"one\ntwo\tthree", "x"});
  EXPECT_EQ(table.text({}), "WHY            X\none two three  x\n");
}

TEST(Table, UmlautsTakeOneColumn) {
  Table table({"NAME", "X"});
  table.add({"M\xc3\xbcller", "x"});
  EXPECT_EQ(lines_of(table.text({}))[0], "NAME    X");
}

RC_GTEST_PROP(Table, NeverWiderThanTheTerminal, (std::vector<std::string> cells)) {
  const auto width = *rc::gen::inRange<std::size_t>(1, 60);
  Table table({"A", "B", "C"});
  for (std::size_t i = 0; i + 2 < cells.size(); i += 3) {
    std::vector<std::string> row(cells.begin() + static_cast<std::ptrdiff_t>(i),
                                 cells.begin() + static_cast<std::ptrdiff_t>(i) + 3);
    for (auto& cell : row) cell = harmless(cell);
    table.add(row);
  }
  for (const auto& line : lines_of(table.text({false, width, false})))
    RC_ASSERT(columns(line) <= width);
}

TEST(Cut, KeepsWhatFitsAndMarksWhatDoesNot) {
  EXPECT_EQ(cut("abc", 3), "abc");
  EXPECT_EQ(cut("abcd", 3), "ab~");
  EXPECT_EQ(cut("abcd", 1), "~");
  EXPECT_EQ(cut("abcd", 0), "");
  EXPECT_EQ(cut("\xc3\xbc\xc3\xbc\xc3\xbc", 2), "\xc3\xbc~");
}

TEST(Harmless, EscapesOfOthersDoNotReachTheTerminal) {
  EXPECT_EQ(harmless("a\x1b[31mb\x07\r\x7f"), "a?[31mb???");
  EXPECT_EQ(harmless("a\xc2\x9b"
                     "31m"),
            "a?31m");
  EXPECT_EQ(harmless("lines\n\tand \xc3\xbc stay"), "lines\n\tand \xc3\xbc stay");
}

TEST(ShortSeconds, AsPeopleSayThem) {
  const std::pair<double, const char*> table[] = {{0, "0s"},
                                                  {0.012, "0.01s"},
                                                  {1.25, "1.2s"},
                                                  {9.96, "10s"},
                                                  {45, "45s"},
                                                  {60, "1m00s"},
                                                  {3599.9, "59m59s"},
                                                  {3600, "1h00m"},
                                                  {9000, "2h30m"},
                                                  {86'400, "1d0h"},
                                                  {273'600, "3d4h"},
                                                  {-5, "-5.0s"},
                                                  {1e18, "11574074074d1h"}};
  for (const auto& [seconds, words] : table) EXPECT_EQ(short_seconds(seconds), words) << seconds;
}

TEST(Relative, AgainstNow) {
  const std::int64_t now = unix_ms_of("2030-01-01T00:00:00Z");
  EXPECT_EQ(now, 1'893'456'000'000);
  EXPECT_EQ(relative("2030-01-01T00:05:00Z", now), "in 5m00s");
  EXPECT_EQ(relative("2029-12-31T21:00:00.500Z", now), "2h59m ago");
  EXPECT_EQ(relative("2030-01-01T00:00:00.400Z", now), "now");
  EXPECT_EQ(relative("", now), "");
  EXPECT_EQ(relative("yesterday", now), "");
  EXPECT_EQ(unix_ms_of("2030-01-01T00:00:00.250Z"), now + 250);
}

TEST(ShortBytes, InBinaryUnits) {
  EXPECT_EQ(short_bytes(0), "0");
  EXPECT_EQ(short_bytes(std::int64_t{3} << 29), "1.5G");
}

}  // namespace
}  // namespace busbar::cli
