// GET /v1/status, /v1/config, /v1/openapi.json, /metrics and /healthz; POST /v1/config/reload.
#include <cstdio>

#include "api/answers.hpp"
#include "api/handlers.hpp"
#include "api/metrics.hpp"
#include "api/openapi.hpp"

namespace busbar::api {
namespace {

struct UserView {
  UserRef user;
};
template <class V>
void describe(V& visit, Like<UserView> auto& view) {
  visit("name", view.user.name);
  visit("uid", view.user.uid);
  visit("operator", view.user.is_operator);
}
struct JobTotals {
  std::uint64_t pending = 0;
  std::uint64_t running = 0;
  std::uint64_t ended = 0;
};
template <class V>
void describe(V& visit, Like<JobTotals> auto& totals) {
  visit("pending", totals.pending);
  visit("running", totals.running);
  visit("ended", totals.ended);
}
struct UnitTotals {
  std::uint64_t waiting = 0;
  std::uint64_t held = 0;
  std::uint64_t running = 0;
};
template <class V>
void describe(V& visit, Like<UnitTotals> auto& totals) {
  visit("waiting", totals.waiting);
  visit("held", totals.held);
  visit("running", totals.running);
}
struct NodeTotals {
  std::uint64_t total = 0;
  std::uint64_t reachable = 0;
  std::uint64_t drained = 0;
  std::uint64_t simulated = 0;
};
template <class V>
void describe(V& visit, Like<NodeTotals> auto& totals) {
  visit("total", totals.total);
  visit("reachable", totals.reachable);
  visit("drained", totals.drained);
  visit("simulated", totals.simulated);
}
struct Capacity {
  Thousandths total;
  Thousandths free;
};
template <class V>
void describe(V& visit, Like<Capacity> auto& capacity) {
  visit("total", capacity.total);
  visit("free", capacity.free);
}
struct DeviceCapacity {
  Thousandths total;
  Thousandths free;
  Thousandths simulated;  // of the total
};
template <class V>
void describe(V& visit, Like<DeviceCapacity> auto& capacity) {
  visit("total", capacity.total);
  visit("free", capacity.free);
  visit("simulated", capacity.simulated);
}
struct ClusterView {
  std::string name;
  bool synchronised = false;
  std::uint64_t nodes = 0;
  std::uint64_t reachable = 0;
  std::uint64_t newer_attempts = 0;  // than the journal, and nobody has adopted them
  std::uint64_t leftovers = 0;       // adopted, and not ended yet
};
template <class V>
void describe(V& visit, Like<ClusterView> auto& cluster) {
  visit("name", cluster.name);
  visit("synchronised", cluster.synchronised);
  visit("nodes", cluster.nodes);
  visit("reachable", cluster.reachable);
  visit("newer_attempts", cluster.newer_attempts);
  visit("leftovers", cluster.leftovers);
}

struct Totals {
  JobTotals jobs;
  UnitTotals units;
  NodeTotals nodes;
  Capacity cores;
  DeviceCapacity devices;
  std::vector<ClusterView> clusters;
  Seconds clock_withheld;
  Revision revision;
};

struct StatusView {
  std::string version;
  std::string build;
  std::string installation;
  std::string_view health;
  std::string journal_notice;
  Moment now;
  Moment started;
  Seconds uptime;
  UserView user;
  Totals totals;
};
template <class V>
void describe(V& visit, Like<StatusView> auto& status) {
  visit("version", status.version);
  visit("build", status.build);
  visit("installation", status.installation);
  visit("revision", status.totals.revision);
  visit("health", status.health);
  visit("journal_notice", status.journal_notice);
  visit("now", status.now);
  visit("started", status.started);
  visit("uptime_seconds", status.uptime);
  visit("user", status.user);
  visit("jobs", status.totals.jobs);
  visit("units", status.totals.units);
  visit("nodes", status.totals.nodes);
  visit("cores", status.totals.cores);
  visit("devices", status.totals.devices);
  visit("clusters", status.totals.clusters);
  visit("clock_withheld_seconds", status.totals.clock_withheld);
}

struct ConfigView {
  std::string text;
  std::uint64_t version = 0;
};
template <class V>
void describe(V& visit, Like<ConfigView> auto& config) {
  visit("text", config.text);
  visit("version", config.version);
}
struct HealthView {
  std::string_view status;
};
template <class V>
void describe(V& visit, Like<HealthView> auto& health) {
  visit("status", health.status);
}

std::string_view health_word(JournalHealth health) {
  if (health == JournalHealth::ok) return "ok";
  return health == JournalHealth::full ? "full" : "failed";
}

void count_nodes(const Lens& lens, Totals& totals) {
  const auto& nodes = lens.view.state.nodes();
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    const core::NodeRecord& record = nodes[i];
    const core::NodeFree& free = lens.view.index.nodes()[i];
    ++totals.nodes.total;
    totals.nodes.reachable += record.reachable ? 1 : 0;
    totals.nodes.drained += record.drained ? 1 : 0;
    totals.nodes.simulated += record.node.simulated ? 1 : 0;
    totals.cores.total.value += record.node.cores.value;
    totals.devices.total.value += static_cast<std::int64_t>(record.node.devices.size()) * 1000;
    for (const Device& device : record.node.devices)
      if (device.simulated || record.node.simulated) totals.devices.simulated.value += 1000;
    for (ClusterView& cluster : totals.clusters) {
      if (cluster.name != record.node.cluster) continue;
      ++cluster.nodes;
      cluster.reachable += record.reachable ? 1 : 0;
    }
    if (!record.schedulable()) continue;
    totals.cores.free.value += free.cores.value;
    for (const MilliDevices share : free.devices) totals.devices.free.value += share.value;
  }
}

Totals totals_of(const Lens& lens) {
  Totals totals;
  totals.revision = lens.view.state.revision();
  totals.clock_withheld = {lens.view.state.clock_withheld()};
  for (const auto& [id, record_of] : lens.view.active) {
    const core::JobRecord& record = *record_of;
    ++(record.live > 0 ? totals.jobs.running : totals.jobs.pending);
    totals.units.waiting += record.waiting + record.staged();
    totals.units.held += record.held;
    totals.units.running += record.live - record.staged();
  }
  totals.jobs.ended = lens.view.state.jobs().size() - lens.view.active.size();
  for (const std::string& name : lens.backend.clusters())
    totals.clusters.push_back({name, lens.view.state.synchronised().contains(name), 0, 0, 0, 0});
  for (const auto& [id, sighted] : lens.view.state.sighted())
    for (ClusterView& cluster : totals.clusters)
      if (cluster.name == sighted.cluster)
        ++(sighted.adopted ? cluster.leftovers : cluster.newer_attempts);
  count_nodes(lens, totals);
  return totals;
}

std::vector<Metric> state_metrics(const Totals& totals, const Backend& backend) {
  const auto gauge = [](const char* name, const char* help, double value, const char* labels = "") {
    return Metric{name, help, false, value, labels};
  };
  const auto units = [](std::uint64_t count) { return static_cast<double>(count); };
  std::uint64_t newer = 0;
  for (const ClusterView& cluster : totals.clusters) newer += cluster.newer_attempts;
  const auto milli = [](Thousandths value) { return static_cast<double>(value.value) / 1000; };
  return {
      gauge("up_seconds", "Since the daemon started.",
            static_cast<double>((backend.now() - backend.started_at()).value) / 1000),
      gauge("revision", "Durable revision that readers see.", units(totals.revision.value)),
      gauge("journal_ok", "1 while the journal takes new commands.",
            backend.journal_health() == JournalHealth::ok ? 1 : 0),
      gauge("newer_attempts", "Attempts newer than the journal that nobody has adopted.",
            units(newer)),
      gauge("clock_withheld_seconds", "Time that waits for an operator to say whether it counts.",
            static_cast<double>(totals.clock_withheld.span.value) / 1000),
      gauge("jobs", "Jobs in the scheduler by state.", units(totals.jobs.pending),
            "state=\"pending\""),
      gauge("jobs", "", units(totals.jobs.running), "state=\"running\""),
      gauge("jobs", "", units(totals.jobs.ended), "state=\"ended\""),
      gauge("units", "Units that have not ended, by state.", units(totals.units.waiting),
            "state=\"waiting\""),
      gauge("units", "", units(totals.units.held), "state=\"held\""),
      gauge("units", "", units(totals.units.running), "state=\"running\""),
      gauge("nodes", "Registered nodes.", units(totals.nodes.total)),
      gauge("nodes_reachable", "Nodes that answer.", units(totals.nodes.reachable)),
      gauge("nodes_drained", "Drained nodes.", units(totals.nodes.drained)),
      gauge("cores", "Registered cores.", milli(totals.cores.total)),
      gauge("cores_free", "Free cores of usable nodes.", milli(totals.cores.free)),
      gauge("devices", "Registered devices.", milli(totals.devices.total)),
      gauge("devices_free", "Free devices of usable nodes.", milli(totals.devices.free)),
  };
}

}  // namespace

std::string metrics_text(const std::vector<Metric>& metrics) {
  std::string text;
  std::string_view last;
  for (const Metric& metric : metrics) {
    if (metric.name != last) {
      text += "# HELP busbar_" + metric.name + " " + metric.help + "\n";
      text += "# TYPE busbar_" + metric.name + (metric.counter ? " counter\n" : " gauge\n");
      last = metric.name;
    }
    char number[40];
    std::snprintf(number, sizeof number, " %.17g\n", metric.value);
    text += "busbar_" + metric.name;
    if (!metric.labels.empty()) text += "{" + metric.labels + "}";
    text += number;
  }
  return text;
}

Outcome show_status(const Call& call) {
  const Backend& backend = call.backend;
  StatusView status;
  status.version = backend.version();
  status.build = backend.build();
  status.installation = backend.installation();
  status.health = health_word(backend.journal_health());
  status.journal_notice = backend.journal_notice();
  status.now = {backend.unix_ms(backend.now())};
  status.started = {backend.unix_ms(backend.started_at())};
  status.uptime = {backend.now() - backend.started_at()};
  status.user = {call.caller.user};
  status.totals = looking(call.replica, backend, totals_of);
  return json_response(status);
}

Outcome show_config(const Call& call) {
  if (!call.caller.user.is_operator)
    return error_response(Error{Errc::denied, "only operators may read the configuration"});
  return looking(call.replica, call.backend, [&](const Lens& lens) {
    return json_response(ConfigView{call.backend.config_text(), lens.view.state.config_version()});
  });
}

Outcome reload_config(const Call& call) {
  if (!call.caller.user.is_operator)
    return error_response(Error{Errc::denied, "only operators may reload the configuration"});
  BUSBAR_API_TRY(read, call.backend.reload());
  auto taken = std::make_shared<std::optional<Result<std::string>>>();
  return Ask{std::move(read.command),
             [taken](const Committed& committed) {
               const Result<std::string>& sentence = **taken;
               if (!sentence.ok()) return error_response(sentence.error());
               return changed(committed, *sentence);
             },
             [taken, take = std::move(read.take)] { *taken = take(); }};
}

Outcome show_openapi(const Call&) {
  Response response;
  response.body = std::string(openapi_text());
  return response;
}

Outcome show_metrics(const Call& call) {
  const Totals totals = looking(call.replica, call.backend, totals_of);
  Response response;
  response.content_type = "text/plain; version=0.0.4; charset=utf-8";
  response.body = metrics_text(state_metrics(totals, call.backend));
  response.body += metrics_text(call.backend.metrics());
  return response;
}

Outcome show_health(const Call& call) {
  const bool ok = call.backend.journal_health() == JournalHealth::ok;
  return json_response(HealthView{ok ? "ok" : "degraded"}, ok ? 200 : 503);
}

}  // namespace busbar::api
