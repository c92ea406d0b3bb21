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

void JsonOut::grow(std::size_t bytes) { text_.resize(2 * text_.size() + bytes + 1024); }

void JsonOut::put_string(std::string_view value) {
  constexpr std::size_t escaped_bytes_max = 6;  // of one byte: \u001f
  char* at = room(escaped_bytes_max * value.size() + 2);
  const auto add = [&at](std::string_view piece) {
    std::memcpy(at, piece.data(), piece.size());
    at += piece.size();
  };
  *at++ = '"';
  for (std::size_t i = 0; i < value.size();) {
    const char c = value[i];
    const auto byte = static_cast<unsigned char>(c);
    if (is_plain(c)) {
      *at++ = c, ++i;
    } else if (byte == '"' || byte == '\\') {
      *at++ = '\\', *at++ = c, ++i;
    } else if (byte == '\n') {
      add("\\n"), ++i;
    } else if (byte == '\t') {
      add("\\t"), ++i;
    } else if (byte < 0x20 || byte == 0x7f) {
      at += std::snprintf(at, escaped_bytes_max + 1, "\\u%04x", byte), ++i;
    } else if (const std::size_t length = utf8_length(value.substr(i)); length > 0) {
      add(value.substr(i, length)), i += length;
    } else {
      add("\xEF\xBF\xBD"), ++i;
    }
  }
  *at++ = '"';
  used_to(at);
}

void JsonOut::put_moment(std::int64_t unix_ms) {
  put('"');
  put(format_moment(unix_ms));
  put('"');
}

void JsonOut::put_thousandths(std::int64_t value) {
  const bool negative = value < 0;
  const std::uint64_t magnitude =
      negative ? 0 - static_cast<std::uint64_t>(value) : static_cast<std::uint64_t>(value);
  if (negative) put('-');
  put_number(magnitude / 1000);
  if (std::uint64_t rest = magnitude % 1000; rest > 0) {
    char digits[8];
    std::snprintf(digits, sizeof digits, ".%03u", static_cast<unsigned>(rest));
    put(digits);
  }
}

void JsonOut::put_labels(const List<Label>& labels) {
  put('{');
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (i > 0) put(',');
    put_string(labels[i].key);
    put(':');
    put_string(labels[i].value);
  }
  put('}');
}

}  // namespace busbar::api
