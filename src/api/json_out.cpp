#include "api/json_out.hpp"

#include <cstdio>

#include "base/text.hpp"

namespace busbar::api {
namespace {

// Length of the UTF-8 character at the front, or 0 when there is none.
std::size_t utf8_length(std::string_view text) {
  for (std::size_t length = 2; length <= 4 && length <= text.size(); ++length) {
    if (is_utf8(text.substr(0, length))) return length;
  }
  return 0;
}

// Written as it is, alone.
bool is_plain(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte >= 0x20 && byte < 0x7f && byte != '"' && byte != '\\';
}

}  // namespace

void JsonOut::put_string(std::string_view value) {
  text_ += '"';
  for (std::size_t i = 0; i < value.size();) {
    std::size_t end = i;
    while (end < value.size() && is_plain(value[end])) ++end;
    text_.append(value, i, end - i);
    i = end;
    if (i == value.size()) break;
    const auto byte = static_cast<unsigned char>(value[i]);
    if (byte == '"' || byte == '\\') {
      text_ += '\\';
      text_ += value[i++];
    } else if (byte == '\n') {
      text_ += "\\n", ++i;
    } else if (byte == '\t') {
      text_ += "\\t", ++i;
    } else if (byte < 0x20 || byte == 0x7f) {
      char escaped[8];
      std::snprintf(escaped, sizeof escaped, "\\u%04x", byte);
      text_ += escaped, ++i;
    } else if (const std::size_t length = utf8_length(value.substr(i)); length > 0) {
      text_.append(value.substr(i, length)), i += length;
    } else {
      text_ += "\xEF\xBF\xBD", ++i;
    }
  }
  text_ += '"';
}

void JsonOut::put_moment(std::int64_t unix_ms) {
  text_ += '"';
  text_ += format_moment(unix_ms);
  text_ += '"';
}

void JsonOut::put_thousandths(std::int64_t value) {
  const bool negative = value < 0;
  const std::uint64_t magnitude =
      negative ? 0 - static_cast<std::uint64_t>(value) : static_cast<std::uint64_t>(value);
  if (negative) text_ += '-';
  put_number(magnitude / 1000);
  if (std::uint64_t rest = magnitude % 1000; rest > 0) {
    char digits[8];
    std::snprintf(digits, sizeof digits, ".%03u", static_cast<unsigned>(rest));
    text_ += digits;
  }
}

void JsonOut::put_labels(const List<Label>& labels) {
  text_ += '{';
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (i > 0) text_ += ',';
    put_string(labels[i].key);
    text_ += ':';
    put_string(labels[i].value);
  }
  text_ += '}';
}

}  // namespace busbar::api
