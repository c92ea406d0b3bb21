// Lines of words behind one separator, with a heading that names the columns: sacct and CSV, in
// which a word may stand in quotes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "sim/trace/trace.hpp"

namespace busbar::sim {

inline constexpr std::int64_t seconds_max = century.value / 1000;  // of any time in a trace

class Table {
 public:
  // invalid where a wanted column is missing or the text is empty.
  static Result<Table> open(std::string_view text, std::string_view file_name, char separator,
                            const std::vector<std::string_view>& wanted);

  // The next line that is not empty; false at the end. invalid: more or fewer words than columns.
  Result<bool> next();
  // The word in that column; "" where there is no such column.
  std::string_view at(std::string_view column) const;
  // "FILE:LINE: COLUMN: "WORD" what".
  Error wrong(std::string_view column, std::string_view what) const;
  // A number that is not negative, in thousandths.
  Result<std::int64_t> milli(std::string_view column, std::int64_t max) const;
  Result<std::int64_t> whole(std::string_view column, std::int64_t max) const;

 private:
  std::string_view rest_;
  std::string file_;
  char separator_ = ',';
  std::size_t line_ = 0;
  std::vector<std::string_view> columns_;
  std::vector<std::string_view> words_;
};

// Takes the line up to the next '\n' off `text`, without '\r'.
std::string_view take_text_line(std::string_view& text);
// By submit time, ties as they are; the first submission becomes 0 where `shift` is set.
void put_in_order(Trace& trace, bool shift);

}  // namespace busbar::sim
