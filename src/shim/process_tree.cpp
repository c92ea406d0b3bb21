#include "shim/process_tree.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>
#include <map>

#include "base/text.hpp"
#include "shim/system.hpp"

namespace busbar::shim {

namespace {

struct Stat {
  char state = '?';
  pid_t parent = 0;
  pid_t session = 0;
  std::uint64_t start = 0;
};

std::string in_proc(pid_t pid, const char* file) {
  return "/proc/" + std::to_string(pid) + "/" + file;
}

Stat read_stat(pid_t pid) {
  Stat stat;
  const std::string text = read_file(in_proc(pid, "stat"));
  const std::size_t close = text.rfind(')');  // the name before it may contain anything
  if (close == std::string::npos || close + 2 >= text.size()) return stat;
  const auto words = split(std::string_view(text).substr(close + 2), ' ');
  if (words.size() < 20) return stat;
  stat.state = words[0][0];
  stat.parent = static_cast<pid_t>(to_number(words[1]));
  stat.session = static_cast<pid_t>(to_number(words[3]));
  stat.start = static_cast<std::uint64_t>(to_number(words[19]));
  return stat;
}

std::int64_t status_number(std::string_view status, std::string_view key) {
  const std::size_t at = status.find(key);
  if (at == std::string_view::npos) return 0;
  return std::max<std::int64_t>(0, to_number(trim(status.substr(at + key.size(), 32))));
}

// By effective and real user: a set-user-id program bears what its caller put there.
bool bears(pid_t pid, const std::string& mark, uid_t uid) {
  struct stat folder {};
  if (stat(in_proc(pid, "").c_str(), &folder) != 0 || folder.st_uid != uid) return false;
  const std::string status = read_file(in_proc(pid, "status"));
  if (status.find("\nUid:\t" + std::to_string(uid) + "\t") == std::string::npos) return false;
  const std::string environment = '\0' + read_file(in_proc(pid, "environ"));
  return environment.find('\0' + mark + '\0') != std::string::npos;
}

}  // namespace

std::string attempt_mark(const std::string& folder, const std::string& name) {
  return "BUSBAR_SHIM_ATTEMPT=" + folder + "/" + name;
}

std::uint64_t start_ticks(pid_t pid) { return read_stat(pid).start; }
pid_t session_of(pid_t pid) { return read_stat(pid).session; }

bool catches(pid_t pid, int signal_number) {
  const std::string status = read_file(in_proc(pid, "status"));
  const std::size_t at = status.find("SigCgt:");
  if (at == std::string::npos) return false;
  const std::uint64_t mask = std::strtoull(status.c_str() + at + 7, nullptr, 16);
  return (mask >> (signal_number - 1) & 1) != 0;
}

ProcessTree find_tree(const std::vector<pid_t>& leaders, const std::vector<ProcessKey>& seen,
                      const std::string& mark, uid_t uid) {
  std::map<pid_t, Stat> all;
  for (const std::string& entry : list_folder("/proc", Entries::folders))
    if (const std::int64_t pid = to_number(entry); pid > 1)
      all[static_cast<pid_t>(pid)] = read_stat(static_cast<pid_t>(pid));

  std::map<pid_t, bool> belongs;
  for (const auto& [pid, stat] : all) {
    const bool led = std::find(leaders.begin(), leaders.end(), stat.session) != leaders.end();
    const bool known = std::binary_search(seen.begin(), seen.end(), ProcessKey{pid, stat.start});
    if (stat.start != 0 && (led || known || bears(pid, mark, uid))) belongs[pid] = true;
  }
  for (bool grew = true; grew;) {
    grew = false;
    for (const auto& [pid, stat] : all)
      if (!belongs.contains(pid) && belongs.contains(stat.parent)) grew = belongs[pid] = true;
  }

  ProcessTree tree;
  std::int64_t shared_max = 0;
  for (const auto& [pid, yes] : belongs) {
    const Stat& stat = all[pid];
    if (stat.state == 'Z' || stat.state == 'X') continue;
    tree.members.emplace_back(pid, stat.start);
    const std::string status = read_file(in_proc(pid, "status"));
    tree.memory_bytes += status_number(status, "RssAnon:") * 1024;
    shared_max = std::max(shared_max, status_number(status, "RssShmem:") * 1024);
  }
  tree.memory_bytes += shared_max;
  return tree;
}

}  // namespace busbar::shim
