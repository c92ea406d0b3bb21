// YAML, read strictly: job files and the daemon's configuration both come through here.
//
// Shape    a file is a list of documents, each a tree of values. Scalars stay the text the user
//          wrote; their reader decides what they mean, so "no" never turns into false by itself.
//          JSON is read as well: it is a subset of YAML.
// Errors   invalid, "FILE:LINE:COLUMN: what was found; what is allowed". Refused: input over the
//          size bound, what is not UTF-8, control characters, anchors and aliases, tags, nesting or
//          values over their bounds (while parsing, before a tree is built), double and empty keys.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace busbar::jobfile::yaml {

struct Place {  // both count from 1; a column counts bytes
  std::uint32_t line = 1;
  std::uint32_t column = 1;
  friend auto operator<=>(const Place&, const Place&) = default;
};

enum class Kind : std::uint8_t { null, text, list, map };

struct Value {
  Kind kind = Kind::null;
  bool quoted = false;  // a text in quotes or a block: never a number, true or null
  std::string text;
  Place place;
  std::string key;  // of a map's child
  Place key_place;
  std::vector<Value> items;  // children of a list or map, in the order of the file

  const Value* find(std::string_view name) const;  // child of a map by key; null if there is none
};

struct Limits {
  std::size_t size_bytes_max = std::size_t{1} << 20;
  std::size_t depth_max = 64;
  std::size_t values_max = 100'000;  // in the whole file
  std::size_t documents_max = 1'000;
};

// The documents of `text`; empty ones are left out.
Result<std::vector<Value>> read_documents(std::string_view text, std::string_view file_name,
                                          const Limits& limits = {});

// "a text", "a list", "a map", "nothing": for messages.
std::string_view kind_words(Kind kind);

}  // namespace busbar::jobfile::yaml
