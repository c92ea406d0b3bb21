#include "sim/trace/native.hpp"

#include <fmt/format.h>

#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "base/text.hpp"
#include "jobfile/job_file.hpp"
#include "sim/trace/table.hpp"

namespace busbar::sim {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view row_fields[] = {"submit", "run",        "user",   "exit",
                                           "job",    "checkpoint", "restart"};
constexpr std::int64_t version = 1;
// Wall time at which a job of a trace is read: relative moments count from its submission.
constexpr std::int64_t origin_unix_ms = 1'000'000'000'000;

class Reader {
 public:
  explicit Reader(std::string_view file_name) : file_(file_name) {}

  Result<Trace> run(std::string_view text) {
    BUSBAR_TRY_OK(read_heading(take_text_line(text)));
    while (!text.empty()) {
      const std::string_view line = take_text_line(text);
      ++line_;
      if (trim(line).empty()) continue;
      BUSBAR_TRY(job, read_row(line));
      trace_.jobs.push_back(std::move(job));
    }
    put_in_order(trace_, false);
    return std::move(trace_);
  }

 private:
  Error wrong(std::string_view field, const std::string& what) const {
    return {Errc::invalid, fmt::format("{}:{}: {}: {}", file_, line_, field, what)};
  }

  Result<Json> parse(std::string_view line) const {
    Json row = Json::parse(line, nullptr, false);
    if (!row.is_object())
      return Error{Errc::invalid, fmt::format("{}:{}: is no JSON object", file_, line_)};
    return row;
  }

  Result<Ok> read_heading(std::string_view line) {
    const Json row = Json::parse(line, nullptr, false);
    if (!row.is_object() || row.value("busbar_trace", Json()) != version || row.size() != 1)
      return {Errc::invalid,
              fmt::format("{}:1: a trace begins with the line {{\"busbar_trace\": {}}}", file_,
                          version)};
    return Ok{};
  }

  Result<Span> seconds_of(const Json& row, const char* field) const {
    if (!row.contains(field)) return wrong(field, "must be there: seconds, such as 12.5");
    const Json& value = row[field];
    if (!value.is_number() || !(value.get<double>() >= 0) ||
        value.get<double>() > static_cast<double>(seconds_max))
      return wrong(field, fmt::format("{} is no number of seconds from 0 to {}",
                                      printable(value.dump(), 40), seconds_max));
    return Span(std::llround(value.get<double>() * 1000));
  }

  Result<TraceJob> read_row(std::string_view line) {
    BUSBAR_TRY(row, parse(line));
    for (const auto& [key, value] : row.items()) {
      if (std::find(std::begin(row_fields), std::end(row_fields), key) != std::end(row_fields))
        continue;
      const auto near = nearest(key, row_fields);
      return wrong(printable(key),
                   near.empty()
                       ? fmt::format("is no field; there are {}", fmt::join(row_fields, ", "))
                       : fmt::format("is no field; did you mean {}?", near));
    }
    TraceJob out;
    BUSBAR_TRY(submit, seconds_of(row, "submit"));
    BUSBAR_TRY(run, seconds_of(row, "run"));
    BUSBAR_TRY(job, job_of(row));
    if (row.contains("checkpoint")) {
      BUSBAR_TRY(checkpoint, seconds_of(row, "checkpoint"));
      out.checkpoint = checkpoint;
    }
    if (row.contains("restart")) {
      BUSBAR_TRY(restart, seconds_of(row, "restart"));
      out.restart_cost = restart;
    }
    out.submit = submit;
    out.run_time = run;
    out.job = std::move(job);
    if (row.contains("user")) {
      if (!row["user"].is_string() || row["user"].get<std::string>().empty())
        return wrong("user", "must be a name");
      out.job.user.name = row["user"].get<std::string>();
    } else {
      out.job.user.name = "user";
    }
    if (row.contains("exit")) {
      if (!row["exit"].is_number_integer() || row["exit"] < 0 || row["exit"] > 255)
        return wrong("exit", "must be a whole number from 0 to 255");
      out.exit_code = row["exit"].get<std::int32_t>();
    }
    if (out.job.deadline_unix_ms != 0)
      out.job.deadline_at = Tick(submit.value + out.job.deadline_unix_ms - origin_unix_ms);
    if (out.job.begin_after > Span(0)) out.job.begin_at = Tick(0) + submit + out.job.begin_after;
    out.job.deadline_unix_ms = 0;
    out.job.begin_after = Span(0);
    return out;
  }

  // Traces ask for few shapes many times: each is read once.
  Result<Job> job_of(const Json& row) {
    Json job = row.value("job", Json::object());
    if (!job.is_object())
      return wrong("job", "must be an object: a job in the words of a job file");
    if (!job.contains("run") && !job.contains("command")) job["run"] = "true";
    const std::string text = job.dump(-1, ' ', false, Json::error_handler_t::replace);
    if (const auto known = jobs_.find(text); known != jobs_.end()) return known->second;
    jobfile::JobFileContext context;
    context.file_name = fmt::format("{}:{}: job", file_, line_);
    context.submit_directory = "/";
    context.now_unix_ms = origin_unix_ms;
    BUSBAR_TRY(read, jobfile::read_job_file(text, context));
    if (read.jobs.size() != 1) return wrong("job", "must be one job");
    Job& one = read.jobs.front();
    if (!one.after.empty())
      return wrong("job", "after: jobs of a trace cannot wait for others yet");
    if (one.begin_unix_ms != 0)
      return wrong("job", "begin: write +10m, counted from its submission");
    for (TaskGroup& group : one.groups) group.payload = {};
    jobs_.emplace(text, one);
    return std::move(one);
  }

  std::string file_;
  std::size_t line_ = 1;
  std::map<std::string, Job> jobs_;
  Trace trace_;
};

}  // namespace

Result<Trace> read_native(std::string_view text, std::string_view file_name) {
  return Reader(file_name).run(text);
}

}  // namespace busbar::sim
