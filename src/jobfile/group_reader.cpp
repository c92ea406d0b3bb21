#include "jobfile/group_reader.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <map>

#include "base/text.hpp"
#include "jobfile/fields.hpp"
#include "jobfile/words.hpp"

namespace busbar::jobfile {
namespace {

constexpr std::size_t variables_max = 1000;
constexpr std::size_t value_bytes_max = 32 * 1024;
constexpr std::size_t arguments_max = 10'000;
constexpr std::string_view gang_remedy = "add \"coupling: tight\", or remove it";

void read_loose_shape(const MapReader& fields, const GroupContext& context, TaskGroup& group) {
  for (const std::string_view name : {"nodes", "tasks_per_node"})
    if (fields.has(name))
      fields.refuse(name, fmt::format("the tasks of a loose job start independently, each on one "
                                      "node; {}",
                                      gang_remedy));
  if (group.count.min != group.count.max)
    fields.refuse("tasks", fmt::format("a range of tasks needs a tight or extreme job; {}",
                                       "write one number, or add \"coupling: tight\""));
  if (group.launcher == Launcher::mpi)
    fields.refuse("launcher", "mpi needs tasks that start together; add \"coupling: tight\"");
  fields.get("parallel", group.parallel, 1, units_max);
  std::string text;
  if (!fields.get("array", text)) return;
  if (context.several_groups)
    return fields.refuse("array",
                         "a job with several groups cannot be an array; write a job for "
                         "each array, as documents of one file");
  if (fields.has("tasks"))
    return fields.refuse("array",
                         "array and tasks cannot stand together; the tasks of an array "
                         "are its indices");
  auto array = parse_array(text);
  if (!array) return fields.refuse("array", array.error().text);
  if (array->parallel > 0 && group.parallel > 0)
    return fields.refuse("parallel", "the limit is written twice, here and after the % of array");
  group.array = std::move(array->ranges);
  group.count = {array->count, array->count};
  if (array->parallel > 0) group.parallel = array->parallel;
}

void read_gang_shape(const MapReader& fields, const GroupContext& context, TaskGroup& group) {
  for (const std::string_view name : {"array", "parallel"})
    if (fields.has(name))
      fields.refuse(name, fmt::format("all tasks of a {} job start together; this needs "
                                      "\"coupling: loose\"",
                                      to_string(context.coupling)));
  const bool elastic = group.count.min != group.count.max;
  const bool nodes = fields.get("nodes", group.nodes, 1, units_max);
  const bool per_node = fields.get("tasks_per_node", group.tasks_per_node, 1, units_max);
  if (!fields.has("tasks")) {
    const std::int64_t tasks =
        std::int64_t{nodes ? group.nodes : 1} * (per_node ? group.tasks_per_node : 1);
    if (tasks > units_max)
      return fields.refuse("nodes", fmt::format("nodes x tasks_per_node is {} tasks; at most {} "
                                                "are allowed",
                                                tasks, units_max));
    group.count = {static_cast<std::uint32_t>(tasks), static_cast<std::uint32_t>(tasks)};
    return;
  }
  if (!nodes) return;
  if (elastic)
    return fields.refuse("nodes",
                         "an exact number of nodes and a range of tasks cannot stand "
                         "together; remove one of them");
  const std::int64_t room = std::int64_t{group.nodes} * group.tasks_per_node;
  if (group.count.min < group.nodes)
    fields.refuse("tasks", fmt::format("{} tasks cannot use {} nodes; write at least {} tasks",
                                       group.count.min, group.nodes, group.nodes));
  else if (per_node && group.count.min > room)
    fields.refuse("tasks", fmt::format("{} tasks do not go on {} nodes with {} tasks each",
                                       group.count.min, group.nodes, group.tasks_per_node));
}

void read_shape(const MapReader& fields, const GroupContext& context, TaskGroup& group) {
  fields.get("launcher", group.launcher);
  std::string tasks;
  if (fields.get("tasks", tasks)) {
    const auto count = parse_tasks(tasks);
    if (!count) return fields.refuse("tasks", count.error().text);
    group.count = *count;
  }
  if (context.coupling == Coupling::loose)
    read_loose_shape(fields, context, group);
  else
    read_gang_shape(fields, context, group);
}

// Sums over a group's tasks must fit in 63 bits with room to spare.
void check_sums(const MapReader& fields, const TaskGroup& group) {
  constexpr std::int64_t sum_max = std::int64_t{1} << 62;
  for (const Alternative& alternative : group.any_of) {
    for (const auto& [name, amount] : {std::pair{"memory", alternative.resources.memory},
                                       std::pair{"scratch", alternative.resources.scratch}})
      if (amount.value > sum_max / group.count.max)
        fields.refuse(name, fmt::format("{} for each of {} tasks is more than can be counted",
                                        format_bytes(amount), group.count.max));
  }
}

void check_extreme(const MapReader& fields, const TaskGroup& group) {
  for (const Alternative& alternative : group.any_of) {
    const auto& devices = alternative.resources.devices;
    const bool whole =
        !devices.empty() && std::all_of(devices.begin(), devices.end(), [](const DeviceRequest& d) {
          return d.share == MilliDevices(1000);
        });
    if (whole) continue;
    return fields.refuse("coupling",
                         "an extreme job runs inside one link domain of devices, so every "
                         "alternative needs whole devices; add gpus, or write tight");
  }
}

using Variables = std::map<std::string, std::string>;

void read_environment(const Field& field, Problems& problems, Variables& out) {
  if (!field) return;
  if (!field.is(yaml::Kind::map) || field->items.size() > variables_max)
    return field.refuse(problems,
                        fmt::format("found {}; write a map of at most {} variables, such as "
                                    "{{OMP_NUM_THREADS: 4}}. Nothing is inherited from your shell: "
                                    "name what you need",
                                    found_many(*field.value, yaml::Kind::map), variables_max));
  for (std::size_t i = 0; i < field->items.size(); ++i) {
    const Field item = field.child(i);
    if (const auto good = check_variable_name(item->key); !good)
      problems.add(item->key_place, field.path, good.error().text);
    std::string value;
    if (item.is(yaml::Kind::null)) {
      problems.add(item->key_place, item.path, "this variable is empty; write \"\" or a value");
      continue;
    }
    if (!read(item, problems, value)) continue;
    if (value.size() > value_bytes_max)
      item.refuse(problems, fmt::format("{} bytes are too many for a variable; at most {}",
                                        value.size(), value_bytes_max));
    out[item->key] = std::move(value);
  }
}

// run and command are two words for one thing: those of a group replace those of its job.
void read_program(const MapReader& fields, Payload& payload) {
  const bool here = fields.find_here("run") || fields.find_here("command");
  const Field run = here ? fields.find_here("run") : fields.find("run");
  const Field command = here ? fields.find_here("command") : fields.find("command");
  Problems& problems = fields.problems();
  if (run && command)
    return command.refuse(problems,
                          "run and command cannot stand together; run is a shell "
                          "script, command a program with its arguments");
  if (!run && !command)
    return fields.refuse("nothing to run; add \"run: SCRIPT\" or \"command: [PROGRAM, ARGUMENT]\"");
  if (run) {
    if (read(run, problems, payload.run) && trim(payload.run).empty())
      run.refuse(problems, "the script is empty");
    return;
  }
  if (!command.is(yaml::Kind::list))
    return command.refuse(problems, fmt::format("found {}; write a list such as [python3, "
                                                "train.py], or use run for a shell line",
                                                found(*command.value)));
  if (!read_texts(command, problems, payload.command, arguments_max)) return;
  if (payload.command.empty() || payload.command.front().empty())
    command.refuse(problems, "the program is missing; write a list such as [python3, train.py]");
}

void read_directory(const MapReader& fields, const GroupContext& context, Payload& payload) {
  std::string directory;
  const bool given = fields.get("directory", directory);
  if (given) {
    if (const auto good = check_pattern(directory, ""); !good)
      return fields.refuse("directory", good.error().text);
  }
  const std::string& base = context.file->submit_directory;
  if (!directory.starts_with('/') && !base.starts_with('/'))
    return fields.refuse("directory",
                         "the directory it was submitted from is not known; write an "
                         "absolute path");
  payload.submit_directory = base;
  std::filesystem::path path = std::filesystem::path(base) / directory;
  payload.working_directory = path.lexically_normal().string();
  while (payload.working_directory.size() > 1 && payload.working_directory.ends_with('/'))
    payload.working_directory.pop_back();
}

void read_pattern(const MapReader& fields, std::string_view name, std::string& out) {
  if (!fields.get(name, out)) return;
  if (const auto good = check_pattern(out, "jaxrn"); !good) fields.refuse(name, good.error().text);
}

void read_umask(const MapReader& fields, Payload& payload) {
  std::string text;
  if (!fields.get("umask", text)) return;
  const bool good = text.size() >= 3 && text.size() <= 4 &&
                    text.find_first_not_of("01234567") == std::string::npos &&
                    (text.size() == 3 || text.front() == '0');
  if (!good)
    return fields.refuse("umask", fmt::format("\"{}\" is not a mode; write three octal digits such "
                                              "as \"027\"",
                                              printable(text)));
  payload.umask = 0;
  for (const char digit : text)
    payload.umask = payload.umask * 8 + static_cast<std::uint32_t>(digit - '0');
}

void warn_shared_files(const MapReader& fields, const GroupContext& context, const TaskGroup& group,
                       const Payload& payload) {
  if (context.coupling != Coupling::loose || group.count.max < 2) return;
  const auto warn = [&](std::string_view name, std::string_view pattern) {
    const Field field = fields.find(name);
    if (!field || pattern.find("%a") != std::string_view::npos || pattern == "/dev/null") return;
    field.refuse(
        *context.warnings,
        fmt::format("all {} tasks write to the same file; add %a for one each", group.count.max));
  };
  warn("output", payload.output);
  warn("error", payload.error);
}

}  // namespace

ReadyProbe read_ready(const Field& field, std::uint32_t ports, Problems& problems) {
  ReadyProbe out;
  const MapReader map(*field.value, field.path, field_names(Scope::ready), problems);
  if (!field.is(yaml::Kind::map)) return out;
  const int kinds = map.has("http") + map.has("tcp") + map.has("command");
  if (kinds != 1) {
    map.refuse(fmt::format("found {} probes; write exactly one of http, tcp and command", kinds));
    return out;
  }
  map.get("port", out.port, 0, 63);
  if (map.get("http", out.target)) {
    out.kind = ProbeKind::http;
    const bool good = out.target.starts_with('/') && out.target.size() <= 1000 &&
                      std::all_of(out.target.begin(), out.target.end(),
                                  [](char c) { return c > ' ' && c <= '~'; });
    if (!good)
      map.refuse("http", fmt::format("\"{}\" is not a path; write one such as /healthz, the port "
                                     "as \"port: 0\"",
                                     printable(out.target)));
  } else if (map.has("tcp")) {
    out.kind = ProbeKind::tcp;
    if (map.has("port")) map.refuse("port", "tcp names the port already; remove this field");
    map.get("tcp", out.port, 0, 63);
  } else if (map.get("command", out.target)) {
    out.kind = ProbeKind::command;
    if (map.has("port")) map.refuse("port", "a command probe has no port; remove this field");
    if (trim(out.target).empty()) map.refuse("command", "the command is empty");
  }
  if (out.kind != ProbeKind::command && out.kind != ProbeKind::none && out.port >= ports)
    map.refuse(out.kind == ProbeKind::tcp ? "tcp" : "port",
               ports == 0 ? std::string("the probe needs a port; add \"ports: 1\" to the job")
                          : fmt::format("port {} does not exist; \"ports: {}\" gives 0 to {}",
                                        out.port, ports, ports - 1));
  if (map.get("interval", out.interval) && (out.interval < Span(100) || out.interval > hours(1)))
    map.refuse("interval", "out of range; write 100ms to 1h");
  if (map.get("timeout", out.timeout) && out.timeout.value == 0)
    map.refuse("timeout", "0 is too short; leave the field out for no limit");
  return out;
}

GroupResult read_group(const MapReader& fields, const GroupContext& context) {
  GroupResult out;
  TaskGroup& group = out.group;
  Payload& payload = out.payload;
  group.any_of = read_alternatives(fields);
  read_shape(fields, context, group);
  check_sums(fields, group);
  if (context.coupling == Coupling::extreme) check_extreme(fields, group);
  Variables variables;
  read_environment(fields.find_above("environment"), fields.problems(), variables);
  read_environment(fields.find_here("environment"), fields.problems(), variables);
  for (auto& [key, value] : variables) payload.environment.push_back({key, std::move(value)});
  read_program(fields, payload);
  if (fields.get("setup", payload.setup) && trim(payload.setup).empty())
    fields.refuse("setup", "the script is empty; remove the field");
  read_directory(fields, context, payload);
  read_pattern(fields, "output", payload.output);
  read_pattern(fields, "error", payload.error);
  read_umask(fields, payload);
  payload.checkpoint_directory = context.checkpoint_directory;
  if (const Field ready = fields.find("ready")) {
    payload.ready = read_ready(ready, group.any_of.front().resources.ports, fields.problems());
    group.has_ready_probe = true;
  }
  if (context.warnings != nullptr) warn_shared_files(fields, context, group, payload);
  return out;
}

}  // namespace busbar::jobfile
