#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cmath>

#include "base/codec.hpp"
#include "base/maths.hpp"
#include "base/rng.hpp"
#include "base/text.hpp"
#include "base/units.hpp"

namespace busbar {
namespace {

TEST(Units, BytesAsUsersWriteThem) {
  const std::pair<const char*, std::int64_t> rows[] = {{"0", 0},
                                                       {"4096", 4096},
                                                       {"100k", 100 << 10},
                                                       {"512M", 512LL << 20},
                                                       {"64G", 64LL << 30},
                                                       {"1.5G", 3LL << 29},
                                                       {"64GiB", 64LL << 30},
                                                       {"64GB", 64LL << 30},
                                                       {"2 T", 2LL << 40}};
  for (const auto& [text, value] : rows) EXPECT_EQ(parse_bytes(text).value().value, value) << text;
  for (const char* text : {"", "G", "-1G", "64X", "1e3", "99999999999999999999", "9999999P"})
    EXPECT_FALSE(parse_bytes(text).ok()) << text;
}

TEST(Units, SpansAsUsersWriteThem) {
  const std::pair<const char*, std::int64_t> rows[] = {
      {"90", 90'000},      {"90s", 90'000}, {"2h30m", 9'000'000},    {"1d", 86'400'000},
      {"1.5h", 5'400'000}, {"250ms", 250},  {"02:30:00", 9'000'000}, {"1-00:00:00", 86'400'000},
      {"05:00", 300'000}};
  for (const auto& [text, value] : rows) EXPECT_EQ(parse_span(text).value().value, value) << text;
  EXPECT_EQ(parse_span("unlimited").value(), span_unlimited);
  for (const char* text : {"", "h", "-5m", "5x", "1:2:3:4", "99999999999999d", "5m3"})
    EXPECT_FALSE(parse_span(text).ok()) << text;
}

TEST(Units, MilliTakesThreeDecimals) {
  EXPECT_EQ(parse_milli("0.5").value(), 500);
  EXPECT_EQ(parse_milli("2").value(), 2000);
  EXPECT_EQ(parse_milli("0.125").value(), 125);
  EXPECT_FALSE(parse_milli("0.0001").ok());
  EXPECT_FALSE(parse_milli("two").ok());
}

RC_GTEST_PROP(Units, FormattedSpansReadBack, ()) {
  const auto total = *rc::gen::inRange<std::int64_t>(1, 86'399);
  const Span span = seconds(total);
  RC_ASSERT(parse_span(format_span(span)).value() == span);
}

TEST(Units, NeverPlusAnythingIsNever) {
  EXPECT_EQ(tick_never + seconds(1), tick_never);
  EXPECT_EQ(Tick(5) + span_unlimited, tick_never);
}

TEST(Text, NearestForgivesASlip) {
  const std::string_view names[] = {"memory", "cores", "restart"};
  EXPECT_EQ(nearest("memroy", names), "memory");
  EXPECT_EQ(nearest("core", names), "cores");
  EXPECT_EQ(nearest("banana", names), "");
}

TEST(Text, PrintableHidesControlBytesAndCuts) {
  EXPECT_EQ(printable("a\x1b[31mb\xff"), "a?[31mb?");
  EXPECT_EQ(printable("abcdef", 3), "abc...");
}

RC_GTEST_PROP(Codec, ReadsBackWhatItWrote, ()) {
  const auto u = *rc::gen::arbitrary<std::uint64_t>();
  const auto s = *rc::gen::arbitrary<std::int64_t>();
  const auto text = *rc::gen::arbitrary<std::string>();
  Encoder out;
  const auto mark = out.open_record();
  out.put_unsigned(u);
  out.put_signed(s);
  out.put_text(text);
  out.close_record(mark);
  Decoder in(out.bytes());
  Decoder record = in.get_record();
  RC_ASSERT(record.get_unsigned() == u);
  RC_ASSERT(record.get_signed() == s);
  RC_ASSERT(record.get_text() == text);
  RC_ASSERT(record.ok() && record.at_end() && in.at_end());
}

RC_GTEST_PROP(Codec, GarbageNeverReadsPastTheEnd, ()) {
  const auto text = *rc::gen::arbitrary<std::string>();
  Decoder in(text);
  while (in.ok() && !in.at_end()) in.get_text();
}

TEST(Maths, HalfPowerHalvesPerHalfLife) {
  EXPECT_EQ(half_power(0, 7), q32_one);
  EXPECT_EQ(half_power(7, 7), q32_one / 2);
  EXPECT_NEAR(static_cast<double>(half_power(1, 2)) / static_cast<double>(q32_one), 0.70710678,
              1e-7);
  EXPECT_EQ(half_power(1000, 1), 0U);
}

TEST(Maths, LogarithmsAndRootsAreRoundedDown) {
  EXPECT_EQ(log2_q20(1), 0);
  EXPECT_EQ(log2_q20(2), 1 << 20);
  EXPECT_EQ(log2_q20(std::uint64_t{1} << 63), std::int64_t{63} << 20);
  EXPECT_EQ(square_root(0), 0U);
  EXPECT_EQ(square_root(15), 3U);
  EXPECT_EQ(square_root(16), 4U);
  EXPECT_EQ(square_root(~std::uint64_t{0}), 0xffffffffU);
  for (const std::uint64_t value : {3ULL, 10ULL, 1000ULL, 123'456'789ULL, ~0ULL}) {
    const auto exact = static_cast<long double>(value);
    EXPECT_NEAR(static_cast<double>(log2_q20(value)) / (1 << 20),
                static_cast<double>(std::log2(exact)), 2e-6)
        << value;
    const auto root = static_cast<long double>(square_root(value));
    EXPECT_LE(root * root, exact);
    EXPECT_GT((root + 1) * (root + 1), exact);
  }
}

TEST(Maths, MultiplyDivideSaturates) {
  EXPECT_EQ(multiply_divide(6, 7, 2), 21);
  EXPECT_EQ(multiply_divide(INT64_MAX, 2, 1), INT64_MAX);
}

TEST(Rng, SameSeedSameNumbers) {
  Rng a(42), b(42);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(a.next(), b.next());
  EXPECT_EQ(Rng(1).next(), 12966619160104079557ULL);
}

}  // namespace
}  // namespace busbar
