#include "base/units.hpp"

#include <array>
#include <cctype>
#include <cstdlib>
#include <limits>
#include <optional>
#include <vector>

#include "base/text.hpp"

namespace busbar {
namespace {

constexpr std::int64_t int64_max = std::numeric_limits<std::int64_t>::max();

std::optional<std::int64_t> multiply(std::int64_t a, std::int64_t b) {
  std::int64_t product = 0;
  if (__builtin_mul_overflow(a, b, &product)) return std::nullopt;
  return product;
}

std::optional<std::int64_t> add(std::int64_t a, std::int64_t b) {
  std::int64_t sum = 0;
  if (__builtin_add_overflow(a, b, &sum)) return std::nullopt;
  return sum;
}

// A decimal number split at the point: whole part and the fraction in millionths (at most six
// digits).
struct Decimal {
  std::int64_t whole = 0;
  std::int64_t millionths = 0;
  std::size_t length = 0;  // characters read; 0 when no digit was found
  bool overflow = false;
};

Decimal read_decimal(std::string_view text) {
  Decimal out;
  std::size_t i = 0;
  bool digits = false;
  for (; i < text.size() && std::isdigit(static_cast<unsigned char>(text[i])) != 0; ++i) {
    digits = true;
    const auto scaled = multiply(out.whole, 10);
    const auto next = scaled ? add(*scaled, text[i] - '0') : std::nullopt;
    if (!next) return out.overflow = true, out.length = i + 1, out;
    out.whole = *next;
  }
  if (i < text.size() && text[i] == '.') {
    ++i;
    std::int64_t place = 100'000;
    for (; i < text.size() && std::isdigit(static_cast<unsigned char>(text[i])) != 0; ++i) {
      digits = true;
      out.millionths += place * (text[i] - '0');
      place /= 10;
    }
  }
  out.length = digits ? i : 0;
  return out;
}

// whole.millionths times unit, or nothing on overflow.
std::optional<std::int64_t> scale(const Decimal& number, std::int64_t unit) {
  const auto whole = multiply(number.whole, unit);
  if (!whole) return std::nullopt;
  // unit <= 2^50 and millionths < 10^6 < 2^20 could overflow: split the unit.
  const std::int64_t fraction =
      unit / 1'000'000 * number.millionths + unit % 1'000'000 * number.millionths / 1'000'000;
  return add(*whole, fraction);
}

Error bad(std::string_view what, std::string_view text, std::string_view allowed) {
  return {Errc::invalid, "\"" + printable(text) + "\" is not " + std::string(what) + "; write " +
                             std::string(allowed)};
}

constexpr std::string_view bytes_allowed =
    "a number with an optional unit k, M, G or T, such as 512M, 64G or 1.5T";
constexpr std::string_view span_allowed =
    "a duration such as 90s, 15m, 2h30m, 1d, 02:30:00 or unlimited";

std::optional<std::int64_t> byte_unit(std::string_view suffix) {
  std::string unit = lower(suffix);
  if (unit.size() > 1 && unit.ends_with("ib")) unit.resize(unit.size() - 2);
  if (unit.size() > 1 && unit.ends_with("b")) unit.resize(unit.size() - 1);
  if (unit.empty() || unit == "b") return 1;
  if (unit == "k") return std::int64_t{1} << 10;
  if (unit == "m") return std::int64_t{1} << 20;
  if (unit == "g") return std::int64_t{1} << 30;
  if (unit == "t") return std::int64_t{1} << 40;
  if (unit == "p") return std::int64_t{1} << 50;
  return std::nullopt;
}

std::optional<std::int64_t> span_unit(std::string_view unit) {
  if (unit == "ms") return 1;
  if (unit == "s" || unit == "sec") return 1000;
  if (unit == "m" || unit == "min") return 60'000;
  if (unit == "h" || unit == "hr") return 3'600'000;
  if (unit == "d" || unit == "day" || unit == "days") return 86'400'000;
  if (unit == "w") return 7 * std::int64_t{86'400'000};
  return std::nullopt;
}

// "MM:SS", "HH:MM:SS" and "D-HH:MM[:SS]" as Slurm writes them.
Result<Span> parse_clock(std::string_view text) {
  std::int64_t days = 0;
  std::string_view rest = text;
  const std::size_t dash = text.find('-');
  if (dash != std::string_view::npos) {
    const auto parsed = parse_count(text.substr(0, dash));
    if (!parsed) return bad("a duration", text, span_allowed);
    days = *parsed;
    rest = text.substr(dash + 1);
  }
  std::vector<std::int64_t> fields;
  for (const auto& part : split(rest, ':')) {
    const auto parsed = parse_count(part);
    if (!parsed || *parsed > 1'000'000'000) return bad("a duration", text, span_allowed);
    fields.push_back(*parsed);
  }
  if (fields.empty() || fields.size() > 3 || days > 1'000'000)
    return bad("a duration", text, span_allowed);
  std::int64_t total = 0;
  if (dash != std::string_view::npos) {
    fields.resize(3, 0);
    total = days * 86'400 + fields[0] * 3600 + fields[1] * 60 + fields[2];
  } else if (fields.size() == 3) {
    total = fields[0] * 3600 + fields[1] * 60 + fields[2];
  } else if (fields.size() == 2) {
    total = fields[0] * 60 + fields[1];
  } else {
    return bad("a duration", text, span_allowed);
  }
  return seconds(total);
}

}  // namespace

Result<std::int64_t> parse_count(std::string_view text) {
  if (text.empty() || text.size() > 19)
    return bad("a whole number", text, "digits only, such as 4");
  std::int64_t value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return bad("a whole number", text, "digits only, such as 4");
    const auto scaled = multiply(value, 10);
    const auto next = scaled ? add(*scaled, c - '0') : std::nullopt;
    if (!next) return bad("a number Busbar can hold", text, "something smaller");
    value = *next;
  }
  return value;
}

Result<Bytes> parse_bytes(std::string_view text) {
  const Decimal number = read_decimal(text);
  if (number.overflow) return bad("a size Busbar can hold", text, "something smaller");
  if (number.length == 0) return bad("a size", text, bytes_allowed);
  const auto unit = byte_unit(trim(text.substr(number.length)));
  if (!unit) return bad("a size", text, bytes_allowed);
  const auto value = scale(number, *unit);
  if (!value) return bad("a size Busbar can hold", text, "something smaller");
  return Bytes(*value);
}

Result<Span> parse_span(std::string_view text) {
  if (text == "unlimited") return span_unlimited;
  if (text.find(':') != std::string_view::npos || text.find('-') != std::string_view::npos)
    return parse_clock(text);
  std::int64_t total = 0;
  std::string_view rest = text;
  if (rest.empty()) return bad("a duration", text, span_allowed);
  while (!rest.empty()) {
    const Decimal number = read_decimal(rest);
    if (number.overflow) return bad("a duration Busbar can hold", text, "something shorter");
    if (number.length == 0) return bad("a duration", text, span_allowed);
    rest.remove_prefix(number.length);
    std::size_t letters = 0;
    while (letters < rest.size() && std::isalpha(static_cast<unsigned char>(rest[letters])) != 0)
      ++letters;
    const bool bare = letters == 0 && rest.empty() && number.length == text.size();
    const auto unit =
        bare ? std::optional<std::int64_t>(1000) : span_unit(lower(rest.substr(0, letters)));
    if (!unit) return bad("a duration", text, span_allowed);
    const auto value = scale(number, *unit);
    const auto sum = value ? add(total, *value) : std::nullopt;
    if (!sum || *sum == int64_max)
      return bad("a duration Busbar can hold", text, "something shorter, or unlimited");
    total = *sum;
    rest.remove_prefix(letters);
  }
  return Span(total);
}

Result<std::int64_t> parse_milli(std::string_view text) {
  const Decimal number = read_decimal(text);
  if (number.overflow) return bad("a number Busbar can hold", text, "something smaller");
  if (number.length == 0 || number.length != text.size())
    return bad("a number", text, "a plain number such as 2 or 0.5");
  if (number.millionths % 1000 != 0)
    return bad("a number of at most three decimals", text,
               "thousandths at the finest, such as 0.125");
  const auto value = scale(number, 1000);
  if (!value) return bad("a number Busbar can hold", text, "something smaller");
  return *value;
}

std::string format_bytes(Bytes bytes) {
  constexpr std::array<std::string_view, 6> units = {"", "k", "M", "G", "T", "P"};
  std::size_t unit = 0;
  std::int64_t scale_unit = 1;
  while (unit + 1 < units.size() && bytes.value / scale_unit >= 1024) {
    scale_unit <<= 10;
    ++unit;
  }
  const std::int64_t whole = bytes.value / scale_unit;
  const std::int64_t tenths = bytes.value % scale_unit * 10 / scale_unit;
  std::string text = std::to_string(whole);
  if (tenths != 0 && whole < 100) text += "." + std::to_string(tenths);
  return text.append(units[unit]);
}

std::string format_span(Span span) {
  if (span == span_unlimited) return "unlimited";
  if (span.value < 0) return "-" + format_span(Span(-span.value));
  if (span.value < 1000) return std::to_string(span.value) + "ms";
  const std::int64_t total = span.value / 1000;
  const std::int64_t days = total / 86'400, hour = total / 3600 % 24, minute = total / 60 % 60;
  const std::int64_t second = total % 60;
  std::string out;
  if (days > 0) out += std::to_string(days) + "d";
  if (hour > 0) out += std::to_string(hour) + "h";
  if (minute > 0) out += std::to_string(minute) + "m";
  if (second > 0 && days == 0) out += std::to_string(second) + "s";
  return out;
}

std::string format_milli(std::int64_t thousandths) {
  std::string text = std::to_string(thousandths / 1000);
  if (thousandths % 1000 == 0) return text;
  text += "." + std::to_string(1000 + std::abs(thousandths % 1000)).substr(1);
  while (text.back() == '0') text.pop_back();
  return text;
}

}  // namespace busbar
