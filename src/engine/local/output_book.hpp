// Where an attempt's output lies in a file that somebody wrote to before: an earlier attempt, or
// another job whose output has the same name. Output files are only ever appended to.
//
// Units    bytes from the file's start.
// Holds    only files that held something when an attempt began, the newest entries_max of them;
//          in a file too, for the next daemon. A lost entry shows more of a file. A job that
//          cuts its own output file short may be shown less of it.
// Threads  any.
#pragma once

#include <cstdint>
#include <deque>
#include <limits>
#include <map>
#include <mutex>
#include <string>

#include "model/ids.hpp"

namespace busbar::local {

class OutputBook {
 public:
  static constexpr std::size_t entries_max = 20'000;

  // `file` is read, and made with the first entry; "" keeps nothing.
  explicit OutputBook(std::string file);

  // The file held so much when the attempt began; said again, it changes nothing.
  void began(const AttemptId& attempt, const std::string& path, std::int64_t bytes);

  struct Range {
    std::int64_t begin = 0;
    std::int64_t end = std::numeric_limits<std::int64_t>::max();  // where its unit's next began
  };
  Range of(const AttemptId& attempt, const std::string& path) const;

 private:
  struct Key {
    std::string path;
    AttemptId attempt;
    friend auto operator<=>(const Key&, const Key&) = default;
  };

  bool put(const Key& key, std::int64_t bytes);
  void read();
  void rewrite();

  std::string file_;
  mutable std::mutex mutex_;
  std::map<Key, std::int64_t> begins_;
  std::deque<Key> order_;
  std::size_t lines_ = 0;  // of the file
};

}  // namespace busbar::local
