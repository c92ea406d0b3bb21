#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "cli/jobs.hpp"

namespace busbar::cli {
namespace {

constexpr std::int64_t rows_a_page = 1'000;
constexpr std::size_t pages_max = 50;
constexpr std::size_t past_shown_max = 10;

double seconds_between(const std::string& from, const std::string& to) {
  return static_cast<double>(std::max<std::int64_t>(0, unix_ms_of(to) - unix_ms_of(from))) / 1000;
}

std::string attempt_name(const Json& row) {
  const auto attempt = integer_at(row, "attempt");
  return attempt == 0 ? text_at(row, "ref") : fmt::format("{}#{}", text_at(row, "ref"), attempt);
}

// What never ran has neither exit code nor usage; what did not complete and has no code of its own,
// such as an attempt whose node was lost, has no exit code: 0 would read as success.
std::string exit_of(const Json& row) {
  const bool ran = !text_at(row, "started").empty() || integer_at(row, "attempt") > 0;
  const std::int64_t code = integer_at(object_at(row, "exit"), "code");
  return ran && (code != 0 || text_at(row, "state") == "COMPLETED") ? fmt::format("{}", code) : "-";
}

std::string seconds_or_dash(const Json& of, const char* field) {
  const double seconds = number_at(of, field);
  return seconds > 0 ? short_seconds(seconds) : "-";
}

// "-" only for what never started.
std::string ran_words(bool started, double seconds) {
  return started ? short_seconds(seconds) : "-";
}

std::string bytes_or_dash(const Json& of, const char* field) {
  const auto bytes = integer_at(of, field);
  return bytes > 0 ? short_bytes(bytes) : "-";
}

// An attempt whose node was lost has no usage, but it ran from its start to its end.
std::string ran_of(const Json& row) {
  const std::string started = text_at(row, "started");
  const double used = number_at(object_at(row, "usage"), "wall_seconds");
  return ran_words(!started.empty(), used > 0 || started.empty()
                                         ? used
                                         : seconds_between(started, text_at(row, "ended")));
}

std::string nodes_of(const Json& row) {
  return joined(list_at(row, "nodes")) + (flag_at(row, "simulated") ? " (simulated)" : "");
}

void add_filters(const HistoryOptions& options, Query& query) {
  const std::pair<const char*, const std::string*> filters[] = {
      {"job", &options.job},     {"user", &options.user}, {"tenant", &options.tenant},
      {"state", &options.state}, {"from", &options.from}, {"to", &options.to}};
  for (const auto& [name, value] : filters)
    if (!value->empty()) query.push_back({name, *value});
}

// Every row, newest first, as far as `pages_max` pages go; `all` says whether that was far enough.
Result<Json> read_rows(const Context& context, const HistoryOptions& options, bool& all) {
  Json rows = Json::array();
  std::string next;
  for (std::size_t page = 0; page < pages_max; ++page) {
    Query query = {{"limit", fmt::format("{}", rows_a_page)}};
    add_filters(options, query);
    if (!next.empty()) query.push_back({"page", next});
    BUSBAR_TRY(answer, context.get("/v1/history", query));
    for (const auto& row : list_at(answer, "rows")) rows.push_back(row);
    next = text_at(answer, "next");
    all = next.empty();
    if (all) break;
  }
  return rows;
}

void add_row(const Json& row, Json& job) {
  const Json& usage = object_at(row, "usage");
  job["attempts"] = integer_at(job, "attempts") + (integer_at(row, "attempt") > 0 ? 1 : 0);
  job["cpu_seconds"] = number_at(job, "cpu_seconds") + number_at(usage, "cpu_seconds");
  job["memory_peak_bytes"] =
      std::max(integer_at(job, "memory_peak_bytes"), integer_at(usage, "memory_peak_bytes"));
  for (const char* field : {"read_bytes", "written_bytes"})
    job[field] = integer_at(job, field) + integer_at(usage, field);
  job["simulated"] = flag_at(job, "simulated") || flag_at(row, "simulated");
  if (flag_at(row, "final")) {
    Json& states = job["states"];
    const std::string state = text_at(row, "state");
    states[state] = integer_at(states, state.c_str()) + integer_at(row, "units", 1);
  }
  const std::string started = text_at(row, "started");
  const std::string ended = text_at(row, "ended");
  if (text_at(job, "ended").empty() || unix_ms_of(ended) > unix_ms_of(text_at(job, "ended")))
    job["ended"] = ended;
  if (started.empty()) return;
  if (text_at(job, "started").empty() || unix_ms_of(started) < unix_ms_of(text_at(job, "started")))
    job["started"] = started;
}

// "40 COMPLETED", "3 COMPLETED, 1 FAILED"; a job of one unit has one state.
std::string states_of(const Json& job) {
  const Json& states = object_at(job, "states");
  std::string out;
  for (const auto& [state, count] : states.items())
    out += states.size() == 1 && count == 1
               ? state
               : fmt::format("{}{} {}", out.empty() ? "" : ", ", count.get<std::int64_t>(), state);
  return out.empty() ? "goes on" : out;
}

int history_by_job(const Context& context, const HistoryOptions& options) {
  bool all = true;
  const auto rows = read_rows(context, options, all);
  if (!rows.ok()) return context.fail(rows.error());
  Json jobs = jobs_of_rows(*rows);
  const auto limit = static_cast<std::size_t>(options.limit);
  if (jobs.size() > limit) jobs.erase(jobs.begin() + options.limit, jobs.end());
  if (!all) context.note(fmt::format("only the newest {} attempts were looked at", rows->size()));
  if (context.json) return context.out(Json{{"jobs", jobs}, {"complete", all}}.dump(2) + "\n"), 0;
  Table table(
      {"JOB", "NAME", "USER", "ENDED", "ATTEMPTS", "WAITED", "RAN", "CPU", "PEAK", "WRITTEN", ""});
  for (const auto& job : jobs) {
    const auto id = fmt::format("{}", integer_at(job, "job"));
    if (context.quiet) context.out(id + "\n");
    const std::string states = states_of(job);
    table.add({id, text_at(job, "name"), text_at(job, "user"), states,
               fmt::format("{}", integer_at(job, "attempts")),
               short_seconds(number_at(job, "wait_seconds")),
               ran_words(!text_at(job, "started").empty(), number_at(job, "ran_seconds")),
               seconds_or_dash(job, "cpu_seconds"), bytes_or_dash(job, "memory_peak_bytes"),
               bytes_or_dash(job, "written_bytes"), flag_at(job, "simulated") ? "simulated" : ""},
              state_colour(states.substr(states.rfind(' ') + 1)), 3);
  }
  context.show(table, "no ended attempts");
  return 0;
}

}  // namespace

Json jobs_of_rows(const Json& rows) {
  Json jobs = Json::array();
  std::map<std::int64_t, std::size_t> positions;
  for (const auto& row : rows) {
    const auto id = integer_at(row, "job");
    const auto [at, fresh] = positions.emplace(id, jobs.size());
    if (fresh)
      jobs.push_back({{"job", id},
                      {"name", text_at(row, "job_name")},
                      {"user", text_at(row, "user")},
                      {"states", Json::object()},
                      {"submitted", text_at(row, "submitted")}});
    add_row(row, jobs[at->second]);
  }
  for (auto& job : jobs) {
    const std::string started = text_at(job, "started");
    const std::string ended = text_at(job, "ended");
    job["wait_seconds"] =
        seconds_between(text_at(job, "submitted"), started.empty() ? ended : started);
    job["ran_seconds"] = started.empty() ? 0 : seconds_between(started, ended);
  }
  return jobs;
}

std::string past_table(const Json& rows, std::size_t count_max, const Screen& screen) {
  std::vector<const Json*> order;
  for (const auto& row : rows) order.push_back(&row);
  std::stable_sort(order.begin(), order.end(), [](const Json* a, const Json* b) {
    return (text_at(*a, "state") != "COMPLETED") > (text_at(*b, "state") != "COMPLETED");
  });
  order.resize(std::min(order.size(), count_max));
  Table table({"ATTEMPT", "STATE", "EXIT", "RAN", "CPU", "PEAK", "READ", "WRITTEN", "ON", ""});
  for (const Json* row : order) {
    const Json& usage = object_at(*row, "usage");
    table.add({attempt_name(*row), text_at(*row, "state"), exit_of(*row), ran_of(*row),
               seconds_or_dash(usage, "cpu_seconds"), bytes_or_dash(usage, "memory_peak_bytes"),
               bytes_or_dash(usage, "read_bytes"), bytes_or_dash(usage, "written_bytes"),
               nodes_of(*row), text_at(object_at(*row, "exit"), "detail")},
              state_colour(text_at(*row, "state")), 1);
  }
  return table.text(screen);
}

Json past_of(const Context& context, const std::string& job) {
  auto page = context.get("/v1/history", {{"job", job}, {"limit", fmt::format("{}", rows_a_page)}});
  return page.ok() ? list_at(*page, "rows") : Json::array();
}

void show_past(const Context& context, const Json& rows, const std::string& job) {
  if (rows.empty()) return;
  const std::size_t shown = job.empty() ? rows.size() : past_shown_max;
  context.out("past attempts\n" + past_table(rows, shown, context.screen));
  if (rows.size() > shown)
    context.out(
        fmt::format("{}{} more: busbar history --job {} --limit 1000\n", rows.size() - shown,
                    rows.size() == static_cast<std::size_t>(rows_a_page) ? " or" : "", job));
}

int history(const Context& context, const HistoryOptions& given) {
  HistoryOptions options = given;
  const std::string fault = moment_fault({{"--from", &options.from}, {"--to", &options.to}});
  if (!fault.empty()) return context.misuse(fault);
  if (!options.job.empty()) {
    auto number = job_number(context, options.job);
    if (!number.ok()) return context.fail(number.error());
    options.job = *number;
  }
  if (options.by_job) return history_by_job(context, options);
  Query query = {{"limit", fmt::format("{}", options.limit)}};
  add_filters(options, query);
  auto page = context.get("/v1/history", query);
  if (!page.ok()) return context.fail(page.error());
  if (context.json) return context.out(page->dump(2) + "\n"), 0;
  Table table(
      {"UNIT", "NAME", "USER", "STATE", "EXIT", "WAITED", "RAN", "CPU", "PEAK", "NODES", ""});
  for (const auto& row : list_at(*page, "rows")) {
    if (context.quiet) {
      context.out(text_at(row, "ref") + "\n");
      continue;
    }
    const Json& usage = object_at(row, "usage");
    table.add(
        {attempt_name(row), text_at(row, "job_name"), text_at(row, "user"), text_at(row, "state"),
         exit_of(row), short_seconds(number_at(row, "wait_seconds")), ran_of(row),
         seconds_or_dash(usage, "cpu_seconds"), bytes_or_dash(usage, "memory_peak_bytes"),
         nodes_of(row), text_at(object_at(row, "exit"), "detail")},
        state_colour(text_at(row, "state")), 3);
  }
  context.show(table, "no ended attempts");
  return 0;
}

}  // namespace busbar::cli
