// JSON of described values, for .cpp files that include it (it brings nlohmann/json).
//
// Shape    structs are objects by field name; enums their words; ids and quantities numbers;
//          128-bit hashes are 32 hex digits. Reading is strict: a wrong type names the path.
#pragma once

#include <nlohmann/json.hpp>  // tidy: heavy, included by .cpp files only
#include <string>

#include "model/ids.hpp"
#include "model/written.hpp"

namespace busbar {

class JsonWriter {
 public:
  template <class T>
  void operator()(std::string_view name, const T& value) {
    object_[std::string(name)] = of(value);
  }
  template <class T>
  static nlohmann::ordered_json of(const T& value) {
    if constexpr (std::is_same_v<T, std::string> || std::is_same_v<T, bool>) {
      return value;
    } else if constexpr (WordedEnum<T>) {
      return std::string(to_string(value));
    } else if constexpr (std::is_arithmetic_v<T>) {
      return value;
    } else if constexpr (IsStrongId<T>::value || IsQuantity<T>::value) {
      return value.value;
    } else if constexpr (IsVector<T>::value) {
      auto array = nlohmann::ordered_json::array();
      for (const auto& item : value) array.push_back(of(item));
      return array;
    } else if constexpr (IsBoxed<T>::value) {
      return of(*value);
    } else {
      JsonWriter writer;
      describe(writer, value);
      return writer.object_.is_null() ? nlohmann::ordered_json::object() : writer.object_;
    }
  }

 private:
  nlohmann::ordered_json object_;
};

// The JSON of any described value, strings that are not UTF-8 made so by replacement.
template <class T>
std::string json_text(const T& value) {
  return JsonWriter::of(value).dump(-1, ' ', false,
                                    nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace busbar
