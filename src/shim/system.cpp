#include "shim/system.hpp"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>

#include "base/text.hpp"

namespace busbar::shim {

std::int64_t clock_ms(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<std::int64_t>(now.tv_sec) * 1000 + now.tv_nsec / 1'000'000;
}

std::string read_file(const std::string& path, int folder) {
  std::string text;
  const int fd = openat(folder, path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY);
  if (fd < 0) return text;
  char part[4096];
  ssize_t n;
  while (text.size() < (1 << 20) && (n = read(fd, part, sizeof part)) > 0)
    text.append(part, static_cast<std::size_t>(n));
  close(fd);
  return text;
}

static int write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno;
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return 0;
}

int write_file(const std::string& path, std::string_view text, int folder) {
  const int fd = openat(folder, path.c_str(), O_WRONLY | O_CLOEXEC);
  if (fd < 0) return errno;
  const int error = write_all(fd, text);
  close(fd);
  return error;
}

std::vector<std::string> list_folder(const std::string& path, Entries entries) {
  std::vector<std::string> names;
  DIR* folder = opendir(path.c_str());
  if (folder == nullptr) return names;
  while (const dirent* entry = readdir(folder)) {
    const bool is_folder = entry->d_type == DT_DIR;
    const std::string_view name = entry->d_name;
    const bool is_hidden = name[0] == '.';
    if (is_folder == (entries != Entries::others) && name != "." && name != ".." &&
        is_hidden == (entries == Entries::hidden_folders))
      names.emplace_back(name);
  }
  closedir(folder);
  std::sort(names.begin(), names.end());
  return names;
}

bool exists(const std::string& path) { return access(path.c_str(), F_OK) == 0; }

std::int64_t to_number(std::string_view text) {
  std::int64_t number = -1;
  if (text.empty() || text[0] < '0' || text[0] > '9') return number;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

std::int64_t keyed_number(std::string_view text, std::string_view key) {
  for (const std::string_view line : split(text, '\n'))
    if (line.size() > key.size() && line.starts_with(key) && line[key.size()] == ' ')
      return to_number(line.substr(key.size() + 1));
  return -1;
}

}  // namespace busbar::shim
