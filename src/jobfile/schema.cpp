// The published forms of the table of fields.

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "jobfile/fields.hpp"

namespace busbar::jobfile {
namespace {

using Json = nlohmann::ordered_json;

struct ScopeInfo {
  Scope scope;
  std::string_view name;
  std::string_view title;  // in docs/job-file.md
};
constexpr ScopeInfo scopes[] = {
    {Scope::job, "job", "A job"},
    {Scope::group, "group", "An item of `groups`"},
    {Scope::alternative, "alternative", "An item of `any_of`"},
    {Scope::device, "device", "`gpus` as a map"},
    {Scope::within, "within", "`within` as a map"},
    {Scope::restart, "restart", "`restart` as a map"},
    {Scope::checkpoint, "checkpoint", "`checkpoint`"},
    {Scope::ready, "ready", "`ready`"},
};

const TypeInfo& type_of(const FieldInfo& field) {
  for (const TypeInfo& type : all_types())
    if (type.name == field.type) return type;
  check(false, "a field of the job file has a type that the table does not know");
  return all_types().front();
}

Json scope_schema(Scope scope) {
  Json out;
  out["type"] = "object";
  out["additionalProperties"] = false;
  Json& properties = out["properties"] = Json::object();
  for (const FieldInfo& field : all_fields()) {
    if ((field.scopes & in(scope)) == 0) continue;
    Json& property = properties[std::string(field.name)] = Json::object();
    property["$ref"] = fmt::format("#/$defs/{}", field.type);
    property["description"] = std::string(field.description);
  }
  if (scope == Scope::group) out["required"] = {"name"};
  if (scope == Scope::within) out["required"] = {"level"};
  if (scope == Scope::checkpoint) out["minProperties"] = 1;
  if (scope == Scope::ready) {
    out["oneOf"] = Json::array();
    for (const char* kind : {"http", "tcp", "command"})
      out["oneOf"].push_back({{"required", {kind}}});
  }
  const Json both_programs = {{"required", {"run", "command"}}};
  const Json both_devices = {{"required", {"gpus", "gpu"}}};
  if (scope == Scope::job || scope == Scope::group)
    out["not"] = {{"anyOf", {both_programs, both_devices}}};
  if (scope == Scope::alternative) out["not"] = both_devices;
  if (scope == Scope::job) {
    out["anyOf"] = Json::array();
    for (const char* one : {"run", "command", "groups"})
      out["anyOf"].push_back({{"required", {one}}});
  }
  return out;
}

std::string cell(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '|') out += '\\';
    out += c;
  }
  return out;
}

}  // namespace

std::string json_schema() {
  Json out;
  out["$schema"] = "https://json-schema.org/draft/2020-12/schema";
  out["$id"] = "urn:busbar:job-file";
  out["title"] = "Busbar job file";
  out["description"] =
      "One document of a Busbar job file. A file may hold several documents, or one list of them; "
      "they are submitted together or not at all. Scalars are those of YAML 1.2: "
      "readers of YAML 1.1, such as PyYAML, take an unquoted `on:` for true. What needs several "
      "fields or documents at once is checked by Busbar itself.";
  out["anyOf"] = {{{"$ref", "#/$defs/scope_job"}},
                  {{"type", "array"},
                   {"minItems", 1},
                   {"maxItems", 1000},
                   {"items", {{"$ref", "#/$defs/scope_job"}}}}};
  Json& defs = out["$defs"] = Json::object();
  for (const ScopeInfo& scope : scopes)
    defs[fmt::format("scope_{}", scope.name)] = scope_schema(scope.scope);
  for (const TypeInfo& type : all_types()) defs[std::string(type.name)] = Json::parse(type.schema);
  return out.dump(2) + "\n";
}

std::string markdown_tables() {
  std::string out;
  for (const ScopeInfo& scope : scopes) {
    if (scope.scope == Scope::group) continue;  // its fields are marked in the job's table
    out += fmt::format("### {}\n\n", scope.title);
    out += scope.scope == Scope::job ? "Fields marked * may also stand in an item of `groups`.\n\n"
                                     : "";
    out += "| field | value | meaning | example |\n| --- | --- | --- | --- |\n";
    for (const FieldInfo& field : all_fields()) {
      if ((field.scopes & in(scope.scope)) == 0) continue;
      const bool in_group = scope.scope == Scope::job && (field.scopes & in(Scope::group)) != 0;
      out += fmt::format("| `{}`{} | {} | {} | `{}` |\n", field.name, in_group ? " *" : "",
                         cell(type_of(field).words), cell(field.description), cell(field.example));
    }
    out += "\n";
  }
  return out;
}

}  // namespace busbar::jobfile
