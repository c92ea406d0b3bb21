#include "jobfile/yaml_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace busbar::jobfile {

bool in_bytes(std::string_view resource) { return resource == "memory" || resource == "scratch"; }

std::string yaml_quoted(std::string_view text) {
  // What a reader folds into a blank, takes for the end of a line, or does not see at the start.
  constexpr std::pair<std::string_view, std::string_view> hidden[] = {{"\xC2\x85", "\\u0085"},
                                                                      {"\xE2\x80\xA8", "\\u2028"},
                                                                      {"\xE2\x80\xA9", "\\u2029"},
                                                                      {"\xEF\xBB\xBF", "\\uFEFF"}};
  std::string out = "\"";
  while (!text.empty()) {
    const auto escape = std::find_if(std::begin(hidden), std::end(hidden), [&](const auto& pair) {
      return text.starts_with(pair.first);
    });
    if (escape != std::end(hidden)) {
      out += escape->second;
      text.remove_prefix(escape->first.size());
      continue;
    }
    const auto c = static_cast<unsigned char>(text.front());
    if (c < 0x20 || c == 0x7f) {
      out += fmt::format("\\x{:02x}", c);
    } else {
      if (c == '"' || c == '\\') out += '\\';
      out += static_cast<char>(c);
    }
    text.remove_prefix(1);
  }
  return out + "\"";
}

std::string list_of(const std::vector<std::string>& items) {
  std::string out = "[";
  for (const auto& item : items) out += (out.size() > 1 ? ", " : "") + yaml_quoted(item);
  return out + "]";
}

std::string span_of(Span span) {
  if (span == span_unlimited) return "unlimited";
  constexpr std::int64_t day_ms = 86'400'000;
  if (span.value > day_ms && span.value % day_ms == 0)
    return fmt::format("{}d", span.value / day_ms);
  constexpr std::pair<std::int64_t, std::string_view> units[] = {
      {3'600'000, "h"}, {60'000, "m"}, {1000, "s"}, {1, "ms"}};
  std::string out;
  std::int64_t left = span.value;
  for (const auto& [size, letter] : units) {
    if (left / size > 0) out += fmt::format("{}{}", left / size, letter);
    left %= size;
  }
  return out.empty() ? "0s" : out;
}

std::string bytes_of(std::int64_t bytes) {
  constexpr std::string_view units[] = {"", "k", "M", "G", "T", "P"};
  std::size_t unit = 0;
  for (; unit + 1 < std::size(units) && bytes != 0 && bytes % 1024 == 0; ++unit) bytes /= 1024;
  return fmt::format("{}{}", bytes, units[unit]);
}

std::string amounts_of(const List<NamedCount>& amounts, bool by_resource) {
  std::string out = "{";
  for (const auto& amount : amounts) {
    const std::string value = !by_resource            ? fmt::format("{}", amount.count)
                              : in_bytes(amount.name) ? bytes_of(amount.count)
                                                      : format_milli(amount.count);
    out += fmt::format("{}{}: {}", out.size() > 1 ? ", " : "", yaml_quoted(amount.name), value);
  }
  return out + "}";
}

}  // namespace busbar::jobfile
