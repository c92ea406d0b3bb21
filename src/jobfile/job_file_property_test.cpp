// A job written as YAML is read back as it was; whatever else is read ends in a value or a
// sentence.

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <set>

#include "jobfile/job_file.hpp"

namespace busbar::jobfile {
namespace {

const JobFileContext submitted{"a.yaml", "/submit", 1'793'491'200'000};

std::string word() {
  const auto letters = *rc::gen::container<std::string>(
      12, rc::gen::elementOf(std::string("abcdefghijklmnopqrstuvwxyz0123456789-_")));
  return "w" + letters;
}

std::int64_t number(std::int64_t min, std::int64_t max) {
  return *rc::gen::inRange<std::int64_t>(min, max + 1);
}

bool coin() { return number(0, 1) == 1; }

struct Written {
  Job job;
  Payload payload;
  std::string yaml;
  void line(std::string_view name, std::string_view value) {
    yaml += fmt::format("{}: {}\n", name, value);
  }
};

void write_resources(Written& out, TaskGroup& group) {
  Resources& resources = group.any_of.emplace_back().resources;
  if (coin()) {
    resources.cores = MilliCores(number(1, 64'000));
    out.line("cores", format_milli(resources.cores.value));
  }
  if (coin()) {
    resources.memory = Bytes(number(1 << 20, std::int64_t{1} << 40));
    out.line("memory", fmt::format("{}", resources.memory.value));
  }
  if (coin()) {
    DeviceRequest& device = resources.devices.emplace_back();
    device.model = coin() ? word() : "";
    device.count = static_cast<std::uint32_t>(number(1, 8));
    device.memory_min_bytes = gibibytes(number(0, 1) * 40);
    std::string text = fmt::format("{{count: {}", device.count);
    if (!device.model.empty()) text += ", model: " + device.model;
    if (device.memory_min_bytes.value > 0) text += ", memory: \">=40G\"";
    out.line("gpus", text + "}");
  }
  if (coin()) {
    resources.ports = static_cast<std::uint32_t>(number(0, 64));
    out.line("ports", fmt::format("{}", resources.ports));
  }
  if (coin()) {
    group.any_of.front().constraint = {{{"!old", "avx"}}, {{"gpu"}}};
    out.line("constraint", "(avx & !old) | gpu");
  }
}

void write_shape(Written& out, TaskGroup& group) {
  const bool gang = out.job.coupling == Coupling::tight;
  if (gang && coin()) {
    group.count.min = static_cast<std::uint32_t>(number(1, 100));
    group.count.max = group.count.min + static_cast<std::uint32_t>(number(0, 100));
    out.line("tasks", fmt::format("{}..{}", group.count.min, group.count.max));
  } else if (!gang && coin()) {
    ArrayRange range;
    range.first = static_cast<std::uint32_t>(number(0, 1000));
    range.last = range.first + static_cast<std::uint32_t>(number(0, 1000));
    range.step = static_cast<std::uint32_t>(number(1, 9));
    group.array = {range};
    group.parallel = static_cast<std::uint32_t>(number(0, 20));
    group.count.min = group.count.max = (range.last - range.first) / range.step + 1;
    std::string text = fmt::format("{}-{}:{}", range.first, range.last, range.step);
    if (group.parallel > 0) text += fmt::format("%{}", group.parallel);
    out.line("array", text);
  }
}

Written random_job() {
  Written out;
  Job& job = out.job;
  job.name = word();
  out.line("name", job.name);
  if (coin()) job.coupling = Coupling::tight, out.line("coupling", "tight");
  job.priority = static_cast<std::int32_t>(number(-1000, 1000));
  out.line("priority", fmt::format("{}", job.priority));
  if (coin()) {
    job.time_limit = Span(number(1, 100'000'000));
    out.line("time", fmt::format("{}ms", job.time_limit.value));
  }
  if (coin()) job.exclusive = true, out.line("exclusive", "true");
  if (coin()) {
    job.begin_after = seconds(number(1, 100'000));
    out.line("begin", fmt::format("+{}s", job.begin_after.value / 1000));
  }
  if (coin()) {
    const auto id = static_cast<std::uint64_t>(number(1, 1'000'000));
    job.after = {{DependencyKind::any, JobId(id), 0, fmt::format("{}", id)}};
    out.line("after", fmt::format("[\"{}:any\"]", id));
  }
  if (coin()) {
    job.restart =
        RestartRule{true, coin(), false, false, {}, {75}, 9, seconds(number(0, 100)), minutes(10)};
    out.line("restart",
             fmt::format("{{on: [node, {}75], max: 9, backoff: {}}}",
                         job.restart->on_oom ? "oom, " : "", job.restart->backoff.value / 1000));
  }
  TaskGroup& group = job.groups.emplace_back();
  write_resources(out, group);
  write_shape(out, group);
  out.payload.working_directory = out.payload.submit_directory = "/submit";
  // Any text at all survives in quotes.
  const auto value = *rc::gen::container<std::string>(rc::gen::inRange<char>(' ', '~'));
  out.payload.environment = {{"A", value}};
  std::string quoted;
  for (const char c : value) quoted += c == '\'' ? "''" : std::string(1, c);
  out.yaml += fmt::format("environment: {{A: '{}'}}\n", quoted);
  out.payload.run = "exec " + word() + "\n";
  out.yaml += "run: |\n  " + out.payload.run;
  group.payload = encode_payload(out.payload).hash;
  return out;
}

RC_GTEST_PROP(JobFileProperty, AJobIsReadAsItWasWritten, ()) {
  const Written written = random_job();
  const auto result = read_job_file(written.yaml, submitted);
  if (!result.ok()) RC_FAIL(written.yaml + result.error().text);
  RC_ASSERT(result->jobs == std::vector<Job>{written.job});
  RC_ASSERT(result->payloads == std::vector<PayloadBlob>{encode_payload(written.payload)});
}

RC_GTEST_PROP(JobFileProperty, AnArrayIsRefusedExactlyWhenAnIndexStandsTwice, ()) {
  std::string text;
  std::multiset<std::int64_t> indices;
  const std::int64_t ranges = number(1, 4);
  for (std::int64_t i = 0; i < ranges; ++i) {
    const std::int64_t first = number(0, 60), last = first + number(0, 60), step = number(1, 30);
    text += fmt::format("{}{}-{}:{}", i == 0 ? "" : ",", first, last, step);
    for (std::int64_t at = first; at <= last; at += step) indices.insert(at);
  }
  const bool twice =
      std::set<std::int64_t>(indices.begin(), indices.end()).size() != indices.size();
  const auto result = read_job_file(fmt::format("array: {}\nrun: x\n", text), submitted);
  RC_ASSERT(result.ok() == !twice);
  if (result.ok()) {
    const TaskGroup& group = result->jobs.front().groups.front();
    RC_ASSERT(group.count.min == indices.size());
    std::multiset<std::int64_t> read;
    for (std::uint32_t i = 0; i < group.count.min; ++i) read.insert(array_index(group, i));
    RC_ASSERT(read == indices);
  }
}

bool is_sane(std::string_view text) {
  const auto result = read_job_file(text, submitted);
  if (!result.ok()) return result.error().text.starts_with("a.yaml:");
  for (const Job& job : result->jobs)
    for (const TaskGroup& group : job.groups)
      if (group.any_of.empty() || group.count.min < 1 || group.count.max < group.count.min ||
          group.count.max > 1'000'000)
        return false;
  return true;
}

RC_GTEST_PROP(JobFileProperty, AMutatedFileIsReadOrRefused, ()) {
  std::string text = random_job().yaml + "---\n" + random_job().yaml;
  const std::int64_t mutations = number(1, 8);
  for (std::int64_t i = 0; i < mutations; ++i) {
    const auto at = static_cast<std::size_t>(number(0, static_cast<std::int64_t>(text.size()) - 1));
    const auto length = static_cast<std::size_t>(number(0, 12));
    switch (number(0, 3)) {
      case 0:
        text[at] = static_cast<char>(number(-128, 127));
        break;
      case 1:
        text.erase(at, length);
        break;
      case 2:
        text.insert(at, text.substr(static_cast<std::size_t>(
                                        number(0, static_cast<std::int64_t>(text.size()) - 1)),
                                    length));
        break;
      default:
        text[at] = (*rc::gen::elementOf(std::string("{}[],:-'\"|>&*!%\n#?0")));
    }
    if (text.empty()) text = "a";
  }
  RC_ASSERT(is_sane(text));
}

RC_GTEST_PROP(JobFileProperty, AnyTextInAnyFieldIsReadOrRefused, (std::string garbage)) {
  static constexpr std::string_view fields[] = {
      "gpus",  "gpu",  "memory",  "constraint", "array",    "tasks",     "time",   "begin",
      "after", "name", "restart", "deadline",   "priority", "directory", "output", "umask"};
  const std::string_view field = fields[static_cast<std::size_t>(number(0, std::size(fields) - 1))];
  std::string quoted;
  for (const char c : garbage) quoted += c == '\'' ? "''" : std::string(1, c);
  RC_ASSERT(is_sane(fmt::format("{}: '{}'\nrun: x\n", field, quoted)));
}

RC_GTEST_PROP(JobFileProperty, WordsOfTheSmallLanguagesAreReadOrRefused, ()) {
  static constexpr std::string_view pieces[] = {
      "a", "1", "100", "-",          "%", ":", ",",     "..", "!", "&", "|",   "(", ")",
      " ", "+", "now", "2026-12-01", "T", "Z", "08:00", ".",  "G", "h", "any", ">="};
  static constexpr std::string_view fields[] = {
      "gpus", "gpu", "memory", "constraint", "array", "tasks", "begin", "after", "time", "restart"};
  const std::string_view field = fields[static_cast<std::size_t>(number(0, std::size(fields) - 1))];
  std::string text;
  const std::int64_t count = number(1, 40);
  for (std::int64_t i = 0; i < count; ++i)
    text += pieces[static_cast<std::size_t>(number(0, std::size(pieces) - 1))];
  RC_ASSERT(is_sane(fmt::format("{}: \"{}\"\nrun: x\n", field, text)));
}

}  // namespace
}  // namespace busbar::jobfile
