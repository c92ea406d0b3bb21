// The one table of a job file's fields. The reader takes the names it accepts from here, the JSON
// Schema and the table in docs/job-file.md are made from it, and a test compares all three.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "jobfile/map_reader.hpp"

namespace busbar::jobfile {

// Where a field may stand.
enum class Scope : std::uint8_t {
  job,          // a document
  group,        // an item of groups:
  alternative,  // an item of any_of:
  device,       // the map form of gpus:
  within,       // the map form of within:
  restart,
  checkpoint,
  ready,
};

inline constexpr std::size_t scope_count = 8;

constexpr std::uint32_t in(Scope scope) { return 1u << static_cast<unsigned>(scope); }

struct FieldInfo {
  std::string_view name;
  std::uint32_t scopes;          // in(Scope) | ...
  std::string_view type;         // the name of a TypeInfo
  std::string_view description;  // one plain sentence or two
  std::string_view example;      // the value as YAML
};

struct TypeInfo {
  std::string_view name;
  std::string_view words;   // for people: "a size"
  std::string_view schema;  // a JSON Schema, as JSON text
};

std::span<const FieldInfo> all_fields();
std::span<const TypeInfo> all_types();
Names field_names(Scope scope);

// docs/job.schema.json and the field tables of docs/job-file.md, as they must be committed.
std::string json_schema();
std::string markdown_tables();

}  // namespace busbar::jobfile
