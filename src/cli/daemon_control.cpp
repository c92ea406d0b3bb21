#include "cli/daemon_control.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <thread>

#include "base/text.hpp"
#include "base/units.hpp"
#include "host/places.hpp"

namespace busbar::cli {

using host::default_state_directory;
using host::program_beside;

namespace {

std::vector<char*> pointers(std::vector<std::string>& words) {
  std::vector<char*> out;
  for (auto& word : words) out.push_back(word.data());
  out.push_back(nullptr);
  return out;
}

// Makes what is missing of the path. The first thing that could not be made is the reason.
Result<Ok> make_state_folder(const std::string& path) {
  int trouble = 0;
  const auto make = [&trouble](const std::string& folder, mode_t mode) {
    if (mkdir(folder.c_str(), mode) != 0 && errno != EEXIST && trouble == 0) trouble = errno;
  };
  for (std::size_t at = path.find('/', 1); at != std::string::npos; at = path.find('/', at + 1))
    make(path.substr(0, at), 0755);
  make(path, 0700);
  struct stat about {};
  if (stat(path.c_str(), &about) != 0)
    return {Errc::denied,
            fmt::format("the state folder {} cannot be made ({}); name another one with --state",
                        path, std::strerror(trouble != 0 ? trouble : errno))};
  if (!S_ISDIR(about.st_mode))
    return {Errc::invalid, fmt::format("{} is no folder; name one with --state", path)};
  struct statvfs system {};
  const bool sealed = statvfs(path.c_str(), &system) == 0 && (system.f_flag & ST_RDONLY) != 0;
  if (sealed || access(path.c_str(), W_OK | X_OK) != 0)
    return {Errc::denied,
            fmt::format("the state folder {} cannot be written ({}); name another one with --state",
                        path, std::strerror(sealed ? EROFS : errno))};
  return Ok{};
}

// The last of what was written behind `from`.
std::string last_lines(const std::string& path, std::streamoff from_byte) {
  std::ifstream file(path);
  file.seekg(from_byte);
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
  Client client({socket, "", "", ""});
  return client.get("/healthz").ok();
}

// A process that has ended and whose parent has not asked for its status yet is gone, too.
bool lives(std::int64_t pid) {
  if (kill(static_cast<pid_t>(pid), 0) != 0 && errno == ESRCH) return false;
  std::ifstream file(fmt::format("/proc/{}/stat", pid));
  std::string text;
  std::getline(file, text);
  const std::size_t bracket = text.rfind(") ");
  return bracket == std::string::npos || text.compare(bracket + 2, 1, "Z") != 0;
}

std::string first_line(const std::string& path) {
  std::ifstream file(path);
  std::string text;
  std::getline(file, text);
  return text;
}

// The daemon of a state folder; 0 when none runs. A number left behind may be another program's.
pid_t running_daemon(const std::string& state) {
  const auto pid = parse_count(first_line(state + "/busbard.pid"));
  if (!pid.ok() || *pid <= 1) return 0;
  const bool ours = first_line(fmt::format("/proc/{}/comm", *pid)) == "busbard";
  return ours && lives(*pid) ? static_cast<pid_t>(*pid) : 0;
}

// The daemon that listens on a socket; 0 when none does. unavailable: who does cannot be known.
Result<pid_t> listening_daemon(const std::string& socket_path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (socket_path.size() >= sizeof address.sun_path)
    return {Errc::invalid, fmt::format("the socket path {} is too long", socket_path)};
  std::memcpy(address.sun_path, socket_path.c_str(), socket_path.size());
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  ucred peer{};
  socklen_t size = sizeof peer;
  const bool met = fd >= 0 &&
                   connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 &&
                   getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0;
  const int error = errno;
  if (fd >= 0) close(fd);
  if (!met && error != ENOENT && error != ECONNREFUSED)
    return {Errc::unavailable, fmt::format("nothing can be learnt at {} ({}); say --state instead",
                                           socket_path, std::strerror(error))};
  return met && first_line(fmt::format("/proc/{}/comm", peer.pid)) == "busbard" ? peer.pid : 0;
}

struct Places {
  std::string state;
  std::string socket;
  std::string text;  // the whole configuration
};

// The value of `key: "value"` as busbard writes it.
std::string quoted_value(const std::string& text, std::string_view key) {
  const std::size_t at = text.find(key);
  if (at == std::string::npos) return "";
  std::string out;
  for (std::size_t i = at + key.size(); i < text.size() && text[i] != '"'; ++i) {
    if (text[i] == '\\' && i + 1 < text.size()) ++i;
    out += text[i];
  }
  return out;
}

// Asks busbard where it would keep its state and listen; invalid: what is wrong with its
// configuration.
Result<Places> places_of(std::vector<std::string> words) {
  words.emplace_back("--check");
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return {Errc::unavailable, "no pipe could be made"};
  const pid_t child = fork();
  if (child == 0) {
    dup2(ends[1], STDOUT_FILENO);
    dup2(ends[1], STDERR_FILENO);
    auto argv = pointers(words);
    execvp(argv[0], argv.data());
    _exit(127);
  }
  close(ends[1]);
  std::string text;
  char bytes[4096];
  ssize_t got = 0;
  while (text.size() < (1U << 20) && (got = read(ends[0], bytes, sizeof bytes)) > 0)
    text.append(bytes, static_cast<std::size_t>(got));
  close(ends[0]);
  int status = 0;
  if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status) ||
      WEXITSTATUS(status) == 127)
    return {Errc::unavailable, "busbard was not found beside busbar or on PATH"};
  if (WEXITSTATUS(status) != 0) {
    const std::string_view said = trim(text);
    return {Errc::invalid, std::string(said.starts_with("busbard: ") ? said.substr(9) : said)};
  }
  Places out{quoted_value(text, "state_directory: \""), quoted_value(text, "  socket: \""), {}};
  out.text = std::move(text);
  return out;
}

void print_up(const Context& context, const Places& places, bool started) {
  if (!context.json) return;
  const Json told = {
      {"socket", places.socket}, {"state_directory", places.state}, {"started", started}};
  context.out(told.dump(2) + "\n");
}

// What was asked for and the daemon that answers does not have; "" when it is as asked for.
std::string options_in_vain(const UpOptions& options, const Places& places) {
  Client client({places.socket, "", "", ""});
  const auto response = client.get("/v1/config");
  const Json answer = response.ok() ? Json::parse(response->body, nullptr, false) : Json::object();
  const std::string now = answer.is_object() ? answer.value("text", "") : "";
  if (now == places.text) return "";
  std::string out;
  const auto add = [&out](bool given, const char* option) {
    if (given) out += (out.empty() ? "" : " and ") + std::string(option);
  };
  const std::string state = quoted_value(now, "state_directory: \"");
  add(!options.state.empty() && !state.empty() && state != places.state, "--state");
  add(!options.config.empty(), "--config");
  add(!options.simulate.empty(), "--simulate");
  return out;
}

int already_up(const Context& context, const UpOptions& options, const Places& places) {
  const std::string vain = options_in_vain(options, places);
  if (!vain.empty())
    return context.fail(
        {Errc::conflict,
         fmt::format("a daemon already answers at {}, and with another configuration: {} would "
                     "have no effect. Stop it first with `busbar down`; jobs go on",
                     places.socket, vain)});
  context.note(fmt::format("a daemon already answers at {}", places.socket));
  print_up(context, places, false);
  return 0;
}

// An operator who only looks at this command learns that the journal was damaged, too.
void note_repair(const Context& context, const std::string& socket) {
  Client client({socket, "", "", ""});
  const auto status = Context{client, context.screen}.get("/v1/status");
  if (!status.ok()) return;
  if (const std::string notice = text_at(*status, "journal_notice"); !notice.empty())
    context.note(notice);
}

int start_daemon(const Context& context, const std::vector<std::string>& words,
                 const Places& places) {
  const std::string log = places.state + "/busbard.log";
  struct stat before {};
  const std::streamoff log_bytes = stat(log.c_str(), &before) == 0 ? before.st_size : 0;
  const pid_t child = spawn(words, log);
  if (child < 0) return context.fail({Errc::unavailable, "no process could be started"});
  for (int waited_ms = 0; waited_ms < 30'000; waited_ms += 50) {
    if (answers(places.socket)) {
      context.note(fmt::format("busbar is up at {}", places.socket));
      note_repair(context, places.socket);
      if (geteuid() == 0)
        context.note(
            "it was started by root; jobs run as who submits them, "
            "root's too unless users.root_jobs is false");
      if (places.socket != find_socket())
        context.note(fmt::format("this shell finds it by: export BUSBAR_SOCKET={}", places.socket));
      print_up(context, places, true);
      return 0;
    }
    int code = 0;
    if (waitpid(child, &code, WNOHANG) == child)
      return context.fail(
          {Errc::unavailable, "the daemon ended at once:" + last_lines(log, log_bytes)});
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  return context.fail({Errc::unavailable, fmt::format("the daemon does not answer; see {}", log)});
}

}  // namespace

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
  std::vector<std::string> words = {program_beside("busbard")};
  // Said on the command line, a configuration's own state folder goes before the environment's.
  const bool file_says = !options.config.empty();
  if (!options.state.empty() || !file_says)
    words.insert(words.end(),
                 {"--state", options.state.empty() ? default_state_directory() : options.state});
  if (!options.config.empty()) words.insert(words.end(), {"--config", options.config});
  for (const auto& devices : options.simulate) words.insert(words.end(), {"--simulate", devices});
  auto places = places_of(words);
  if (!places.ok()) return context.fail(places.error());
  if (answers(places->socket)) return already_up(context, options, *places);
  const auto made = make_state_folder(places->state);
  if (!made.ok()) return context.fail(made.error());
  if (options.foreground) {
    auto argv = pointers(words);
    execvp(argv[0], argv.data());
    return context.fail({Errc::unavailable, "busbard was not found beside busbar or on PATH"});
  }
  return start_daemon(context, words, *places);
}

int down(const Context& context, const std::string& state_option) {
  const Endpoint& endpoint = context.client.endpoint();
  if (state_option.empty() && !endpoint.url.empty())
    return context.misuse(
        "down stops a daemon of this machine, and --url (or BUSBAR_URL) is set; say --state, or "
        "unset it");
  const std::string state = state_option.empty() ? default_state_directory() : state_option;
  // Without --state it is the one that every other command would ask.
  const Result<pid_t> met = state_option.empty() ? listening_daemon(endpoint.socket) : pid_t{0};
  if (!met.ok()) return context.fail(met.error());
  const std::string beside = endpoint.socket.substr(0, endpoint.socket.rfind('/'));
  // One that is stopping listens no more.
  const pid_t pid = *met != 0 ? *met : running_daemon(state_option.empty() ? beside : state);
  if (pid == 0) {
    context.note(
        fmt::format("no daemon runs on {}", state_option.empty() ? endpoint.socket : state));
    if (context.json) context.out(Json{{"stopped", false}}.dump(2) + "\n");
    return 0;
  }
  if (kill(pid, SIGTERM) != 0)
    return context.fail({Errc::denied, fmt::format("process {} is not yours to stop", pid)});
  for (int waited_ms = 0; waited_ms < 30'000; waited_ms += 50) {
    if (!lives(pid)) {
      context.note(
          "busbar is down; running jobs go on and are found again by the next `busbar up`");
      if (context.json) context.out(Json{{"stopped", true}}.dump(2) + "\n");
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
  return context.fail({Errc::corrupt, fmt::format("{} was not found beside busbar or on PATH; is "
                                                  "the installation whole?",
                                                  program)});
}

}  // namespace busbar::cli
