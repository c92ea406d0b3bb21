#include "store/files.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace busbar::store {
namespace {

Error system_error(Errc code, const std::string& what, int cause) {
  return {code, fmt::format("{}: {}", what, std::strerror(cause))};
}

Error cannot_make(const std::string& folder, int cause) {
  struct stat info {};
  const std::string above = folder.substr(0, folder.rfind('/'));
  const bool alone = cause == ENOENT && !above.empty() && stat(above.c_str(), &info) != 0;
  return {cause == ENOENT ? Errc::not_found : Errc::denied,
          fmt::format("cannot make the state folder {}{}: {}; {}name another one", folder,
                      alone ? " (the folder above it is missing too)" : "", std::strerror(cause),
                      alone ? "make the folder above it, or " : "")};
}

Result<Ok> check_owner(const std::string& path, const struct stat& info) {
  if (info.st_uid == geteuid()) return Ok{};
  return {Errc::denied,
          fmt::format("{} belongs to user {}, but this is user {}; run as its owner, or give it "
                      "with: chown -R {} {}",
                      path, info.st_uid, geteuid(), geteuid(), path)};
}

Result<Ok> check_closed(const std::string& path, const struct stat& info, const char* mode) {
  if ((info.st_mode & 077) == 0) return Ok{};
  return {Errc::denied, fmt::format("{} is open to other users (mode {:04o}); close it with: "
                                    "chmod {} {}",
                                    path, info.st_mode & 07777, mode, path)};
}

std::string read_short(int descriptor) {
  char text[32] = {};
  const ssize_t length = pread(descriptor, text, sizeof text - 1, 0);
  std::string digits;
  for (ssize_t i = 0; i < length && text[i] >= '0' && text[i] <= '9'; ++i) digits += text[i];
  return digits;
}

}  // namespace

Result<Ok> prepare_folder(const std::string& folder, bool create) {
  struct stat info {};
  if (stat(folder.c_str(), &info) != 0) {
    if (errno != ENOENT || !create)
      return system_error(errno == ENOENT ? Errc::not_found : Errc::denied,
                          "state folder " + folder, errno);
    if (mkdir(folder.c_str(), 0700) != 0) return cannot_make(folder, errno);
    if (stat(folder.c_str(), &info) != 0)
      return system_error(Errc::denied, "state folder " + folder, errno);
  }
  if (!S_ISDIR(info.st_mode))
    return {Errc::invalid, folder + " is not a folder; name one for Busbar's state"};
  struct statvfs system {};
  const bool sealed = statvfs(folder.c_str(), &system) == 0 && (system.f_flag & ST_RDONLY) != 0;
  if (!sealed) {
    BUSBAR_TRY_OK(check_owner(folder, info));
    BUSBAR_TRY_OK(check_closed(folder, info, "700"));
  }
  if (sealed || access(folder.c_str(), W_OK | X_OK) != 0)
    return {Errc::denied,
            fmt::format("the state folder {} cannot be written ({}); {}name another one", folder,
                        sealed ? "read-only file system" : std::strerror(errno),
                        sealed ? "" : "make it writable, or ")};
  return Ok{};
}

Result<bool> prepare_database(const std::string& folder, bool create) {
  const std::string path = folder + "/" + journal_file;
  const int flags = O_RDWR | O_CLOEXEC | O_NOFOLLOW | (create ? O_CREAT : 0);
  const int descriptor = ::open(path.c_str(), flags, 0600);
  if (descriptor < 0)
    return system_error(errno == ENOENT ? Errc::not_found : Errc::denied, "cannot open " + path,
                        errno);
  struct stat info {};
  char head[16] = {};
  const bool known = fstat(descriptor, &info) == 0;
  const ssize_t length = pread(descriptor, head, sizeof head, 0);
  ::close(descriptor);
  if (!known || !S_ISREG(info.st_mode))
    return {Errc::invalid, path + " is not a plain file; move it away"};
  BUSBAR_TRY_OK(check_owner(path, info));
  BUSBAR_TRY_OK(check_closed(path, info, "600"));
  if (info.st_size == 0) return true;
  if (length != sizeof head || std::memcmp(head, "SQLite format 3", sizeof head) != 0)
    return {Errc::corrupt, path +
                               " is not a database; put a backup in its place (docs/operations.md, "
                               "Backup and restore), or move it away to start anew"};
  return false;
}

Result<FolderLock> FolderLock::take(const std::string& folder) {
  const std::string path = folder + "/" + lock_file;
  const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (descriptor < 0) return system_error(Errc::denied, "cannot open " + path, errno);
  if (flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
    const std::string pid = read_short(descriptor);
    ::close(descriptor);
    return {Errc::unavailable,
            fmt::format("the state folder {} is in use by process {}; stop that process, or name "
                        "another folder",
                        folder, pid.empty() ? "(unknown)" : pid)};
  }
  FolderLock lock(descriptor);  // empties the file when it goes: only its owner may have one
  const std::string pid = std::to_string(getpid()) + "\n";
  // A full disk must not keep the daemon from starting: the lock holds without the number.
  if (ftruncate(descriptor, 0) == 0 &&
      pwrite(descriptor, pid.data(), pid.size(), 0) != static_cast<ssize_t>(pid.size()))
    (void)!ftruncate(descriptor, 0);
  return lock;
}

bool FolderLock::probe(const std::string& folder) {
  const std::string path = folder + "/" + lock_file;
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (descriptor < 0) return errno == ENOENT;
  const bool is_free = flock(descriptor, LOCK_SH | LOCK_NB) == 0;
  ::close(descriptor);
  return is_free;
}

FolderLock::~FolderLock() {
  if (descriptor_ < 0) return;
  (void)!ftruncate(descriptor_, 0);
  ::close(descriptor_);
}

FolderLock::FolderLock(FolderLock&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)) {}

FolderLock& FolderLock::operator=(FolderLock&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  return *this;
}

Reserve::Reserve(std::string folder, std::int64_t bytes)
    : path_(std::move(folder) + "/" + reserve_file), bytes_(bytes) {}

bool Reserve::hold(std::int64_t margin_bytes) {
  if (held_ || bytes_ == 0) return held_ = true;
  const int descriptor = ::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (descriptor < 0) return false;
  struct stat info {};
  struct statvfs system {};
  const bool known = fstat(descriptor, &info) == 0 && fstatvfs(descriptor, &system) == 0;
  const auto free_bytes =
      static_cast<std::int64_t>(system.f_bavail) * static_cast<std::int64_t>(system.f_frsize);
  const std::int64_t present = known ? static_cast<std::int64_t>(info.st_blocks) * 512 : 0;
  held_ = known && free_bytes + present >= bytes_ + margin_bytes &&
          posix_fallocate(descriptor, 0, bytes_) == 0;
  if (!held_) (void)!ftruncate(descriptor, 0);
  ::close(descriptor);
  return held_;
}

void Reserve::release() {
  (void)!truncate(path_.c_str(), 0);
  held_ = false;
}

}  // namespace busbar::store
