// Starting and stopping the daemon of this machine, and the programs beside this one.
#pragma once

#include <string>
#include <vector>

#include "cli/context.hpp"

namespace busbar::cli {

struct UpOptions {
  std::string config;
  std::string state;
  std::vector<std::string> simulate;  // N:MODEL
  bool foreground = false;
};

// The socket to talk to: $BUSBAR_SOCKET, $BUSBAR_STATE, the user's own, the system's.
std::string find_socket();

int up(const Context& context, const UpOptions& options);
int down(const Context& context, const std::string& state);
// Becomes the program of that name beside this one; returns only when there is none.
int become(const Context& context, const std::string& program, std::vector<std::string> arguments);

}  // namespace busbar::cli
