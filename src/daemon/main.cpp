// busbard [--config FILE] [--state DIR] [--log FILE] [--tcp ADDRESS] [--simulate N:MODEL]...
// [--check]
//
// Options win over the file. Exit codes: 0 stopped when asked, 1 it could not start or had to stop,
// 2 the configuration or the command line is wrong.

#include <fmt/format.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <climits>
#include <fstream>
#include <sstream>

#include "base/text.hpp"
#include "base/units.hpp"
#include "busbar_build.hpp"
#include "daemon/daemon.hpp"
#include "daemon/doors.hpp"
#include "daemon/log.hpp"
#include "host/places.hpp"

namespace busbar::daemon {
namespace {

constexpr std::size_t config_bytes_max = std::size_t{1} << 20;

struct Arguments {
  std::string config, state, log, tcp;
  std::vector<std::string> simulate;
  bool check = false;
};

Result<std::string> read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return {Errc::invalid, fmt::format("{} cannot be read; is the path right?", path)};
  std::ostringstream text;
  text << file.rdbuf();
  if (text.str().size() > config_bytes_max)
    return {Errc::invalid, fmt::format("{} is longer than 1 MB", path)};
  return std::move(text).str();
}

Result<SimulatedDeviceConfig> read_simulated(const std::string& text) {
  const std::size_t colon = text.find(':');
  const auto count = parse_count(std::string_view(text).substr(0, colon));
  if (!count.ok() || *count < 1 || *count > 1024)
    return {Errc::invalid, fmt::format("--simulate {}: write a number from 1 to 1024 and a model, "
                                       "such as 8:H100",
                                       printable(text, 100))};
  SimulatedDeviceConfig out;
  out.count = static_cast<std::uint32_t>(*count);
  if (colon != std::string::npos) out.model = text.substr(colon + 1);
  return out;
}

Result<DaemonConfig> effective_config(const Arguments& arguments) {
  DaemonConfig config;
  if (!arguments.config.empty()) {
    BUSBAR_TRY(text, read_file(arguments.config));
    BUSBAR_TRY(read, read_config(text, arguments.config));
    config = std::move(read);
  }
  if (!arguments.state.empty()) config.state_directory = arguments.state;
  if (config.state_directory.empty()) config.state_directory = host::default_state_directory();
  if (config.state_directory.front() != '/') {
    char here[PATH_MAX];
    if (getcwd(here, sizeof here) != nullptr)
      config.state_directory = std::string(here) + "/" + config.state_directory;
  }
  if (!arguments.tcp.empty()) {
    config.listen.tcp = arguments.tcp;
    const auto address = tcp_address(config.listen);
    if (!address.ok()) return {Errc::invalid, "--tcp: " + address.error().text};
  }
  if (config.listen.socket.empty()) config.listen.socket = config.state_directory + "/busbar.sock";
  for (const auto& devices : arguments.simulate) {
    BUSBAR_TRY(simulated, read_simulated(devices));
    config.node.simulated_devices.push_back(std::move(simulated));
  }
  return config;
}

void write_pid(const std::string& path) {
  std::ofstream file(path, std::ios::trunc);
  file << getpid() << "\n";
}

int refuse(const Error& error) {
  fmt::print(stderr, "busbard: {}\n", error.text);
  return error.code == Errc::invalid ? 2 : 1;
}

// Doors open on something to show: once a node is known, or after a while without.
void await_node(const api::Replica& replica) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(3);
  for (bool known = false; !known && std::chrono::steady_clock::now() < until;) {
    Revision seen;
    replica.with([&](const api::ReadView& view) {
      known = !view.state.nodes().empty();
      seen = view.state.revision();
    });
    if (!known) replica.wait_for(Revision(seen.value + 1), std::chrono::milliseconds(100));
  }
}

void reload(Daemon& daemon) {
  auto read = daemon.reload();
  if (!read.ok()) return log_error("the configuration was not read: " + read.error().text);
  daemon.submit(std::move(read->command), [take = read->take](const auto& committed) {
    if (!committed.ok())
      return log_error("the configuration was refused: " + committed.error().text);
    const auto taken = take();
    if (!taken.ok()) log_error("the configuration is not wholly in force: " + taken.error().text);
  });
}

// Waits for a reason to stop; the exit code.
int serve(Daemon& daemon, Doors& doors, const sigset_t& signals) {
  while (true) {
    int signal = 0;
    sigwait(&signals, &signal);
    if (signal == SIGHUP) {
      reload(daemon);
      continue;
    }
    daemon.on_reload({});
    log_info(signal == SIGUSR1 ? "stopping after a failure" : "stopping; attempts go on");
    doors.close();
    daemon.stop();
    return signal == SIGUSR1 ? 1 : 0;
  }
}

int run(const Arguments& arguments) {
  auto config = effective_config(arguments);
  if (!config.ok()) return refuse(config.error());
  if (arguments.check) {
    fmt::print("{}", config_text(*config));
    return 0;
  }
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGUSR1}) sigaddset(&signals, signal);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  open_log(arguments.log, config->log_level);
  const std::string state = config->state_directory;
  const pid_t self = getpid();
  Daemon daemon(
      *config, [&arguments] { return effective_config(arguments); },
      [self] { kill(self, SIGUSR1); });
  const auto started = daemon.start();
  if (!started.ok()) return refuse(started.error());
  await_node(daemon.replica());
  Doors doors(daemon, daemon.replica(), *config);
  const auto opened = doors.open();
  daemon.on_reload([&doors](const DaemonConfig& read) { return doors.renew(read); });
  if (!opened.ok()) {
    daemon.stop();
    return refuse(opened.error());
  }
  const std::string pid_file = state + "/busbard.pid";
  write_pid(pid_file);
  log_info(
      fmt::format("busbard {} ({}) listens at {}", build_version, build_id, config->listen.socket));
  const int code = serve(daemon, doors, signals);
  unlink(pid_file.c_str());
  close_log();
  return code;
}

}  // namespace
}  // namespace busbar::daemon

int main(int count, char** words) {
  busbar::daemon::Arguments arguments;
  CLI::App app{"busbard: the daemon of Busbar. docs/operations.md has every key of the file."};
  app.add_option("--config", arguments.config, "Configuration file (YAML)");
  app.add_option("--state", arguments.state, "State folder");
  app.add_option("--log", arguments.log, "Log file; standard error when left out");
  app.add_option("--tcp", arguments.tcp, "Also listen here, such as 127.0.0.1:7433");
  app.add_option("--simulate", arguments.simulate, "Simulated devices, such as 8:H100");
  app.add_flag("--check", arguments.check, "Print the configuration in force and end");
  app.set_version_flag("--version",
                       fmt::format("busbard {} ({})", busbar::build_version, busbar::build_id));
  try {
    app.parse(count, words);
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error);
    return code == 0 ? 0 : 2;
  }
  return busbar::daemon::run(arguments);
}
