#include "cli/cluster.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace busbar::cli {
namespace {

std::string joined(const Json& list) {
  std::string out;
  for (const auto& item : list)
    if (item.is_string()) out += (out.empty() ? "" : ",") + item.get<std::string>();
  return out;
}

// "2/8" used of all.
std::string used(const Json& quantity) {
  const double total = number_at(quantity, "total");
  return fmt::format("{:g}/{:g}", total - number_at(quantity, "free"), total);
}

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
  if (state == "up" || state == "UP" || state == "idle" || state == "busy") return Colour::green;
  return Colour::yellow;
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
  line("cores", used(object_at(node, "cores")) + " used");
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
  context.out(context.json ? answer->dump(2) + "\n" : text_at(*answer, "message") + "\n");
  return 0;
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
    table.add({text_at(node, "name"), state, used(object_at(node, "cores")),
               used_bytes(object_at(node, "memory_bytes")), devices_of(node),
               joined(list_at(node, "features"))},
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
  Table table({"NAME", "START", "END", "BY", "NODES"});
  for (const auto& one : list_at(*answer, "reservations"))
    table.add({text_at(one, "name"), text_at(one, "start"), text_at(one, "end"), text_at(one, "by"),
               joined(list_at(one, "nodes"))});
  if (table.empty())
    context.note("no reservations");
  else
    context.out(table.text(context.screen));
  return 0;
}

int make_reservation(const Context& context, const ReservationOptions& options) {
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
    std::string quota;
    for (const auto& one : list_at(tenant, "quota"))
      quota += fmt::format("{}{}: {}", quota.empty() ? "" : ", ", text_at(one, "name"),
                           integer_at(one, "count"));
    const auto limit = integer_at(tenant, "running_max", -1);
    table.add({text_at(tenant, "name") + (flag_at(tenant, "default") ? " (default)" : ""),
               fmt::format("{}", integer_at(tenant, "weight")),
               fmt::format("{}{}", integer_at(tenant, "running"),
                           limit > 0 ? fmt::format("/{}", limit) : ""),
               fmt::format("{}", integer_at(tenant, "submitted")),
               fmt::format("{:.3f}", number_at(tenant, "used_share_hours")),
               quota.empty() ? "-" : quota});
  }
  context.out(table.text(context.screen));
  return 0;
}

int status(const Context& context) {
  auto answer = context.get("/v1/status");
  if (!answer.ok()) return context.fail(answer.error());
  if (context.json) return context.out(answer->dump(2) + "\n"), 0;
  const Json& s = *answer;
  context.out(fmt::format("busbar {} ({}), up {}, {}\n", text_at(s, "version"), text_at(s, "build"),
                          short_seconds(number_at(s, "uptime_seconds")), text_at(s, "health")));
  context.out(fmt::format("cores {}  devices {}\n", used(object_at(s, "cores")),
                          used(object_at(s, "devices"))));
  for (const char* part : {"jobs", "units", "nodes"}) {
    std::string text;
    for (const auto& [name, value] : object_at(s, part).items())
      if (value.is_number())
        text += fmt::format("{}{} {}", text.empty() ? "" : ", ", value.get<std::int64_t>(), name);
    context.out(fmt::format("{}: {}\n", part, text));
  }
  for (const auto& cluster : list_at(s, "clusters"))
    context.out(
        fmt::format("cluster {}: {}\n", text_at(cluster, "name"),
                    flag_at(cluster, "synchronised") ? "synchronised" : "not yet synchronised"));
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

int events(const Context& context, bool follow, const std::string& job) {
  Query query;
  if (!job.empty()) query.push_back({"job", job});
  if (!follow) query.push_back({"since", "0"});
  std::string pending;
  const auto take = [&](std::string_view bytes) {
    pending += bytes;
    std::size_t start = 0;
    for (std::size_t end = pending.find('\n'); end != std::string::npos;
         end = pending.find('\n', start)) {
      const std::string_view line = std::string_view(pending).substr(start, end - start);
      start = end + 1;
      if (!line.starts_with("data:")) continue;
      const std::string_view data = line.substr(line.starts_with("data: ") ? 6 : 5);
      const Json event = Json::parse(data, nullptr, false);
      if (context.json || !event.is_object())
        context.out(std::string(data) + "\n");
      else
        context.out(fmt::format("{}  {:<18} {}\n", text_at(event, "time"), text_at(event, "kind"),
                                text_at(event, "text")));
    }
    pending.erase(0, start);
    return true;
  };
  const auto done = context.client.stream("/v1/events", query, take);
  return done.ok() ? 0 : context.fail(done.error());
}

}  // namespace busbar::cli
