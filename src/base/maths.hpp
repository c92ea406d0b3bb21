// Deterministic maths in integers and fixed point: equal on every machine, no libm.
//
// Units    Q32: unsigned fixed point with 32 fractional bits (2^32 is one).
#pragma once

#include <cstdint>

namespace busbar {

using Q32 = std::uint64_t;
inline constexpr Q32 q32_one = Q32{1} << 32;

// a * b / divisor without overflow of the product; divisor > 0; saturates at int64 max.
std::int64_t multiply_divide(std::int64_t a, std::int64_t b, std::int64_t divisor);

// 2^(-numerator/denominator) in Q32, for decay by half-lives; numerator >= 0, denominator > 0.
// Error below 2^-28. Source: halving by whole steps, then a product of the stored roots 2^(-2^-k).
Q32 half_power(std::int64_t numerator, std::int64_t denominator);

// value * factor, rounded down; value >= 0.
std::int64_t scale_q32(std::int64_t value, Q32 factor);

// Largest k with 2^k <= value; value > 0.
int log2_floor(std::uint64_t value);

// log2(value) x 2^20, rounded down; value > 0. Source: the bits of a logarithm by repeated squaring
// (Majithia and Levan, 1973).
std::int64_t log2_q20(std::uint64_t value);

// Largest k with k * k <= value.
std::uint64_t square_root(std::uint64_t value);

}  // namespace busbar
