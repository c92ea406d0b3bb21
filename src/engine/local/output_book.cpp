#include "engine/local/output_book.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <fstream>

#include "base/units.hpp"

namespace busbar::local {
namespace {

constexpr std::int64_t file_bytes_max = 64 << 20;

std::string line_of(const AttemptId& attempt, std::int64_t bytes, const std::string& path) {
  const UnitId& unit = attempt.unit;
  return fmt::format("{} {} {} {} {} {}\n", unit.job.value, unit.group, unit.index, attempt.number,
                     bytes, path);
}

bool write_lines(const std::string& file, const std::string& lines, int flags) {
  const int fd = open(file.c_str(), O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC | flags, 0600);
  if (fd < 0) return false;
  const bool written = write(fd, lines.data(), lines.size()) == static_cast<ssize_t>(lines.size());
  close(fd);
  return written;
}

}  // namespace

OutputBook::OutputBook(std::string file) : file_(std::move(file)) {
  if (!file_.empty()) read();
}

bool OutputBook::put(const Key& key, std::int64_t bytes) {
  if (!begins_.emplace(key, bytes).second) return false;
  order_.push_back(key);
  if (order_.size() > entries_max) {
    begins_.erase(order_.front());
    order_.pop_front();
  }
  return true;
}

void OutputBook::read() {
  std::ifstream in(file_, std::ios::binary);
  std::string line;
  std::int64_t left = file_bytes_max;
  bool torn = false;
  while (left > 0 && std::getline(in, line)) {
    left -= static_cast<std::int64_t>(line.size()) + 1;
    ++lines_;
    torn = in.eof();  // no newline ends it
    std::int64_t numbers[5];
    std::string_view rest = line;
    bool whole = true;
    for (std::int64_t& number : numbers) {
      const std::size_t space = rest.find(' ');
      const auto read = parse_count(rest.substr(0, space));
      whole = whole && space != std::string_view::npos && read.ok();
      if (!whole) break;
      number = *read;
      rest.remove_prefix(space + 1);
    }
    constexpr std::int64_t small_max = std::numeric_limits<std::uint32_t>::max();
    if (!whole || rest.empty() || std::max({numbers[1], numbers[2], numbers[3]}) > small_max)
      continue;
    const UnitId unit{JobId(static_cast<std::uint64_t>(numbers[0])),
                      static_cast<std::uint32_t>(numbers[1]),
                      static_cast<std::uint32_t>(numbers[2])};
    put({std::string(rest), {unit, static_cast<std::uint32_t>(numbers[3])}}, numbers[4]);
  }
  if (torn) rewrite();
}

void OutputBook::rewrite() {
  std::string lines;
  for (const Key& key : order_) lines += line_of(key.attempt, begins_.at(key), key.path);
  const std::string beside = file_ + ".new";
  if (write_lines(beside, lines, O_TRUNC)) std::rename(beside.c_str(), file_.c_str());
  lines_ = order_.size();  // also where that failed: it is not tried again at once
}

void OutputBook::began(const AttemptId& attempt, const std::string& path, std::int64_t bytes) {
  const std::lock_guard lock(mutex_);
  const bool one_line = path.find('\n') == std::string::npos;  // as every entry of the file
  if (bytes <= 0 || !one_line || !put({path, attempt}, bytes) || file_.empty()) return;
  if (++lines_ > 2 * entries_max) return rewrite();
  write_lines(file_, line_of(attempt, bytes, path), O_APPEND);
}

OutputBook::Range OutputBook::of(const AttemptId& attempt, const std::string& path) const {
  const std::lock_guard lock(mutex_);
  Range range;
  for (auto at = begins_.lower_bound({path, attempt});
       at != begins_.end() && at->first.path == path && at->first.attempt.unit == attempt.unit;
       ++at) {
    if (at->first.attempt.number == attempt.number) {
      range.begin = at->second;
    } else if (at->second >= range.begin) {
      range.end = at->second;
      break;
    }
  }
  return range;
}

}  // namespace busbar::local
