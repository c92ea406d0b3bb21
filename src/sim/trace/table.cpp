#include "sim/trace/table.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"

namespace busbar::sim {

std::string_view take_text_line(std::string_view& text) {
  const std::size_t end = std::min(text.find('\n'), text.size());
  std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

void put_in_order(Trace& trace, bool shift) {
  std::stable_sort(trace.jobs.begin(), trace.jobs.end(),
                   [](const TraceJob& a, const TraceJob& b) { return a.submit < b.submit; });
  if (!shift || trace.jobs.empty()) return;
  const Span first = trace.jobs.front().submit;
  for (TraceJob& job : trace.jobs) job.submit -= first;
}

namespace {

// A word of a CSV may stand in quotes and then hold commas; quotes in it stay doubled.
std::vector<std::string_view> words_of_line(std::string_view line, char separator) {
  if (separator != ',' || line.find('"') == std::string_view::npos) return split(line, separator);
  std::vector<std::string_view> words;
  for (std::size_t at = 0; at <= line.size();) {
    const bool quoted = at < line.size() && line[at] == '"';
    std::size_t end = quoted ? at + 1 : line.find(separator, at);
    while (quoted && end < line.size() && (line[end] != '"' || line.substr(end, 2) == "\"\""))
      end += line[end] == '"' ? 2 : 1;
    end = std::min(end, line.size());
    words.push_back(line.substr(at + (quoted ? 1 : 0), end - at - (quoted ? 1 : 0)));
    at = std::min(line.find(separator, end), line.size()) + 1;
  }
  return words;
}

}  // namespace

Result<Table> Table::open(std::string_view text, std::string_view file_name, char separator,
                          const std::vector<std::string_view>& wanted) {
  Table table;
  table.rest_ = text;
  table.file_ = std::string(file_name);
  table.separator_ = separator;
  table.line_ = 1;
  table.columns_ = split(take_text_line(table.rest_), separator);
  for (const auto name : wanted)
    if (std::find(table.columns_.begin(), table.columns_.end(), name) == table.columns_.end())
      return {Errc::invalid, fmt::format("{}:1: the heading has no column {}; wanted are: {}",
                                         file_name, name, fmt::join(wanted, ", "))};
  return table;
}

Result<bool> Table::next() {
  while (!rest_.empty()) {
    const std::string_view line = take_text_line(rest_);
    ++line_;
    if (trim(line).empty()) continue;
    words_ = words_of_line(line, separator_);
    if (words_.size() != columns_.size())
      return {Errc::invalid, fmt::format("{}:{}: {} words where the heading has {}", file_, line_,
                                         words_.size(), columns_.size())};
    return true;
  }
  return false;
}

std::string_view Table::at(std::string_view column) const {
  const auto found = std::find(columns_.begin(), columns_.end(), column);
  if (found == columns_.end()) return {};
  return words_[static_cast<std::size_t>(found - columns_.begin())];
}

Error Table::wrong(std::string_view column, std::string_view what) const {
  return {Errc::invalid, fmt::format("{}:{}: {}: \"{}\" {}", file_, line_, column,
                                     printable(at(column), 60), what)};
}

Result<std::int64_t> Table::milli(std::string_view column, std::int64_t max) const {
  const std::string_view word = at(column);
  const std::size_t point = word.find('.');
  const auto number =
      parse_milli(point == std::string_view::npos ? word : word.substr(0, point + 4));
  if (!number.ok()) return wrong(column, "is no number from 0 on");
  if (*number > max * 1000) return wrong(column, fmt::format("is more than {}", max));
  return *number;
}

Result<std::int64_t> Table::whole(std::string_view column, std::int64_t max) const {
  BUSBAR_TRY(number, milli(column, max));
  if (number % 1000 != 0) return wrong(column, "is no whole number");
  return number / 1000;
}

}  // namespace busbar::sim
