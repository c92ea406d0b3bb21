#include "sim/trace/swf.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.hpp"
#include "sim/trace/table.hpp"

namespace busbar::sim {
namespace {

constexpr std::size_t field_count = 18;
enum Field : std::size_t {  // from 0; the format counts from 1
  job_number,
  submit_time,
  wait_time,
  run_time,
  processors,
  cpu_time,
  memory_used,
  processors_requested,
  time_requested,
  memory_requested,
  status,
  user,
};
constexpr std::string_view names[field_count] = {
    "job number",     "submit time",      "wait time",   "run time",
    "processors",     "CPU time",         "memory used", "processors requested",
    "time requested", "memory requested", "status",      "user",
    "group",          "executable",       "queue",       "partition",
    "preceding job",  "think time"};
constexpr std::int64_t processors_max = 10'000'000;

// Words between blanks, at most one more than a row has.
std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> words;
  std::size_t at = 0;
  while (words.size() <= field_count) {
    at = line.find_first_not_of(" \t\r", at);
    if (at == std::string_view::npos) break;
    const std::size_t end = std::min(line.find_first_of(" \t\r", at), line.size());
    words.push_back(line.substr(at, end - at));
    at = end;
  }
  return words;
}

struct Row {
  std::string_view file;
  std::size_t line = 0;
  std::vector<std::string_view> words;

  Error wrong(std::size_t field, std::string_view what) const {
    return {Errc::invalid, fmt::format("{}:{}: field {} ({}): \"{}\" {}", file, line, field + 1,
                                       names[field], printable(words[field], 40), what)};
  }
  // In thousandths; -1000 (unknown) where the word is a negative number.
  Result<std::int64_t> milli(std::size_t field, std::int64_t max) const {
    std::string_view word = words[field];
    const bool negative = word.starts_with('-');
    if (negative) word.remove_prefix(1);
    const std::size_t point = word.find('.');
    if (point != std::string_view::npos) word = word.substr(0, point + 4);
    const auto number = parse_milli(word);
    if (!number.ok()) return wrong(field, "is no number");
    if (negative) return std::int64_t{-1000};
    if (*number > max * 1000) return wrong(field, fmt::format("is more than {}", max));
    return *number;
  }
  Result<std::int64_t> whole(std::size_t field, std::int64_t max) const {
    BUSBAR_TRY(number, milli(field, max));
    if (number % 1000 != 0) return wrong(field, "is no whole number");
    return number / 1000;
  }
};

// Nothing where the job never ran.
Result<std::optional<TraceJob>> read_row(const Row& row) {
  if (row.words.size() != field_count)
    return Error{
        Errc::invalid,
        fmt::format("{}:{}: {} fields where a job has {}; a comment begins with ';'", row.file,
                    row.line,
                    row.words.size() > field_count ? "more" : fmt::format("{}", row.words.size()),
                    field_count)};
  BUSBAR_TRY(number, row.whole(job_number, std::int64_t{1} << 53));
  BUSBAR_TRY(submit, row.milli(submit_time, seconds_max));
  if (submit < 0) return row.wrong(submit_time, "is before the beginning of the log");
  BUSBAR_TRY(run, row.milli(run_time, seconds_max));
  BUSBAR_TRY(used, row.whole(processors, processors_max));
  BUSBAR_TRY(requested, row.whole(processors_requested, processors_max));
  BUSBAR_TRY(limit, row.milli(time_requested, seconds_max));
  BUSBAR_TRY(memory_kib, row.whole(memory_requested, std::int64_t{1} << 40));
  BUSBAR_TRY(who, row.whole(user, 4'000'000'000));
  const std::int64_t tasks = requested > 0 ? requested : used;
  if (run < 0 || tasks <= 0) return std::optional<TraceJob>();

  TraceJob out;
  out.submit = Span(submit);
  Job& job = out.job;
  job.name = fmt::format("{}", number);
  job.user.name = who < 0 ? "unknown" : fmt::format("user{}", who);
  job.user.uid = job.user.gid = who < 0 ? 0 : static_cast<std::uint32_t>(who);
  job.time_limit = Span(limit > 0 ? limit : std::max<std::int64_t>(run, 1000));
  out.run_time = Span(std::min(run, job.time_limit.value));
  job.grace = Span(0);
  job.coupling = tasks > 1 ? Coupling::tight : Coupling::loose;
  TaskGroup group;
  group.count = {static_cast<std::uint32_t>(tasks), static_cast<std::uint32_t>(tasks)};
  Alternative& alternative = group.any_of.emplace_back();
  if (memory_kib > 0) alternative.resources.memory = kibibytes(memory_kib);
  job.groups.push_back(std::move(group));
  return std::optional(std::move(out));
}

}  // namespace

Result<Trace> read_swf(std::string_view text, std::string_view file_name) {
  Trace trace;
  std::uint64_t never_ran = 0;
  std::size_t line_number = 0;
  while (!text.empty()) {
    const std::string_view line = take_text_line(text);
    ++line_number;
    Row row{file_name, line_number, words_of(line)};
    if (row.words.empty() || row.words[0].starts_with(';')) continue;
    BUSBAR_TRY(job, read_row(row));
    if (job)
      trace.jobs.push_back(std::move(*job));
    else
      ++never_ran;
  }
  put_in_order(trace, false);
  if (never_ran > 0)
    trace.remarks.push_back(fmt::format(
        "{} jobs are left out: they never ran (no run time, or no processors)", never_ran));
  return trace;
}

}  // namespace busbar::sim
