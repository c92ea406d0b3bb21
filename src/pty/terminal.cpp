#include "pty/terminal.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string>

namespace busbar::pty {
namespace {

constexpr std::size_t typed_bytes_max = 4096;
constexpr std::size_t shown_bytes_max = 4096;  // PIPE_BUF: what a ready pipe takes without waiting
constexpr int last_words_ms = 5'000;

// Opened anew, so that not waiting for a slow screen concerns nobody who shares it with us.
File own_screen(int screen) {
  if (isatty(screen) == 0) return {};
  const std::string path = "/proc/self/fd/" + std::to_string(screen);
  return File(open(path.c_str(), O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
}

class Relay {
 public:
  Relay(Channel& channel, Signals& signals, int keyboard, int screen)
      : channel_(channel),
        signals_(signals),
        keyboard_(keyboard),
        own_screen_(own_screen(screen)),
        screen_(own_screen_ ? own_screen_.get() : screen) {}

  int run() {
    while (!over_) turn();
    return ended_by_;
  }

 private:
  void end(int number) {
    over_ = true;
    ended_by_ = number;
  }

  void take_signals() {
    for (int number = signals_.take(); number != 0; number = signals_.take()) {
      if (number != SIGWINCH) return end(number);
      window_due_ = true;
    }
  }

  bool may_send() const { return !deaf_ && !gone_ && !channel_.full(); }

  void read_keyboard() {
    std::array<char, typed_bytes_max> bytes;
    const ssize_t got = read(keyboard_, bytes.data(), bytes.size());
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) return;
    if (got <= 0) return end(SIGHUP);
    if (!channel_.send(Kind::bytes, {bytes.data(), static_cast<std::size_t>(got)})) deaf_ = true;
  }

  void write_screen() {
    const std::size_t size = std::min(shown_.size() - shown_at_, shown_bytes_max);
    const ssize_t wrote = write(screen_, shown_.data() + shown_at_, size);
    if (wrote < 0 && (errno == EINTR || errno == EAGAIN)) return;
    if (wrote < 0) return end(errno == EPIPE ? SIGPIPE : SIGHUP);
    shown_at_ += static_cast<std::size_t>(wrote);
    if (shown_at_ == shown_.size()) shown_.clear();
  }

  void receive() {
    Packet packet;
    const auto got = channel_.receive(packet);
    if (got == Channel::Got::gone) gone_ = true;
    if (got != Channel::Got::packet || packet.kind != Kind::bytes) return;
    shown_ = std::move(packet.content);
    shown_at_ = 0;
  }

  void turn() {
    if (window_due_ && may_send()) {
      window_due_ = false;
      if (!channel_.send(Kind::window, encode(window_of(keyboard_)))) deaf_ = true;
    }
    if (gone_ && shown_.empty()) return end(0);
    std::array<pollfd, 4> all{
        polled(signals_.fd(), true, false), polled(keyboard_, may_send(), false),
        polled(channel_.fd(), !gone_ && shown_.empty(), !gone_ && !deaf_ && channel_.full()),
        polled(screen_, false, !shown_.empty())};
    const int ready = poll(all.data(), all.size(), gone_ ? last_words_ms : -1);
    if (ready < 0 && errno != EINTR) return end(SIGHUP);
    if (ready == 0) return end(0);
    if (ready < 0) return;
    take_signals();
    if (!over_ && all[3].revents != 0) write_screen();
    if (!over_ && (all[2].revents & POLLOUT) != 0 && !channel_.flush()) deaf_ = true;
    if (!over_ && (all[2].revents & ~POLLOUT) != 0 && shown_.empty()) receive();
    if (!over_ && all[1].revents != 0 && may_send()) read_keyboard();
  }

  Channel& channel_;
  Signals& signals_;
  int keyboard_;
  File own_screen_;
  int screen_;
  std::string shown_;  // for the screen, from shown_at_ on
  std::size_t shown_at_ = 0;
  // deaf_: the other side hears no more, but what it has said is still to be shown.
  bool window_due_ = true, deaf_ = false, gone_ = false, over_ = false;
  int ended_by_ = 0;
};

}  // namespace

Signals::Signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH}) sigaddset(&set, number);
  sigprocmask(SIG_BLOCK, &set, &before_);
  pipe_before_ = signal(SIGPIPE, SIG_IGN);
  file_ = File(signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC));
}

Signals::~Signals() {
  while (take() != 0) continue;  // what was acted on must not end the process now
  signal(SIGPIPE, pipe_before_);
  sigprocmask(SIG_SETMASK, &before_, nullptr);
}

int Signals::take() {
  signalfd_siginfo info{};
  const ssize_t got = read(file_.get(), &info, sizeof info);
  return got == sizeof info ? static_cast<int>(info.ssi_signo) : 0;
}

RawTerminal::RawTerminal(int terminal) : terminal_(terminal) {
  termios modes{};
  if (tcgetattr(terminal, &modes) != 0) return;
  before_ = modes;
  cfmakeraw(&modes);
  tcsetattr(terminal, TCSANOW, &modes);
}

RawTerminal::~RawTerminal() {
  if (before_) tcsetattr(terminal_, TCSANOW, &*before_);
}

Window window_of(int terminal) {
  winsize size{};
  if (ioctl(terminal, TIOCGWINSZ, &size) != 0 || size.ws_row == 0 || size.ws_col == 0) return {};
  return {size.ws_row, size.ws_col};
}

int relay(Channel& channel, Signals& signals, int keyboard, int screen) {
  const RawTerminal raw(keyboard);
  return Relay(channel, signals, keyboard, screen).run();
}

}  // namespace busbar::pty
