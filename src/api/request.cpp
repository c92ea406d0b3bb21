#include "api/request.hpp"

#include <algorithm>

#include "api/json_out.hpp"
#include "base/text.hpp"

namespace busbar::api {
namespace {

constexpr std::size_t query_parameters_max = 64;

struct ErrorBody {
  std::string code;
  std::string message;
  std::optional<std::string> hint;
};
template <class V>
void describe(V& visit, Like<ErrorBody> auto& body) {
  visit("code", body.code);
  visit("message", body.message);
  if (body.hint) visit("hint", *body.hint);
}
struct ErrorAnswer {
  ErrorBody error;
};
template <class V>
void describe(V& visit, Like<ErrorAnswer> auto& answer) {
  visit("error", answer.error);
}

int status_of(Errc code) {
  switch (code) {
    case Errc::invalid:
      return 400;
    case Errc::unsatisfiable:
      return 422;
    case Errc::conflict:
      return 409;
    case Errc::not_found:
      return 404;
    case Errc::denied:
      return 403;
    case Errc::unavailable:
      return 503;
    case Errc::corrupt:
      return 500;
  }
  return 500;
}

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

Result<std::string> percent_decode(std::string_view text, bool plus_is_space) {
  std::string decoded;
  decoded.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && plus_is_space) {
      decoded += ' ';
    } else if (text[i] != '%') {
      decoded += text[i];
    } else {
      const int high = i + 2 < text.size() ? hex_value(text[i + 1]) : -1;
      const int low = i + 2 < text.size() ? hex_value(text[i + 2]) : -1;
      if (high < 0 || low < 0)
        return {Errc::invalid, "the address '" + printable(text) +
                                   "' has a percent sign that no two hex digits follow"};
      decoded += static_cast<char>(high * 16 + low);
      i += 2;
    }
    if (decoded.back() == '\0')
      return {Errc::invalid, "the address '" + printable(text) + "' has a zero byte"};
  }
  return decoded;
}

std::string percent_encode(std::string_view text) {
  static constexpr char digits[] = "0123456789ABCDEF";
  std::string encoded;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
                       (byte >= '0' && byte <= '9') ||
                       std::string_view("-._~/").find(c) != std::string_view::npos;
    if (plain) {
      encoded += c;
    } else {
      encoded += '%';
      encoded += digits[byte >> 4];
      encoded += digits[byte & 15];
    }
  }
  return encoded;
}

Result<Ok> parse_target(std::string_view target, Request& request) {
  if (target.empty() || target[0] != '/')
    return {Errc::invalid, "the address '" + printable(target) + "' does not start with /"};
  const std::size_t mark = target.find('?');
  request.path = std::string(target.substr(0, mark));
  if (mark == std::string_view::npos) return Ok{};
  const auto pairs = split(target.substr(mark + 1), '&');
  if (pairs.size() > query_parameters_max)
    return {Errc::invalid, "the address has more than 64 query parameters"};
  for (const std::string_view pair : pairs) {
    if (pair.empty()) continue;
    const std::size_t equals = pair.find('=');
    BUSBAR_TRY(name, percent_decode(pair.substr(0, equals), true));
    std::string value;
    if (equals != std::string_view::npos) {
      BUSBAR_TRY(decoded, percent_decode(pair.substr(equals + 1), true));
      value = std::move(decoded);
    }
    if (!request.query.emplace(name, std::move(value)).second)
      return {Errc::invalid, "the query parameter '" + printable(name) + "' is given twice"};
  }
  return Ok{};
}

Response error_response(int status, std::string_view code, std::string_view message,
                        std::string_view hint) {
  ErrorAnswer answer{{std::string(code), std::string(message), {}}};
  if (!hint.empty()) answer.error.hint = std::string(hint);
  Response response;
  response.status = status;
  response.body = to_json(answer);
  if (status == 503) response.headers.emplace_back("Retry-After", "1");
  return response;
}

Response error_response(const Error& error) {
  return error_response(status_of(error.code), to_string(error.code), error.text);
}

Result<std::int64_t> query_integer(const Call& call, const std::string& name, std::int64_t min,
                                   std::int64_t max, std::int64_t otherwise) {
  const auto found = call.request.query.find(name);
  if (found == call.request.query.end()) return otherwise;
  const std::string& text = found->second;
  const bool negative = text.starts_with('-');
  const auto number = parse_count(std::string_view(text).substr(negative ? 1 : 0));
  const std::int64_t value = number.ok() ? (negative ? -number.value() : number.value()) : 0;
  if (!number.ok() || value < min || value > max)
    return {Errc::invalid, name + "=" + printable(text) + " is not a whole number from " +
                               std::to_string(min) + " to " + std::to_string(max)};
  return value;
}

Result<std::chrono::milliseconds> query_seconds(const Call& call, const std::string& name,
                                                std::int64_t seconds_max,
                                                std::int64_t seconds_otherwise) {
  const auto found = call.request.query.find(name);
  if (found == call.request.query.end()) return std::chrono::milliseconds(seconds_otherwise * 1000);
  const auto milli = parse_milli(found->second);
  if (!milli.ok() || milli.value() < 0 || milli.value() > seconds_max * 1000)
    return {Errc::invalid, name + "=" + printable(found->second) +
                               " is not a number of seconds from 0 to " +
                               std::to_string(seconds_max)};
  return std::chrono::milliseconds(milli.value());
}

}  // namespace busbar::api
