// Reads the fields of YAML maps into values, strictly, and gathers every problem with its place.
//
//   Problems problems("busbard.yaml");
//   MapReader map(document, "", fields, problems);   // reports unknown fields with the nearest one
//   map.get("state_directory", config.state_directory);
//   map.get("port", config.port, 1, 65535);
//   if (!problems.none()) return problems.error();
//
// A field that is absent leaves its value as it was. After a problem the values read are
// meaningless; the reading goes on only to find further problems.
// Errors   "FILE:LINE:COLUMN: field.path: what was found; what is allowed", one a line, at most 8.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/units.hpp"
#include "jobfile/strict_yaml.hpp"
#include "model/describe.hpp"

namespace busbar::jobfile {

using Names = std::span<const std::string_view>;

class Problems {
 public:
  explicit Problems(std::string_view file_name) : file_name_(file_name) {}

  void add(yaml::Place place, std::string_view path, std::string_view text);
  bool none() const { return problems_.empty(); }
  bool full() const { return problems_.size() >= kept_max; }  // no more are kept: stop looking
  Error error() const;                                        // there must be a problem
  const std::string& file_name() const { return file_name_; }

 private:
  static constexpr std::size_t kept_max = 100;
  struct Problem {
    yaml::Place place;
    std::string text;
  };
  std::string file_name_;
  std::vector<Problem> problems_;  // sorted by place
};

// A value with the path that leads to it: "groups[1].memory". Empty when the field is absent.
struct Field {
  const yaml::Value* value = nullptr;
  std::string path;

  explicit operator bool() const { return value != nullptr; }
  const yaml::Value* operator->() const { return value; }
  bool is(yaml::Kind kind) const { return value != nullptr && value->kind == kind; }
  void refuse(Problems& problems, std::string_view text) const {
    problems.add(value->place, path, text);
  }
  Field child(std::size_t index) const;  // "path[index]" of a list, "path.key" of a map
};

// Each returns false, after noting the problem, when the value is not what it reads.
bool read(const Field& field, Problems& problems, std::string& out);
bool read(const Field& field, Problems& problems, bool& out);
bool read(const Field& field, Problems& problems, Bytes& out);
bool read(const Field& field, Problems& problems, Span& out);
// Up to three decimals, in thousandths.
bool read_milli(const Field& field, Problems& problems, std::int64_t& out);
bool read_integer(const Field& field, Problems& problems, std::int64_t& out, std::int64_t min,
                  std::int64_t max);
// One of `words`; `out` is its position.
bool read_word(const Field& field, Problems& problems, Names words, std::size_t& out);
// A list of texts, or one text for a list of one.
bool read_texts(const Field& field, Problems& problems, std::vector<std::string>& out,
                std::size_t count_max);
// "memory, cores or time"
std::string either(Names words);
// What stands there, for messages: the text in quotes, or "a list".
std::string found(const yaml::Value& value);
// The same where a list or map is wanted: one of another length is "a list of 20", "an empty list".
std::string found_many(const yaml::Value& value, yaml::Kind wanted);

class MapReader {
 public:
  // `fields` outlive the reader. Notes a value that is no map, unknown fields and empty ones.
  MapReader(const yaml::Value& value, std::string path, Names fields, Problems& problems);

  // Fields absent here are looked for in `defaults`, which outlives the reader.
  void use_defaults(const MapReader* defaults) { defaults_ = defaults; }

  Field find(std::string_view field) const;
  Field find_here(std::string_view field) const;   // without the defaults
  Field find_above(std::string_view field) const;  // in the defaults only
  bool has(std::string_view field) const { return static_cast<bool>(find(field)); }
  // Notes the problem when the field is absent.
  Field require(std::string_view field) const;

  template <class T>
  bool get(std::string_view field, T& out) const {
    const Field at = find(field);
    return at && read_any(at, out);
  }
  template <class T>
  bool get(std::string_view field, T& out, std::int64_t min, std::int64_t max) const {
    const Field at = find(field);
    std::int64_t number = 0;
    if (!at || !read_integer(at, *problems_, number, min, max)) return false;
    return out = static_cast<T>(number), true;
  }
  bool get(std::string_view field, MilliCores& out) const {
    const Field at = find(field);
    return at && read_milli(at, *problems_, out.value);
  }
  bool get(std::string_view field, std::vector<std::string>& out,
           std::size_t count_max = 1000) const {
    const Field at = find(field);
    return at && read_texts(at, *problems_, out, count_max);
  }

  void refuse(std::string_view text) const;  // at the map's own place
  void refuse(std::string_view field, std::string_view text) const;
  Problems& problems() const { return *problems_; }
  const yaml::Value& value() const { return *value_; }
  const std::string& path() const { return path_; }

 private:
  template <class T>
  bool read_any(const Field& at, T& out) const {
    if constexpr (WordedEnum<T>) {
      std::size_t position = 0;
      if (!read_word(at, *problems_, words_of<T>(), position)) return false;
      return out = static_cast<T>(position), true;
    } else {
      return read(at, *problems_, out);
    }
  }

  const yaml::Value* value_;
  std::string path_;
  Names fields_;
  Problems* problems_;
  const MapReader* defaults_ = nullptr;
};

}  // namespace busbar::jobfile
