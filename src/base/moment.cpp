#include "base/moment.hpp"

#include <array>
#include <cstdio>

#include "base/text.hpp"
#include "base/units.hpp"

namespace busbar {
namespace {

constexpr std::int64_t day_ms = 86'400'000;

struct Date {
  std::int64_t year = 0;
  int month = 0;
  int day = 0;
};

// Proleptic Gregorian calendar. Source: H. Hinnant, "chrono-compatible low-level date algorithms".
Date date_of_days(std::int64_t days) {
  days += 719468;
  const std::int64_t era = (days >= 0 ? days : days - 146096) / 146097;
  const std::int64_t doe = days - era * 146097;
  const std::int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
  const std::int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
  const std::int64_t mp = (5 * doy + 2) / 153;
  Date date;
  date.day = static_cast<int>(doy - (153 * mp + 2) / 5 + 1);
  date.month = static_cast<int>(mp < 10 ? mp + 3 : mp - 9);
  date.year = yoe + era * 400 + (date.month <= 2 ? 1 : 0);
  return date;
}

std::int64_t days_of_date(Date date) {
  const std::int64_t year = date.month <= 2 ? date.year - 1 : date.year;
  const std::int64_t era = (year >= 0 ? year : year - 399) / 400;
  const std::int64_t yoe = year - era * 400;
  const std::int64_t doy =
      (153 * (date.month > 2 ? date.month - 3 : date.month + 9) + 2) / 5 + date.day - 1;
  return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

// Reads exactly `width` digits at the front of `text`.
bool take_digits(std::string_view& text, std::size_t width, int& number) {
  if (text.size() < width) return false;
  number = 0;
  for (std::size_t i = 0; i < width; ++i) {
    if (text[i] < '0' || text[i] > '9') return false;
    number = number * 10 + (text[i] - '0');
  }
  return text.remove_prefix(width), true;
}

bool take_one_of(std::string_view& text, std::string_view characters) {
  if (text.empty() || characters.find(text[0]) == std::string_view::npos) return false;
  return text.remove_prefix(1), true;
}

// "", ".5", ".123456": milliseconds, further digits ignored.
bool take_fraction(std::string_view& text, int& milliseconds) {
  milliseconds = 0;
  if (!take_one_of(text, ".")) return true;
  int digits = 0;
  for (; !text.empty() && text[0] >= '0' && text[0] <= '9'; ++digits, text.remove_prefix(1)) {
    if (digits < 3) milliseconds = milliseconds * 10 + (text[0] - '0');
  }
  for (int i = digits; i < 3; ++i) milliseconds *= 10;
  return digits > 0;
}

bool take_zone(std::string_view& text, int& minutes) {
  minutes = 0;
  if (take_one_of(text, "Zz")) return true;
  const bool west = !text.empty() && text[0] == '-';
  int hour = 0;
  int minute = 0;
  if (!take_one_of(text, "+-") || !take_digits(text, 2, hour) || !take_one_of(text, ":") ||
      !take_digits(text, 2, minute) || hour > 23 || minute > 59)
    return false;
  minutes = (hour * 60 + minute) * (west ? -1 : 1);
  return true;
}

int days_of_month(int year, int month) {
  static constexpr std::array<int, 12> days = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
  return month == 2 && leap ? 29 : days[static_cast<std::size_t>(month - 1)];
}

bool take_time(std::string_view& text, int& hour, int& minute, int& second, int& fraction,
               int& zone) {
  if (!take_one_of(text, "Tt ") || !take_digits(text, 2, hour) || !take_one_of(text, ":") ||
      !take_digits(text, 2, minute))
    return false;
  if (take_one_of(text, ":") && (!take_digits(text, 2, second) || !take_fraction(text, fraction)))
    return false;
  return take_zone(text, zone) && text.empty();
}

// A day alone is its beginning in UTC.
bool parse_rfc3339(std::string_view text, std::int64_t& unix_ms) {
  int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0, fraction = 0, zone = 0;
  if (!take_digits(text, 4, year) || !take_one_of(text, "-") || !take_digits(text, 2, month) ||
      !take_one_of(text, "-") || !take_digits(text, 2, day))
    return false;
  if (!text.empty() && !take_time(text, hour, minute, second, fraction, zone)) return false;
  if (month < 1 || month > 12 || day < 1 || day > days_of_month(year, month) || hour > 23 ||
      minute > 59 || second > 60)
    return false;
  const std::int64_t minutes = (days_of_date({year, month, day}) * 24 + hour) * 60 + minute - zone;
  unix_ms = (minutes * 60 + second) * 1000 + fraction;
  return true;
}

// `number`, which is not negative, in `width` digits at least, then `behind`.
char* put_digits(char* at, std::int64_t number, std::size_t width, char behind) {
  char reversed[20];
  std::size_t length = 0;
  for (; number > 0 || length < width; number /= 10)
    reversed[length++] = static_cast<char>('0' + number % 10);
  while (length > 0) *at++ = reversed[--length];
  *at++ = behind;
  return at;
}

}  // namespace

std::string format_moment(std::int64_t unix_ms) {
  std::int64_t days = unix_ms / day_ms;
  std::int64_t rest = unix_ms % day_ms;
  if (rest < 0) --days, rest += day_ms;
  const Date date = date_of_days(days);
  char text[48];
  char* at = text;
  if (date.year < 0) *at++ = '-';
  at = put_digits(at, date.year < 0 ? -date.year : date.year, 4, '-');
  at = put_digits(at, date.month, 2, '-');
  at = put_digits(at, date.day, 2, 'T');
  at = put_digits(at, rest / 3'600'000, 2, ':');
  at = put_digits(at, rest / 60'000 % 60, 2, ':');
  at = put_digits(at, rest / 1000 % 60, 2, '.');
  at = put_digits(at, rest % 1000, 3, 'Z');
  return std::string(text, at);
}

Result<std::int64_t> parse_moment(std::string_view text, std::int64_t now_unix_ms) {
  if (text == "now") return now_unix_ms;
  if (text.starts_with("+")) {
    BUSBAR_TRY(span, parse_span(text.substr(1)));
    if (span == span_unlimited || span.value > (std::int64_t{1} << 50))
      return {Errc::invalid, "'" + printable(text) + "' is too far away"};
    return now_unix_ms + span.value;
  }
  std::int64_t unix_ms = 0;
  if (parse_rfc3339(text, unix_ms)) return unix_ms;
  return {Errc::invalid,
          "'" + printable(text) +
              "' is not a moment; write 2026-01-31T08:00:00Z, 2026-01-31, now, or +90m"};
}

}  // namespace busbar
