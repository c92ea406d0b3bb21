// A folder for a journal of the store's own tests, and opening it again.
#pragma once

#include <stdlib.h>

#include <filesystem>
#include <string>

#include "store/journal.hpp"

namespace busbar::store::testing {

inline constexpr Span patience = seconds(30);

class Folder {
 public:
  Folder() {
    char name[] = "/tmp/busbar-store-XXXXXX";
    path_ = mkdtemp(name);
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  const std::string& path() const { return path_; }
  std::string file(const std::string& name) const { return path_ + "/" + name; }
  Options options() const {
    Options options;
    options.folder = path_;
    options.reserve_bytes = 4096;
    return options;
  }

 private:
  std::string path_;
};

struct Reopened {
  Result<Recovery> recovery{Recovery{}};
  Events events;
};

inline Reopened reopen(SqliteJournal& journal) {
  Reopened found;
  found.recovery =
      journal.open([&](const Event& event) { found.events.push_back(event); }, nullptr);
  return found;
}

inline Reopened reopen(const Options& options) {
  SqliteJournal journal(options);
  return reopen(journal);
}

}  // namespace busbar::store::testing
