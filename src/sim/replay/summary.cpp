#include "sim/replay/summary.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <vector>

namespace busbar::sim {
namespace {

__extension__ typedef __int128 Wide;  // ISO C++ has no name for it

constexpr std::int64_t run_ms_min = 10'000;  // of the bounded slowdown
constexpr double ms_per_hour = 3'600'000;

double in_seconds(Span span) { return static_cast<double>(span.value) / 1000; }

std::optional<double> mean(const std::vector<Span>& values) {
  if (values.empty()) return std::nullopt;
  std::int64_t sum = 0;
  for (const Span value : values) sum += value.value;
  return static_cast<double>(sum) / 1000 / static_cast<double>(values.size());
}

// By nearest rank; sorts.
std::optional<double> percentile_99(std::vector<Span>& values) {
  if (values.empty()) return std::nullopt;
  std::sort(values.begin(), values.end());
  return in_seconds(values[(values.size() * 99 + 99) / 100 - 1]);
}

double bounded_slowdown(const JobOutcome& job) {
  const std::int64_t jct = (job.ended - job.submitted).value;
  const std::int64_t run = std::max((job.ended - job.started).value, run_ms_min);
  return std::max(1.0, static_cast<double>(jct) / static_cast<double>(run));
}

bool ran(const JobOutcome& job) {
  return job.started != JobOutcome::never && job.ended != JobOutcome::never;
}

// Jain's index of the tenants' mean bounded slowdowns: 1 when all are treated alike.
std::optional<double> jain(const std::map<std::string, std::pair<double, std::uint64_t>>& tenants) {
  if (tenants.size() < 2) return std::nullopt;
  double sum = 0;
  double squares = 0;
  for (const auto& [name, of_jobs] : tenants) {
    const double value = of_jobs.first / static_cast<double>(of_jobs.second);
    sum += value;
    squares += value * value;
  }
  return sum * sum / (static_cast<double>(tenants.size()) * squares);
}

struct Totals {
  Wide core_ms = 0;  // of jobs, whole cores
  Wide device_ms = 0;
  Wide lost_device_ms = 0;
  Span first_submitted = span_unlimited;
  Span last_ended;
  std::vector<Span> waits, completions;
  double slowdowns = 0;
  std::uint64_t deadlines = 0, deadlines_met = 0;
  std::map<std::string, std::pair<double, std::uint64_t>> tenants;
};

void add_job(const TraceJob& asked, const JobOutcome& job, Totals& totals, Summary& out) {
  totals.first_submitted = std::min(totals.first_submitted, job.submitted);
  if (!job.refusal.empty()) {
    ++out.refused;
    return;
  }
  totals.core_ms += job.core_ms;
  totals.device_ms += job.device_ms;
  totals.lost_device_ms += job.lost_device_ms;
  out.preemptions += job.preemptions;
  out.restarts += job.restarts;
  if (job.state == RunState::completed && job.ended != JobOutcome::never) ++out.completed;
  if (asked.job.deadline_at != tick_never) {
    ++totals.deadlines;
    const bool met = job.state == RunState::completed && job.ended != JobOutcome::never &&
                     Tick(job.ended.value) <= asked.job.deadline_at;
    totals.deadlines_met += met ? 1 : 0;
  }
  if (!ran(job)) return;
  totals.last_ended = std::max(totals.last_ended, job.ended);
  totals.waits.push_back(job.started - job.submitted);
  totals.completions.push_back(job.ended - job.submitted);
  const double slowdown = bounded_slowdown(job);
  totals.slowdowns += slowdown;
  auto& tenant = totals.tenants[asked.job.tenant];
  tenant.first += slowdown;
  tenant.second += 1;
}

void put_capacity(const Cluster& cluster, const Totals& totals, Summary& out) {
  const Span makespan = totals.last_ended - totals.first_submitted;
  if (makespan <= Span(0)) return;
  out.makespan_s = in_seconds(makespan);
  Wide cores = 0;  // thousandths
  Wide devices = 0;
  for (const Node& node : cluster.nodes) {
    cores += node.cores.value;
    devices += static_cast<std::int64_t>(node.devices.size());
  }
  if (cores > 0)
    out.utilization =
        static_cast<double>(totals.core_ms) * 1000 / static_cast<double>(cores * makespan.value);
  if (devices == 0) return;
  out.gpu_allocated_pct =
      100 * static_cast<double>(totals.device_ms) / static_cast<double>(devices * makespan.value);
  out.lost_work_gpu_hours = static_cast<double>(totals.lost_device_ms) / ms_per_hour;
  if (!totals.waits.empty())
    out.gpu_hours_per_job = static_cast<double>(totals.device_ms) / ms_per_hour /
                            static_cast<double>(totals.waits.size());
}

std::string number(const std::optional<double>& value) {
  return value ? fmt::format("{:.10g}", *value) : "null";
}

std::string marks_json(const FillMarks& marks) {
  std::string out;
  for (std::size_t m = 0; m < marks.size(); ++m)
    out += fmt::format("{}\"{}\": {}", m > 0 ? ", " : "{", fill_marks[m], number(marks[m]));
  return out + "}";
}

std::string csv_seconds(Span span) {
  return span == JobOutcome::never ? "" : fmt::format("{:.3f}", in_seconds(span));
}

std::string csv_text(std::string_view text) {
  if (text.find_first_of(",\"\n\r") == std::string_view::npos) return std::string(text);
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"') out += '"';
    out += c;
  }
  return out + "\"";
}

std::uint64_t tasks_of(const Job& job) {
  std::uint64_t tasks = 0;
  for (const auto& group : job.groups) tasks += group.count.min;
  return tasks;
}

}  // namespace

Summary summarise(const Cluster& cluster, const Trace& trace, const ReplayResult& result) {
  Summary out;
  Totals totals;
  out.jobs = trace.jobs.size();
  for (std::size_t i = 0; i < trace.jobs.size(); ++i)
    add_job(trace.jobs[i], result.jobs[i], totals, out);
  out.wait_mean_s = mean(totals.waits);
  out.jct_mean_s = mean(totals.completions);
  out.wait_p99_s = percentile_99(totals.waits);
  out.jct_p99_s = percentile_99(totals.completions);
  if (!totals.waits.empty()) {
    out.wait_max_s = in_seconds(totals.waits.back());
    out.bsld_mean = totals.slowdowns / static_cast<double>(totals.waits.size());
  }
  if (totals.deadlines > 0)
    out.deadline_met_ratio =
        static_cast<double>(totals.deadlines_met) / static_cast<double>(totals.deadlines);
  out.fairness_jain = jain(totals.tenants);
  put_capacity(cluster, totals, out);
  if (!result.fill.empty()) {
    out.gpu_allocated_pct_at = fill_marks_of(cluster, result.fill);
    out.gpu_allocated_pct = 100 * static_cast<double>(result.fill.back().allocated) /
                            static_cast<double>(Measure(cluster).capacity());
  }
  out.cycles = result.cycle_count;
  out.journal_hash = result.journal_hash;
  return out;
}

std::string summary_json(const Summary& s) {
  std::string out = "{\n";
  const auto put = [&](std::string_view key, const std::string& value) {
    out += fmt::format("  \"{}\": {},\n", key, value);
  };
  put("jobs", fmt::format("{}", s.jobs));
  put("completed", fmt::format("{}", s.completed));
  put("refused", fmt::format("{}", s.refused));
  put("makespan_s", number(s.makespan_s));
  put("wait_mean_s", number(s.wait_mean_s));
  put("wait_p99_s", number(s.wait_p99_s));
  put("wait_max_s", number(s.wait_max_s));
  put("jct_mean_s", number(s.jct_mean_s));
  put("jct_p99_s", number(s.jct_p99_s));
  put("bsld_mean", number(s.bsld_mean));
  put("utilization", number(s.utilization));
  put("gpu_allocated_pct", number(s.gpu_allocated_pct));
  if (s.gpu_allocated_pct_at) put("gpu_allocated_pct_at", marks_json(*s.gpu_allocated_pct_at));
  put("gpu_hours_per_job", number(s.gpu_hours_per_job));
  put("deadline_met_ratio", number(s.deadline_met_ratio));
  put("preemptions", fmt::format("{}", s.preemptions));
  put("restarts", fmt::format("{}", s.restarts));
  put("lost_work_gpu_hours", number(s.lost_work_gpu_hours));
  put("fairness_jain", number(s.fairness_jain));
  put("finish_time_fairness_max", number(s.finish_time_fairness_max));
  put("energy_kwh", number(s.energy_kwh));
  put("carbon_g", number(s.carbon_g));
  put("cost", number(s.cost));
  put("cycles", fmt::format("{}", s.cycles));
  put("decisions_per_s", number(s.decisions_per_s));
  put("wall_s", number(s.wall_s));
  put("peak_memory_bytes", fmt::format("{}", s.peak_memory_bytes));
  put("journal_hash", fmt::format("\"{:016x}\"", s.journal_hash));
  out.erase(out.size() - 2, 1);  // the last comma
  return out + "}\n";
}

std::string jobs_csv(const Trace& trace, const ReplayResult& result) {
  std::string out =
      "name,user,tenant,tasks,submitted_s,started_s,ended_s,wait_s,run_s,bounded_slowdown,state,"
      "attempts,preemptions,core_hours,gpu_hours,nodes,refusal\n";
  for (std::size_t i = 0; i < result.jobs.size(); ++i) {
    const Job& asked = trace.jobs[i].job;
    const JobOutcome& job = result.jobs[i];
    const bool started = job.started != JobOutcome::never;
    out += fmt::format(
        "{},{},{},{},{},{},{},{},{},{},{},{},{},{:.6g},{:.6g},{},{}\n", csv_text(asked.name),
        csv_text(asked.user.name), csv_text(asked.tenant), tasks_of(asked),
        csv_seconds(job.submitted), csv_seconds(job.started), csv_seconds(job.ended),
        started ? csv_seconds(job.started - job.submitted) : "",
        ran(job) ? csv_seconds(job.ended - job.started) : "",
        ran(job) ? fmt::format("{:.4f}", bounded_slowdown(job)) : "",
        job.refusal.empty() ? words_of<RunState>()[static_cast<std::size_t>(job.state)] : "REFUSED",
        job.attempts, job.preemptions, static_cast<double>(job.core_ms) / ms_per_hour,
        static_cast<double>(job.device_ms) / ms_per_hour, csv_text(job.nodes),
        csv_text(job.refusal));
  }
  return out;
}

std::string cycles_csv(const ReplayResult& result) {
  std::string out = "at_s,starts,waiting,running,cores_busy\n";
  for (const CycleRow& row : result.cycles)
    out += fmt::format("{},{},{},{},{:.3f}\n", csv_seconds(row.at), row.starts, row.waiting,
                       row.running, static_cast<double>(row.cores_busy) / 1000);
  return out;
}

}  // namespace busbar::sim
