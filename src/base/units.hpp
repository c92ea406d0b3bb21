// Quantities as types. All are int64 with exact integer arithmetic; text forms are those users
// know.
//
// Units    Tick: a moment, milliseconds of scheduler time (origin: the installation's first start).
//          Span: a duration in milliseconds.  Bytes: memory.  MilliCores, MilliDevices: thousandths
//          of one.
// Errors   the parsers return invalid with what was found and what is allowed; negative and
// overflowing
//          numbers are refused.
#pragma once

#include <compare>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace busbar {

template <class Tag>
struct Quantity {
  std::int64_t value = 0;

  constexpr Quantity() = default;
  constexpr explicit Quantity(std::int64_t number) : value(number) {}
  friend constexpr auto operator<=>(Quantity, Quantity) = default;
  friend constexpr Quantity operator+(Quantity a, Quantity b) {
    return Quantity(a.value + b.value);
  }
  friend constexpr Quantity operator-(Quantity a, Quantity b) {
    return Quantity(a.value - b.value);
  }
  friend constexpr Quantity operator*(Quantity a, std::int64_t times) {
    return Quantity(a.value * times);
  }
  constexpr Quantity& operator+=(Quantity b) { return value += b.value, *this; }
  constexpr Quantity& operator-=(Quantity b) { return value -= b.value, *this; }
};

using Span = Quantity<struct SpanTag>;
using Bytes = Quantity<struct BytesTag>;
using MilliCores = Quantity<struct MilliCoresTag>;
using MilliDevices = Quantity<struct MilliDevicesTag>;

// A moment; moments differ by a Span and are never added.
struct Tick {
  std::int64_t value = 0;

  constexpr Tick() = default;
  constexpr explicit Tick(std::int64_t milliseconds) : value(milliseconds) {}
  friend constexpr auto operator<=>(Tick, Tick) = default;
};

inline constexpr Tick tick_never{std::numeric_limits<std::int64_t>::max()};
inline constexpr Span span_unlimited{std::numeric_limits<std::int64_t>::max()};

// Saturates at tick_never, so that "start + unlimited" needs no special case.
constexpr Tick operator+(Tick at, Span span) {
  if (at == tick_never || span == span_unlimited || at.value > tick_never.value - span.value)
    return tick_never;
  return Tick(at.value + span.value);
}
constexpr Span operator-(Tick later, Tick earlier) { return Span(later.value - earlier.value); }

constexpr Span seconds(std::int64_t n) { return Span(n * 1000); }
constexpr Span minutes(std::int64_t n) { return Span(n * 60'000); }
constexpr Span hours(std::int64_t n) { return Span(n * 3'600'000); }
// Past the life of every machine: what people ask for is at most that long, or without end.
inline constexpr Span century = hours(24 * 36'525);
constexpr Bytes kibibytes(std::int64_t n) { return Bytes(n << 10); }
constexpr Bytes mebibytes(std::int64_t n) { return Bytes(n << 20); }
constexpr Bytes gibibytes(std::int64_t n) { return Bytes(n << 30); }
constexpr MilliCores whole_cores(std::int64_t n) { return MilliCores(n * 1000); }

// "64G", "512M", "1.5T", "100k", "4096" (bytes), "64GiB", "64GB"; letters count in 1024s, either
// case.
Result<Bytes> parse_bytes(std::string_view text);
// "2h30m", "90s", "1d", "500ms", "1.5h", "90" (seconds), "HH:MM:SS", "D-HH:MM:SS", "MM:SS",
// "unlimited".
Result<Span> parse_span(std::string_view text);
// "0.5", "2", "1.25": up to three decimals; the value is thousandths.
Result<std::int64_t> parse_milli(std::string_view text);
// A decimal integer without sign.
Result<std::int64_t> parse_count(std::string_view text);

// Shortest exact-enough form: "64G", "1.5G", "512M", "0"; "2h30m", "90s" -> "1m30s", "250ms",
// "unlimited".
std::string format_bytes(Bytes bytes);
std::string format_span(Span span);
std::string format_milli(std::int64_t thousandths);

}  // namespace busbar
