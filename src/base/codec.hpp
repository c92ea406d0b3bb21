// Bytes for the journal, snapshots and the shim's protocol.
//
// Shape    integers are LEB128 varints (signed ones zigzag); text and nested records carry their
// length.
//          A record is framed by its length, so a reader skips fields appended by a newer writer
//          and leaves fields an older writer did not know at their defaults.
// Errors   a Decoder never throws and never reads past its end: after the first bad byte `ok()` is
// false
//          and every further value is zero or empty. Lengths are bounded by the bytes that are
//          there.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace busbar {

class Encoder {
 public:
  void put_unsigned(std::uint64_t value);
  void put_signed(std::int64_t value);
  void put_text(std::string_view text);
  // Opens a length-framed record; close it with the returned mark, innermost first.
  std::size_t open_record();
  void close_record(std::size_t mark);

  const std::string& bytes() const { return bytes_; }
  std::string take() { return std::move(bytes_); }

 private:
  std::string bytes_;
};

class Decoder {
 public:
  explicit Decoder(std::string_view bytes) : rest_(bytes) {}

  std::uint64_t get_unsigned();
  std::int64_t get_signed();
  std::string_view get_text();
  // The bytes of the next record as a decoder of their own.
  Decoder get_record() { return Decoder(get_text(), ok_); }

  bool ok() const { return ok_; }
  bool at_end() const { return rest_.empty(); }
  std::size_t remaining() const { return rest_.size(); }
  void fail() { ok_ = false, rest_ = {}; }

 private:
  Decoder(std::string_view bytes, bool ok) : rest_(bytes), ok_(ok) {}

  std::string_view rest_;
  bool ok_ = true;
};

// 64-bit digest of bytes, equal on every machine (XXH3).
std::uint64_t digest(std::string_view bytes, std::uint64_t seed = 0);

}  // namespace busbar
