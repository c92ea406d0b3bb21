// Writes described values as JSON text in one pass, for answers: no tree is built, because a page
// of jobs is asked for thousands of times a second.
//
// Shape    structs are objects by field name; enums their words; ids and quantities numbers;
//          Moment an RFC 3339 text; Seconds and Thousandths numbers; optional its value or null.
//          Bytes that are not UTF-8 become U+FFFD, so the text is valid whatever users named
//          things.
#pragma once

#include <charconv>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/moment.hpp"
#include "base/units.hpp"
#include "model/describe.hpp"
#include "model/job.hpp"
#include "model/written.hpp"

namespace busbar::api {

struct Moment {  // wall time
  std::int64_t unix_ms = 0;
};
struct Seconds {  // written as a number of seconds
  Span span;
};
struct Thousandths {  // written as the number it is a thousandth of
  std::int64_t value = 0;
};
struct LabelMap {  // written as an object
  List<Label> labels;
};
struct RawJson {  // JSON text already
  std::string text;
};

template <class T>
struct IsOptional : std::false_type {};
template <class T>
struct IsOptional<std::optional<T>> : std::true_type {};

class JsonOut {
 public:
  template <class T>
  void operator()(std::string_view name, const T& value) {
    char* at = room(name.size() + 4);
    *at = ',';
    at += first_ ? 0 : 1;
    first_ = false;
    *at++ = '"';
    std::memcpy(at, name.data(), name.size());
    at += name.size();
    *at++ = '"';
    *at++ = ':';
    used_to(at);
    write(value);
  }
  template <class T>
  void write(const T& value) {
    if constexpr (std::is_same_v<T, std::string> || std::is_same_v<T, std::string_view>) {
      put_string(value);
    } else if constexpr (std::is_same_v<T, bool>) {
      put(value ? std::string_view("true") : std::string_view("false"));
    } else if constexpr (WordedEnum<T>) {
      put_string(to_string(value));
    } else if constexpr (std::is_arithmetic_v<T>) {
      put_number(value);
    } else if constexpr (std::is_same_v<T, Moment>) {
      put_moment(value.unix_ms);
    } else if constexpr (std::is_same_v<T, Seconds>) {
      put_thousandths(value.span.value);
    } else if constexpr (std::is_same_v<T, Thousandths>) {
      put_thousandths(value.value);
    } else if constexpr (std::is_same_v<T, LabelMap>) {
      put_labels(value.labels);
    } else if constexpr (std::is_same_v<T, RawJson>) {
      put(value.text);
    } else if constexpr (IsStrongId<T>::value || IsQuantity<T>::value) {
      put_number(value.value);
    } else if constexpr (IsOptional<T>::value) {
      if (value) {
        write(*value);
      } else {
        put("null");
      }
    } else if constexpr (IsVector<T>::value) {
      put('[');
      for (std::size_t i = 0; i < value.size(); ++i) {
        if (i > 0) put(',');
        write(value[i]);
      }
      put(']');
    } else if constexpr (IsBoxed<T>::value) {
      write(*value);
    } else {
      const bool outer_first = first_;
      first_ = true;
      put('{');
      describe(*this, value);
      put('}');
      first_ = outer_first;
    }
  }
  std::string take() {
    text_.resize(used_);
    used_ = 0;
    return std::move(text_);
  }

 private:
  // At least `bytes` behind what is written; used_to says how far it was.
  char* room(std::size_t bytes) {
    if (text_.size() - used_ < bytes) [[unlikely]]
      grow(bytes);
    return text_.data() + used_;
  }
  void used_to(const char* end) { used_ = static_cast<std::size_t>(end - text_.data()); }
  void put(char c) {
    *room(1) = c;
    ++used_;
  }
  void put(std::string_view piece) {
    std::memcpy(room(piece.size()), piece.data(), piece.size());
    used_ += piece.size();
  }
  template <class T>
  void put_number(T value) {
    char* at = room(32);
    used_to(std::to_chars(at, at + 32, value).ptr);
  }
  void grow(std::size_t bytes);
  void put_string(std::string_view value);
  void put_moment(std::int64_t unix_ms);
  void put_thousandths(std::int64_t value);
  void put_labels(const List<Label>& labels);

  std::string text_;  // its first `used_` bytes are written
  std::size_t used_ = 0;
  bool first_ = true;
};

template <class T>
std::string to_json(const T& value) {
  JsonOut out;
  out.write(value);
  return out.take();
}

}  // namespace busbar::api
