#include "engine/local/account.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <linux/close_range.h>
#include <pwd.h>
#include <signal.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>

#include "base/text.hpp"

namespace busbar::local {
namespace {

constexpr std::size_t passwd_bytes_max = 1 << 20;
constexpr auto wait_step = std::chrono::milliseconds(10);

std::vector<gid_t> groups_of(const std::string& name, gid_t gid) {
  std::vector<gid_t> groups(64);
  int count = static_cast<int>(groups.size());
  if (getgrouplist(name.c_str(), gid, groups.data(), &count) < 0 && count > 0 && count < 65'536) {
    groups.resize(static_cast<std::size_t>(count));
    if (getgrouplist(name.c_str(), gid, groups.data(), &count) < 0) count = 0;
  }
  groups.resize(static_cast<std::size_t>(std::max(count, 0)));
  return groups;
}

// The C library would switch all threads; the kernel switches one.
bool set_thread_groups(const std::vector<gid_t>& groups) {
  return syscall(SYS_setgroups, groups.size(), groups.data()) == 0;
}

std::vector<char*> pointers(const std::vector<std::string>& items) {
  std::vector<char*> out;
  for (const std::string& item : items) out.push_back(const_cast<char*>(item.c_str()));
  out.push_back(nullptr);
  return out;
}

}  // namespace

Result<Account> find_account(const UserRef& user, const UserPolicy& policy) {
  if (geteuid() != 0 && user.uid != geteuid())
    return {Errc::denied,
            fmt::format("this daemon runs as uid {} and cannot start jobs of {}; ask an operator "
                        "to run it as root",
                        geteuid(), printable(user.name))};
  if (user.uid == 0 && !policy.allow_root)
    return {Errc::denied, "jobs of root are refused here; submit as an ordinary user"};
  if (user.uid != 0 && user.uid < policy.uid_min)
    return {Errc::denied, fmt::format("users below uid {} may not run jobs here", policy.uid_min)};
  passwd entry{};
  passwd* found = nullptr;
  std::vector<char> buffer(16'384);
  int error = 0;
  while ((error = getpwuid_r(user.uid, &entry, buffer.data(), buffer.size(), &found)) == ERANGE &&
         buffer.size() < passwd_bytes_max)
    buffer.resize(buffer.size() * 2);
  Account account;
  account.facts.uid = user.uid;
  if (found == nullptr) {
    // Containers often run under a uid without a name; as oneself that needs no switch.
    if (user.uid != geteuid())
      return {Errc::not_found, fmt::format("this machine knows no user {} (uid {})",
                                           printable(user.name), user.uid)};
    account.facts.name = user.name;
    account.facts.home = "/";
    account.facts.gid = getegid();
    return account;
  }
  account.facts.name = entry.pw_name;
  account.facts.home = entry.pw_dir;
  account.facts.shell = entry.pw_shell;
  account.facts.gid = entry.pw_gid;
  account.groups = groups_of(account.facts.name, entry.pw_gid);
  return account;
}

AsUser::AsUser(const Account& account) {
  if (geteuid() != 0 || account.facts.uid == 0) return;
  const int count = getgroups(0, nullptr);
  groups_before_.resize(static_cast<std::size_t>(std::max(count, 0)));
  ok_ = getgroups(count, groups_before_.data()) >= 0 && set_thread_groups(account.groups);
  if (!ok_) return;
  setfsgid(account.facts.gid);
  setfsuid(account.facts.uid);
  // The calls tell only the former value: asking for none answers with the one in force.
  ok_ = static_cast<std::uint32_t>(setfsuid(static_cast<uid_t>(-1))) == account.facts.uid;
  switched_ = true;
}

AsUser::~AsUser() {
  if (!switched_) return;
  setfsuid(geteuid());
  setfsgid(getegid());
  check(set_thread_groups(groups_before_), "a thread of root may take its groups back");
}

Result<Ok> make_folder_as(const Account& account, const std::string& path) {
  const AsUser as_user(account);
  if (!as_user.ok())
    return {Errc::denied, fmt::format("this daemon cannot act as {}", account.facts.name)};
  for (std::size_t at = 1; at != std::string::npos && at < path.size();) {
    at = path.find('/', at);
    const std::string part = path.substr(0, at);
    if (mkdir(part.c_str(), 0777) != 0 && errno != EEXIST) {
      const int error = errno;
      struct stat status {};
      if (stat(part.c_str(), &status) == 0) {
        if (at != std::string::npos) ++at;
        continue;
      }
      return {Errc::denied, fmt::format("cannot create the folder {} as {}: {}", printable(path),
                                        account.facts.name, std::strerror(error))};
    }
    if (at != std::string::npos) ++at;
  }
  return Ok{};
}

bool run_as(const Account& account, const std::vector<std::string>& arguments,
            const std::vector<std::string>& environment, const std::string& working_directory,
            Span limit) {
  const std::vector<char*> argument_list = pointers(arguments);
  const std::vector<char*> environment_list = pointers(environment);
  const bool as_root = geteuid() == 0;
  const pid_t child = fork();
  if (child < 0) return false;
  if (child == 0) {  // only what a child of many threads may call
    setsid();
    const int null = open("/dev/null", O_RDWR);
    for (int fd = 0; fd < 3; ++fd) dup2(null, fd);
    syscall(SYS_close_range, 3U, ~0U, 0U);
    const AccountFacts& facts = account.facts;
    if (as_root && (!set_thread_groups(account.groups) ||
                    syscall(SYS_setresgid, facts.gid, facts.gid, facts.gid) != 0 ||
                    syscall(SYS_setresuid, facts.uid, facts.uid, facts.uid) != 0))
      _exit(126);
    if (chdir(working_directory.c_str()) != 0) _exit(126);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    execve(argument_list[0], argument_list.data(), environment_list.data());
    _exit(127);
  }
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(limit.value);
  int status = 0;
  while (true) {
    const pid_t waited = waitpid(child, &status, WNOHANG);
    if (waited == child) return WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (waited < 0 && errno != EINTR) return false;
    if (std::chrono::steady_clock::now() >= deadline) break;
    std::this_thread::sleep_for(wait_step);
  }
  kill(-child, SIGKILL);
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return false;
}

}  // namespace busbar::local
