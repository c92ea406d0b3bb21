#include "jobfile/fields.hpp"

#include <array>
#include <vector>

namespace busbar::jobfile {
namespace {

constexpr std::uint32_t job = in(Scope::job);
constexpr std::uint32_t work = in(Scope::job) | in(Scope::group);
constexpr std::uint32_t hardware = work | in(Scope::alternative);

constexpr FieldInfo fields[] = {
    {"name", work, "name",
     "What people and `after` call the job or group. A job without one is named after its file; "
     "a group must have one.",
     "train"},
    {"tenant", job, "name", "Whose share it uses. Default: the one the operator chose.", "physics"},
    {"priority", job, "priority",
     "From -1000 to 1000; a job of a higher priority goes before every job of a lower one. "
     "Default 0.",
     "10"},
    {"coupling", job, "coupling",
     "How the tasks hang together. `loose` (default): each starts when it can. `tight`: all or "
     "none, near each other. `extreme`: all or none inside one link domain of equal devices.",
     "tight"},
    {"launcher", work, "launcher",
     "What is started: `script` (default) once per node, `tasks` once per task, `mpi` through "
     "mpirun. In a loose job every task is started by itself.",
     "mpi"},
    {"tasks", work, "tasks",
     "How many tasks. `4..16` (tight and extreme only) may run with any number between. Default: "
     "1, or what nodes and tasks_per_node give.",
     "4"},
    {"nodes", work, "count", "Tight and extreme: exactly so many nodes.", "2"},
    {"tasks_per_node", work, "count",
     "Tight and extreme: at most so many tasks on a node. With nodes and without tasks: exactly "
     "so many.",
     "8"},
    {"cores", hardware, "milli", "Cores for each task, in thousandths at the finest. Default 1.",
     "0.5"},
    {"memory", hardware, "size",
     "Memory for each task, at least `1M`, reserved for it and a limit that holds. Without it "
     "none is reserved.",
     "64G"},
    {"scratch", hardware, "size", "Local disk for each task.", "100G"},
    {"gpus", hardware, "devices",
     "Whole devices of any vendor for each task: a number, a model or vendor, `MODEL:COUNT`, a map "
     "of needs, or a list of these.",
     "H100:2"},
    {"gpu", hardware, "share",
     "A part of one device for each task: `0.25`, or `MODEL:0.25`. Instead of gpus.", "0.25"},
    {"resources", hardware, "counts",
     "Other things the operator counts, for each task, such as licences.", "{matlab: 1}"},
    {"ports", work, "ports",
     "TCP ports for each task, given as BUSBAR_PORT_0, BUSBAR_PORT_1, ... At most 64.", "1"},
    {"any_of", work, "alternatives",
     "Ways to satisfy the job, the first one preferred. Each states what differs from the fields "
     "beside any_of.",
     "[{gpus: H100:1, speed: 2}, {gpus: A100:1}]"},
    {"constraint", hardware, "expression",
     "A condition on node features: names, `&`, `|`, `!` and parentheses. Quotes are needed when "
     "it begins with `!` or `&`.",
     "avx512 & !old | gpu"},
    {"speed", in(Scope::alternative), "milli",
     "How fast the job runs here; 1 is the reference. Default 1.", "2.5"},
    {"exclude", job, "texts", "Nodes it must not use.", "[node7, node8]"},
    {"exclusive", job, "boolean", "Whole nodes for itself. Default false.", "true"},
    {"time", job, "span",
     "The limit of one attempt; then it is asked to end and, after grace, killed. Default: the "
     "operator's, else unlimited.",
     "2h30m"},
    {"grace", job, "span", "From SIGTERM to SIGKILL. Default 30s, at most 1d.", "1m"},
    {"begin", job, "moment", "Not before this moment.", "+10m"},
    {"deadline", job, "moment",
     "It must have ended by this moment: later it is stopped, or cancelled if it still waits.",
     "2030-12-01 08:00"},
    {"array", work, "array",
     "A loose job's tasks by index, as `1-100`, `1,3,7-9` or `0-100:5`; `%10` runs at most ten at "
     "once. Each sees BUSBAR_ARRAY_INDEX.",
     "1-100%10"},
    {"parallel", work, "count", "Loose: at most so many tasks at once. The same as `%n` of array.",
     "10"},
    {"after", job, "dependencies",
     "Waits for documents of the same file by name, or jobs by id. `:ok` (default) needs success, "
     "`:any` an end, `:failed` a failure, `:ready` a probe that succeeded.",
     "[prep, train:any, 1234]"},
    {"within", job, "within",
     "Tight and extreme: keep all tasks inside one part of the topology, if possible or, as a map "
     "with `required: true`, always.",
     "rack"},
    {"spread", job, "name", "Put tasks into different parts of the topology where possible.",
     "node"},
    {"preemptible", job, "boolean",
     "May be stopped and queued again for a tenant's guarantee. Default false.", "true"},
    {"hold", job, "boolean", "Submitted, but waits for `busbar release`. Default false.", "true"},
    {"restart", job, "restart",
     "When a unit that failed runs again. Default: after the loss of its node, at most 3 times. "
     "`never`, one cause, a list of causes, or a map.",
     "{on: [node, oom], max: 5, backoff: 10s}"},
    {"checkpoint", job, "checkpoint", "How the job saves itself, so that it may be stopped.",
     "{signal: USR1, grace: 2m, directory: ckpt/%j}"},
    {"environment", work, "environment",
     "Variables of the job. Nothing of your shell is inherited: name what you need. A group's are "
     "added to its job's.",
     "{OMP_NUM_THREADS: 4}"},
    {"directory", work, "path",
     "Where it runs; it must be there when it starts. Relative to where it was submitted, which is "
     "the default.",
     "runs/a"},
    {"setup", work, "script",
     "A shell script run before it: once per attempt and node, however many tasks and groups share "
     "it. It is a process of its own: what it writes to disk stays, what it exports does not. If "
     "it "
     "fails, the attempt fails.",
     "pip install --target libraries -r requirements.txt"},
    {"run", work, "script",
     "The shell script to run, by its own `#!` line or /bin/sh. Either run or command.",
     "python3 train.py"},
    {"command", work, "command", "Or a program and its arguments, without a shell.",
     "[python3, train.py]"},
    {"output", work, "pattern",
     "Where standard output goes: %j job, %a array index, %x job name, %r rank, %n attempt, %% a "
     "percent sign. Default busbar-%j.out, with several units busbar-%j_%a.out. Folders that are "
     "missing are made.",
     "logs/%x-%j.out"},
    {"error", work, "pattern", "Where standard error goes. Default: with the output.",
     "logs/%x-%j.err"},
    {"umask", work, "octal", "File mode bits taken away, in octal. Default 022.", "\"027\""},
    {"ready", work, "ready",
     "The probe that tells when a service can be used: one of http, tcp and command.",
     "{http: /healthz}"},
    {"labels", job, "labels", "Words of your own, to find jobs by.", "{project: melt}"},
    {"groups", job, "groups",
     "Several kinds of tasks in one job. Each group has a name and may state every field of the "
     "tasks; what it leaves out is taken from the job.",
     "[{name: learner, gpus: 1, run: ./learn}, {name: actor, tasks: 8, run: ./act}]"},

    {"model", in(Scope::device), "name", "Model or vendor. Default: any.", "H100"},
    {"count", in(Scope::device), "device_count", "How many whole devices. Default 1.", "2"},
    {"memory", in(Scope::device), "memory_need", "Device memory, at least.", "\">=40G\""},
    {"share", in(Scope::device), "share_number", "A part of one device, instead of count.", "0.25"},

    {"level", in(Scope::within), "name", "The level's name, such as rack.", "rack"},
    {"required", in(Scope::within), "boolean", "Wait rather than cross it. Default false.", "true"},

    {"on", in(Scope::restart), "causes",
     "Causes: node, oom, timeout, any, signal:NAME, exit codes. Default node.",
     "[node, oom, signal:SEGV, 75]"},
    {"max", in(Scope::restart), "count0", "At most so many restarts. Default 3.", "5"},
    {"backoff", in(Scope::restart), "span",
     "Wait before the first restart; doubles each time. Default 10s.", "10s"},
    {"backoff_max", in(Scope::restart), "span", "The longest wait. Default 10m.", "5m"},

    {"signal", in(Scope::checkpoint), "signal",
     "Sent when it should save itself, grace before its time limit. Default: none is sent.",
     "USR1"},
    {"grace", in(Scope::checkpoint), "span", "How long saving may take. Default 30s, at most 1d.",
     "2m"},
    {"directory", in(Scope::checkpoint), "pattern",
     "Where it saves, given as BUSBAR_CHECKPOINT_DIR; the same for every restart.", "ckpt/%j"},
    {"interval", in(Scope::checkpoint), "span", "How often it saves by itself, if it does.", "10m"},

    {"http", in(Scope::ready), "http_path", "Ready when GET of this path answers 2xx.", "/healthz"},
    {"tcp", in(Scope::ready), "port_number",
     "Ready when this port (0 is the first) accepts a connection.", "0"},
    {"command", in(Scope::ready), "script", "Ready when this shell line exits 0.", "./probe"},
    {"port", in(Scope::ready), "port_number", "The port for http: 0 is the first. Default 0.", "0"},
    {"interval", in(Scope::ready), "span", "From one try to the next. Default 1s.", "2s"},
    {"timeout", in(Scope::ready), "span",
     "The attempt fails if it is not ready after this time. Default unlimited.", "5m"},
};

constexpr TypeInfo types[] = {
    {"name", "a name", R"({"type": ["string", "integer"], "maxLength": 128})"},
    {"priority", "a whole number",
     R"({"anyOf": [{"type": "integer", "minimum": -1000, "maximum": 1000},
                   {"type": "string", "pattern": "^-?[0-9]{1,4}$"}]})"},
    {"coupling", "`loose`, `tight` or `extreme`", R"({"enum": ["loose", "tight", "extreme"]})"},
    {"launcher", "`script`, `tasks` or `mpi`", R"({"enum": ["script", "tasks", "mpi"]})"},
    {"count", "a whole number",
     R"({"anyOf": [{"type": "integer", "minimum": 1, "maximum": 1000000},
                   {"type": "string", "pattern": "^0*[1-9][0-9]{0,6}$"}]})"},
    {"count0", "a whole number",
     R"({"anyOf": [{"type": "integer", "minimum": 0, "maximum": 1000},
                   {"type": "string", "pattern": "^[0-9]{1,4}$"}]})"},
    {"tasks", "a whole number or `MIN..MAX`",
     R"({"anyOf": [{"type": "integer", "minimum": 1, "maximum": 1000000},
                   {"type": "string", "pattern": "^[0-9]+(\\.\\.[0-9]+)?$"}]})"},
    {"milli", "a number",
     R"({"anyOf": [{"type": "number", "exclusiveMinimum": 0, "maximum": 1000000},
                   {"type": "string", "pattern": "^([0-9]+(\\.[0-9]*)?|\\.[0-9]+)$"}]})"},
    {"size", "a size",
     R"({"anyOf": [{"type": "number", "exclusiveMinimum": 0},
                   {"type": "string",
                    "pattern": "^([0-9]+(\\.[0-9]*)?|\\.[0-9]+) *([kKmMgGtTpP]([iI]?[)"
     R"(bB])?|[bB])?$"}]})"},
    {"span", "a duration",
     R"({"anyOf": [{"type": "number", "minimum": 0},
                   {"type": "string",
                    "pattern": "^(unlimited|([0-9.]+(ms|s|sec|m|min|h|hr|d|day|days|w)?)+|)"
     R"([0-9]+(:[0-9]+){1,2}|[0-9]+-[0-9]+(:[0-9]+){0,2})$"}]})"},
    {"moment", "a moment",
     R"({"type": "string",
         "pattern": "^(now|(now *)?\\+ *[0-9].*|[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[)"
     R"(0-9]{2}(:[0-9]{2}(\\.[0-9]+)?)?( *(Z|[+-][0-9]{2}:?[0-9]{2}))?)?|[0-9]{1,2}:[)"
     R"(0-9]{2})$"})"},
    {"device_count", "a whole number",
     R"({"anyOf": [{"type": "integer", "minimum": 0, "maximum": 1024},
                   {"type": "string", "pattern": "^[0-9]{1,4}$"}]})"},
    {"device", "a number, `MODEL`, `MODEL:COUNT` or a map",
     R"({"anyOf": [{"type": "integer", "minimum": 0, "maximum": 1024},
                   {"type": "string", "minLength": 1, "maxLength": 128},
                   {"$ref": "#/$defs/scope_device"}]})"},
    {"devices", "a number, `MODEL`, `MODEL:COUNT`, a map or a list",
     R"({"anyOf": [{"$ref": "#/$defs/device"},
                   {"type": "array", "minItems": 1, "maxItems": 16,
                    "items": {"$ref": "#/$defs/device"}}]})"},
    {"share_number", "a number up to 1",
     R"({"anyOf": [{"type": "number", "exclusiveMinimum": 0, "maximum": 1},
                   {"type": "string", "pattern": "^[0-9.]+$"}]})"},
    {"share", "a number up to 1, or `MODEL:NUMBER`",
     R"({"anyOf": [{"type": "number", "exclusiveMinimum": 0, "maximum": 1},
                   {"type": "string", "pattern": "^(.*:)? *[0-9.]+$"}]})"},
    {"memory_need", "a size, with or without `>=`",
     R"({"anyOf": [{"type": "number", "exclusiveMinimum": 0},
                   {"type": "string", "pattern": "^(>=)? *[0-9]"}]})"},
    {"counts", "a map of names and whole numbers",
     R"({"type": "object", "maxProperties": 64,
         "additionalProperties": {"anyOf": [{"type": "integer", "minimum": 0, "maximum": )"
     R"(1000000000},
                                            {"type": "string", "pattern": "^[0-9]+$"}]}})"},
    {"ports", "a whole number",
     R"({"anyOf": [{"type": "integer", "minimum": 0, "maximum": 64},
                   {"type": "string", "pattern": "^[0-9]{1,2}$"}]})"},
    {"port_number", "a whole number",
     R"({"anyOf": [{"type": "integer", "minimum": 0, "maximum": 63},
                   {"type": "string", "pattern": "^[0-9]{1,2}$"}]})"},
    {"alternatives", "a list of maps",
     R"({"type": "array", "minItems": 1, "maxItems": 16,
         "items": {"$ref": "#/$defs/scope_alternative"}})"},
    {"expression", "an expression", R"({"type": ["string", "integer"], "maxLength": 1000})"},
    {"texts", "a text or a list of texts",
     R"({"anyOf": [{"$ref": "#/$defs/text"},
                   {"type": "array", "maxItems": 1000, "items": {"$ref": "#/$defs/text"}}]})"},
    {"text", "a text", R"({"type": ["string", "number", "boolean"]})"},
    {"boolean", "`true` or `false`", R"({"enum": [true, false, "true", "false"]})"},
    {"array", "indices",
     R"({"type": "string",
         "pattern": "^ *[0-9]+ *(- *[0-9]+ *(: *[0-9]+ *)?)?(, *[0-9]+ *(- *[0-9]+ *(: *[)"
     R"(0-9]+ *)?)?)*(% *[0-9]+ *)?$"})"},
    {"dependency", "`NAME`, `ID`, `NAME:KIND` or `ID:KIND`",
     R"({"anyOf": [{"type": "integer", "minimum": 1},
                   {"type": "string", "pattern": "^[^:]+(:(ok|any|failed|ready))?$"}]})"},
    {"dependencies", "one or a list of `NAME`, `ID`, `NAME:KIND`, `ID:KIND`",
     R"({"anyOf": [{"$ref": "#/$defs/dependency"},
                   {"type": "array", "maxItems": 1000, "items": {"$ref": )"
     R"("#/$defs/dependency"}}]})"},
    {"within", "a level, or a map",
     R"({"anyOf": [{"$ref": "#/$defs/name"}, {"$ref": "#/$defs/scope_within"}]})"},
    {"cause", "a cause",
     R"({"anyOf": [{"type": "integer", "minimum": 1, "maximum": 255},
                   {"type": "string", "pattern": "^(node|oom|timeout|any|signal:[)"
     R"(A-Za-z0-9]+|[0-9]{1,3})$"}]})"},
    {"causes", "a cause or a list of causes",
     R"({"anyOf": [{"$ref": "#/$defs/cause"},
                   {"type": "array", "minItems": 1, "maxItems": 100,
                    "items": {"$ref": "#/$defs/cause"}}]})"},
    {"restart", "`never`, a cause, a list of causes, or a map",
     R"({"anyOf": [{"const": "never"}, {"$ref": "#/$defs/causes"}, {"$ref": )"
     R"("#/$defs/scope_restart"}]})"},
    {"checkpoint", "a map", R"({"$ref": "#/$defs/scope_checkpoint"})"},
    {"signal", "a signal's name or number",
     R"({"anyOf": [{"type": "integer", "minimum": 1, "maximum": 64},
                   {"type": "string", "pattern": "^[A-Za-z0-9]+$"}]})"},
    {"environment", "a map of texts",
     R"({"type": "object", "maxProperties": 1000,
         "propertyNames": {"pattern": "^[A-Za-z_][A-Za-z0-9_]*$", "not": {"pattern": "^BUSBAR_"}},
         "additionalProperties": {"$ref": "#/$defs/text"}})"},
    {"labels", "a map of texts",
     R"({"type": "object", "maxProperties": 100,
         "propertyNames": {"pattern": "^[A-Za-z0-9][A-Za-z0-9._/-]{0,62}$"},
         "additionalProperties": {"$ref": "#/$defs/text"}})"},
    {"path", "a path", R"({"type": ["string", "integer"], "minLength": 1, "maxLength": 4096})"},
    {"pattern", "a path with %-letters",
     R"({"type": ["string", "integer"], "minLength": 1, "maxLength": 4096,
         "pattern": "^([^%]|%[jaxrn%])*$"})"},
    {"script", "a text", R"({"type": "string", "minLength": 1})"},
    {"command", "a list of texts",
     R"({"type": "array", "minItems": 1, "maxItems": 10000, "items": {"$ref": "#/$defs/text"}})"},
    {"octal", "octal digits", R"({"type": ["string", "integer"], "pattern": "^0?[0-7]{3}$"})"},
    {"ready", "a map", R"({"$ref": "#/$defs/scope_ready"})"},
    {"http_path", "a path", R"({"type": "string", "pattern": "^/[!-~]*$", "maxLength": 1000})"},
    {"groups", "a list of maps",
     R"({"type": "array", "minItems": 1, "maxItems": 64,
         "items": {"$ref": "#/$defs/scope_group"}})"},
};

std::array<std::vector<std::string_view>, scope_count> names_by_scope() {
  std::array<std::vector<std::string_view>, scope_count> out;
  for (std::size_t scope = 0; scope < scope_count; ++scope)
    for (const FieldInfo& field : fields)
      if ((field.scopes & (1u << scope)) != 0) out[scope].push_back(field.name);
  return out;
}

}  // namespace

std::span<const FieldInfo> all_fields() { return fields; }
std::span<const TypeInfo> all_types() { return types; }

Names field_names(Scope scope) {
  static const auto names = names_by_scope();
  return names[static_cast<std::size_t>(scope)];
}

}  // namespace busbar::jobfile
