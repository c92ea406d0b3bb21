// What the shim remembers on disk, so that a successor knows: D/running and D/exits.
//
// running/NAME  written before the first process of NAME is started, and once more with its pids:
//               each time whole or not at all, so a disk that is full keeps the one before. Not
//               synced: it matters only within one boot. At the end it is overwritten by the Exited
//               message, synced, and
// exits/NAME    becomes this by rename; removed by Acknowledge.
// reserve       a file of 1 MiB that is given up when the disk is full, so that exits find room.
// Errors        int: 0 or an errno value.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "shim/protocol.hpp"

namespace busbar::shim {

struct RunningRecord {
  static constexpr Kind kind = Kind::start;
  std::string name;
  std::string boot_id;
  std::uint32_t shim_pid = 0;
  std::int64_t started_unix_ms = 0;
  std::int64_t started_boot_ms = 0;
  std::vector<std::uint32_t> leaders;       // pids
  std::vector<std::uint64_t> leader_ticks;  // their start times; a pid alone may be reused
  std::uint32_t uid = geteuid();            // of its processes
};

class Records {
 public:
  // Makes the folders that are missing and reads what is there.
  static Result<Records> open(const std::string& directory);

  int write_running(const RunningRecord& record) const;
  RunningRecord read_running(const std::string& name) const;  // empty where it is damaged
  std::vector<std::string> running() const;

  // All of them or, on an error, possibly only some; then again.
  int write_exits(const std::vector<const Exited*>& ended);
  std::optional<Exited> read_exit(const std::string& name) const;
  const std::set<std::string>& exits() const { return exits_; }
  void acknowledge(const std::string& name);

 private:
  std::string path(const char* folder, const std::string& name) const;
  void make_reserve() const;

  std::string directory_;
  std::set<std::string> exits_;
};

std::string boot_id();

}  // namespace busbar::shim
