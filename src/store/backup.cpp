#include "store/backup.hpp"

#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "store/files.hpp"
#include "store/schema.hpp"
#include "store/sqlite.hpp"

namespace busbar::store {
namespace {

constexpr int step_pages = 1024;
constexpr int busy_tries_max = 600;
constexpr int busy_wait_ms = 100;

Result<Ok> copy_pages(Connection& from, Connection& to) {
  sqlite3_backup* copy = sqlite3_backup_init(to.handle(), "main", from.handle(), "main");
  if (copy == nullptr) return {Errc::unavailable, to.path() + ": cannot be written"};
  int code = SQLITE_OK;
  for (int busy = 0; busy < busy_tries_max;) {
    code = sqlite3_backup_step(copy, step_pages);
    if (code != SQLITE_OK && code != SQLITE_BUSY && code != SQLITE_LOCKED) break;
    if (code == SQLITE_OK) continue;
    ++busy;
    sqlite3_sleep(busy_wait_ms);
  }
  sqlite3_backup_finish(copy);
  if (code == SQLITE_DONE) return Ok{};
  return {(code & 0xFF) == SQLITE_CORRUPT ? Errc::corrupt : Errc::unavailable,
          "the copy to " + to.path() + " failed: " + sqlite3_errstr(code)};
}

Result<Ok> sync_folder_of(const std::string& file) {
  const std::size_t slash = file.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : file.substr(0, slash + 1);
  const int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return Ok{};
  const bool synced = fsync(descriptor) == 0;
  ::close(descriptor);
  if (synced) return Ok{};
  return {Errc::unavailable, folder + ": cannot be synced: " + std::strerror(errno)};
}

Result<Ok> fill(const std::string& folder, const std::string& file) {
  BUSBAR_TRY(from, Connection::open(folder + "/" + journal_file, Access::read_only, std::string()));
  BUSBAR_TRY_OK(check_schema(from, migrations()));
  // One read transaction: a writer beside us never makes the copy start again.
  BUSBAR_TRY_OK(from.run("BEGIN"));
  BUSBAR_TRY(version, schema_version(from));
  if (version == 0) return {Errc::not_found, folder + " holds no journal yet"};
  BUSBAR_TRY(to, Connection::open(file, Access::read_write, std::string()));
  BUSBAR_TRY_OK(to.run("PRAGMA synchronous = FULL"));
  BUSBAR_TRY_OK(copy_pages(from, to));
  // A single file, without a log beside it.
  BUSBAR_TRY_OK(to.run("PRAGMA journal_mode = DELETE"));
  return Ok{};
}

}  // namespace

Result<Ok> backup(const std::string& folder, const std::string& file) {
  const std::string source = folder + "/" + journal_file;
  if (access(source.c_str(), R_OK) != 0)
    return {errno == ENOENT ? Errc::not_found : Errc::denied, source + ": " + std::strerror(errno)};
  const int descriptor =
      ::open(file.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (descriptor < 0)
    return {errno == EEXIST ? Errc::conflict : Errc::denied,
            "cannot make " + file + ": " + std::strerror(errno)};
  ::close(descriptor);
  auto done = fill(folder, file);
  if (done.ok()) return sync_folder_of(file);
  unlink(file.c_str());
  unlink((file + "-wal").c_str());
  unlink((file + "-shm").c_str());
  return done;
}

}  // namespace busbar::store
