// The side of the job: a command in a pseudo-terminal whose other end is far away.
//
// Shape    one loop over three things: the command's terminal, the channel, signals. What the
//          command prints goes to standard output (the job's log) and to the person; what the
//          person types goes to the command.
// Bounds   one packet each way is held. A person's slow terminal holds up the command, as a slow
//          terminal does.
// Ends     with the command: its exit code, 128 + N after signal N. When the person goes away the
//          command is hung up and has hang_up_ms to end.
#pragma once

#include <string>
#include <vector>

#include "base/result.hpp"

namespace busbar::pty {

inline constexpr int exit_no_terminal = 125;
inline constexpr int hang_up_ms = 5'000;

struct SessionRequest {
  std::string socket;
  std::string word;
  std::vector<std::string> command;
};

// The exit code of the command; an error says why it was not started.
Result<int> run_session(const SessionRequest& request);

}  // namespace busbar::pty
