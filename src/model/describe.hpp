// One description per noun serves every written form: `describe(visit, value)` calls visit("name",
// field) for each field in a fixed order. Fields are appended at the end and never reordered: the
// binary form depends on it. Enums list their words once in EnumWords.
#pragma once

#include <concepts>
#include <cstdint>
#include <span>
#include <string_view>
#include <type_traits>

namespace busbar {

// T is U or const U, so that one describe serves reading and writing.
template <class T, class U>
concept Like = std::same_as<std::remove_const_t<T>, U>;

// Specialised beside each enum: `static constexpr std::string_view words[]`, in the order of
// values.
template <class Enum>
struct EnumWords;

template <class Enum>
concept WordedEnum = std::is_enum_v<Enum> && requires { EnumWords<Enum>::words[0]; };

template <WordedEnum Enum>
constexpr std::span<const std::string_view> words_of() {
  return EnumWords<Enum>::words;
}

template <WordedEnum Enum>
constexpr std::string_view to_string(Enum value) {
  const auto words = words_of<Enum>();
  const auto index = static_cast<std::size_t>(value);
  return index < words.size() ? words[index] : std::string_view("unknown");
}

// The value whose word is `word`; false when there is none.
template <WordedEnum Enum>
constexpr bool from_string(std::string_view word, Enum& value) {
  const auto words = words_of<Enum>();
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (words[i] == word) return value = static_cast<Enum>(i), true;
  }
  return false;
}

}  // namespace busbar
