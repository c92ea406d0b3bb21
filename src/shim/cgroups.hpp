// One cgroup per attempt, where this machine lets us have them: v2, v1, or both side by side.
//
// Shape    a folder of our own in each useful hierarchy, and in it one folder per attempt.
//          A v2 hierarchy without controllers (hybrid machines) still tracks and kills trees.
// Spares   to make and remove a folder costs more than most else of an attempt, so an empty v1
//          folder is renamed for the next one. The counters that are read here are set back, limits
//          are remembered and written where the next one's differ. What an attempt of root's used,
//          and may have written into, serves no other user. v2 cannot rename.
// Errors   create() fails when a limit that was asked for cannot be set; nothing else can fail.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "shim/protocol.hpp"

namespace busbar::shim {

struct CgroupReading {
  std::int64_t cpu_us = -1;  // -1: not known
  std::int64_t memory_peak_bytes = -1;
  bool out_of_memory = false;
};

// A file that a new process writes "0" to, to enter a folder of its attempt.
struct CgroupDoor {
  int base_fd = -1;
  std::string file;  // below it
  std::string path;  // whole, for sentences
};

class Cgroups {
 public:
  // Looks what is mounted and writable, at most `mode_max`; `folder` is the name of our folders.
  static Cgroups detect(const std::string& folder, CgroupMode mode_max);

  CgroupMode mode() const;
  bool tracks() const { return !track_.empty(); }  // knows the members of a tree
  bool limits_memory() const { return !memory_.empty(); }
  std::string sentence() const;

  Result<Ok> create(const StartRequest& request);
  std::vector<CgroupDoor> doors(const StartRequest& request) const;
  // A descriptor of the folder of v2 that the first door leads to, to be born in; -1: there is
  // none.
  int open_birthplace(const std::string& name) const;
  std::vector<pid_t> members(const std::string& name) const;
  bool is_empty(const std::string& name) const;
  void kill_members(const std::string& name) const;  // again until there are none
  CgroupReading read(const std::string& name) const;
  std::int64_t memory_bytes(const std::string& name) const;  // now; -1: not known
  bool remove(const std::string& name);                      // false: not yet
  std::vector<std::string> names() const;                    // of all attempts that have a folder
  void remove_base();                                        // when it is empty

 private:
  // A folder of ours, the attempts' within reach of a descriptor that stays open; "": there is
  // none.
  struct Base {
    std::string path;
    int fd = -1;

    bool empty() const { return path.empty(); }
    bool operator==(const Base& other) const { return path == other.path; }
    std::string read(const std::string& file) const;
    int write(const std::string& file, const std::string& text) const;
  };
  static Base open_base(const std::string& path);  // made when it is missing

  void weigh_all() const;
  struct Limits {  // 0: none, as in a new folder
    std::int64_t memory_bytes = 0;
    std::uint32_t cpu_weight = 0, pids_max = 0;
  };
  struct Spare {
    std::string name;
    Limits limits;
    bool of_root = false;
  };
  // Writes what differs from `old`, or everything where that is not known. False: the folders may
  // now have other limits than these.
  Result<bool> set_limits(const std::string& name, const std::optional<Limits>& old,
                          const Limits& wanted) const;
  // The limits of the spare that became the attempt's folder; nothing where there was none.
  std::optional<Limits> take_spare(const Base& base, const StartRequest& request);
  bool keep_spare(const Base& base, const std::string& name, const Spare& spare);
  bool is_vacant(const Base& base, const std::string& name) const;
  bool set_back(const Base& base, const std::string& name) const;
  bool remove_folder(const Base& base, const std::string& name) const;
  void remove_spares();
  // Those in which an attempt gets a folder; all of ours without a request.
  std::vector<Base> bases(const StartRequest* request = nullptr) const;
  bool is_v2(const Base& base) const { return track_is_v2_ && base == track_; }

  Base track_, memory_, cpu_, cpuacct_, pids_, freezer_;  // all equal under v2
  bool track_is_v2_ = false;
  std::map<int, std::vector<Spare>> spares_;            // by the descriptor of their base
  std::map<std::string, Spare, std::less<>> to_spare_;  // what each attempt's folders are set to
  std::uint64_t spares_named_ = 0;
};

}  // namespace busbar::shim
