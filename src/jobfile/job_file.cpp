#include "jobfile/job_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/text.hpp"
#include "jobfile/after.hpp"
#include "jobfile/fields.hpp"
#include "jobfile/group_reader.hpp"
#include "jobfile/map_reader.hpp"
#include "jobfile/words.hpp"

namespace busbar::jobfile {
namespace {

constexpr std::size_t documents_max = 1000;
constexpr std::size_t groups_max = 64;
// Of a whole file: groups multiply what stands in their job.
constexpr std::size_t file_groups_max = 4096;
constexpr std::size_t file_payload_bytes_max = std::size_t{16} << 20;
constexpr std::size_t labels_max = 100;
constexpr std::size_t excluded_max = 1000;
constexpr std::size_t causes_max = 100;

void check_text(const MapReader& fields, std::string_view name, const Result<Ok>& good) {
  if (!good) fields.refuse(name, good.error().text);
}

// "runs/My job.yaml" -> "My-job": a name that check_job_name accepts.
std::string name_of_file(std::string_view file_name) {
  std::string_view stem = file_name.substr(file_name.rfind('/') + 1);
  stem = stem.substr(0, stem.rfind('.'));
  std::string out;
  for (const char c : printable(stem, 100))
    out += check_job_name(std::string("a") + c).ok() ? c : '-';
  return check_job_name(out).ok() ? out : "job";
}

void read_topology(const MapReader& fields, Job& job) {
  TopologyWish& wish = job.topology.edit();
  if (const Field within = fields.find("within")) {
    if (job.coupling == Coupling::loose)
      within.refuse(fields.problems(),
                    "the tasks of a loose job start independently, each on one "
                    "node; add \"coupling: tight\", or remove it");
    if (within.is(yaml::Kind::map)) {
      const MapReader map(*within.value, within.path, field_names(Scope::within),
                          fields.problems());
      if (map.require("level") && map.get("level", wish.within))
        check_text(map, "level", check_word(wish.within, "a level of the topology"));
      map.get("required", wish.required);
    } else if (read(within, fields.problems(), wish.within)) {
      check_text(fields, "within", check_word(wish.within, "a level of the topology"));
    }
  }
  if (fields.get("spread", wish.spread)) {
    check_text(fields, "spread", check_word(wish.spread, "a level of the topology"));
    if (wish.spread == wish.within)
      fields.refuse("spread", fmt::format("within and spread both name {}; remove one of them",
                                          printable(wish.spread)));
  }
}

void read_short_span(const MapReader& fields, std::string_view name, Span& out) {
  if (fields.get(name, out) && out > hours(24))
    fields.refuse(name, "longer than allowed; write at most 1d");
}

void read_times(const MapReader& fields, const JobFileContext& context, Job& job,
                Problems& warnings) {
  if (fields.get("time", job.time_limit) && job.time_limit.value == 0)
    fields.refuse("time", "0 is too short; write a duration such as 2h30m, or unlimited");
  if (!is_time_limit(job.time_limit))
    fields.refuse("time", "more than a century; write a duration such as 2h30m, or unlimited");
  read_short_span(fields, "grace", job.grace);
  const std::int64_t now = context.now_unix_ms;
  std::string text;
  if (fields.get("begin", text)) {
    const auto when = parse_when(text, now);
    if (!when) return fields.refuse("begin", when.error().text);
    job.begin_after = when->after;
    if (when->unix_ms > now)
      job.begin_unix_ms = when->unix_ms;
    else if (when->unix_ms != 0)
      fields.find("begin").refuse(warnings, fmt::format("\"{}\" has passed; the job may start at "
                                                        "once",
                                                        printable(text)));
  }
  if (fields.get("deadline", text)) {
    const auto when = parse_when(text, now);
    if (!when) return fields.refuse("deadline", when.error().text);
    job.deadline_unix_ms = when->unix_ms != 0 ? when->unix_ms : now + when->after.value;
    const std::int64_t begin =
        job.begin_unix_ms != 0 ? job.begin_unix_ms : now + job.begin_after.value;
    if (job.deadline_unix_ms <= now)
      fields.refuse("deadline", fmt::format("\"{}\" has passed", printable(text)));
    else if (job.deadline_unix_ms <= begin)
      fields.refuse("deadline", "it passes before the job may begin");
  }
}

void read_cause(const Field& field, Problems& problems, RestartRule& rule) {
  static constexpr std::string_view words[] = {"node", "oom", "timeout", "any"};
  std::string text;
  if (!read(field, problems, text)) return;
  if (text == "node") {
    rule.on_node = true;
  } else if (text == "oom") {
    rule.on_oom = true;
  } else if (text == "timeout") {
    rule.on_timeout = true;
  } else if (text == "any") {
    rule.on_any = true;
  } else if (text.starts_with("signal:")) {
    const auto signal = parse_signal(std::string_view(text).substr(7));
    if (!signal) return field.refuse(problems, signal.error().text);
    rule.signals.push_back(*signal);
  } else if (const auto code = parse_count(text); code.ok()) {
    if (*code < 1 || *code > 255)
      return field.refuse(problems, fmt::format("{} is no exit code of a failure; write 1 to 255",
                                                printable(text)));
    rule.exit_codes.push_back(static_cast<std::int32_t>(*code));
  } else {
    const std::string_view near = nearest(text, words);
    field.refuse(problems,
                 fmt::format("\"{}\" is no cause of a restart; {}", printable(text),
                             near.empty() ? "write node, oom, timeout, any, signal:TERM or an exit "
                                            "code such as 75"
                                          : fmt::format("did you mean \"{}\"?", near)));
  }
}

void read_causes(const Field& field, Problems& problems, RestartRule& rule) {
  rule.on_node = false;
  if (!field.is(yaml::Kind::list)) return read_cause(field, problems, rule);
  if (field->items.empty() || field->items.size() > causes_max)
    return field.refuse(problems,
                        fmt::format("write 1 to {} causes, or \"restart: never\"", causes_max));
  for (std::size_t i = 0; i < field->items.size(); ++i) read_cause(field.child(i), problems, rule);
  for (auto* numbers : {&rule.signals, &rule.exit_codes}) {
    std::sort(numbers->begin(), numbers->end());
    numbers->erase(std::unique(numbers->begin(), numbers->end()), numbers->end());
  }
}

void read_restart(const MapReader& fields, RestartRule& rule) {
  const Field field = fields.find("restart");
  if (!field) return;
  if (field.is(yaml::Kind::text) && field->text == "never") {
    rule.on_node = false;
    rule.max = 0;
    return;
  }
  if (!field.is(yaml::Kind::map)) return read_causes(field, fields.problems(), rule);
  const MapReader map(*field.value, field.path, field_names(Scope::restart), fields.problems());
  if (const Field on = map.find("on")) read_causes(on, fields.problems(), rule);
  map.get("max", rule.max, 0, 1000);
  for (const auto& [name, span] :
       {std::pair{"backoff", &rule.backoff}, std::pair{"backoff_max", &rule.backoff_max}})
    if (map.get(name, *span) && *span > hours(24 * 7))
      map.refuse(name, "longer than allowed; write at most 7d");
  if (rule.backoff_max >= rule.backoff) return;
  if (map.has("backoff_max"))
    map.refuse("backoff_max",
               fmt::format("it is shorter than backoff, {}", format_span(rule.backoff)));
  rule.backoff_max = rule.backoff;
}

void read_checkpoint(const MapReader& fields, CheckpointRule& rule, std::string& directory) {
  const Field field = fields.find("checkpoint");
  if (!field) return;
  const MapReader map(*field.value, field.path, field_names(Scope::checkpoint), fields.problems());
  if (!field.is(yaml::Kind::map)) return;
  if (field->items.empty())
    map.refuse("nothing is stated; write at least one of signal, directory and interval");
  rule.present = true;
  std::string signal;
  if (map.get("signal", signal)) {
    const auto number = parse_signal(signal);
    if (!number)
      map.refuse("signal", number.error().text);
    else if (*number == 9 || *number == 19)
      map.refuse("signal", "a program cannot catch this signal; write USR1 or TERM");
    else
      rule.signal = *number;
  }
  read_short_span(map, "grace", rule.grace);
  if (map.get("interval", rule.interval) && rule.interval.value == 0)
    map.refuse("interval", "0 is too short; leave the field out if it has none");
  if (map.get("directory", directory)) {
    if (directory.find("%n") != std::string::npos)
      map.refuse("directory",
                 "%n differs for every attempt, so a restart would not find what was "
                 "saved; use %j and %a");
    else
      check_text(map, "directory", check_pattern(directory, "jaxr"));
  }
}

void read_labels(const MapReader& fields, List<Label>& out) {
  const Field field = fields.find("labels");
  if (!field) return;
  Problems& problems = fields.problems();
  if (!field.is(yaml::Kind::map) || field->items.size() > labels_max)
    return field.refuse(problems,
                        fmt::format("found {}; write a map of at most {} labels, such as "
                                    "{{project: melt}}",
                                    found_many(*field.value, yaml::Kind::map), labels_max));
  for (std::size_t i = 0; i < field->items.size(); ++i) {
    const Field item = field.child(i);
    const auto good = check_word(item->key, "a label's name");
    if (!good || item->key.size() > 63)
      problems.add(item->key_place, field.path,
                   good
                       ? fmt::format("\"{}\" is too long for a label's name; at most 63 characters",
                                     printable(item->key))
                       : good.error().text);
    std::string value;
    if (!read(item, problems, value)) continue;
    if (value.size() > 256)
      item.refuse(problems,
                  fmt::format("{} bytes are too many for a label; at most 256", value.size()));
    out.push_back({item->key, std::move(value)});
  }
  std::sort(out.begin(), out.end(), [](const Label& a, const Label& b) { return a.key < b.key; });
}

void read_exclude(const MapReader& fields, Job& job) {
  std::vector<std::string> names;
  if (!fields.get("exclude", names, excluded_max)) return;
  for (const std::string& node : names)
    check_text(fields, "exclude", check_word(node, "a node's name"));
  std::sort(names.begin(), names.end());
  job.exclude = {names.begin(), std::unique(names.begin(), names.end())};
}

void read_tenant(const MapReader& fields, const std::vector<std::string>& known, Job& job) {
  if (!fields.get("tenant", job.tenant)) return;
  const Result<Ok> word = check_word(job.tenant, "a tenant's name");
  check_text(fields, "tenant", word);
  if (!word.ok() || known.empty() ||
      std::find(known.begin(), known.end(), job.tenant) != known.end())
    return;
  const std::vector<std::string_view> names(known.begin(), known.end());
  const std::string_view near = nearest(job.tenant, names);
  fields.refuse("tenant", fmt::format("there is no tenant \"{}\"; {}", printable(job.tenant),
                                      near.empty() ? "known: " + either(names)
                                                   : fmt::format("did you mean \"{}\"?", near)));
}

class JobFileReader {
 public:
  JobFileReader(const JobFileContext& context, Submission& out)
      : context_(context), out_(out), problems_(context.file_name), warnings_(context.file_name) {}

  Result<Ok> read(const std::vector<yaml::Value>& documents) {
    for (const yaml::Value& document : documents) {
      read_job(document);
      if (problems_.full()) break;
      if (groups_ > file_groups_max || payload_bytes_ > file_payload_bytes_max) {
        problems_.add(
            document.place, "",
            fmt::format("the jobs up to here have {} groups and {} of scripts and "
                        "variables; a file may have {} and {}",
                        groups_, format_bytes(Bytes(static_cast<std::int64_t>(payload_bytes_))),
                        file_groups_max, format_bytes(Bytes(file_payload_bytes_max))));
        break;
      }
    }
    if (problems_.none()) resolve_dependencies(documents, out_.jobs, problems_);
    if (!problems_.none()) return problems_.error();
    if (!warnings_.none()) {
      const std::string told = warnings_.error().text;
      for (const auto line : split(told, '\n')) out_.warnings.emplace_back(line);
    }
    return Ok{};
  }

 private:
  void read_job(const yaml::Value& document) {
    const MapReader fields(document, "", field_names(Scope::job), problems_);
    Job& job = out_.jobs.emplace_back();
    if (document.kind != yaml::Kind::map) return;
    job.name = name_of_file(context_.file_name);
    if (fields.get("name", job.name)) check_text(fields, "name", check_job_name(job.name));
    read_tenant(fields, context_.tenants, job);
    fields.get("priority", job.priority, -1000, 1000);
    fields.get("coupling", job.coupling);
    read_topology(fields, job);
    read_times(fields, context_, job, warnings_);
    read_exclude(fields, job);
    fields.get("exclusive", job.exclusive);
    fields.get("preemptible", job.preemptible);
    fields.get("hold", job.hold);
    read_restart(fields, job.restart.edit());
    GroupContext group_context;
    group_context.file = &context_;
    group_context.coupling = job.coupling;
    group_context.warnings = &warnings_;
    read_checkpoint(fields, job.checkpoint.edit(), group_context.checkpoint_directory);
    read_labels(fields, job.labels);
    read_groups(fields, group_context, job);
  }

  void read_groups(const MapReader& fields, GroupContext& context, Job& job) {
    const Field list = fields.find("groups");
    if (!list) return add_group(read_group(fields, context), job);
    if (!list.is(yaml::Kind::list) || list->items.empty() || list->items.size() > groups_max)
      return list.refuse(problems_,
                         fmt::format("found {}; write a list of 1 to {} groups, each "
                                     "with a name",
                                     found_many(*list.value, yaml::Kind::list), groups_max));
    context.several_groups = list->items.size() > 1;
    std::set<std::string> names;
    std::int64_t units = 0;
    for (std::size_t i = 0; i < list->items.size(); ++i) {
      const Field item = list.child(i);
      MapReader map(*item.value, item.path, field_names(Scope::group), problems_);
      if (!item.is(yaml::Kind::map)) continue;
      map.use_defaults(&fields);
      std::string name;
      if (!map.find_here("name")) {
        map.refuse("the field \"name\" is missing; every group has one");
      } else if (map.get("name", name)) {
        check_text(map, "name", check_group_name(name));
        if (!names.insert(name).second)
          map.refuse("name", fmt::format("two groups are called \"{}\"", printable(name)));
      }
      GroupResult result = read_group(map, context);
      result.group.name = std::move(name);
      units += result.group.count.max;
      add_group(std::move(result), job);
    }
    if (units > units_max)
      list.refuse(problems_, fmt::format("the groups have {} tasks; at most {} are allowed", units,
                                         units_max));
  }

  void add_group(GroupResult result, Job& job) {
    PayloadBlob blob = encode_payload(result.payload);
    result.group.payload = blob.hash;
    ++groups_;
    if (hashes_.insert(blob.hash).second) {
      payload_bytes_ += blob.bytes.size();
      out_.payloads.push_back(std::move(blob));
    }
    job.groups.push_back(std::move(result.group));
  }

  const JobFileContext& context_;
  Submission& out_;
  Problems problems_;
  Problems warnings_;
  std::set<PayloadHash> hashes_;
  std::size_t groups_ = 0;
  std::size_t payload_bytes_ = 0;
};

}  // namespace

Result<Submission> read_job_file(std::string_view text, const JobFileContext& context) {
  yaml::Limits limits;
  limits.documents_max = documents_max;
  BUSBAR_TRY(documents, yaml::read_documents(text, context.file_name, limits));
  if (documents.size() == 1 && documents.front().kind == yaml::Kind::list) {
    std::vector<yaml::Value> items = std::move(documents.front().items);
    documents = std::move(items);
  }
  if (documents.empty())
    return Error{Errc::invalid, fmt::format("{}:1:1: the file holds no job; the smallest one is "
                                            "\"run: hostname\"",
                                            printable(context.file_name, 200))};
  if (documents.size() > documents_max)
    return Error{Errc::invalid,
                 fmt::format("{}: {} jobs are too many for one file; at most {} are allowed",
                             printable(context.file_name, 200), documents.size(), documents_max)};
  Submission out;
  JobFileReader reader(context, out);
  BUSBAR_TRY_OK(reader.read(documents));
  return out;
}

}  // namespace busbar::jobfile
