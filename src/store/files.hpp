// The state folder: who may use it, who uses it now, and the space kept back for the end.
//
// Errors   not_found: no such folder. denied: owner, permissions or a read-only file system.
//          unavailable: another process holds the lock. Every sentence names the path and the
//          remedy.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.hpp"

namespace busbar::store {

// Names inside the state folder.
inline constexpr char journal_file[] = "journal.db";
inline constexpr char lock_file[] = "journal.lock";
inline constexpr char reserve_file[] = "journal.reserve";

// The folder belongs to this user, is closed to all others (0700) and can be written; `create`
// makes it when only its last part is missing.
Result<Ok> prepare_folder(const std::string& folder, bool create);

// The database file is a plain file of this user and closed to others; makes an empty 0600 one
// when `create`. True: it is new (or was left empty).
Result<bool> prepare_database(const std::string& folder, bool create);

// The only writer of a state folder; the kernel lets go when the process ends, however it ends.
class FolderLock {
 public:
  static Result<FolderLock> take(const std::string& folder);
  // For readers: true when no writer holds the folder at this moment. Makes and changes nothing.
  static bool probe(const std::string& folder);
  ~FolderLock();
  FolderLock(FolderLock&& other) noexcept;
  FolderLock& operator=(FolderLock&& other) noexcept;
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  explicit FolderLock(int descriptor) : descriptor_(descriptor) {}
  int descriptor_;
};

// Space that lies allocated beside the journal until the disk is full.
class Reserve {
 public:
  Reserve(std::string folder, std::int64_t bytes);
  // True when the space is held. `margin` more must be free afterwards, so that what was just
  // given back to a full disk is not taken again at once.
  bool hold(std::int64_t margin_bytes);
  void release();
  bool held() const { return held_; }
  std::int64_t bytes() const { return bytes_; }

 private:
  std::string path_;
  std::int64_t bytes_;
  bool held_ = false;
};

// What a closed database's write-ahead log looks like. SQLite drops everything after the first
// damaged frame without a word; this finds out first.
struct LogState {
  std::uint64_t frames_good = 0;
  std::uint64_t commits_good = 0;
  std::uint64_t frames_dropped = 0;  // damaged, or after the damage
  // Whole transactions lie behind the damage: it is not the torn end of the last write.
  bool damaged_inside = false;
  bool header_damaged = false;  // there are frames, and nothing to tell whose they are
};
Result<LogState> inspect_log(const std::string& path);

}  // namespace busbar::store
