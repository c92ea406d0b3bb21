#include "daemon/config.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>

#include <algorithm>

#include "base/text.hpp"
#include "base/units.hpp"
#include "core/policy/policy.hpp"
#include "jobfile/map_reader.hpp"
#include "jobfile/scheduling.hpp"
#include "jobfile/yaml_text.hpp"

namespace busbar::daemon {
namespace {

using jobfile::amounts_of;
using jobfile::bytes_of;
using jobfile::Field;
using jobfile::list_of;
using jobfile::MapReader;
using jobfile::Problems;
using jobfile::span_of;
using jobfile::yaml_quoted;
using jobfile::yaml::Kind;

constexpr std::string_view log_words[] = {"debug", "info", "warning", "error"};
constexpr std::string_view own_fields[] = {
    "state_directory", "log_level",    "listen",          "node",
    "users",           "history_keep", "snapshot_events", "archive"};
constexpr std::string_view listen_fields[] = {"socket", "tcp", "hosts", "tls", "connections_max"};
constexpr std::string_view tls_fields[] = {"certificate", "key"};
constexpr std::string_view node_fields[] = {
    "name",  "features", "resources",          "topology",          "output_max",
    "ports", "scratch",  "inventory_interval", "simulated_devices", "processes_max"};
constexpr std::string_view device_fields[] = {"vendor", "model", "memory", "count",
                                              "link_domain_size"};
constexpr std::string_view user_fields[] = {"operators", "operator_groups", "uid_min", "root_jobs"};

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
    jobfile::read_amounts(named, top.problems(), false, out.resources);
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

}  // namespace

Result<DaemonConfig> read_config(std::string_view yaml, std::string_view file_name) {
  DaemonConfig out;
  BUSBAR_TRY(documents, jobfile::yaml::read_documents(yaml, file_name));
  if (documents.empty()) return out;
  if (documents.size() > 1)
    return {Errc::invalid, fmt::format("{}: a configuration is one document", file_name)};
  Problems problems(file_name);
  std::vector<std::string_view> fields(std::begin(own_fields), std::end(own_fields));
  const jobfile::Names shared = jobfile::scheduling_fields();
  fields.insert(fields.end(), shared.begin(), shared.end());
  const MapReader top(documents.front(), "", fields, problems);
  top.get("state_directory", out.state_directory);
  if (const Field level = top.find("log_level")) {
    std::size_t which = 0;
    if (jobfile::read_word(level, problems, log_words, which)) out.log_level = log_words[which];
  }
  top.get("snapshot_events", out.snapshot_events, 100, 1'000'000'000);
  top.get("archive", out.archive);
  top.get("history_keep", out.history_keep);
  if (out.history_keep < hours(1)) top.refuse("history_keep", "must be at least 1h");
  read_listen(top, out.listen);
  read_node(top, out.node);
  read_users(top, out.users);
  jobfile::read_scheduling(top, core::policy_names(), out.node.resources, out.core);
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
  return out + jobfile::scheduling_text(config.core);
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
