#include "lab/sim_tool.hpp"

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>
#include <ostream>
#include <utility>
#include <vector>

#include "base/text.hpp"
#include "base/units.hpp"
#include "lab/cluster_file.hpp"
#include "lab/journal_tool.hpp"
#include "sim/models/ai_mix.hpp"
#include "sim/models/lublin.hpp"
#include "sim/replay/replay.hpp"
#include "sim/replay/summary.hpp"
#include "sim/trace/native.hpp"
#include "sim/trace/openb.hpp"
#include "sim/trace/sacct.hpp"
#include "sim/trace/swf.hpp"

namespace busbar::lab {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr std::uintmax_t file_bytes_max = std::uintmax_t{4} << 30;
constexpr std::uint64_t seeds_max = 1000;

double seconds_since(Clock::time_point from) {
  return std::chrono::duration<double>(Clock::now() - from).count();
}

std::uint64_t peak_memory_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::uint64_t>(usage.ru_maxrss) * 1024;
}

Result<std::string> read_text(const std::string& path) {
  std::error_code error;
  const std::uintmax_t size = fs::file_size(path, error);
  if (error) return {Errc::not_found, fmt::format("{}: {}", path, error.message())};
  if (size > file_bytes_max)
    return {Errc::invalid,
            fmt::format("{}: larger than {}", path,
                        format_bytes(Bytes(static_cast<std::int64_t>(file_bytes_max))))};
  std::string text(size, '\0');
  std::ifstream file(path, std::ios::binary);
  if (!file.read(text.data(), static_cast<std::streamsize>(size)))
    return {Errc::unavailable, fmt::format("{}: cannot be read", path)};
  return text;
}

Result<Ok> write_text(const fs::path& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << text;
  file.close();
  if (!file) return {Errc::unavailable, fmt::format("{}: cannot be written", path.string())};
  return Ok{};
}

// "3", "1-10".
Result<std::pair<std::uint64_t, std::uint64_t>> parse_seeds(const std::string& text) {
  const std::size_t dash = text.find('-');
  const auto first = parse_count(text.substr(0, dash));
  const auto last = dash == std::string::npos ? first : parse_count(text.substr(dash + 1));
  if (!first.ok() || !last.ok() || *last < *first ||
      static_cast<std::uint64_t>(*last - *first) >= seeds_max)
    return {Errc::invalid,
            fmt::format("--seeds \"{}\": write a number, or a range of at most {} such "
                        "as 1-10",
                        printable(text), seeds_max)};
  return std::pair(static_cast<std::uint64_t>(*first), static_cast<std::uint64_t>(*last));
}

constexpr std::string_view formats[] = {"jsonl", "swf", "sacct", "openb"};

// What the first line shows, where the end of the name says nothing.
std::string format_by_heading(std::string_view text) {
  const std::string_view heading = text.substr(0, text.find('\n'));
  if (heading.starts_with("name,cpu_milli,")) return "openb";
  if (heading.find("JobID|") != std::string_view::npos) return "sacct";
  return "";
}

bool is_openb_cluster(std::string_view text) { return text.starts_with("sn,cpu_milli,"); }

// Tenants that the policy does not name become its default, and that is said.
void place_in_tenants(const Config& config, sim::Trace& trace) {
  std::map<std::string, std::uint64_t> strangers;
  for (auto& job : trace.jobs) {
    std::string& tenant = job.job.tenant;
    const bool known =
        tenant.empty() || std::any_of(config.tenants.begin(), config.tenants.end(),
                                      [&](const TenantConfig& one) { return one.name == tenant; });
    if (known) continue;
    ++strangers[tenant];
    tenant.clear();
  }
  if (strangers.empty()) return;
  std::uint64_t jobs = 0;
  for (const auto& [name, count] : strangers) jobs += count;
  trace.remarks.push_back(
      fmt::format("{} jobs of {} tenants that the policy does not name, such as {}, count as {}'s",
                  jobs, strangers.size(), strangers.begin()->first, config.default_tenant));
}

Result<sim::Trace> read_workload(const SimulationOrder& order) {
  std::string format = order.format;
  if (format.empty()) format = lower(fs::path(order.workload).extension().string());
  if (format.starts_with('.')) format.erase(0, 1);
  BUSBAR_TRY(text, read_text(order.workload));
  const bool known = std::find(std::begin(formats), std::end(formats), format) != std::end(formats);
  if (!known && order.format.empty()) format = format_by_heading(text);
  if (format == "jsonl") return sim::read_native(text, order.workload);
  if (format == "swf") return sim::read_swf(text, order.workload);
  if (format == "sacct") return sim::read_sacct(text, order.workload);
  if (format == "openb") return sim::read_openb_pods(text, order.workload);
  return {Errc::invalid, fmt::format("{}: neither its name nor its first line says which format it "
                                     "has; add --format with one of: {}",
                                     order.workload, fmt::join(formats, ", "))};
}

struct Inputs {
  sim::Cluster cluster;
  Config config;
  sim::Trace trace;
  std::uint64_t first_seed = 1, last_seed = 1;
  Span until = span_unlimited;
  sim::ReplayMode mode = sim::ReplayMode::replay;
};

Result<Inputs> read_inputs(const SimulationOrder& order) {
  Inputs in;
  BUSBAR_TRY(seeds, parse_seeds(order.seeds));
  std::tie(in.first_seed, in.last_seed) = seeds;
  if (!order.until.empty()) {
    BUSBAR_TRY(until, parse_span(order.until));
    in.until = until;
  }
  if (order.mode != "replay" && order.mode != "fill")
    return {Errc::invalid,
            fmt::format("--mode: \"{}\" is none; write replay or fill", printable(order.mode))};
  in.mode = order.mode == "fill" ? sim::ReplayMode::fill : sim::ReplayMode::replay;
  BUSBAR_TRY(cluster_text, read_text(order.cluster));
  BUSBAR_TRY(cluster, is_openb_cluster(cluster_text)
                          ? sim::read_openb_nodes(cluster_text, order.cluster)
                          : read_cluster(cluster_text, order.cluster));
  in.cluster = std::move(cluster);
  std::string policy_text = "{}";
  if (!order.policy.empty()) {
    BUSBAR_TRY(text, read_text(order.policy));
    policy_text = std::move(text);
  }
  BUSBAR_TRY(config, read_policy(policy_text, order.policy));
  in.config = std::move(config);
  BUSBAR_TRY(trace, read_workload(order));
  in.trace = std::move(trace);
  place_in_tenants(in.config, in.trace);
  if (order.jobs > 0 && order.jobs < in.trace.jobs.size()) in.trace.jobs.resize(order.jobs);
  if (in.trace.jobs.empty())
    return {Errc::invalid, fmt::format("{}: there is no job in it", order.workload)};
  return in;
}

void tell_progress(std::ostream& trouble, const sim::ReplayProgress& at, Clock::time_point from) {
  const double passed = std::max(seconds_since(from), 1e-3);
  const double rate = static_cast<double>(at.ended) / passed;
  const double left = static_cast<double>(at.jobs - at.ended) / std::max(rate, 1e-3);
  trouble << fmt::format("\r  {} of {} jobs, {:.0f} jobs/s, {:.0f} s left    ", at.ended, at.jobs,
                         rate, left)
          << std::flush;
}

Result<sim::Summary> run_seed(const SimulationOrder& order, const Inputs& in, std::uint64_t seed,
                              const fs::path& folder, std::ostream& trouble) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) return {Errc::unavailable, fmt::format("{}: {}", folder.string(), error.message())};
  const auto from = Clock::now();
  sim::ReplayOptions options;
  options.seed = seed;
  options.until = in.until;
  options.mode = in.mode;
  if (order.progress)
    options.report = [&](const sim::ReplayProgress& at) { tell_progress(trouble, at, from); };
  sim::Trace arrivals;
  if (in.mode == sim::ReplayMode::fill) {
    BUSBAR_TRY(drawn, sim::fill_arrivals(in.cluster, in.trace, seed));
    arrivals = std::move(drawn);
  }
  const sim::Trace& trace = in.mode == sim::ReplayMode::fill ? arrivals : in.trace;
  BUSBAR_TRY(result, sim::replay(in.cluster, in.config, trace, options));
  if (order.progress) trouble << "\r" << std::string(60, ' ') << "\r";
  sim::Summary summary = sim::summarise(in.cluster, trace, result);
  summary.wall_s = seconds_since(from);
  summary.decisions_per_s = static_cast<double>(result.decisions) / std::max(summary.wall_s, 1e-6);
  summary.peak_memory_bytes = peak_memory_bytes();
  BUSBAR_TRY_OK(write_text(folder / "summary.json", sim::summary_json(summary)));
  BUSBAR_TRY_OK(write_text(folder / "jobs.csv", sim::jobs_csv(trace, result)));
  BUSBAR_TRY_OK(write_text(folder / "cycles.csv", sim::cycles_csv(result)));
  return summary;
}

std::string cell(const std::optional<double>& value) {
  return value ? fmt::format("{:.2f}", *value) : "-";
}

constexpr std::string_view table = "{:>6} {:>9} {:>9} {:>8} {:>12} {:>12} {:>10} {:>7} {:>7}  {}\n";

void print_row(std::uint64_t seed, const sim::Summary& summary, std::ostream& out) {
  std::optional<double> utilization = summary.utilization;
  if (utilization) *utilization *= 100;
  out << fmt::format(table, seed, summary.jobs, summary.completed, summary.refused,
                     cell(summary.wait_mean_s), cell(summary.wait_max_s), cell(summary.bsld_mean),
                     cell(utilization), cell(summary.gpu_allocated_pct),
                     fmt::format("{:016x}", summary.journal_hash));
}

// As it is written, in one line.
std::string json_line(std::string json) {
  std::erase(json, '\n');
  return json + "\n";
}

Result<Ok> run_all(const SimulationOrder& order, std::ostream& out, std::ostream& trouble) {
  BUSBAR_TRY(in, read_inputs(order));
  for (const auto& remark : in.trace.remarks) trouble << "busbar: " << remark << "\n";
  if (!order.json)
    out << fmt::format(table, "SEED", "JOBS", "COMPLETED", "REFUSED", "MEAN WAIT s", "MAX WAIT s",
                       "MEAN BSLD", "UTIL %", "GPU %", "JOURNAL");
  for (std::uint64_t seed = in.first_seed; seed <= in.last_seed; ++seed) {
    fs::path folder = order.out;
    if (in.first_seed != in.last_seed) folder /= fmt::format("seed-{}", seed);
    BUSBAR_TRY(summary, run_seed(order, in, seed, folder, trouble));
    if (order.json)
      out << json_line(sim::summary_json(summary));
    else
      print_row(seed, summary, out);
  }
  if (!order.json) out << "written to " << order.out << "\n";
  return Ok{};
}

}  // namespace

int generate_workload(const GenerateOrder& order, std::ostream& out, std::ostream& trouble) {
  if (order.devices < order.devices_per_node) {
    trouble << fmt::format(
        "busbar: sim generate: --devices {} is less than one node of --devices-per-node {}\n",
        order.devices, order.devices_per_node);
    return exit_usage;
  }
  if (order.model == "lublin") {
    out << sim::lublin_trace({order.jobs, order.seed, order.cores, order.load});
  } else if (order.model == "ai") {
    out << sim::ai_mix_trace({order.jobs, order.seed, order.devices, order.devices_per_node,
                              order.cores_per_device, order.load});
  } else {
    trouble << fmt::format("busbar: sim generate: \"{}\" is no model; there are lublin and ai\n",
                           printable(order.model));
    return exit_usage;
  }
  out.flush();
  return out ? exit_fine : exit_usage;
}

int run_simulation(const SimulationOrder& order, std::ostream& out, std::ostream& trouble) {
  const auto done = run_all(order, out, trouble);
  if (done.ok()) return exit_fine;
  trouble << "busbar: " << done.error().text << "\n";
  return exit_usage;
}

}  // namespace busbar::lab
