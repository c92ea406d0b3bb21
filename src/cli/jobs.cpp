#include "cli/jobs.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <set>

namespace busbar::cli {
namespace {

std::string numbers_of(const Json& units) {
  const auto total = integer_at(units, "total");
  if (total == 1) return "1";
  return fmt::format(
      "{}/{}",
      integer_at(units, "completed") + integer_at(units, "failed") + integer_at(units, "cancelled"),
      total);
}

// How long it has run, or waited, or when it would start.
std::string when(const Json& job, std::int64_t now) {
  const std::string state = text_at(job, "state");
  const std::string started = text_at(job, "started");
  const std::string ended = text_at(job, "ended");
  if (state == "PENDING") {
    const std::string predicted = text_at(job, "predicted_start");
    return predicted.empty() ? "" : "starts " + relative(predicted, now);
  }
  if (started.empty()) return "";
  const std::int64_t until = ended.empty() ? now : unix_ms_of(ended);
  return short_seconds(static_cast<double>(std::max<std::int64_t>(0, until - unix_ms_of(started))) /
                       1000);
}

std::string detail(const Json& job) {
  const std::string reason = text_at(job, "reason");
  if (!reason.empty()) return reason;
  const std::string nodes = joined(list_at(job, "nodes"));
  const auto code = job.find("exit_code");
  const std::string state = text_at(job, "state");
  if (state == "FAILED" && code != job.end() && code->is_number())
    return fmt::format("exit {}{}{}", code->get<int>(), nodes.empty() ? "" : " on ", nodes);
  return nodes;
}

void line(const Context& context, std::string_view name, const std::string& value) {
  if (!value.empty()) context.out(fmt::format("{:<14}{}\n", name, value));
}

void show_attempt(const Context& context, const Json& attempt, std::int64_t now) {
  std::string devices;
  std::string cores;
  for (const auto& claim : list_at(attempt, "claims")) {
    for (const auto& device : list_at(claim, "devices"))
      devices += fmt::format("{}{}:{}{}{}", devices.empty() ? "" : ", ", text_at(claim, "node"),
                             integer_at(device, "ordinal"), " " + text_at(device, "model"),
                             flag_at(device, "simulated") ? " (simulated)" : "");
    for (const auto& core : list_at(claim, "core_ids"))
      cores += fmt::format("{}{}", cores.empty() ? "" : ",", core.get<std::int64_t>());
  }
  context.out(fmt::format(
      "  {}#{}  {}  on {}  {}{}{}{}\n", text_at(attempt, "unit"), integer_at(attempt, "number"),
      text_at(attempt, "state"),
      joined(list_at(attempt, "nodes")) +
          (text_at(attempt, "after").empty() ? "" : " after " + text_at(attempt, "after")),
      short_seconds(number_at(attempt, "elapsed_seconds")),
      cores.empty() ? "" : "  core ids " + cores, devices.empty() ? "" : "  devices " + devices,
      flag_at(attempt, "ready") ? "  ready " + text_at(attempt, "address") : ""));
  const std::string told = progress_words(attempt, now);
  if (!told.empty()) context.out(fmt::format("      progress {}\n", told));
  const std::string end = text_at(attempt, "latest_end");
  if (!end.empty()) context.out(fmt::format("      must end {}\n", relative(end, now)));
}

}  // namespace

std::string progress_words(const Json& of, std::int64_t now) {
  const Json& progress = object_at(of, "progress");
  if (progress.empty()) return "";
  const std::int64_t done = integer_at(progress, "work_done");
  const std::int64_t total = integer_at(progress, "work_total");
  std::string out = fmt::format("{}", done);
  if (total > 0)
    out += fmt::format(" of {} ({:.0f}%)", total,
                       100 * static_cast<double>(done) / static_cast<double>(total));
  const std::string end = text_at(progress, "predicted_end");
  if (!end.empty() && done < total)
    out += ", done " + (unix_ms_of(end) <= now ? "any moment now" : relative(end, now));
  return out;
}

int progress(const Context& context, const ProgressOptions& options) {
  const char* attempt = std::getenv("BUSBAR_ATTEMPT_NAME");
  if (attempt == nullptr || *attempt == 0)
    return context.misuse(
        "`busbar progress` is called by a job, and this is none: BUSBAR_ATTEMPT_NAME is not set");
  Json body = {{"done", options.done}};
  if (options.total) body["total"] = *options.total;
  if (options.rate_per_hour) body["rate_per_hour"] = *options.rate_per_hour;
  const auto answer = context.post("/v1/attempts/" + escape(attempt) + "/progress", body);
  if (answer.ok()) return 0;
  if (answer.error().code != Errc::unavailable) return context.fail(answer.error());
  // A job must not fail because the daemon is being restarted.
  context.note("busbar: the progress was not told: " + answer.error().text);
  return 0;
}

std::string wants_words(const Json& job) {
  return text_at(job, "resources") + (flag_at(job, "simulated") ? " (simulated)" : "");
}

std::string used_words(const Json& capacity) {
  const double total = number_at(capacity, "total");
  const double simulated = number_at(capacity, "simulated");
  std::string out = fmt::format("{:g}/{:g}", total - number_at(capacity, "free"), total);
  if (simulated > 0 && simulated >= total)
    out += " (simulated)";
  else if (simulated > 0)
    out += fmt::format(" ({:g} simulated)", simulated);
  return out;
}

std::string device_words(const Json& devices) {
  std::vector<std::pair<std::string, double>> models;
  for (const auto& device : devices) {
    const std::string name =
        text_at(device, "model") + (flag_at(device, "simulated") ? " (simulated)" : "");
    const auto known = std::find_if(models.begin(), models.end(),
                                    [&](const auto& model) { return model.first == name; });
    if (known == models.end())
      models.emplace_back(name, number_at(device, "share"));
    else
      known->second += number_at(device, "share");
  }
  std::string out;
  for (const auto& [name, count] : models)
    out += fmt::format("{}{:g} x {}", out.empty() ? "" : ", ", count, name);
  return out;
}

namespace {

// Up to `limit` jobs: where a filter matches little the cluster answers with short pages, and what
// is asked for may lie behind many. `next` is of the last one.
Result<Json> whole_page(const Context& context, Query query, std::uint32_t limit) {
  BUSBAR_TRY(whole, context.get("/v1/jobs", query));
  query.push_back({"page", ""});
  while (list_at(whole, "jobs").size() < limit && !text_at(whole, "next").empty()) {
    query.back().second = text_at(whole, "next");
    query.front().second = fmt::format("{}", limit - list_at(whole, "jobs").size());
    BUSBAR_TRY(more, context.get("/v1/jobs", query));
    for (auto& job : more["jobs"]) whole["jobs"].push_back(std::move(job));
    whole["next"] = more["next"];
  }
  return whole;
}

}  // namespace

int ps(const Context& context, const ListOptions& options) {
  Query query = {{"limit", fmt::format("{}", options.limit)}};
  query.push_back({"state", !options.state.empty() ? options.state
                            : options.all          ? "all"
                                                   : "active"});
  if (options.mine) query.push_back({"user", "me"});
  if (!options.user.empty()) query.push_back({"user", options.user});
  if (!options.tenant.empty()) query.push_back({"tenant", options.tenant});
  if (!options.name.empty()) query.push_back({"name", options.name});
  if (!options.label.empty()) query.push_back({"label", options.label});
  auto page = whole_page(context, std::move(query), options.limit);
  if (!page.ok()) return context.fail(page.error());
  if (context.json) return context.out(page->dump(2) + "\n"), 0;
  const auto now = now_unix_ms();
  Table table({"JOB", "NAME", "USER", "STATE", "UNITS", "TIME", "WANTS", "WHERE OR WHY"});
  for (const auto& job : list_at(*page, "jobs")) {
    if (context.quiet) {
      context.out(fmt::format("{}\n", integer_at(job, "id")));
      continue;
    }
    const std::string state = text_at(job, "state");
    table.add({fmt::format("{}", integer_at(job, "id")), text_at(job, "name"), text_at(job, "user"),
               flag_at(job, "requeued") ? state + " (requeued)" : state,
               numbers_of(object_at(job, "units")), when(job, now), wants_words(job), detail(job)},
              state_colour(state), 3);
  }
  context.show(table,
               options.all ? "no jobs" : "no waiting or running jobs; -a shows finished ones");
  if (!text_at(*page, "next").empty())
    context.note(fmt::format("only the newest {} are shown; --limit shows more", options.limit));
  return 0;
}

int show(const Context& context, const std::string& reference) {
  bool unit = is_unit_reference(reference);
  auto answer = context.get((unit ? "/v1/units/" : "/v1/jobs/") + escape(reference));
  // A unit of a job's name looks like a job's name.
  if (!answer.ok() && !unit && reference.find_first_of("_.") != std::string::npos) {
    auto named = context.get("/v1/units/" + escape(reference));
    unit = named.ok();
    if (unit) answer = std::move(named);
  }
  if (!answer.ok()) return context.fail(answer.error());
  if (context.json) return context.out(answer->dump(2) + "\n"), 0;
  const Json& job = *answer;
  const auto now = now_unix_ms();
  const std::string id = unit ? text_at(job, "ref") : fmt::format("{}", integer_at(job, "id"));
  line(context, unit ? "unit" : "job", id + "  " + text_at(job, unit ? "job_name" : "name"));
  line(context, "user", text_at(job, "user"));
  line(context, "tenant", text_at(job, "tenant"));
  line(context, "state", text_at(job, "state"));
  line(context, "reason", text_at(job, "reason"));
  if (text_at(job, "close_reason") != text_at(job, "reason"))
    line(context, "closed", text_at(job, "close_reason"));
  const auto code = job.find("exit_code");
  if (code != job.end() && code->is_number()) line(context, "exit code", code->dump());
  if (!unit) {
    const Json& units = object_at(job, "units");
    line(context, "units",
         fmt::format("{}: {} waiting, {} held, {} running, {} completed, {} failed, {} cancelled",
                     integer_at(units, "total"), integer_at(units, "waiting"),
                     integer_at(units, "held"), integer_at(units, "running"),
                     integer_at(units, "completed"), integer_at(units, "failed"),
                     integer_at(units, "cancelled")));
    line(context, "wants", wants_words(job));
    line(context, "coupling", text_at(job, "coupling"));
    line(context, "submitted",
         text_at(job, "submitted") + "  " + relative(text_at(job, "submitted"), now));
    line(context, "started", text_at(job, "started"));
    line(context, "ended", text_at(job, "ended"));
    for (const char* field : {"working_directory", "output"}) {
      const char* name = std::string_view(field) == "output" ? field : "directory";
      std::set<std::string> told;  // groups often share them
      for (const auto& group : list_at(job, "groups"))
        if (told.insert(text_at(group, field)).second) line(context, name, text_at(group, field));
    }
    if (!list_at(job, "attempts").empty()) context.out("attempts\n");
    for (const auto& attempt : list_at(job, "attempts")) show_attempt(context, attempt, now);
  } else if (!object_at(job, "attempt").empty()) {
    context.out("attempt\n");
    show_attempt(context, object_at(job, "attempt"), now);
  }
  show_past(context, unit ? list_at(job, "past") : past_of(context, id), unit ? "" : id);
  return 0;
}

int explain(const Context& context, const std::string& reference) {
  auto answer = context.get("/v1/jobs/" + escape(reference) + "/explain");
  if (!answer.ok()) return context.fail(answer.error());
  if (context.json) return context.out(answer->dump(2) + "\n"), 0;
  context.out(fmt::format(
      "job {} ({}) is {}: {}\n", integer_at(*answer, "job"), text_at(*answer, "name"),
      context.screen.paint(text_at(*answer, "state"), state_colour(text_at(*answer, "state"))),
      text_at(*answer, "summary")));
  const Json& verdicts = list_at(*answer, "verdicts");
  const std::string summary = text_at(*answer, "summary");
  for (const auto& verdict : verdicts)
    if (verdicts.size() > 1 || summary.find(text_at(verdict, "sentence")) == std::string::npos)
      context.out(fmt::format("  {} unit{}: {}\n", integer_at(verdict, "units"),
                              integer_at(verdict, "units") == 1 ? "" : "s",
                              text_at(verdict, "sentence")));
  const std::string start = text_at(*answer, "predicted_start");
  if (!start.empty()) context.out(fmt::format("predicted start: {}\n", start));
  const auto position = answer->find("position");
  if (position != answer->end() && position->is_number())
    context.out(fmt::format("position in the queue: {} of {}\n", position->get<std::int64_t>(),
                            integer_at(*answer, "waiting_jobs")));
  return 0;
}

// A job's number in place of its name, or of `last`; what names units stays as it is.
static std::string id_of(const Context& context, const std::string& reference) {
  if (reference.find_first_not_of("0123456789") == std::string::npos) return reference;
  const auto job = context.get("/v1/jobs/" + escape(reference));
  return job.ok() ? fmt::format("{}", integer_at(*job, "id")) : reference;
}

int change(const Context& context, const std::string& verb,
           const std::vector<std::string>& references, const std::string& reason) {
  int worst = 0;
  std::set<std::string> asked;
  for (const auto& reference : references) {
    if (!asked.insert(reference).second) continue;
    Json body = Json::object();
    if (!reason.empty()) body["reason"] = reason;
    const std::string named = context.quiet ? id_of(context, reference) : reference;
    auto answer = context.post("/v1/jobs/" + escape(named) + "/" + verb, body);
    if (!answer.ok()) {
      worst = context.fail(answer.error());
      continue;
    }
    if (context.json)
      context.out(answer->dump(2) + "\n");
    else if (context.quiet)
      context.out(named + "\n");
    else
      context.out(text_at(*answer, "message") + "\n");
  }
  return worst;
}

int update(const Context& context, const std::string& reference, const UpdateOptions& options) {
  const std::string fault =
      moment_fault({{"--begin", &options.begin}, {"--deadline", &options.deadline}});
  if (!fault.empty()) return context.misuse(fault);
  Json body = Json::object();
  if (!options.name.empty()) body["name"] = options.name;
  if (!options.time.empty()) body["time_limit"] = options.time;
  if (!options.begin.empty()) body["begin"] = options.begin;
  if (!options.deadline.empty()) body["deadline"] = options.deadline;
  if (options.priority) body["priority"] = *options.priority;
  if (options.parallel) body["parallel"] = *options.parallel;
  if (body.empty()) return context.misuse("say what to change; `busbar update --help` shows how");
  auto response = context.client.patch("/v1/jobs/" + escape(reference), body.dump());
  if (!response.ok()) return context.fail(response.error());
  const Json answer = Json::parse(response->body, nullptr, false);
  context.out(context.json ? answer.dump(2) + "\n" : text_at(answer, "message") + "\n");
  return 0;
}

}  // namespace busbar::cli
