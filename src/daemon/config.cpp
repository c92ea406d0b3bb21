#include "daemon/config.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>

#include <algorithm>

#include "base/text.hpp"
#include "base/units.hpp"
#include "core/policy/policy.hpp"
#include "jobfile/map_reader.hpp"

namespace busbar::daemon {
namespace {

using jobfile::Field;
using jobfile::MapReader;
using jobfile::Problems;
using jobfile::yaml::Kind;

constexpr std::string_view log_words[] = {"debug", "info", "warning", "error"};
constexpr std::string_view top_fields[] = {
    "state_directory", "log_level",     "listen",        "node",           "users",  "history_keep",
    "snapshot_events", "archive",       "tenants",       "default_tenant", "policy", "fair_share",
    "limits",          "finished_keep", "cleanup_bound", "topology_levels"};
constexpr std::string_view listen_fields[] = {"socket", "tcp", "hosts", "tls", "connections_max"};
constexpr std::string_view tls_fields[] = {"certificate", "key"};
constexpr std::string_view node_fields[] = {
    "name",  "features", "resources",          "topology",          "output_max",
    "ports", "scratch",  "inventory_interval", "simulated_devices", "processes_max"};
constexpr std::string_view device_fields[] = {"vendor", "model", "memory", "count",
                                              "link_domain_size"};
constexpr std::string_view user_fields[] = {"operators", "operator_groups", "uid_min", "root_jobs"};
constexpr std::string_view tenant_fields[] = {"name",        "weight",        "quota",
                                              "running_max", "submitted_max", "users"};
constexpr std::string_view policy_fields[] = {
    "name", "promises_max", "backfill", "reserve", "backfill_depth", "slice_steps", "launch_ahead"};
constexpr std::string_view share_fields[] = {"half_life", "epoch"};
constexpr std::string_view limit_fields[] = {"default_time", "units_per_job", "launch_failures"};

bool in_bytes(std::string_view resource) { return resource == "memory" || resource == "scratch"; }

// A map of names to amounts, whose unit follows from the name, as quotas and named countables write
// them.
void read_amounts(const Field& field, Problems& problems, bool by_resource, List<NamedCount>& out,
                  const List<NamedCount>& countables = {}) {
  if (!field.is(Kind::map)) return field.refuse(problems, "must be a map of names to amounts");
  out.clear();
  for (std::size_t i = 0; i < field->items.size(); ++i) {
    const Field item = field.child(i);
    NamedCount amount{item->key, 0};
    const bool plain = !by_resource;
    constexpr std::string_view quotas[] = {"cores", "memory", "scratch"};
    const bool free_name = plain || std::any_of(countables.begin(), countables.end(),
                                                [&](auto& c) { return c.name == amount.name; });
    const std::string_view near = free_name               ? std::string_view()
                                  : amount.name == "gpus" ? std::string_view("gpu")
                                                          : nearest(amount.name, quotas);
    if (!near.empty() && near != amount.name) {
      problems.add(item->key_place, item.path,
                   fmt::format("nothing is called that; did you mean \"{}\"?", near));
    } else if (!plain && in_bytes(amount.name)) {
      Bytes bytes;
      if (jobfile::read(item, problems, bytes)) amount.count = bytes.value;
    } else if (plain) {
      jobfile::read_integer(item, problems, amount.count, 0, 1'000'000'000);
    } else {
      jobfile::read_milli(item, problems, amount.count);
    }
    out.push_back(std::move(amount));
  }
  std::sort(out.begin(), out.end(),
            [](const NamedCount& a, const NamedCount& b) { return a.name < b.name; });
}

void read_listen(const MapReader& top, ListenConfig& out) {
  const Field at = top.find("listen");
  if (!at) return;
  const MapReader map(*at.value, at.path, listen_fields, top.problems());
  map.get("socket", out.socket);
  map.get("tcp", out.tcp);
  map.get("hosts", out.hosts);
  map.get("connections_max", out.connections_max, 1, 65535);
  if (const Field tls = map.find("tls")) {
    const MapReader files(*tls.value, tls.path, tls_fields, top.problems());
    files.require("certificate");
    files.require("key");
    files.get("certificate", out.tls_certificate);
    files.get("key", out.tls_key);
  }
  if (out.tcp.empty()) return;
  const auto address = tcp_address(out);
  if (!address.ok()) map.refuse("tcp", address.error().text);
}

void read_device(const Field& at, Problems& problems, SimulatedDeviceConfig& out) {
  const MapReader map(*at.value, at.path, device_fields, problems);
  map.get("vendor", out.vendor);
  map.get("model", out.model);
  map.get("memory", out.memory);
  map.get("count", out.count, 1, 1024);
  map.get("link_domain_size", out.link_domain_size, 0, 1024);
}

void read_ports(const MapReader& map, NodeConfig& out) {
  std::string text;
  if (!map.get("ports", text)) return;
  const std::size_t dash = text.find('-');
  const auto first = parse_count(std::string_view(text).substr(0, dash));
  const auto last =
      dash == std::string::npos ? first : parse_count(std::string_view(text).substr(dash + 1));
  if (!first.ok() || !last.ok() || *first < 1024 || *last > 65535 || *last < *first)
    return map.refuse("ports", "write a range between 1024 and 65535, such as 20000-20999");
  out.port_first = static_cast<std::uint32_t>(*first);
  out.port_count = static_cast<std::uint32_t>(*last - *first + 1);
}

void read_node(const MapReader& top, NodeConfig& out) {
  const Field at = top.find("node");
  if (!at) return;
  const MapReader map(*at.value, at.path, node_fields, top.problems());
  map.get("name", out.name);
  map.get("features", out.features);
  std::sort(out.features.begin(), out.features.end());
  map.get("topology", out.topology);
  map.get("scratch", out.scratch);
  map.get("inventory_interval", out.inventory_interval);
  if (out.inventory_interval < seconds(1)) map.refuse("inventory_interval", "must be at least 1s");
  map.get("output_max", out.output_max);
  map.get("processes_max", out.processes_max, 16, 4'000'000);
  read_ports(map, out);
  if (const Field named = map.find("resources"))
    read_amounts(named, top.problems(), false, out.resources);
  if (const Field devices = map.find("simulated_devices")) {
    if (!devices.is(Kind::list)) return devices.refuse(top.problems(), "must be a list of maps");
    for (std::size_t i = 0; i < devices->items.size(); ++i)
      read_device(devices.child(i), top.problems(), out.simulated_devices.emplace_back());
  }
}

void read_users(const MapReader& top, UserConfig& out) {
  const Field at = top.find("users");
  if (!at) return;
  const MapReader map(*at.value, at.path, user_fields, top.problems());
  map.get("operators", out.operators);
  map.get("operator_groups", out.operator_groups);
  map.get("uid_min", out.uid_min, 0, 4'000'000'000);
  map.get("root_jobs", out.root_jobs);
}

void read_tenants(const MapReader& top, const List<NamedCount>& countables, Config& out) {
  const Field at = top.find("tenants");
  if (at) {
    if (!at.is(Kind::list) || at->items.empty())
      return at.refuse(top.problems(), "must be a list of at least one tenant");
    out.tenants.clear();
    for (std::size_t i = 0; i < at->items.size(); ++i) {
      const Field item = at.child(i);
      TenantConfig& tenant = out.tenants.emplace_back();
      const MapReader map(*item.value, item.path, tenant_fields, top.problems());
      map.require("name");
      map.get("name", tenant.name);
      map.get("weight", tenant.weight, 1, 1'000'000);
      map.get("running_max", tenant.running_max, 0, 1'000'000'000);
      map.get("submitted_max", tenant.submitted_max, 0, 1'000'000'000);
      map.get("users", tenant.users);
      if (const Field quota = map.find("quota"))
        read_amounts(quota, top.problems(), true, tenant.quota, countables);
    }
    out.default_tenant = out.tenants.front().name;
    std::sort(out.tenants.begin(), out.tenants.end(),
              [](const TenantConfig& a, const TenantConfig& b) { return a.name < b.name; });
    for (std::size_t i = 1; i < out.tenants.size(); ++i)
      if (out.tenants[i].name == out.tenants[i - 1].name)
        at.refuse(top.problems(), fmt::format("names {} twice", out.tenants[i].name));
  }
  top.get("default_tenant", out.default_tenant);
  const bool known =
      std::any_of(out.tenants.begin(), out.tenants.end(),
                  [&](const TenantConfig& tenant) { return tenant.name == out.default_tenant; });
  if (!known) top.refuse("default_tenant", "names no tenant of this file");
}

void read_policy(const MapReader& top, Config& out) {
  if (const Field at = top.find("policy")) {
    const MapReader map(*at.value, at.path, policy_fields, top.problems());
    if (const Field name = map.find("name")) {
      std::size_t which = 0;
      if (jobfile::read_word(name, top.problems(), core::policy_names(), which))
        out.policy.name = core::policy_names()[which];
    }
    map.get("promises_max", out.policy.promises_max, 0, 10'000);
    map.get("backfill_depth", out.policy.backfill_depth, 1, 1'000'000);
    map.get("slice_steps", out.policy.slice_steps, 10, 10'000'000);
    map.get("backfill", out.policy.backfill);
    map.get("reserve", out.policy.reserve);
    map.get("launch_ahead", out.policy.launch_ahead);
  }
  if (const Field at = top.find("fair_share")) {
    const MapReader map(*at.value, at.path, share_fields, top.problems());
    map.get("half_life", out.usage_half_life);
    map.get("epoch", out.usage_epoch);
    if (out.usage_half_life < seconds(1)) map.refuse("half_life", "must be at least 1s");
    if (out.usage_epoch < seconds(1)) map.refuse("epoch", "must be at least 1s");
  }
  if (const Field at = top.find("limits")) {
    const MapReader map(*at.value, at.path, limit_fields, top.problems());
    map.get("default_time", out.default_time_limit);
    if (!is_time_limit(out.default_time_limit))
      map.refuse("default_time", "more than a century; write unlimited for no limit");
    map.get("units_per_job", out.units_per_job_max, 1, 10'000'000);
    map.get("launch_failures", out.launch_failures_max, 1, 1000);
  }
}

std::string yaml_quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

std::string list_of(const std::vector<std::string>& items) {
  std::string out = "[";
  for (const auto& item : items) out += (out.size() > 1 ? ", " : "") + yaml_quoted(item);
  return out + "]";
}

// As a person would write it, and exact: "24h", "90d", "1h30m", "1s500ms".
std::string span_of(Span span) {
  if (span == span_unlimited) return "unlimited";
  constexpr std::int64_t day_ms = 86'400'000;
  if (span.value > day_ms && span.value % day_ms == 0)
    return fmt::format("{}d", span.value / day_ms);
  constexpr std::pair<std::int64_t, std::string_view> units[] = {
      {3'600'000, "h"}, {60'000, "m"}, {1000, "s"}, {1, "ms"}};
  std::string out;
  std::int64_t left = span.value;
  for (const auto& [size, letter] : units) {
    if (left / size > 0) out += fmt::format("{}{}", left / size, letter);
    left %= size;
  }
  return out.empty() ? "0s" : out;
}

// In the largest unit that is exact: "50G".
std::string bytes_of(std::int64_t bytes) {
  constexpr std::string_view units[] = {"", "k", "M", "G", "T", "P"};
  std::size_t unit = 0;
  for (; unit + 1 < std::size(units) && bytes != 0 && bytes % 1024 == 0; ++unit) bytes /= 1024;
  return fmt::format("{}{}", bytes, units[unit]);
}

std::string amounts_of(const List<NamedCount>& amounts, bool by_resource) {
  std::string out = "{";
  for (const auto& amount : amounts) {
    const std::string value = !by_resource            ? fmt::format("{}", amount.count)
                              : in_bytes(amount.name) ? bytes_of(amount.count)
                                                      : format_milli(amount.count);
    out += fmt::format("{}{}: {}", out.size() > 1 ? ", " : "", yaml_quoted(amount.name), value);
  }
  return out + "}";
}

std::string node_text(const NodeConfig& node) {
  std::string out = "node:\n";
  out += fmt::format("  name: {}\n  features: {}\n  resources: {}\n  topology: {}\n",
                     yaml_quoted(node.name), list_of(node.features),
                     amounts_of(node.resources, false), list_of(node.topology));
  out += fmt::format("  ports: {}-{}\n  scratch: {}\n  inventory_interval: {}\n", node.port_first,
                     node.port_first + node.port_count - 1, yaml_quoted(node.scratch),
                     span_of(node.inventory_interval));
  out += fmt::format("  output_max: {}\n  processes_max: {}\n", bytes_of(node.output_max.value),
                     node.processes_max);
  if (node.simulated_devices.empty()) return out + "  simulated_devices: []\n";
  out += "  simulated_devices:\n";
  for (const auto& device : node.simulated_devices)
    out += fmt::format(
        "    - {{vendor: {}, model: {}, memory: {}, count: {}, link_domain_size: {}}}\n",
        yaml_quoted(device.vendor), yaml_quoted(device.model), bytes_of(device.memory.value),
        device.count, device.link_domain_size);
  return out;
}

std::string core_text(const Config& core) {
  std::string out = "tenants:\n";
  for (const auto& tenant : core.tenants)
    out += fmt::format(
        "  - {{name: {}, weight: {}, quota: {}, running_max: {}, submitted_max: {}, users: {}}}\n",
        yaml_quoted(tenant.name), tenant.weight, amounts_of(tenant.quota, true), tenant.running_max,
        tenant.submitted_max, list_of(tenant.users));
  out += fmt::format("default_tenant: {}\n", yaml_quoted(core.default_tenant));
  const auto& policy = core.policy;
  out += fmt::format(
      "policy:\n  name: {}\n  promises_max: {}\n  backfill: {}\n  reserve: {}\n"
      "  backfill_depth: {}\n  slice_steps: {}\n  launch_ahead: {}\n",
      yaml_quoted(policy.name), policy.promises_max, policy.backfill, policy.reserve,
      policy.backfill_depth, policy.slice_steps, span_of(policy.launch_ahead));
  out += fmt::format("fair_share: {{half_life: {}, epoch: {}}}\n", span_of(core.usage_half_life),
                     span_of(core.usage_epoch));
  out += fmt::format("limits: {{default_time: {}, units_per_job: {}, launch_failures: {}}}\n",
                     span_of(core.default_time_limit), core.units_per_job_max,
                     core.launch_failures_max);
  out += fmt::format("finished_keep: {}\ncleanup_bound: {}\ntopology_levels: {}\n",
                     span_of(core.finished_keep), span_of(core.cleanup_bound),
                     list_of(core.topology_levels));
  return out;
}

}  // namespace

Result<DaemonConfig> read_config(std::string_view yaml, std::string_view file_name) {
  DaemonConfig out;
  BUSBAR_TRY(documents, jobfile::yaml::read_documents(yaml, file_name));
  if (documents.empty()) return out;
  if (documents.size() > 1)
    return {Errc::invalid, fmt::format("{}: a configuration is one document", file_name)};
  Problems problems(file_name);
  const MapReader top(documents.front(), "", top_fields, problems);
  top.get("state_directory", out.state_directory);
  if (const Field level = top.find("log_level")) {
    std::size_t which = 0;
    if (jobfile::read_word(level, problems, log_words, which)) out.log_level = log_words[which];
  }
  top.get("snapshot_events", out.snapshot_events, 100, 1'000'000'000);
  top.get("archive", out.archive);
  top.get("history_keep", out.history_keep);
  if (out.history_keep < hours(1)) top.refuse("history_keep", "must be at least 1h");
  top.get("finished_keep", out.core.finished_keep);
  top.get("cleanup_bound", out.core.cleanup_bound);
  top.get("topology_levels", out.core.topology_levels);
  read_listen(top, out.listen);
  read_node(top, out.node);
  read_users(top, out.users);
  read_tenants(top, out.node.resources, out.core);
  read_policy(top, out.core);
  if (!problems.none()) return problems.error();
  return out;
}

std::string config_text(const DaemonConfig& config) {
  std::string out = fmt::format("state_directory: {}\nlog_level: {}\n",
                                yaml_quoted(config.state_directory), config.log_level);
  const auto& listen = config.listen;
  out += fmt::format("listen:\n  socket: {}\n  tcp: {}\n  hosts: {}\n  connections_max: {}\n",
                     yaml_quoted(listen.socket), yaml_quoted(listen.tcp), list_of(listen.hosts),
                     listen.connections_max);
  if (!listen.tls_certificate.empty())
    out += fmt::format("  tls: {{certificate: {}, key: {}}}\n", yaml_quoted(listen.tls_certificate),
                       yaml_quoted(listen.tls_key));
  out += node_text(config.node);
  out += fmt::format("users: {{operators: {}, operator_groups: {}, uid_min: {}, root_jobs: {}}}\n",
                     list_of(config.users.operators), list_of(config.users.operator_groups),
                     config.users.uid_min, config.users.root_jobs);
  out += fmt::format("snapshot_events: {}\narchive: {}\nhistory_keep: {}\n", config.snapshot_events,
                     config.archive, span_of(config.history_keep));
  return out + core_text(config.core);
}

Result<TcpAddress> tcp_address(const ListenConfig& listen) {
  const std::size_t colon = listen.tcp.rfind(':');
  const auto port = colon == std::string::npos
                        ? Result<std::int64_t>(-1)
                        : parse_count(std::string_view(listen.tcp).substr(colon + 1));
  if (!port.ok() || *port < 0 || *port > 65535)
    return {Errc::invalid,
            fmt::format("\"{}\" is no address with a port; write one such as 127.0.0.1:7433",
                        printable(listen.tcp))};
  const std::string address = listen.tcp.substr(0, colon);
  in_addr four{};
  in6_addr six{};
  const bool whole = address.find('\0') == std::string::npos;
  const bool is_four = whole && inet_pton(AF_INET, address.c_str(), &four) == 1;
  const std::string plain = address.substr(0, address.find('%'));  // without the scope
  const bool is_six = whole && inet_pton(AF_INET6, plain.c_str(), &six) == 1;
  if (!is_four && !is_six)
    return {Errc::invalid, fmt::format("\"{}\" is not an IP address such as 127.0.0.1 or ::1",
                                       printable(address))};
  const bool here = is_four ? ntohl(four.s_addr) >> 24 == 127 : IN6_IS_ADDR_LOOPBACK(&six) != 0;
  if (!here && listen.tls_certificate.empty())
    return {Errc::invalid,
            fmt::format("{} can be reached from other machines, so it needs TLS: name a "
                        "certificate and a key in listen.tls, or listen on 127.0.0.1",
                        printable(address))};
  return TcpAddress{address, static_cast<std::uint16_t>(*port)};
}

std::string needs_restart(const DaemonConfig& before, const DaemonConfig& after) {
  std::string out;
  const auto note = [&](bool same, std::string_view key) {
    if (same) return;
    if (!out.empty()) out += ", ";
    out += key;
  };
  note(before.state_directory == after.state_directory, "state_directory");
  note(before.listen == after.listen, "listen");
  note(before.node == after.node, "node");
  note(before.users.uid_min == after.users.uid_min, "users: uid_min");
  note(before.users.root_jobs == after.users.root_jobs, "users: root_jobs");
  note(before.archive == after.archive, "archive");
  note(before.snapshot_events == after.snapshot_events, "snapshot_events");
  return out;
}

}  // namespace busbar::daemon
