// Moments as people write them.

#include <fmt/format.h>

#include <chrono>
#include <ctime>

#include "base/text.hpp"
#include "jobfile/words.hpp"

namespace busbar::jobfile {
namespace {

constexpr std::string_view allowed =
    "+10m, now+1h, 2026-12-01 08:00, 2026-12-01T08:00:00Z, 2026-12-01T08:00:00+01:00 or 08:00";

Error bad(std::string_view text) {
  return {Errc::invalid, fmt::format("\"{}\" is not a moment; write {}", printable(text), allowed)};
}

class Scanner {
 public:
  explicit Scanner(std::string_view rest) : rest_(rest) {}

  // A number of exactly `digits` digits, or of one or two when digits is 0.
  bool number(int digits, int& out) {
    std::size_t n = 0;
    out = 0;
    const std::size_t most = digits == 0 ? 2 : static_cast<std::size_t>(digits);
    while (n < most && n < rest_.size() && rest_[n] >= '0' && rest_[n] <= '9')
      out = out * 10 + (rest_[n++] - '0');
    rest_.remove_prefix(n);
    return digits == 0 ? n > 0 : n == most;
  }
  bool take(std::string_view any_of) {
    if (rest_.empty() || any_of.find(rest_.front()) == std::string_view::npos) return false;
    taken_ = rest_.front();
    rest_.remove_prefix(1);
    return true;
  }
  void skip_fraction() {
    while (!rest_.empty() && rest_.front() >= '0' && rest_.front() <= '9') rest_.remove_prefix(1);
  }
  bool at_end() const { return rest_.empty(); }
  char taken() const { return taken_; }

 private:
  std::string_view rest_;
  char taken_ = 0;
};

struct Civil {
  int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0;
};

bool sensible(const Civil& c) {
  const std::chrono::year_month_day date{std::chrono::year(c.year),
                                         std::chrono::month(static_cast<unsigned>(c.month)),
                                         std::chrono::day(static_cast<unsigned>(c.day))};
  return c.year >= 1970 && date.ok() && c.hour < 24 && c.minute < 60 && c.second < 60;
}

std::int64_t utc_seconds(const Civil& c) {
  const std::chrono::year_month_day date{std::chrono::year(c.year),
                                         std::chrono::month(static_cast<unsigned>(c.month)),
                                         std::chrono::day(static_cast<unsigned>(c.day))};
  const std::int64_t days = std::chrono::sys_days(date).time_since_epoch().count();
  return days * 86'400 + c.hour * 3600 + c.minute * 60 + c.second;
}

std::int64_t local_seconds(const Civil& c) {
  std::tm fields{};
  fields.tm_year = c.year - 1900;
  fields.tm_mon = c.month - 1;
  fields.tm_mday = c.day;
  fields.tm_hour = c.hour;
  fields.tm_min = c.minute;
  fields.tm_sec = c.second;
  fields.tm_isdst = -1;
  return static_cast<std::int64_t>(std::mktime(&fields));
}

Error too_far(std::string_view text) {
  return {Errc::invalid, fmt::format("\"{}\" is more than a century away; write something nearer",
                                     printable(text))};
}

Result<When> parse_relative(std::string_view text, std::string_view span_text) {
  const auto span = parse_span(trim(span_text));
  if (!span) return span.error();
  if (*span == span_unlimited) return bad(text);
  if (*span > century) return too_far(text);
  return When{*span, 0};
}

// "08:00": today, or tomorrow if that has passed.
Result<When> parse_clock_time(std::string_view text, std::int64_t now_unix_ms) {
  Scanner scanner(text);
  Civil civil;
  if (!scanner.number(0, civil.hour) || !scanner.take(":") || !scanner.number(2, civil.minute) ||
      !scanner.at_end() || civil.hour > 23 || civil.minute > 59)
    return bad(text);
  const auto now = static_cast<std::time_t>(now_unix_ms / 1000);
  std::tm today{};
  localtime_r(&now, &today);
  civil.year = today.tm_year + 1900;
  civil.month = today.tm_mon + 1;
  civil.day = today.tm_mday;
  std::int64_t at = local_seconds(civil);
  if (at * 1000 <= now_unix_ms) ++civil.day, at = local_seconds(civil);  // mktime carries the day
  return When{Span(), at * 1000};
}

Result<When> parse_absolute(std::string_view text) {
  Scanner scanner(text);
  Civil civil;
  if (!scanner.number(4, civil.year) || !scanner.take("-") || !scanner.number(2, civil.month) ||
      !scanner.take("-") || !scanner.number(2, civil.day))
    return bad(text);
  bool zoned = false;
  std::int64_t offset_s = 0;
  if (scanner.take("Tt ")) {
    if (!scanner.number(2, civil.hour) || !scanner.take(":") || !scanner.number(2, civil.minute))
      return bad(text);
    if (scanner.take(":") && !scanner.number(2, civil.second)) return bad(text);
    if (scanner.take(".")) scanner.skip_fraction();
    scanner.take(" ");
    if (scanner.take("Zz")) {
      zoned = true;
    } else if (scanner.take("+-")) {
      zoned = true;
      const int sign = scanner.taken() == '-' ? -1 : 1;
      int hour = 0, minute = 0;
      if (!scanner.number(2, hour)) return bad(text);
      scanner.take(":");
      if (!scanner.number(2, minute) || hour > 23 || minute > 59) return bad(text);
      offset_s = sign * (hour * 3600 + minute * 60);
    }
  }
  if (!scanner.at_end()) return bad(text);
  if (!sensible(civil))
    return {Errc::invalid, fmt::format("\"{}\" is no day and time of the calendar; write {}",
                                       printable(text), allowed)};
  const std::int64_t at = zoned ? utc_seconds(civil) - offset_s : local_seconds(civil);
  if (at <= 0) return bad(text);
  return When{Span(), at * 1000};
}

}  // namespace

Result<When> parse_when(std::string_view text, std::int64_t now_unix_ms) {
  const std::string_view body = trim(text);
  if (body == "now") return When{};
  if (body.starts_with('+')) return parse_relative(body, body.substr(1));
  if (body.starts_with("now")) {
    const std::string_view rest = trim(body.substr(3));
    return rest.starts_with('+') ? parse_relative(body, rest.substr(1)) : Result<When>(bad(text));
  }
  const std::size_t colon = body.find(':');
  if (body.size() <= 5 && (colon == 1 || colon == 2)) return parse_clock_time(body, now_unix_ms);
  auto when = parse_absolute(body);
  if (when && when->unix_ms > now_unix_ms + century.value) return too_far(text);
  return when;
}

}  // namespace busbar::jobfile
