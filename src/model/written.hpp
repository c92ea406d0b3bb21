// The two written forms of any described value. Include only in .cpp files that need another noun
// than the ready-made functions of model offer: it instantiates templates.
//
// Binary   see base/codec.hpp; structs are length-framed records, vectors a count then items, enums
// and
//          integers varints. A reader skips what a newer writer appended.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <type_traits>
#include <variant>
#include <vector>

#include "base/boxed.hpp"
#include "base/codec.hpp"
#include "base/ids.hpp"
#include "base/list.hpp"
#include "base/units.hpp"
#include "model/describe.hpp"

namespace busbar {

template <class T>
struct IsStrongId : std::false_type {};
template <class Tag, class Rep>
struct IsStrongId<StrongId<Tag, Rep>> : std::true_type {};
template <class T>
struct IsQuantity : std::false_type {};
template <class Tag>
struct IsQuantity<Quantity<Tag>> : std::true_type {};
template <>
struct IsQuantity<Tick> : std::true_type {};
template <class T>
struct IsVector : std::false_type {};
template <class T>
struct IsVector<std::vector<T>> : std::true_type {};
template <class T>
struct IsVector<List<T>> : std::true_type {};
template <class T>
struct IsBoxed : std::false_type {};
template <class T>
struct IsBoxed<Boxed<T>> : std::true_type {};

class BinaryWriter {
 public:
  template <class T>
  void operator()(std::string_view, const T& value) {
    write(value);
  }
  template <class T>
  void write(const T& value) {
    if constexpr (std::is_same_v<T, std::string>) {
      out_.put_text(value);
    } else if constexpr (std::is_enum_v<T> || std::is_same_v<T, bool>) {
      out_.put_unsigned(static_cast<std::uint64_t>(value));
    } else if constexpr (std::is_unsigned_v<T>) {
      out_.put_unsigned(value);
    } else if constexpr (std::is_signed_v<T>) {
      out_.put_signed(value);
    } else if constexpr (IsStrongId<T>::value) {
      out_.put_unsigned(value.value);
    } else if constexpr (IsQuantity<T>::value) {
      out_.put_signed(value.value);
    } else if constexpr (IsVector<T>::value) {
      out_.put_unsigned(value.size());
      for (const auto& item : value) write(item);
    } else if constexpr (IsBoxed<T>::value) {
      write(*value);
    } else {
      const std::size_t mark = out_.open_record();
      describe(*this, value);
      out_.close_record(mark);
    }
  }
  std::string take() { return out_.take(); }
  Encoder& encoder() { return out_; }

 private:
  Encoder out_;
};

class BinaryReader {
 public:
  explicit BinaryReader(Decoder in) : in_(in) {}

  template <class T>
  void operator()(std::string_view, T& value) {
    if (in_.at_end()) return;  // written before this field existed: the default stands
    read(value);
  }
  template <class T>
  void read(T& value) {
    if constexpr (std::is_same_v<T, std::string>) {
      value = std::string(in_.get_text());
    } else if constexpr (std::is_same_v<T, bool>) {
      const std::uint64_t raw = in_.get_unsigned();
      if (raw > 1) return in_.fail();
      value = raw == 1;
    } else if constexpr (WordedEnum<T>) {
      const std::uint64_t raw = in_.get_unsigned();
      if (raw >= words_of<T>().size()) return in_.fail();
      value = static_cast<T>(raw);
    } else if constexpr (std::is_unsigned_v<T>) {
      const std::uint64_t raw = in_.get_unsigned();
      if (raw > std::numeric_limits<T>::max()) return in_.fail();
      value = static_cast<T>(raw);
    } else if constexpr (std::is_signed_v<T>) {
      const std::int64_t raw = in_.get_signed();
      if (raw > std::numeric_limits<T>::max() || raw < std::numeric_limits<T>::min())
        return in_.fail();
      value = static_cast<T>(raw);
    } else if constexpr (IsStrongId<T>::value) {
      typename T::rep raw = 0;
      read(raw);
      value = T(raw);
    } else if constexpr (IsQuantity<T>::value) {
      value = T(in_.get_signed());
    } else if constexpr (IsVector<T>::value) {
      const std::uint64_t count = in_.get_unsigned();
      if (count > in_.remaining()) return in_.fail();  // every item takes a byte at least
      value.clear();
      value.reserve(count < 4096 ? count : 4096);
      for (std::uint64_t i = 0; i < count && in_.ok(); ++i) read(value.emplace_back());
    } else if constexpr (IsBoxed<T>::value) {
      typename T::value_type inner;
      read(inner);
      value = std::move(inner);
    } else {
      BinaryReader record(in_.get_record());
      describe(record, value);
      if (!record.in_.ok()) in_.fail();
    }
  }
  bool ok() const { return in_.ok(); }
  Decoder& decoder() { return in_; }

 private:
  Decoder in_;
};

template <class T>
std::string encode(const T& value) {
  BinaryWriter writer;
  writer.write(value);
  return writer.take();
}

// False when the bytes are not one value of T and nothing else.
template <class T>
bool decode(std::string_view bytes, T& value) {
  BinaryReader reader{Decoder(bytes)};
  reader.read(value);
  return reader.ok() && reader.decoder().at_end();
}

}  // namespace busbar
