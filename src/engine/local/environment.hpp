// The environment of a job's processes, in three dialects at once: BUSBAR_*, SLURM_* and torch's.
//
// Shape    The order of precedence, weakest first: a minimal base from the user's account; the
//          payload's environment; what Busbar says. MASTER_ADDR, MASTER_PORT, OMP_NUM_THREADS and
//          TMPDIR the user may set. Visibility variables name what was granted, and are empty for
//          a vendor of this node of which nothing was.
// Source   pure: no look-up of users, clocks or files happens here.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "engine/local/placement.hpp"
#include "model/launch.hpp"
#include "model/output_path.hpp"
#include "model/payload.hpp"

namespace busbar::local {

struct AccountFacts {
  std::string name;
  std::string home;
  std::string shell;
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
};

struct NodeFacts {
  std::string cluster;
  std::string node;
  std::set<std::string> vendors;  // of the node's real devices
  AccountFacts account;
  std::string scratch;           // the attempt's own folder; "" none
  std::int64_t now_unix_ms = 0;  // 0: unknown; the end time is left out
  std::string api_socket;        // where jobs reach the daemon; "" not told
  std::string programs;          // last in PATH, so that jobs find `busbar`; "" none
  bool as_root = false;          // mpirun needs to be told that this is meant
};

using Environment = std::map<std::string, std::string>;

// Of one process, complete.
Environment process_environment(const Launch& launch, const Payload& payload,
                                const NodeFacts& facts, const Placement& placement,
                                const ProcessPlace& process);

// "NAME=value" items.
std::vector<std::string> written(const Environment& environment);
// What all have in common, taken out of them; so that thousands of processes cost little.
Environment take_common(std::vector<Environment>& all);

// What output_path needs, of an attempt.
PatternNames pattern_names(const Launch& launch);
// The payload's checkpoint folder for this unit: without %n it stays the same across restarts; ""
// none.
std::string checkpoint_directory(const Launch& launch, const Payload& payload);

}  // namespace busbar::local
