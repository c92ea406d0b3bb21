// What a task asks for: resources, constraint and alternatives.

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "jobfile/fields.hpp"
#include "jobfile/group_reader.hpp"
#include "jobfile/words.hpp"

namespace busbar::jobfile {
namespace {

constexpr std::int64_t cores_milli_max = 1'000'000'000;
constexpr Bytes memory_min{std::int64_t{1} << 20};  // no program starts in less
constexpr Bytes size_max{std::int64_t{1} << 50};
constexpr std::int64_t named_max = 1'000'000'000;
constexpr std::size_t names_max = 64;
constexpr std::size_t alternatives_max = 16;
constexpr std::size_t requests_max = 16;

constexpr std::string_view own_fields[] = {"cores", "memory", "scratch", "gpu",
                                           "gpus",  "ports",  "nodes",   "tasks"};

void read_size(const MapReader& fields, std::string_view name, Bytes& out) {
  if (!fields.get(name, out)) return;
  if (out.value == 0) fields.refuse(name, "0 is too small; leave the field out to ask for none");
  if (out > size_max)
    fields.refuse(name, fmt::format("{} is more than a task can have; at most {} are allowed",
                                    format_bytes(out), format_bytes(size_max)));
}

bool read_device_map(const Field& field, Problems& problems, DeviceRequest& out) {
  const MapReader map(*field.value, field.path, field_names(Scope::device), problems);
  out.count = 1;
  std::string model;
  if (map.get("model", model)) {
    const auto parsed = parse_devices(model + ":1");
    if (!parsed) return map.refuse("model", parsed.error().text), false;
    out.model = parsed->model;
  }
  map.get("count", out.count, 0, 1024);
  std::string memory;
  if (map.get("memory", memory)) {
    std::string_view least = trim(memory);
    if (least.starts_with(">=")) least = trim(least.substr(2));
    const auto parsed = parse_bytes(least);
    if (!parsed) return map.refuse("memory", parsed.error().text), false;
    out.memory_min_bytes = *parsed;
  }
  std::string share;
  if (map.get("share", share)) {
    const auto parsed = parse_share(share);
    if (!parsed) return map.refuse("share", parsed.error().text), false;
    if (out.count != 1)
      return map.refuse("share", "share is a part of one device; remove count"), false;
    out.share = *parsed;
  }
  return true;
}

// A text is a request in the words of `parse`, a map states needs.
template <class Parse>
bool read_device(const Field& field, Problems& problems, Parse parse, DeviceRequest& out) {
  if (field.is(yaml::Kind::map)) return read_device_map(field, problems, out);
  std::string text;
  if (!field.is(yaml::Kind::text)) {
    field.refuse(problems, fmt::format("found {}; write 2, H100, H100:2, nvidia:1, any:1 or a map",
                                       found(*field.value)));
    return false;
  }
  const auto parsed = parse(field->text);
  if (!parsed) return field.refuse(problems, parsed.error().text), false;
  out = *parsed;
  return true;
}

List<DeviceRequest> read_device_list(const Field& field, Problems& problems) {
  List<DeviceRequest> out;
  const auto add = [&](const Field& item) {
    DeviceRequest request;
    if (read_device(item, problems, parse_devices, request) && request.count > 0)
      out.push_back(std::move(request));
  };
  if (!field.is(yaml::Kind::list)) return add(field), out;
  if (field->items.size() > requests_max)
    return field.refuse(problems,
                        fmt::format("at most {} kinds of devices are allowed", requests_max)),
           out;
  for (std::size_t i = 0; i < field->items.size(); ++i) add(field.child(i));
  return out;
}

// gpus and gpu are two words for one thing: those of a group or alternative replace those above.
void read_devices(const MapReader& fields, Resources& out) {
  const bool here = fields.find_here("gpus") || fields.find_here("gpu");
  const Field whole = here ? fields.find_here("gpus") : fields.find("gpus");
  const Field part = here ? fields.find_here("gpu") : fields.find("gpu");
  if (whole && part)
    return part.refuse(fields.problems(),
                       "gpus and gpu cannot stand together; gpus are whole "
                       "devices, gpu is a part of one");
  if (whole) out.devices = read_device_list(whole, fields.problems());
  if (part) {
    DeviceRequest request;
    if (read_device(part, fields.problems(), parse_device_share, request))
      out.devices = {std::move(request)};
  }
}

void read_named(const MapReader& fields, Resources& out) {
  const Field field = fields.find("resources");
  if (!field) return;
  Problems& problems = fields.problems();
  if (!field.is(yaml::Kind::map) || field->items.size() > names_max)
    return field.refuse(problems,
                        fmt::format("found {}; write a map of at most {} names and whole "
                                    "numbers, such as {{matlab: 1}}",
                                    found_many(*field.value, yaml::Kind::map), names_max));
  out.named.clear();
  for (std::size_t i = 0; i < field->items.size(); ++i) {
    const Field item = field.child(i);
    const auto own = std::find(std::begin(own_fields), std::end(own_fields), item->key);
    if (own != std::end(own_fields)) {
      problems.add(item->key_place, item.path,
                   fmt::format("{} is a field of its own; write it beside resources", *own));
      continue;
    }
    if (const auto good = check_word(item->key, "a resource's name"); !good)
      problems.add(item->key_place, item.path, good.error().text);
    std::int64_t count = 0;
    if (read_integer(item, problems, count, 0, named_max) && count > 0)
      out.named.push_back({item->key, count});
  }
  std::sort(out.named.begin(), out.named.end(),
            [](const NamedCount& a, const NamedCount& b) { return a.name < b.name; });
}

// What `fields` state replaces what `out` holds.
void read_hardware(const MapReader& fields, Alternative& out) {
  if (fields.get("cores", out.resources.cores)) {
    const std::int64_t cores = out.resources.cores.value;
    if (cores < 1 || cores > cores_milli_max)
      fields.refuse("cores", fmt::format("{} is out of range; write more than 0 and at most {}",
                                         format_milli(cores), cores_milli_max / 1000));
  }
  read_size(fields, "memory", out.resources.memory);
  const Bytes memory = out.resources.memory;
  if (memory.value > 0 && memory < memory_min)
    fields.refuse("memory",
                  memory.value < 1024 * 10
                      ? fmt::format("{} bytes; did you mean {}M?", memory.value, memory.value)
                      : fmt::format("{} is too small; write at least 1M", format_bytes(memory)));
  read_size(fields, "scratch", out.resources.scratch);
  read_devices(fields, out.resources);
  read_named(fields, out.resources);
  std::string constraint;
  if (fields.get("constraint", constraint)) {
    auto clauses = parse_constraint(constraint);
    if (!clauses) return fields.refuse("constraint", clauses.error().text);
    out.constraint = std::move(*clauses);
  }
}

}  // namespace

List<Alternative> read_alternatives(const MapReader& fields) {
  Alternative base;
  read_hardware(fields, base);
  fields.get("ports", base.resources.ports, 0, 64);
  const Field list = fields.find("any_of");
  if (!list) return {base};
  Problems& problems = fields.problems();
  if (!list.is(yaml::Kind::list) || list->items.empty() || list->items.size() > alternatives_max) {
    list.refuse(problems, fmt::format("found {}; write a list of 1 to {} alternatives",
                                      found_many(*list.value, yaml::Kind::list), alternatives_max));
    return {base};
  }
  List<Alternative> out;
  for (std::size_t i = 0; i < list->items.size(); ++i) {
    const Field item = list.child(i);
    const MapReader map(*item.value, item.path, field_names(Scope::alternative), problems);
    Alternative& alternative = out.emplace_back(base);
    read_hardware(map, alternative);
    MilliCores speed(1000);
    if (map.get("speed", speed)) {
      if (speed.value < 1 || speed.value > 1'000'000)
        map.refuse("speed", "out of range; write 0.001 to 1000, where 1 is the reference");
      else
        alternative.speed_milli = static_cast<std::uint32_t>(speed.value);
    }
  }
  return out;
}

}  // namespace busbar::jobfile
