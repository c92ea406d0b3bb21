// Scratch space: a folder for each attempt inside one of Busbar's own, gone when nobody needs it.
//
// Shape    <directory>/<attempt>, mode 0700, the user's. One that an attempt left empty goes to the
//          next of the same user under its new name, since a file system makes and removes a folder
//          ten times slower than it renames one. It is looked at again before: it is as a new
//          one, but for what other processes of the same user do with it. What nobody took within a
//          second is removed.
// Threads  one of its own removes; everything else is called by the engine's.
// Errors   a folder that cannot be made carries a sentence for the job's user.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/result.hpp"
#include "engine/local/account.hpp"
#include "engine/local/start_plan.hpp"

namespace busbar::local {

class Scratch {
 public:
  explicit Scratch(std::string directory);
  ~Scratch();  // what has not been removed yet stays for the next start's remove_all_but()
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  std::string path_of(const std::string& name) const { return directory_ + "/" + name; }
  // The folder becomes the user's only after the files lie in it.
  Result<Ok> make(const Account& account, const std::vector<ScratchFile>& files,
                  const std::string& name);
  void remove(const std::string& name);  // soon
  // Removes the folders of attempts of this installation that are not in `live`.
  void remove_all_but(const std::string& installation, const std::set<std::string>& live);

 private:
  struct Spare {
    std::string name;
    uid_t uid;
    gid_t gid;
    std::chrono::steady_clock::time_point since;
  };

  void work();
  std::optional<Spare> retire(const std::string& name) const;
  bool take_spare(int parent, const Account& account, const std::string& name);
  void remove_spares(std::unique_lock<std::mutex>& lock,
                     std::chrono::steady_clock::time_point until);
  void remove_folder(const std::string& name) const;

  std::string directory_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::string> due_;
  std::deque<Spare> spares_;  // oldest first
  bool closing_ = false;
  std::thread thread_;
};

// Opens the folder, made if missing, that others may pass through but not list. denied: it is a
// link or another user's. The caller closes it.
Result<int> open_own_folder(const std::string& path);

}  // namespace busbar::local
