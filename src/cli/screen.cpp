#include "cli/screen.hpp"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "base/moment.hpp"
#include "base/units.hpp"

namespace busbar::cli {
namespace {

bool continues(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

std::string_view code_of(Colour colour) {
  switch (colour) {
    case Colour::red:
      return "31";
    case Colour::green:
      return "32";
    case Colour::yellow:
      return "33";
    case Colour::blue:
      return "34";
    case Colour::grey:
      return "90";
    case Colour::bold:
      return "1";
    case Colour::none:
      break;
  }
  return "0";
}

}  // namespace

Screen Screen::detect(bool no_color) {
  Screen out;
  const bool terminal = isatty(STDOUT_FILENO) == 1;
  const char* no = std::getenv("NO_COLOR");
  const char* kind = std::getenv("TERM");
  const bool dumb = kind == nullptr || std::strcmp(kind, "dumb") == 0;
  out.colours = terminal && !no_color && !dumb && (no == nullptr || no[0] == '\0');
  out.interactive = isatty(STDERR_FILENO) == 1 && !dumb;
  winsize size{};
  if (terminal && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20)
    out.width = size.ws_col;
  return out;
}

std::string Screen::paint(std::string_view text, Colour colour) const {
  if (!colours || colour == Colour::none) return std::string(text);
  return fmt::format("\x1b[{}m{}\x1b[0m", code_of(colour), text);
}

std::size_t columns(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return !continues(c); }));
}

std::string cut(std::string_view text, std::size_t width) {
  if (columns(text) <= width) return std::string(text);
  if (width == 0) return "";
  std::size_t taken = 0;
  std::size_t end = 0;
  while (end < text.size() && (taken + 1 < width || continues(text[end])))
    if (!continues(text[end++])) ++taken;
  return std::string(text.substr(0, end)) + "~";
}

std::string harmless(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const bool second = i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xA0;
    if (byte == 0xC2 && second) {  // U+0080 to U+009F
      ++i;
      out += '?';
    } else {
      out += (byte < 0x20 && byte != '\n' && byte != '\t') || byte == 0x7F ? '?' : text[i];
    }
  }
  return out;
}

Table::Table(std::vector<std::string> header) : header_(std::move(header)) {}

void Table::add(std::vector<std::string> row) { add(std::move(row), Colour::none, 0); }

void Table::add(std::vector<std::string> row, Colour state, std::size_t state_column) {
  for (auto& cell : row)
    for (auto& c : cell)
      if (c == '\n' || c == '\t') c = ' ';
  rows_.push_back({std::move(row), state, state_column});
}

std::string Table::line(const std::vector<std::string>& cells, const Row* row,
                        const std::vector<std::size_t>& widths, const Screen& screen) {
  std::string out;
  std::size_t used = 0;
  for (std::size_t c = 0; c < cells.size() && c < widths.size(); ++c) {
    if (screen.width > 0 && used >= screen.width) break;
    const std::string cell = screen.width > 0 ? cut(cells[c], screen.width - used) : cells[c];
    const Colour colour = row == nullptr       ? Colour::bold
                          : c == row->coloured ? row->colour
                                               : Colour::none;
    out.append(c == 0 ? 0 : 2, ' ');
    out += screen.paint(cell, colour);
    out.append(widths[c] - std::min(columns(cell), widths[c]), ' ');
    used += widths[c] + 2;
  }
  while (!out.empty() && out.back() == ' ') out.pop_back();
  return out + "\n";
}

std::string Table::text(const Screen& screen) const {
  std::vector<std::size_t> widths;
  for (const auto& name : header_) widths.push_back(columns(name));
  for (const auto& row : rows_)
    for (std::size_t c = 0; c < row.cells.size() && c < widths.size(); ++c)
      widths[c] = std::max(widths[c], columns(row.cells[c]));
  std::string out = line(header_, nullptr, widths, screen);
  for (const auto& row : rows_) out += line(row.cells, &row, widths, screen);
  return out;
}

Colour state_colour(std::string_view state) {
  if (state == "RUNNING") return Colour::green;
  if (state == "PENDING" || state == "CONFIGURING" || state == "COMPLETING") return Colour::yellow;
  if (state == "COMPLETED") return Colour::blue;
  if (state == "CANCELLED") return Colour::grey;
  return Colour::red;
}

std::string short_seconds(double seconds) {
  if (seconds < 0) return "-" + short_seconds(-seconds);
  if (seconds < 0.005) return "0s";
  if (seconds < 0.995) return fmt::format("{:.2f}s", seconds);
  if (seconds < 9.95) return fmt::format("{:.1f}s", seconds);
  const auto total = static_cast<std::int64_t>(std::min(seconds, 1e15) + 0.05);
  if (total >= 86'400) return fmt::format("{}d{}h", total / 86'400, total / 3600 % 24);
  if (total >= 3600) return fmt::format("{}h{:02}m", total / 3600, total / 60 % 60);
  if (total >= 60) return fmt::format("{}m{:02}s", total / 60, total % 60);
  return fmt::format("{}s", total);
}

std::int64_t unix_ms_of(std::string_view moment) {
  int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0, milli = 0;
  const std::string text(moment);
  const int read = std::sscanf(text.c_str(), "%4d-%2d-%2dT%2d:%2d:%2d.%3d", &year, &month, &day,
                               &hour, &minute, &second, &milli);
  if (read < 6) return -1;
  tm parts{};
  parts.tm_year = year - 1900;
  parts.tm_mon = month - 1;
  parts.tm_mday = day;
  parts.tm_hour = hour;
  parts.tm_min = minute;
  parts.tm_sec = second;
  return std::int64_t{timegm(&parts)} * 1000 + (read == 7 ? milli : 0);
}

std::int64_t now_unix_ms() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return std::int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1'000'000;
}

std::string moment_fault(
    std::initializer_list<std::pair<const char*, const std::string*>> options) {
  for (const auto& [name, text] : options) {
    if (text->empty()) continue;
    const auto moment = parse_moment(*text, now_unix_ms());
    if (!moment.ok()) return fmt::format("{}: {}", name, moment.error().text);
  }
  return "";
}

std::string relative(std::string_view moment, std::int64_t now) {
  const std::int64_t at = unix_ms_of(moment);
  if (at < 0) return "";
  const double distance = static_cast<double>(at - now) / 1000;
  if (distance > -1 && distance < 1) return "now";
  return distance > 0 ? "in " + short_seconds(distance) : short_seconds(-distance) + " ago";
}

std::string short_bytes(std::int64_t bytes) { return format_bytes(Bytes(bytes)); }

}  // namespace busbar::cli
