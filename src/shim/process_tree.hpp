// The processes of one attempt found in /proc, where no cgroup holds them together.
//
// A process belongs to an attempt if it is in a session of one of its leaders, if its parent
// belongs, if it did when last seen, or if its environment bears the attempt's mark and it runs as
// the attempt's user: anybody may put any mark into an environment of their own.
// Blind to     a process that left the session and cleared its environment, or became another
//              user, before it was seen.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace busbar::shim {

// The mark: every process of an attempt starts with BUSBAR_SHIM_ATTEMPT=<folder>/<name>.
std::string attempt_mark(const std::string& folder, const std::string& name);

using ProcessKey = std::pair<pid_t, std::uint64_t>;  // pid and start time: never reused together

struct ProcessTree {
  std::vector<ProcessKey> members;  // sorted; without zombies
  std::int64_t memory_bytes = 0;    // private memory of all and the largest shared part
};

// `leaders` started the sessions; `seen` are the members of the look before; `uid` is the
// attempt's.
ProcessTree find_tree(const std::vector<pid_t>& leaders, const std::vector<ProcessKey>& seen,
                      const std::string& mark, uid_t uid);

std::uint64_t start_ticks(pid_t pid);  // 0: no such process
pid_t session_of(pid_t pid);           // zombies included; 0: no such process
bool catches(pid_t pid, int signal_number);

}  // namespace busbar::shim
