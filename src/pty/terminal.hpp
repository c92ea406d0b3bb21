// The side of the person: the terminal that a job's command is shown in.
//
// Bounds   one packet each way is held: a slow terminal slows the command, and nothing grows.
// Signals  are blocked while a Signals lives, and are read from its file. The terminal's modes are
//          restored when a RawTerminal goes.
#pragma once

#include <signal.h>
#include <termios.h>

#include <optional>

#include "pty/channel.hpp"

namespace busbar::pty {

// SIGINT, SIGTERM, SIGHUP, SIGQUIT and SIGWINCH as a file; SIGPIPE is ignored.
class Signals {
 public:
  Signals();
  ~Signals();
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;
  int fd() const { return file_.get(); }
  // The next one that has come; 0: none.
  int take();

 private:
  sigset_t before_{};
  void (*pipe_before_)(int) = nullptr;
  File file_;
};

// What is typed is not interpreted here, while it lives.
class RawTerminal {
 public:
  explicit RawTerminal(int terminal);
  ~RawTerminal();
  RawTerminal(const RawTerminal&) = delete;
  RawTerminal& operator=(const RawTerminal&) = delete;

 private:
  int terminal_;
  std::optional<termios> before_;
};

Window window_of(int terminal);

// Relays until the other side ends: 0; else the number of the signal that ended it here.
int relay(Channel& channel, Signals& signals, int keyboard, int screen);

}  // namespace busbar::pty
