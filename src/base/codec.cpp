#include "base/codec.hpp"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace busbar {

void Encoder::put_unsigned(std::uint64_t value) {
  while (value >= 0x80) {
    bytes_.push_back(static_cast<char>((value & 0x7F) | 0x80));
    value >>= 7;
  }
  bytes_.push_back(static_cast<char>(value));
}

void Encoder::put_signed(std::int64_t value) {
  const auto sign = static_cast<std::uint64_t>(value >> 63);
  put_unsigned((static_cast<std::uint64_t>(value) << 1) ^ sign);
}

void Encoder::put_text(std::string_view text) {
  put_unsigned(text.size());
  bytes_.append(text);
}

std::size_t Encoder::open_record() { return bytes_.size(); }

void Encoder::close_record(std::size_t mark) {
  Encoder length;
  length.put_unsigned(bytes_.size() - mark);
  bytes_.insert(mark, length.bytes_);
}

std::uint64_t Decoder::get_unsigned() {
  std::uint64_t value = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    if (rest_.empty()) return fail(), 0;
    const auto byte = static_cast<unsigned char>(rest_.front());
    rest_.remove_prefix(1);
    if (shift == 63 && byte > 1) return fail(), 0;
    value |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
    if ((byte & 0x80) == 0) return value;
  }
  return fail(), 0;
}

std::int64_t Decoder::get_signed() {
  const std::uint64_t raw = get_unsigned();
  return static_cast<std::int64_t>((raw >> 1) ^ (0 - (raw & 1)));
}

std::string_view Decoder::get_text() {
  const std::uint64_t length = get_unsigned();
  if (!ok_ || length > rest_.size()) return fail(), std::string_view{};
  const std::string_view text = rest_.substr(0, length);
  rest_.remove_prefix(length);
  return text;
}

std::uint64_t digest(std::string_view bytes, std::uint64_t seed) {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

}  // namespace busbar
