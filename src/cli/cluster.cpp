#include "cli/cluster.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <initializer_list>

#include "base/text.hpp"
#include "base/units.hpp"
#include "cli/jobs.hpp"

namespace busbar::cli {
namespace {

constexpr std::size_t features_columns_max = 40;  // of the table; one node's own page has all

std::string used_bytes(const Json& quantity) {
  const auto total = integer_at(quantity, "total");
  return fmt::format("{}/{}", short_bytes(total - integer_at(quantity, "free")),
                     short_bytes(total));
}

// "2/8 H100 (simulated)", one piece per model.
std::string devices_of(const Json& node) {
  std::vector<std::string> models;
  for (const auto& device : list_at(node, "devices")) {
    const std::string name =
        text_at(device, "model") + (flag_at(device, "simulated") ? " (simulated)" : "");
    if (std::find(models.begin(), models.end(), name) == models.end()) models.push_back(name);
  }
  std::string out;
  for (const auto& model : models) {
    double total = 0, free = 0;
    for (const auto& device : list_at(node, "devices")) {
      const std::string name =
          text_at(device, "model") + (flag_at(device, "simulated") ? " (simulated)" : "");
      if (name != model) continue;
      total += 1;
      free += number_at(device, "free");
    }
    out += fmt::format("{}{:g}/{:g} {}", out.empty() ? "" : ", ", total - free, total, model);
  }
  return out.empty() ? "-" : out;
}

Colour node_colour(const std::string& state) {
  if (state == "UNKNOWN") return Colour::red;
  return state == "DRAINED" || state == "DRAINING" ? Colour::yellow : Colour::green;
}

void show_node(const Context& context, const Json& node) {
  const auto line = [&](std::string_view name, const std::string& value) {
    if (!value.empty()) context.out(fmt::format("{:<12}{}\n", name, value));
  };
  line("node", text_at(node, "name"));
  line("cluster", text_at(node, "cluster"));
  line("state", text_at(node, "state"));
  if (flag_at(node, "drained"))
    line("drained",
         fmt::format("{} (by {})", text_at(node, "drain_reason"), text_at(node, "drained_by")));
  line("cpu", text_at(node, "cpu_model"));
  line("cores", used_words(object_at(node, "cores")) + " used");
  line("memory", used_bytes(object_at(node, "memory_bytes")) + " used");
  line("features", joined(list_at(node, "features")));
  line("topology", joined(list_at(node, "topology")));
  for (const auto& device : list_at(node, "devices"))
    line(
        "device",
        fmt::format("{} {} {} {} free {:g}{} {}", integer_at(device, "ordinal"),
                    text_at(device, "vendor"), text_at(device, "model"),
                    short_bytes(integer_at(device, "memory_bytes")), number_at(device, "free"),
                    flag_at(device, "simulated") ? " (simulated)" : "", text_at(device, "health")));
  line("attempts", joined(list_at(node, "attempts")));
}

int answer_changed(const Context& context, const Result<Json>& answer) {
  if (!answer.ok()) return context.fail(answer.error());
  if (context.json)
    context.out(answer->dump(2) + "\n");
  else if (!context.quiet)
    context.out(text_at(*answer, "message") + "\n");
  return 0;
}

// "gpu 2/8", "memory 4G/64G": used of the limit.
std::string quota_words(const Json& quota) {
  const std::string name = text_at(quota, "name");
  if (name == "memory" || name == "scratch")
    return fmt::format("{} {}/{}", name, short_bytes(integer_at(quota, "used")),
                       short_bytes(integer_at(quota, "limit")));
  return fmt::format("{} {:g}/{:g}", name, number_at(quota, "used"), number_at(quota, "limit"));
}

// "3 pending, 1 running" of the named counts.
std::string counts_of(const Json& counts, std::initializer_list<const char*> names) {
  std::string out;
  for (const char* name : names)
    out += fmt::format("{}{} {}", out.empty() ? "" : ", ", integer_at(counts, name), name);
  return out;
}

}  // namespace

int nodes(const Context& context, const std::string& name) {
  if (!name.empty()) {
    auto node = context.get("/v1/nodes/" + escape(name));
    if (!node.ok()) return context.fail(node.error());
    if (context.json) return context.out(node->dump(2) + "\n"), 0;
    return show_node(context, *node), 0;
  }
  auto page = context.get("/v1/nodes", {{"limit", "1000"}});
  if (!page.ok()) return context.fail(page.error());
  if (context.json) return context.out(page->dump(2) + "\n"), 0;
  Table table({"NODE", "STATE", "CORES", "MEMORY", "DEVICES", "FEATURES"});
  for (const auto& node : list_at(*page, "nodes")) {
    if (context.quiet) {
      context.out(text_at(node, "name") + "\n");
      continue;
    }
    const std::string state = text_at(node, "state");
    table.add({text_at(node, "name"), state, used_words(object_at(node, "cores")),
               used_bytes(object_at(node, "memory_bytes")), devices_of(node),
               cut(joined(list_at(node, "features")), features_columns_max)},
              node_colour(state), 1);
  }
  if (!context.quiet) context.out(table.text(context.screen));
  return 0;
}

int change_node(const Context& context, const std::string& verb, const std::string& name,
                const std::string& reason) {
  Json body = Json::object();
  if (!reason.empty()) body["reason"] = reason;
  return answer_changed(context, context.post("/v1/nodes/" + escape(name) + "/" + verb, body));
}

int reservations(const Context& context) {
  auto answer = context.get("/v1/reservations");
  if (!answer.ok()) return context.fail(answer.error());
  if (context.json) return context.out(answer->dump(2) + "\n"), 0;
  const auto now = now_unix_ms();
  Table table({"NAME", "START", "END", "BY", "NODES"});
  for (const auto& one : list_at(*answer, "reservations")) {
    if (context.quiet) context.out(text_at(one, "name") + "\n");
    table.add({text_at(one, "name"),
               text_at(one, "start") + " " + relative(text_at(one, "start"), now),
               text_at(one, "end"), text_at(one, "by"), joined(list_at(one, "nodes"))});
  }
  context.show(table, "no reservations");
  return 0;
}

int make_reservation(const Context& context, const ReservationOptions& options) {
  if (options.end.empty() == options.duration.empty())
    return context.misuse("a reservation ends: say either --end or --duration");
  const std::string fault = moment_fault({{"--start", &options.start}, {"--end", &options.end}});
  if (!fault.empty()) return context.misuse(fault);
  Json body = {{"name", options.name}, {"start", options.start}, {"nodes", options.nodes}};
  if (!options.end.empty()) body["end"] = options.end;
  if (!options.duration.empty()) body["duration"] = options.duration;
  return answer_changed(context, context.post("/v1/reservations", body));
}

int end_reservation(const Context& context, const std::string& name) {
  auto response = context.client.remove("/v1/reservations/" + escape(name));
  if (!response.ok()) return context.fail(response.error());
  return answer_changed(context, Result<Json>(Json::parse(response->body, nullptr, false)));
}

int tenants(const Context& context) {
  auto answer = context.get("/v1/tenants");
  if (!answer.ok()) return context.fail(answer.error());
  if (context.json) return context.out(answer->dump(2) + "\n"), 0;
  Table table({"TENANT", "WEIGHT", "RUNNING", "SUBMITTED", "USED SHARE h", "QUOTA"});
  for (const auto& tenant : list_at(*answer, "tenants")) {
    if (context.quiet) {
      context.out(text_at(tenant, "name") + "\n");
      continue;
    }
    std::string quota;
    for (const auto& one : list_at(tenant, "quota"))
      quota += fmt::format("{}{}", quota.empty() ? "" : ", ", quota_words(one));
    const auto limit = integer_at(tenant, "running_max", -1);
    table.add({text_at(tenant, "name") + (flag_at(tenant, "default") ? " (default)" : ""),
               fmt::format("{}", integer_at(tenant, "weight")),
               fmt::format("{}{}", integer_at(tenant, "running"),
                           limit > 0 ? fmt::format("/{}", limit) : ""),
               fmt::format("{}", integer_at(tenant, "submitted")),
               fmt::format("{:.3f}", number_at(tenant, "used_share_hours")),
               quota.empty() ? "-" : quota});
  }
  if (!context.quiet) context.out(table.text(context.screen));
  return 0;
}

int status(const Context& context) {
  auto answer = context.get("/v1/status");
  if (!answer.ok()) return context.fail(answer.error());
  if (context.json) return context.out(answer->dump(2) + "\n"), 0;
  const Json& s = *answer;
  context.out(fmt::format("busbar {} ({}), up {}, {}\n", text_at(s, "version"), text_at(s, "build"),
                          short_seconds(number_at(s, "uptime_seconds")), text_at(s, "health")));
  context.out(fmt::format("cores {}  devices {}\n", used_words(object_at(s, "cores")),
                          used_words(object_at(s, "devices"))));
  context.out(fmt::format(
      "jobs: {}\nunits: {}\nnodes: {}\n",
      counts_of(object_at(s, "jobs"), {"pending", "running", "ended"}),
      counts_of(object_at(s, "units"), {"waiting", "held", "running"}),
      counts_of(object_at(s, "nodes"), {"total", "reachable", "drained", "simulated"})));
  for (const auto& cluster : list_at(s, "clusters"))
    context.out(
        fmt::format("cluster {}: {}\n", text_at(cluster, "name"),
                    flag_at(cluster, "synchronised") ? "synchronised" : "not yet synchronised"));
  for (const auto& cluster : list_at(s, "clusters")) {
    if (const auto newer = integer_at(cluster, "newer_attempts"); newer > 0)
      context.out(fmt::format(
          "read-only: cluster {} shows {} that the journal does not know, as after a\n"
          "           restored backup; see `busbar adopt --dry-run`, go on with `busbar adopt`\n",
          text_at(cluster, "name"), newer == 1 ? "1 attempt" : fmt::format("{} attempts", newer)));
    if (const auto left = integer_at(cluster, "leftovers"); left > 0)
      context.out(
          fmt::format("cluster {}: nothing starts before {} left-over attempts have ended\n",
                      text_at(cluster, "name"), left));
  }
  if (const std::string notice = text_at(s, "journal_notice"); !notice.empty())
    context.out("journal: at this start: " + notice + "\n");
  if (text_at(s, "health") == "full")
    context.out(
        "disk: no space for the journal; requests are refused, ends of jobs are kept. Free some\n");
  if (const double withheld = number_at(s, "clock_withheld_seconds"); withheld > 0)
    context.out(fmt::format(
        "clock: it moved by {} unseen, and nothing expires in that time until an operator says\n"
        "       `busbar config clock accept` (it counts) or `busbar config clock ignore`\n",
        short_seconds(withheld)));
  return 0;
}

int config_show(const Context& context) {
  auto answer = context.get("/v1/config");
  if (!answer.ok()) return context.fail(answer.error());
  context.out(context.json ? answer->dump(2) + "\n" : text_at(*answer, "text"));
  return 0;
}

int config_reload(const Context& context) {
  return answer_changed(context, context.post("/v1/config/reload"));
}

int adopt(const Context& context, const AdoptOptions& options) {
  auto answer = context.get("/v1/adopt");
  if (!answer.ok()) return context.fail(answer.error());
  Table table({"ATTEMPT", "CLUSTER", "NAME", "JOB", "STATE", ""});
  for (const auto& one : list_at(*answer, "attempts")) {
    if (!options.cluster.empty() && text_at(one, "cluster") != options.cluster) continue;
    const char* next = !flag_at(one, "adopted") ? "" : flag_at(one, "keep") ? "kept" : "ending";
    table.add({text_at(one, "ref"), text_at(one, "cluster"), text_at(one, "name"),
               flag_at(one, "job_known") ? "known" : "not known",
               flag_at(one, "running") ? "running" : "ended", next});
  }
  if (options.dry_run && context.json) return context.out(answer->dump(2) + "\n"), 0;
  if (!context.json && !context.quiet && !table.empty()) context.out(table.text(context.screen));
  if (options.dry_run) {
    if (table.empty()) context.note("every engine agrees with the journal");
    return 0;
  }
  Json body = {{"leftovers", options.keep ? "keep" : "end"}};
  if (!options.cluster.empty()) body["cluster"] = options.cluster;
  return answer_changed(context, context.post("/v1/adopt", body));
}

int config_clock(const Context& context, const std::string& answer) {
  return answer_changed(context, context.post("/v1/clock/" + answer));
}

namespace {

// Into a file that was not there before and that only its owner may read.
Result<Ok> write_secret(const std::string& path, const std::string& secret) {
  const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (file < 0)
    return {Errc::invalid, fmt::format("the file {} cannot be made: {}", path, strerror(errno))};
  const std::string line = secret + "\n";
  const bool written = write(file, line.data(), line.size()) == static_cast<ssize_t>(line.size());
  if (close(file) == 0 && written) return Ok{};
  unlink(path.c_str());
  return {Errc::invalid, fmt::format("the file {} cannot be written", path)};
}

}  // namespace

int token_create(const Context& context, const TokenOptions& options) {
  Json body = Json::object();
  if (!options.user.empty()) body["user"] = options.user;
  if (options.read_only) body["read_only"] = true;
  if (!options.expires.empty()) body["expires"] = options.expires;
  if (!options.file.empty() && access(options.file.c_str(), F_OK) == 0)
    return context.fail({Errc::invalid, fmt::format("the file {} is there already", options.file)});
  auto answer = context.post("/v1/tokens", body);
  if (!answer.ok()) return context.fail(answer.error());
  const std::string token = text_at(*answer, "token");
  const std::string expires = text_at(*answer, "expires");
  if (!options.file.empty()) {
    const auto written = write_secret(options.file, token);
    if (!written.ok()) {
      static_cast<void>(context.client.remove("/v1/tokens/" + escape(text_at(*answer, "id"))));
      return context.fail(written.error());
    }
    answer->erase("token");
  }
  if (context.json) return context.out(answer->dump(2) + "\n"), 0;
  context.note(fmt::format("token {} of {}, {}; it is not shown again", text_at(*answer, "id"),
                           text_at(*answer, "user"),
                           expires.empty() ? "without end" : "until " + expires));
  if (options.file.empty()) context.out(token + "\n");
  return 0;
}

int token_list(const Context& context) {
  auto answer = context.get("/v1/tokens");
  if (!answer.ok()) return context.fail(answer.error());
  if (context.json) return context.out(answer->dump(2) + "\n"), 0;
  Table table({"TOKEN", "USER", "MADE", "BY", "EXPIRES", "MAY"});
  const auto now = now_unix_ms();
  for (const auto& token : list_at(*answer, "tokens")) {
    if (context.quiet) {
      context.out(text_at(token, "id") + "\n");
      continue;
    }
    const std::string expires = text_at(token, "expires");
    table.add({text_at(token, "id"), text_at(token, "user"), relative(text_at(token, "made"), now),
               text_at(token, "by"), expires.empty() ? "never" : relative(expires, now),
               flag_at(token, "read_only") ? "look" : "act"});
  }
  context.show(table, "no tokens; `busbar token create` makes one");
  return 0;
}

int token_revoke(const Context& context, const std::string& id) {
  auto response = context.client.remove("/v1/tokens/" + escape(id));
  if (!response.ok() && response.error().code == Errc::not_found)
    return context.fail({Errc::not_found, fmt::format("there is no token {} of yours; `busbar "
                                                      "token list` shows the ids",
                                                      id)});
  if (!response.ok()) return context.fail(response.error());
  return answer_changed(context, Result<Json>(Json::parse(response->body, nullptr, false)));
}

namespace {

// One line of the stream.
void print_event(const Context& context, std::string_view line) {
  if (!line.starts_with("data:")) return;
  const std::string_view data = trim(line.substr(5));
  const Json event = Json::parse(data, nullptr, false);
  if (event.is_object() && text_at(event, "kind").empty())  // a reset
    context.note(
        fmt::format("events up to revision {} are no longer in memory; `busbar "
                    "history` has ended attempts, `busbar journal export` the journal",
                    integer_at(event, "revision")));
  if (context.json || !event.is_object())
    context.out(std::string(data) + "\n");
  else if (!text_at(event, "kind").empty())
    context.out(fmt::format("{}  {:<20} {}\n", text_at(event, "time"), text_at(event, "kind"),
                            text_at(event, "text")));
}

}  // namespace

int events(const Context& context, bool follow, const std::string& job) {
  const auto number = job.empty() ? Result<std::string>("") : job_number(context, job);
  if (!number.ok()) return context.fail(number.error());
  auto status = context.get("/v1/status");
  if (!status.ok()) return context.fail(status.error());
  const std::int64_t newest = integer_at(*status, "revision");
  if (!follow && newest == 0) return 0;
  Query query;
  if (!job.empty()) query.push_back({"job", *number});
  if (!follow) query.push_back({"since", "0"});
  if (!follow) query.push_back({"until", fmt::format("{}", newest)});
  std::string pending;
  const auto take = [&](std::string_view bytes) {
    pending += bytes;
    std::size_t start = 0;
    for (std::size_t end = pending.find('\n'); end != std::string::npos;
         end = pending.find('\n', start)) {
      print_event(context, std::string_view(pending).substr(start, end - start));
      start = end + 1;
    }
    pending.erase(0, start);
    return true;
  };
  const auto done = context.client.stream("/v1/events", query, take);
  return done.ok() ? 0 : context.fail(done.error());
}

}  // namespace busbar::cli
