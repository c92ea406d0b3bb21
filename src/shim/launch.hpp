// Turns one ProcessSpec into a running process: everything between fork and exec.
//
// Order    cgroups, session, signals, limits, binding; the gate, if there is one; the switch to the
//          user; then, as the user, output files, working directory, exec.
// Errors   unavailable: fork failed. What goes wrong in the child comes as a sentence through
//          `report_fd`, which is close-on-exec: silence and end of file mean that it runs.
#pragma once

#include <sys/resource.h>
#include <sys/types.h>

#include <string>
#include <vector>

#include "base/result.hpp"
#include "shim/cgroups.hpp"
#include "shim/protocol.hpp"

namespace busbar::shim {

struct LaunchPlace {
  std::vector<CgroupDoor> doors;
  int birthplace_fd = -1;           // the cgroup of the first of them, where that is of v2
  std::string mark;                 // one more "NAME=value"
  rlimit files{};                   // RLIMIT_NOFILE as the shim found it
  std::int64_t data_bytes_max = 0;  // RLIMIT_DATA where no cgroup limits memory; 0: none
  pid_t shim_pid = 0;
  int report_fd = -1;
  int gate_fd = -1;  // it goes on with a byte from here, and ends without one
};

Result<pid_t> launch(const StartRequest& request, const ProcessSpec& process,
                     const LaunchPlace& place);

// What is wrong with a request, before anything is tried; "" when it is well formed.
std::string fault_of(const StartRequest& request);

}  // namespace busbar::shim
