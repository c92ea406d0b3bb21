// The daemon's configuration file, docs/operations.md. Every key is optional.
//
// Errors   invalid, with file, line, column, key, what was found and what is allowed; an unknown
// key names
//          the nearest one.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "model/config.hpp"
#include "model/node.hpp"

namespace busbar::daemon {

struct SimulatedDeviceConfig {
  std::string vendor = "nvidia";
  std::string model = "H100";
  Bytes memory = gibibytes(80);
  std::uint32_t count = 1;
  std::uint32_t link_domain_size = 0;
  friend bool operator==(const SimulatedDeviceConfig&, const SimulatedDeviceConfig&) = default;
};

struct ListenConfig {
  std::string socket;              // "" is busbar.sock in the state folder
  std::string tcp;                 // "127.0.0.1:7433"; "" none
  std::vector<std::string> hosts;  // further names a browser may use for this daemon
  std::string tls_certificate;     // PEM files; needed on any address but loopback
  std::string tls_key;
  std::uint32_t connections_max = 1024;
  friend bool operator==(const ListenConfig&, const ListenConfig&) = default;
};

struct TcpAddress {
  std::string address;
  std::uint16_t port = 0;
};
// Of `tcp`, which is not empty; invalid: it is none, or other machines reach it and TLS is missing.
Result<TcpAddress> tcp_address(const ListenConfig& listen);

struct NodeConfig {
  std::string name;
  std::vector<std::string> features;
  List<NamedCount> resources;
  std::vector<std::string> topology;
  std::uint32_t port_first = 20000;
  std::uint32_t port_count = 1000;
  std::string scratch;
  Span inventory_interval = seconds(60);
  Bytes output_max{std::int64_t{50} << 30};  // output files of one attempt; 0: no limit
  std::uint32_t processes_max = 32'768;      // of one attempt
  std::vector<SimulatedDeviceConfig> simulated_devices;
  friend bool operator==(const NodeConfig&, const NodeConfig&) = default;
};

struct UserConfig {
  std::vector<std::string> operators;        // besides root and the daemon's own user
  std::vector<std::string> operator_groups;  // groups whose members are operators
  std::uint32_t uid_min = 0;  // users below may not submit (a system service sets 1000)
  bool root_jobs = true;      // whether root may submit
  friend bool operator==(const UserConfig&, const UserConfig&) = default;
};

struct DaemonConfig {
  std::string state_directory;
  std::string log_level = "info";
  ListenConfig listen;
  NodeConfig node;
  UserConfig users;
  std::uint64_t snapshot_events = 50'000;  // a snapshot after so many events
  bool archive = false;                    // keep the journal before the last two snapshots
  Span history_keep = hours(365 * 24);     // finished jobs and what they ran, after they ended
  Config core;
  friend bool operator==(const DaemonConfig&, const DaemonConfig&) = default;
};

// `file_name` is for messages.
Result<DaemonConfig> read_config(std::string_view yaml, std::string_view file_name);
// The whole configuration in force as YAML that read_config reads back to an equal value.
std::string config_text(const DaemonConfig& config);
// The keys whose change needs a restart and that differ, comma separated; "" none.
std::string needs_restart(const DaemonConfig& before, const DaemonConfig& after);

}  // namespace busbar::daemon
