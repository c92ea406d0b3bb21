#include "sim/trace/sacct.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/moment.hpp"
#include "base/text.hpp"
#include "sim/trace/table.hpp"

namespace busbar::sim {
namespace {

constexpr std::int64_t cores_max = 10'000'000;

bool unknown(std::string_view word) {
  return word.empty() || word == "Unknown" || word == "None" || word == "N/A";
}

// "2026-11-30T16:25:43", as if it were UTC: only differences count.
Result<Span> moment(const Table& row, std::string_view column) {
  const auto ms = parse_moment(std::string(row.at(column)) + "Z", 0);
  if (!ms.ok()) return row.wrong(column, "is no moment such as 2026-11-30T16:25:43");
  return Span(*ms);
}

// The number behind `name=` in "cpu=8,mem=64G,node=1,gres/gpu=2"; "" where it is not there.
std::string_view of_tres(std::string_view tres, std::string_view name) {
  for (const std::string_view part : split(tres, ','))
    if (part.starts_with(name) && part.substr(name.size()).starts_with('='))
      return part.substr(name.size() + 1);
  return {};
}

// "gres/gpu:h100=2" names the model; "gres/gpu=2" does not.
std::string gpu_model(std::string_view tres) {
  constexpr std::string_view typed = "gres/gpu:";
  for (const std::string_view part : split(tres, ','))
    if (part.starts_with(typed))
      return std::string(part.substr(typed.size(), part.find('=') - typed.size()));
  return {};
}

Result<Ok> read_shape(const Table& row, Job& job) {
  BUSBAR_TRY(cores, row.whole("AllocCPUS", cores_max));
  if (cores == 0) return row.wrong("AllocCPUS", "is too small; a job that ran had cores");
  std::int64_t nodes = 1;
  if (!row.at("AllocNodes").empty()) {
    BUSBAR_TRY(count, row.whole("AllocNodes", cores_max));
    nodes = std::max<std::int64_t>(1, count);
  }
  TaskGroup group;
  group.count = {static_cast<std::uint32_t>(nodes), static_cast<std::uint32_t>(nodes)};
  if (nodes > 1) group.tasks_per_node = 1;
  Resources& each = group.any_of.emplace_back().resources;
  each.cores = whole_cores((cores + nodes - 1) / nodes);
  const std::string_view tres = row.at("AllocTRES");
  if (const std::string_view memory = of_tres(tres, "mem"); !memory.empty()) {
    const auto bytes = parse_bytes(memory);
    if (!bytes.ok()) return row.wrong("AllocTRES", "has a memory that cannot be read");
    each.memory = Bytes(bytes->value / nodes);
  }
  if (const std::string_view gpus = of_tres(tres, "gres/gpu"); !gpus.empty()) {
    const auto count = parse_count(gpus);
    if (!count.ok()) return row.wrong("AllocTRES", "has a number of GPUs that cannot be read");
    DeviceRequest request;
    request.model = gpu_model(tres);
    request.count = static_cast<std::uint32_t>((*count + nodes - 1) / nodes);
    if (request.count > 0) each.devices.push_back(request);
  }
  job.coupling = nodes > 1 ? Coupling::tight : Coupling::loose;
  job.groups.push_back(std::move(group));
  return Ok{};
}

// TimelimitRaw counts minutes; unlimited and partition limits are words.
Result<Span> read_limit(const Table& row) {
  const std::string_view word = row.at("TimelimitRaw");
  if (word.empty() || lower(word) == "unlimited" || lower(word) == "partition_limit")
    return span_unlimited;
  BUSBAR_TRY(limit, row.whole("TimelimitRaw", seconds_max / 60));
  return minutes(limit);
}

Result<TraceJob> read_job(const Table& row) {
  TraceJob out;
  BUSBAR_TRY(submitted, moment(row, "Submit"));
  BUSBAR_TRY(elapsed, row.whole("ElapsedRaw", seconds_max));
  BUSBAR_TRY(limit, read_limit(row));
  out.submit = submitted;
  out.job.time_limit = std::max(limit, seconds(1));
  out.run_time = std::min(seconds(elapsed), out.job.time_limit);
  out.job.grace = Span(0);
  out.job.name = std::string(row.at("JobID"));
  out.job.user.name = row.at("User").empty() ? "unknown" : std::string(row.at("User"));
  out.job.tenant = std::string(row.at("Account"));
  BUSBAR_TRY_OK(read_shape(row, out.job));
  return out;
}

}  // namespace

Result<Trace> read_sacct(std::string_view text, std::string_view file_name) {
  BUSBAR_TRY(table, Table::open(text, file_name, '|',
                                {"JobID", "Submit", "Start", "ElapsedRaw", "AllocCPUS"}));
  Trace out;
  std::uint64_t steps = 0, never = 0, running = 0;
  for (;;) {
    BUSBAR_TRY(more, table.next());
    if (!more) break;
    if (table.at("JobID").find('.') != std::string_view::npos) {
      ++steps;
    } else if (unknown(table.at("Start"))) {
      ++never;
    } else if (table.at("State") == "RUNNING" || table.at("State") == "SUSPENDED") {
      ++running;
    } else {
      BUSBAR_TRY(job, read_job(table));
      out.jobs.push_back(std::move(job));
    }
  }
  put_in_order(out, true);
  const auto remark = [&](std::uint64_t count, std::string_view what) {
    if (count > 0) out.remarks.push_back(fmt::format("{} {}", count, what));
  };
  remark(steps, "job steps are left out: their jobs count");
  remark(never, "jobs are left out: they never started");
  remark(running, "jobs are left out: they had not ended when the log was taken");
  return out;
}

}  // namespace busbar::sim
