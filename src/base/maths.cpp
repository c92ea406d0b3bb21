#include "base/maths.hpp"

#include <array>
#include <limits>

#include "base/check.hpp"

namespace busbar {
namespace {

__extension__ typedef __int128 Wide;  // ISO C++ has no name for it
__extension__ typedef unsigned __int128 WideBits;

// 2^(-2^-k) for k = 1..32 in Q32, rounded; found once with exact integer square roots:
// r(1) = sqrt(1/2), r(k+1) = sqrt(r(k)), each as isqrt(r << 32).
constexpr std::uint64_t isqrt(WideBits n) {
  WideBits low = 0, high = (static_cast<WideBits>(1) << 33);
  while (low < high) {
    const WideBits middle = (low + high + 1) / 2;
    if (middle * middle <= n) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  return static_cast<std::uint64_t>(low);
}

constexpr std::array<Q32, 32> roots = [] {
  std::array<Q32, 32> table{};
  WideBits value = static_cast<WideBits>(1) << 31;
  for (auto& entry : table) {
    entry = isqrt(value << 32);
    value = entry;
  }
  return table;
}();

}  // namespace

std::int64_t multiply_divide(std::int64_t a, std::int64_t b, std::int64_t divisor) {
  check(divisor > 0, "multiply_divide needs a positive divisor");
  const Wide quotient = static_cast<Wide>(a) * b / divisor;
  if (quotient > std::numeric_limits<std::int64_t>::max())
    return std::numeric_limits<std::int64_t>::max();
  if (quotient < std::numeric_limits<std::int64_t>::min())
    return std::numeric_limits<std::int64_t>::min();
  return static_cast<std::int64_t>(quotient);
}

Q32 half_power(std::int64_t numerator, std::int64_t denominator) {
  check(numerator >= 0 && denominator > 0, "half_power needs a non-negative exponent");
  const std::int64_t whole = numerator / denominator;
  if (whole >= 63) return 0;
  const auto rest = static_cast<WideBits>(numerator % denominator);
  const auto fraction =
      static_cast<std::uint64_t>((rest << 32) / static_cast<WideBits>(denominator));
  WideBits value = q32_one;
  for (int k = 0; k < 32; ++k)
    if ((fraction >> (31 - k) & 1) != 0) value = value * roots[static_cast<std::size_t>(k)] >> 32;
  return static_cast<Q32>(value >> whole);
}

std::int64_t scale_q32(std::int64_t value, Q32 factor) {
  return static_cast<std::int64_t>(static_cast<WideBits>(value) * factor >> 32);
}

int log2_floor(std::uint64_t value) {
  check(value > 0, "log2_floor needs a positive value");
  return 63 - __builtin_clzll(value);
}

std::int64_t log2_q20(std::uint64_t value) {
  const int whole = log2_floor(value);
  // In [1, 2), with 62 fractional bits.
  std::uint64_t rest = whole <= 62 ? value << (62 - whole) : value >> (whole - 62);
  std::int64_t out = whole;
  for (int bit = 0; bit < 20; ++bit) {
    const WideBits square = (WideBits{rest} * rest) >> 62;  // in [1, 4)
    const bool two = (square >> 63) != 0;
    rest = static_cast<std::uint64_t>(two ? square >> 1 : square);
    out = out * 2 + (two ? 1 : 0);
  }
  return out;
}

std::uint64_t square_root(std::uint64_t value) { return isqrt(value); }

}  // namespace busbar
