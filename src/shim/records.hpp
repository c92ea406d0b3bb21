// What the shim remembers on disk, so that a successor knows: a log in two files, D/records.0 and
// D/records.1, of which the newer generation counts.
//
// Entries  a start (RunningRecord), an end (Exited), and its Acknowledge. An end is synced before
//          write_exits() returns, all of one call together; a start matters only within one boot,
//          and an acknowledgement that is lost is given again: they are not synced.
// Files    an entry is its length, a digest seeded with the generation, and the message. The files
//          are written with zeros to their size ahead, so an entry needs no new block. A full log
//          goes on in the other file, with what is still held. A torn tail fails its digest.
// Full     a start is taken only if its end will fit into the file too: once it runs, a disk that
//          is full does not lose it.
// Errors   int: 0 or an errno value; then nothing changed.
#pragma once

#include <array>
#include <map>
#include <optional>
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
  std::uint64_t process_count = 1;          // how many its end will list
};
void fields(auto& v, wire::Like<RunningRecord> auto& x) {
  v(x.name), v(x.boot_id), v(x.shim_pid), v(x.started_unix_ms), v(x.started_boot_ms);
  v(x.leaders), v(x.leader_ticks), v(x.uid), v(x.process_count);
}

class Records {
 public:
  // Makes the files that are missing, reads what is there, and goes on in a new generation.
  static Result<Records> open(const std::string& directory);
  Records(Records&&) = default;

  int write_running(const RunningRecord& record);
  std::vector<RunningRecord> running() const;

  // All of them or none.
  int write_exits(const std::vector<const Exited*>& ended);
  // As an encoded message; nullptr when no end of that name is held.
  const std::string* find_exit(const std::string& name) const;
  std::vector<std::string> exits() const;
  void acknowledge(const std::string& name);

 private:
  struct File {
    File() = default;
    File(File&& other) noexcept
        : fd(std::exchange(other.fd, -1)), bytes(std::exchange(other.bytes, 0)) {}
    ~File();
    int fd = -1;
    std::size_t bytes = 0;  // written with something, zeros or entries
  };
  struct Held {
    bool ended = false;
    std::string message;
    std::size_t end_bytes_max = 0;  // of the entry of its end, while it runs
  };

  Records() = default;
  void read(const std::string& bytes);
  void take(std::string_view message);
  void hold(const std::string& name, Held held);
  void forget(const std::string& name);
  int append(const std::vector<std::string>& messages, std::size_t promise_bytes);
  int begin_generation(const std::vector<std::string>& messages, std::size_t promise_bytes);
  int grow(File& file, std::size_t bytes) const;

  std::array<File, 2> files_;
  std::size_t current_ = 0;
  std::uint64_t generation_ = 0;
  std::size_t end_ = 0;             // where the next entry goes
  bool broken_ = false;             // an entry may be torn: only a new generation helps
  std::size_t promised_bytes_ = 0;  // sum of all end_bytes_max
  std::map<std::string, Held> held_;
};

std::string boot_id();

}  // namespace busbar::shim
