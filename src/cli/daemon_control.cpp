#include "cli/daemon_control.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <thread>

#include "base/units.hpp"

namespace busbar::cli {
namespace {

std::string program_beside(const std::string& name) {
  char path[PATH_MAX];
  const ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
  if (length > 0) {
    std::string beside(path, static_cast<std::size_t>(length));
    beside = beside.substr(0, beside.rfind('/') + 1) + name;
    if (access(beside.c_str(), X_OK) == 0) return beside;
  }
  return name;
}

std::vector<char*> pointers(std::vector<std::string>& words) {
  std::vector<char*> out;
  for (auto& word : words) out.push_back(word.data());
  out.push_back(nullptr);
  return out;
}

void make_folders(const std::string& path) {
  for (std::size_t at = path.find('/', 1); at != std::string::npos; at = path.find('/', at + 1))
    mkdir(path.substr(0, at).c_str(), 0755);
  mkdir(path.c_str(), 0700);
}

std::string last_lines(const std::string& path) {
  std::ifstream file(path);
  std::string line, out;
  std::vector<std::string> lines;
  while (std::getline(file, line)) lines.push_back(line);
  const std::size_t from = lines.size() > 3 ? lines.size() - 3 : 0;
  for (std::size_t i = from; i < lines.size(); ++i) out += "\n  " + lines[i];
  return out;
}

// Starts the daemon in a session of its own; the child's pid, or -1.
pid_t spawn(std::vector<std::string> words, const std::string& log) {
  const pid_t child = fork();
  if (child != 0) return child;
  setsid();
  const int null = open("/dev/null", O_RDONLY);
  const int out = open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  dup2(null, STDIN_FILENO);
  if (out >= 0) {
    dup2(out, STDOUT_FILENO);
    dup2(out, STDERR_FILENO);
  }
  auto argv = pointers(words);
  execvp(argv[0], argv.data());
  fmt::print(stderr, "busbard cannot be started: {}\n", std::strerror(errno));
  _exit(127);
}

bool answers(const std::string& socket) {
  Client client({socket, "", ""});
  return client.get("/healthz").ok();
}

std::int64_t read_pid(const std::string& state) {
  std::ifstream file(state + "/busbard.pid");
  std::string text;
  std::getline(file, text);
  const auto pid = parse_count(text);
  return pid.ok() ? *pid : 0;
}

}  // namespace

std::string default_state_directory() {
  const char* said = std::getenv("BUSBAR_STATE");
  if (said != nullptr && said[0] != '\0') return said;
  if (geteuid() == 0) return "/var/lib/busbar";
  const char* state = std::getenv("XDG_STATE_HOME");
  if (state != nullptr && state[0] == '/') return std::string(state) + "/busbar";
  const char* home = std::getenv("HOME");
  return std::string(home == nullptr ? "/tmp" : home) + "/.local/state/busbar";
}

std::string find_socket() {
  const char* said = std::getenv("BUSBAR_SOCKET");
  if (said != nullptr && said[0] != '\0') return said;
  const std::string own = default_state_directory() + "/busbar.sock";
  if (std::getenv("BUSBAR_STATE") != nullptr || access(own.c_str(), F_OK) == 0) return own;
  for (const char* system : {"/run/busbar/busbar.sock", "/var/lib/busbar/busbar.sock"})
    if (access(system, F_OK) == 0) return system;
  return own;
}

int up(const Context& context, const UpOptions& options) {
  const std::string state = options.state.empty() ? default_state_directory() : options.state;
  const std::string socket = options.state.empty() && context.client.endpoint().url.empty()
                                 ? context.client.endpoint().socket
                                 : state + "/busbar.sock";
  if (answers(socket)) {
    context.note(fmt::format("a daemon already answers at {}", socket));
    return 0;
  }
  std::vector<std::string> words = {program_beside("busbard"), "--state", state};
  if (!options.config.empty()) words.insert(words.end(), {"--config", options.config});
  for (const auto& devices : options.simulate) words.insert(words.end(), {"--simulate", devices});
  if (options.foreground) {
    auto argv = pointers(words);
    execvp(argv[0], argv.data());
    return context.fail({Errc::unavailable, "busbard was not found beside busbar or on PATH"});
  }
  make_folders(state);
  const std::string log = state + "/busbard.log";
  const pid_t child = spawn(words, log);
  if (child < 0) return context.fail({Errc::unavailable, "no process could be started"});
  for (int waited_ms = 0; waited_ms < 30'000; waited_ms += 50) {
    if (answers(socket)) {
      context.out(fmt::format("busbar is up at {}\n", socket));
      if (geteuid() == 0) context.note("it was started by root, so jobs of root run as root");
      return 0;
    }
    int code = 0;
    if (waitpid(child, &code, WNOHANG) == child)
      return context.fail({Errc::unavailable, "the daemon ended at once:" + last_lines(log)});
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  return context.fail({Errc::unavailable, fmt::format("the daemon does not answer; see {}", log)});
}

int down(const Context& context, const std::string& state_option) {
  const std::string state = state_option.empty() ? default_state_directory() : state_option;
  const std::int64_t pid = read_pid(state);
  if (pid <= 1 || kill(static_cast<pid_t>(pid), 0) != 0) {
    context.note(fmt::format("no daemon runs on {}", state));
    return 0;
  }
  if (kill(static_cast<pid_t>(pid), SIGTERM) != 0)
    return context.fail({Errc::denied, fmt::format("process {} is not yours to stop", pid)});
  for (int waited_ms = 0; waited_ms < 30'000; waited_ms += 50) {
    if (kill(static_cast<pid_t>(pid), 0) != 0) {
      context.out(
          "busbar is down; running jobs go on and are found again by the next `busbar up`\n");
      return 0;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  return context.fail({Errc::unavailable, fmt::format("process {} does not end", pid)});
}

int become(const Context& context, const std::string& program, std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), program_beside(program));
  auto argv = pointers(arguments);
  execvp(argv[0], argv.data());
  return context.fail(
      {Errc::unavailable, fmt::format("{} was not found beside busbar or on PATH", program)});
}

}  // namespace busbar::cli
