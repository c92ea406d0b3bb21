#include "pty/session.hpp"

#include <fcntl.h>
#include <pty.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <utility>

#include "base/text.hpp"
#include "pty/channel.hpp"

namespace busbar::pty {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int window_timeout_ms = 10'000;
constexpr int prompt_look_ms = 200;
// After the command's end: what it has printed is on its way for at most so long and so much;
// what goes on printing is something it left behind.
constexpr int quiet_ms = 100;
constexpr int stuck_ms = 5'000;
constexpr std::size_t rest_bytes_max = std::size_t{1} << 20;

void write_log(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t wrote = write(STDOUT_FILENO, bytes.data(), bytes.size());
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) return;  // a full disk must not end the session
    bytes.remove_prefix(static_cast<std::size_t>(wrote));
  }
}

void set_window(int terminal, Window window) {
  winsize size{};
  size.ws_row = window.rows;
  size.ws_col = window.columns;
  ioctl(terminal, TIOCSWINSZ, &size);
}

bool ignores_sigterm(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("SigIgn:"))
      return (std::strtoull(line.c_str() + 7, nullptr, 16) >> (SIGTERM - 1) & 1) != 0;
  return false;
}

[[noreturn]] void become(const std::vector<std::string>& command, int terminal) {
  setsid();
  ioctl(terminal, TIOCSCTTY, 0);
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) dup2(terminal, fd);
  for (const int number : {SIGPIPE, SIGXFSZ}) signal(number, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  std::vector<char*> words;
  for (const std::string& word : command) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  execvp(words[0], words.data());
  const bool absent = errno == ENOENT || errno == ENOTDIR;
  const std::string why =
      "busbar: cannot run the program " + printable(command[0], 400) + ": " + std::strerror(errno);
  write_log(why + "\n");
  _exit(absent ? 127 : 126);
}

class Session {
 public:
  Session(Channel channel, File signals)
      : channel_(std::move(channel)), signals_(std::move(signals)) {}
  Result<Ok> start(const std::vector<std::string>& command, Window window);
  int run();

 private:
  bool has_terminal() const { return static_cast<bool>(master_); }
  bool may_read_terminal() const { return has_terminal() && !(attached_ && channel_.full()); }
  int patience_ms() const;
  void take_signals();
  void look_at_command();
  void signal_command(int number) const;
  void hang_up();
  void hang_up_shell_at_prompt();
  void read_terminal();
  void write_terminal();
  void serve_channel(short events);
  bool turn();

  Channel channel_;
  File signals_, master_, slave_;
  pid_t child_ = -1;
  bool attached_ = true, ended_ = false, asked_to_end_ = false;
  int exit_code_ = 0;
  std::string input_;  // for the command, from input_at_ on
  std::size_t input_at_ = 0, rest_bytes_ = 0;
  Clock::time_point hung_up_at_;
};

Result<Ok> Session::start(const std::vector<std::string>& command, Window window) {
  int master = -1, slave = -1;
  if (openpty(&master, &slave, nullptr, nullptr, nullptr) != 0)
    return {Errc::unavailable,
            std::string("no pseudo-terminal can be had: ") + std::strerror(errno)};
  master_ = File(master);
  slave_ = File(slave);
  for (const int fd : {master, slave}) fcntl(fd, F_SETFD, FD_CLOEXEC);
  fcntl(master, F_SETFL, O_RDWR | O_NONBLOCK);
  termios modes{};
  tcgetattr(slave, &modes);
  modes.c_iflag |= IUTF8;
  tcsetattr(slave, TCSANOW, &modes);
  set_window(slave, window);
  child_ = fork();
  if (child_ == 0) become(command, slave);
  if (child_ > 0) return Ok{};
  return {Errc::unavailable, std::string("no process can be started: ") + std::strerror(errno)};
}

// The terminal stays open until the command's end, whatever the command closes: see slave_.
void Session::look_at_command() {
  int status = 0;
  if (ended_ || waitpid(child_, &status, WNOHANG) != child_) return;
  ended_ = true;
  exit_code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  slave_.reset();
  input_.clear();
}

// To its own processes, and to the job in the foreground of a shell.
void Session::signal_command(int number) const {
  const pid_t foreground = tcgetpgrp(master_.get());
  kill(-child_, number);
  if (foreground > 1 && foreground != child_) kill(-foreground, number);
}

void Session::hang_up() {
  if (!attached_) return;
  attached_ = false;
  hung_up_at_ = Clock::now();
  input_.clear();
  if (ended_) return;
  signal_command(SIGHUP);
  signal_command(SIGCONT);
}

// Who supervises us tells every process of the job; anybody else means us to tell the command.
void Session::take_signals() {
  signalfd_siginfo info{};
  while (read(signals_.get(), &info, sizeof info) == sizeof info) {
    if (info.ssi_signo != SIGTERM || ended_) continue;
    if (static_cast<pid_t>(info.ssi_pid) != getppid()) signal_command(SIGTERM);
    asked_to_end_ = true;
  }
  look_at_command();
}

// An interactive shell ignores SIGTERM; it ends by a hang-up, once what it runs has ended.
void Session::hang_up_shell_at_prompt() {
  if (ended_ || !asked_to_end_ || tcgetpgrp(master_.get()) != child_) return;
  if (!ignores_sigterm(child_)) return;
  kill(-child_, SIGHUP);
  asked_to_end_ = false;
}

void Session::read_terminal() {
  std::array<char, content_bytes_max> bytes;
  const ssize_t got = read(master_.get(), bytes.data(), bytes.size());
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0) return master_.reset();
  const std::string_view printed(bytes.data(), static_cast<std::size_t>(got));
  if (ended_) rest_bytes_ += printed.size();
  write_log(printed);
  if (attached_ && !channel_.send(Kind::bytes, printed)) hang_up();
}

void Session::write_terminal() {
  const ssize_t wrote = write(master_.get(), input_.data() + input_at_, input_.size() - input_at_);
  if (wrote < 0 && (errno == EAGAIN || errno == EINTR)) return;
  input_at_ += wrote < 0 ? input_.size() : static_cast<std::size_t>(wrote);
  if (input_at_ >= input_.size()) input_.clear();
}

void Session::serve_channel(short events) {
  if ((events & POLLOUT) != 0 && !channel_.flush()) return hang_up();
  if (!input_.empty()) return (events & (POLLHUP | POLLERR)) != 0 ? hang_up() : void();
  if ((events & ~POLLOUT) == 0) return;
  Packet packet;
  const auto got = channel_.receive(packet);
  if (got == Channel::Got::gone) return hang_up();
  if (got == Channel::Got::nothing) return;
  const auto window = decode_window(packet.content);
  if (packet.kind == Kind::window && window && has_terminal()) set_window(master_.get(), *window);
  if (packet.kind != Kind::bytes || ended_) return;
  input_ = std::move(packet.content);
  input_at_ = 0;
}

int Session::patience_ms() const {
  if (ended_) return attached_ && channel_.full() ? stuck_ms : quiet_ms;
  return asked_to_end_ || !attached_ ? prompt_look_ms : -1;
}

// False: it is over.
bool Session::turn() {
  if (ended_ && (!has_terminal() || rest_bytes_ > rest_bytes_max) &&
      !(attached_ && channel_.full()))
    return false;
  std::array<pollfd, 3> all{
      polled(signals_.get(), true, false),
      pollfd{attached_ ? channel_.fd() : -1, events_of(input_.empty(), channel_.full()), 0},
      polled(master_.get(), may_read_terminal(), has_terminal() && !input_.empty())};
  const int ready = poll(all.data(), all.size(), patience_ms());
  if (ready < 0 && errno != EINTR) return false;
  if (ready == 0 && ended_) return false;
  if (!ended_ && !attached_ && Clock::now() - hung_up_at_ > std::chrono::milliseconds(hang_up_ms)) {
    exit_code_ = 128 + SIGHUP;
    return false;
  }
  if (ready > 0) {
    take_signals();
    if (all[1].revents != 0 && attached_) serve_channel(all[1].revents);
    if ((all[2].revents & ~POLLIN) != 0 && !input_.empty()) write_terminal();
    if ((all[2].revents & ~POLLOUT) != 0 && may_read_terminal()) read_terminal();
  }
  hang_up_shell_at_prompt();
  return true;
}

int Session::run() {
  while (turn()) continue;
  return exit_code_;
}

File signal_file() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGCHLD);
  sigaddset(&set, SIGTERM);
  sigprocmask(SIG_BLOCK, &set, nullptr);
  return File(signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC));
}

}  // namespace

Result<int> run_session(const SessionRequest& request) {
  check(!request.command.empty(), "a session without a command");
  for (const int number : {SIGPIPE, SIGXFSZ}) signal(number, SIG_IGN);
  BUSBAR_TRY(channel, knock(request.socket, request.word));
  const auto first = channel.await(window_timeout_ms);
  const auto window = first && first->kind == Kind::window ? decode_window(first->content)
                                                           : std::optional<Window>{};
  if (!window) return {Errc::unavailable, "the terminal that asked for this job did not let us in"};
  Session session(std::move(channel), signal_file());
  BUSBAR_TRY_OK(session.start(request.command, *window));
  return session.run();
}

}  // namespace busbar::pty
