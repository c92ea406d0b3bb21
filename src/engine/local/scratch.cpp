#include "engine/local/scratch.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <utility>

#include "model/names.hpp"

namespace busbar::local {
namespace {

constexpr std::size_t spares_max = 64;
constexpr auto spare_kept_for = std::chrono::seconds(1);
constexpr off_t new_folder_bytes_max = 4096;

bool is_own_folder(const std::string& path) {
  struct stat status {};
  return lstat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode) && status.st_uid == geteuid();
}

Result<Ok> check_owner(const struct stat& status, const std::string& what, const Account& account) {
  if (status.st_uid == geteuid() || status.st_uid == account.facts.uid) return Ok{};
  return {Errc::denied, fmt::format("{} is there already and belongs to the user with id {}; an "
                                    "administrator must remove it",
                                    what, status.st_uid)};
}

// Opens the attempt's folder, made if missing.
Result<int> open_attempt_folder(int parent, const std::string& name, const Account& account) {
  if (mkdirat(parent, name.c_str(), 0700) != 0 && errno != EEXIST)
    return {Errc::unavailable,
            fmt::format("cannot create the scratch folder {}: {}", name, std::strerror(errno))};
  const int folder = openat(parent, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (folder < 0)
    return {Errc::unavailable,
            fmt::format("cannot open the scratch folder {}: {}", name, std::strerror(errno))};
  struct stat status {};
  check(fstat(folder, &status) == 0, "an open folder has a status");
  const Result<Ok> owned = check_owner(status, "the scratch folder " + name, account);
  if (owned) return folder;
  close(folder);
  return owned.error();
}

// Creates the file in the folder for its owner only, in place of one that is there.
Result<Ok> write_file(int folder, const ScratchFile& file, const Account& account) {
  struct stat status {};
  if (fstatat(folder, file.name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0) {
    BUSBAR_TRY_OK(check_owner(status, "the file " + file.name + " of the attempt", account));
    unlinkat(folder, file.name.c_str(), 0);  // what stays makes the next call fail
  }
  const int fd =
      openat(folder, file.name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0500);
  bool good = fd >= 0;
  for (std::size_t done = 0; good && done < file.text.size();) {
    const ssize_t wrote = write(fd, file.text.data() + done, file.text.size() - done);
    if (wrote < 0 && errno == EINTR) continue;
    good = wrote > 0;
    done += static_cast<std::size_t>(std::max<ssize_t>(wrote, 0));
  }
  if (good && geteuid() == 0) good = fchown(fd, account.facts.uid, account.facts.gid) == 0;
  const int error = errno;
  if (fd >= 0) close(fd);
  if (good) return Ok{};
  return {Errc::unavailable,
          fmt::format("cannot write {} for the attempt: {}", file.name, std::strerror(error))};
}

bool is_empty(int folder) {
  const int own = fcntl(folder, F_DUPFD_CLOEXEC, 0);
  DIR* const entries = own < 0 ? nullptr : fdopendir(own);
  if (entries == nullptr) {
    if (own >= 0) close(own);
    return false;
  }
  bool empty = true;
  errno = 0;
  while (const dirent* entry = readdir(entries)) {
    const std::string_view name = entry->d_name;
    empty = empty && (name == "." || name == "..");
    if (!empty) break;
  }
  empty = empty && errno == 0;
  closedir(entries);
  return empty;
}

// What the folder of a new attempt is: its user's alone, empty, and small, for one that has held
// many files stays slow. Its owner and group are `status`'s.
bool is_as_new(int parent, const std::string& name, struct stat& status) {
  const int folder = openat(parent, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  const bool fits = folder >= 0 && fstat(folder, &status) == 0 &&
                    (status.st_mode & 07777) == 0700 && status.st_size <= new_folder_bytes_max &&
                    fgetxattr(folder, "system.posix_acl_default", nullptr, 0) < 0 &&
                    (errno == ENODATA || errno == ENOTSUP) && is_empty(folder);
  if (folder >= 0) close(folder);
  return fits;
}

}  // namespace

Result<int> open_own_folder(const std::string& path) {
  const mode_t mode = geteuid() == 0 ? 0711 : 0700;
  constexpr int how = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
  int folder = open(path.c_str(), how);
  if (folder < 0 && errno == ENOENT) {
    if (mkdir(path.c_str(), mode) != 0 && errno != EEXIST)
      return {Errc::unavailable, fmt::format("cannot create the folder for scratch space {}: {}",
                                             path, std::strerror(errno))};
    folder = open(path.c_str(), how);
  }
  struct stat status {};
  const bool own = folder >= 0 && fstat(folder, &status) == 0 && status.st_uid == geteuid();
  if (own && ((status.st_mode & 07777) == mode || fchmod(folder, mode) == 0)) return folder;
  if (folder >= 0) close(folder);
  return {Errc::denied,
          fmt::format("{} must be a folder of the daemon's own user, to hold scratch space; an "
                      "administrator must remove it or set another `scratch` of the node",
                      path)};
}

Scratch::Scratch(std::string directory)
    : directory_(std::move(directory)), thread_([this] { work(); }) {}

Scratch::~Scratch() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

Result<Ok> Scratch::make(const Account& account, const std::vector<ScratchFile>& files,
                         const std::string& name) {
  BUSBAR_TRY(parent, open_own_folder(directory_));
  if (files.empty() && take_spare(parent, account, name)) {
    close(parent);
    return Ok{};
  }
  const Result<int> opened = open_attempt_folder(parent, name, account);
  close(parent);
  BUSBAR_TRY(folder, opened);
  Result<Ok> done = Ok{};
  for (const ScratchFile& file : files) {
    if (done.ok()) done = write_file(folder, file, account);
  }
  if (done.ok() && geteuid() == 0 && fchown(folder, account.facts.uid, account.facts.gid) != 0)
    done = Error{Errc::unavailable, fmt::format("cannot give {} to {}", name, account.facts.name)};
  close(folder);
  return done;
}

bool Scratch::take_spare(int parent, const Account& account, const std::string& name) {
  std::string spare;
  {
    const std::lock_guard lock(mutex_);
    const auto found = std::find_if(spares_.begin(), spares_.end(), [&](const Spare& one) {
      return one.uid == account.facts.uid && one.gid == account.facts.gid;
    });
    if (found == spares_.end()) return false;
    spare = std::move(found->name);
    spares_.erase(found);
  }
  struct stat status {};
  if (is_as_new(parent, spare, status) && status.st_uid == account.facts.uid &&
      status.st_gid == account.facts.gid &&
      renameat2(parent, spare.c_str(), parent, name.c_str(), RENAME_NOREPLACE) == 0)
    return true;
  remove(spare);  // by the other thread: there may be much in it by now
  return false;
}

void Scratch::remove(const std::string& name) {
  {
    const std::lock_guard lock(mutex_);
    due_.push_back(name);
  }
  changed_.notify_one();
}

void Scratch::remove_all_but(const std::string& installation, const std::set<std::string>& live) {
  if (!is_own_folder(directory_)) return;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(directory_, ignored)) {
    const std::string name = entry.path().filename().string();
    if (parse_attempt_name(installation, name) && !live.contains(name)) remove(name);
  }
}

void Scratch::remove_folder(const std::string& name) const {
  std::error_code ignored;
  if (is_own_folder(directory_) && rmdir(path_of(name).c_str()) != 0)
    std::filesystem::remove_all(path_of(name), ignored);
}

// Of use to the next attempt as it is; else it is removed.
std::optional<Scratch::Spare> Scratch::retire(const std::string& name) const {
  struct stat status {};
  if (is_own_folder(directory_) && is_as_new(AT_FDCWD, path_of(name), status))
    return Spare{name, status.st_uid, status.st_gid, std::chrono::steady_clock::now()};
  remove_folder(name);
  return std::nullopt;
}

void Scratch::work() {
  const auto woken = [this] { return closing_ || !due_.empty(); };
  std::unique_lock lock(mutex_);
  while (!closing_) {
    remove_spares(lock, std::chrono::steady_clock::now() - spare_kept_for);
    if (due_.empty() && spares_.empty()) {
      changed_.wait(lock, woken);
    } else if (due_.empty()) {
      changed_.wait_until(lock, spares_.front().since + spare_kept_for, woken);
    } else {
      const std::string name = std::move(due_.front());
      due_.pop_front();
      const bool room = spares_.size() < spares_max;
      lock.unlock();
      std::optional<Spare> spare;
      if (room)
        spare = retire(name);
      else
        remove_folder(name);
      lock.lock();
      if (spare) spares_.push_back(std::move(*spare));
    }
  }
  remove_spares(lock, std::chrono::steady_clock::time_point::max());
}

void Scratch::remove_spares(std::unique_lock<std::mutex>& lock,
                            std::chrono::steady_clock::time_point until) {
  while (!spares_.empty() && spares_.front().since <= until) {
    const std::string name = std::move(spares_.front().name);
    spares_.pop_front();
    lock.unlock();
    remove_folder(name);
    lock.lock();
  }
}

}  // namespace busbar::local
