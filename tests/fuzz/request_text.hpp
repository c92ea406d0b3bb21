// Requests as text, for fuzzers: lines `name: value` up to an empty one, and what follows.
#pragma once

#include <string>
#include <string_view>

#include "api/request.hpp"
#include "base/text.hpp"

inline std::string_view take_line(std::string_view& text) {
  const std::size_t end = text.find('\n');
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return line;
}

// Leaves the body in `text`.
inline void take_headers(std::string_view& text, busbar::api::Request& request) {
  while (!text.empty()) {
    const std::string_view line = take_line(text);
    if (line.empty()) break;
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    request.headers[busbar::lower(line.substr(0, colon))] =
        std::string(busbar::trim(line.substr(colon + 1)));
  }
}
