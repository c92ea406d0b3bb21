// What goes to a person's terminal: tables, short times, colours only where a terminal shows them.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace busbar::cli {

enum class Colour : std::uint8_t { none, red, green, yellow, blue, grey, bold };

struct Screen {
  bool colours = false;
  std::size_t width = 0;     // 0: not a terminal, lines are as long as they are
  bool interactive = false;  // stderr is a terminal: progress may be shown

  // Looks at stdout and stderr, NO_COLOR and TERM.
  static Screen detect(bool no_color);
  std::string paint(std::string_view text, Colour colour) const;
};

// Columns as wide as their widest cell; a line ends where the terminal ends.
class Table {
 public:
  explicit Table(std::vector<std::string> header);
  void add(std::vector<std::string> row);
  void add(std::vector<std::string> row, Colour state_colour, std::size_t state_column);
  std::string text(const Screen& screen) const;
  bool empty() const { return rows_.empty(); }

 private:
  struct Row {
    std::vector<std::string> cells;
    Colour colour = Colour::none;
    std::size_t coloured = 0;
  };
  // `row` is null for the header.
  static std::string line(const std::vector<std::string>& cells, const Row* row,
                          const std::vector<std::size_t>& widths, const Screen& screen);

  std::vector<std::string> header_;
  std::vector<Row> rows_;
};

// Columns a terminal needs for UTF-8 text (one per code point).
std::size_t columns(std::string_view text);
std::string cut(std::string_view text, std::size_t width);

Colour state_colour(std::string_view state);
// Text of others, safe to print: control characters but line ends and tabs become '?'.
std::string harmless(std::string_view text);

// "2h30m", "45s", "3d4h"
std::string short_seconds(double seconds);
// "in 5m", "3h ago", "now" for an RFC 3339 moment, against `now_unix_ms`; "" for "".
std::string relative(std::string_view moment, std::int64_t now_unix_ms);
// Milliseconds since 1970 of an RFC 3339 moment; -1 when it is none.
std::int64_t unix_ms_of(std::string_view moment);
std::int64_t now_unix_ms();
// What is wrong with the first of these options that is given and is no moment; "" when none is.
std::string moment_fault(std::initializer_list<std::pair<const char*, const std::string*>> options);
// "1.5G"
std::string short_bytes(std::int64_t bytes);

}  // namespace busbar::cli
