// spawn_ceiling TASKS SLOTS [--reuse] [CGROUP_FOLDER...]: runs /bin/true TASKS times, SLOTS at
// once, and prints the tasks per second: a bare spawn and wait loop, as fast as one thread can be.
//
// Without folders it is posix_spawn. With them each task gets a cgroup of its own in every one,
// entered before exec and removed after the wait; with --reuse a v1 folder is renamed for the next
// task, as busbar-shim does, but nothing in it is set or set back. The spawn is then what
// posix_spawn is inside: a child that shares our memory until exec; it enters a first folder of
// cgroup v2 by being born there.
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <unordered_map>
#include <vector>

namespace {

char* const arguments[] = {const_cast<char*>("true"), nullptr};

[[noreturn]] void fail(const std::string& what) {
  std::perror(("spawn_ceiling: " + what).c_str());
  std::exit(1);
}

using Folders = std::vector<std::string>;  // one in each hierarchy

class Loop {
 public:
  Loop(Folders hierarchies, bool reuse) : hierarchies_(std::move(hierarchies)), reuse_(reuse) {
    std::stable_partition(hierarchies_.begin(), hierarchies_.end(), is_v2);
    born_inside_ = !hierarchies_.empty() && is_v2(hierarchies_.front());
  }

  void start(int number) {
    Folders folders;
    const bool again = spares_ > 0;
    if (again) --spares_;
    for (std::size_t i = 0; i < hierarchies_.size(); ++i) {
      folders.push_back(hierarchies_[i] + "/t" + std::to_string(number));
      make(i, folders.back(), again);
    }
    const pid_t pid = hierarchies_.empty() ? spawn_plain() : spawn_into(folders);
    running_.emplace(pid, std::move(folders));
  }

  void finish_one() {
    int status = 0;
    const auto found = running_.find(wait(&status));
    if (found == running_.end() || status != 0) fail("a task failed");
    for (std::size_t i = 0; i < hierarchies_.size(); ++i) remove(i, found->second[i]);
    if (reuse_) ++spares_;
    running_.erase(found);
  }
  void remove_spares() {
    for (; spares_ > 0; --spares_)
      for (std::size_t i = 0; i < hierarchies_.size(); ++i) rmdir(spare(i, spares_ - 1).c_str());
  }

 private:
  bool is_renamed(std::size_t hierarchy) const {
    return reuse_ && (hierarchy > 0 || !born_inside_);
  }
  std::string spare(std::size_t hierarchy, int number) const {
    return hierarchies_[hierarchy] + "/s" + std::to_string(number);
  }
  void make(std::size_t hierarchy, const std::string& folder, bool again) const {
    if (again && is_renamed(hierarchy)
            ? rename(spare(hierarchy, spares_).c_str(), folder.c_str()) != 0
            : mkdir(folder.c_str(), 0755) != 0)
      fail("make " + folder);
  }
  void remove(std::size_t hierarchy, const std::string& folder) const {
    if (is_renamed(hierarchy) ? rename(folder.c_str(), spare(hierarchy, spares_).c_str()) != 0
                              : rmdir(folder.c_str()) != 0)
      fail("remove " + folder);
  }

  static bool is_v2(const std::string& folder) {
    struct statfs facts {};
    return statfs(folder.c_str(), &facts) == 0 && facts.f_type == CGROUP2_SUPER_MAGIC;
  }

  pid_t spawn_plain() const {
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    for (int fd = 0; fd < 3; ++fd) posix_spawn_file_actions_adddup2(&actions, null_, fd);
    pid_t pid = -1;
    if (posix_spawn(&pid, "/bin/true", &actions, nullptr, arguments, environ) != 0) fail("spawn");
    posix_spawn_file_actions_destroy(&actions);
    return pid;
  }

  struct Entry {
    int null;
    std::vector<const char*> doors;
  };

  static int enter(void* entry_address) {
    const Entry& entry = *static_cast<const Entry*>(entry_address);
    for (const char* door : entry.doors) {
      const int fd = open(door, O_WRONLY | O_CLOEXEC);
      if (fd < 0 || write(fd, "0", 1) != 1) _exit(126);
      close(fd);
    }
    for (int fd = 0; fd < 3; ++fd) dup2(entry.null, fd);
    execve("/bin/true", arguments, environ);
    _exit(127);
  }

  pid_t spawn_into(const Folders& folders) const {
    Folders paths;
    for (const std::string& folder : folders)
      paths.push_back(folder + (is_v2(folder) ? "/cgroup.procs" : "/tasks"));
    Entry entry{null_, {}};
    for (const std::string& path : paths) entry.doors.push_back(path.c_str());
    if (born_inside_) entry.doors.erase(entry.doors.begin());
    const pid_t pid =
        born_inside_ ? spawn_born_inside(folders.front(), entry) : spawn_shared(entry);
    if (pid < 0) fail("clone");
    return pid;
  }

  static pid_t spawn_shared(Entry& entry) {
    alignas(64) static char stack[256 << 10];
    return clone(enter, stack + sizeof stack, CLONE_VM | CLONE_VFORK | SIGCHLD, &entry);
  }

  // clone() cannot name a cgroup, and clone3() has no wrapper that gives the child a stack: a
  // child that shares our memory lends it ours, as vfork() does.
  static pid_t spawn_born_inside(const std::string& folder, Entry& entry) {
    const int cgroup = open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
    clone_args args{};
    args.flags = CLONE_VFORK | CLONE_INTO_CGROUP;
    args.exit_signal = SIGCHLD;
    args.cgroup = static_cast<unsigned long long>(cgroup);
    long pid = -1;
#if defined(__x86_64__)
    args.flags |= CLONE_VM;
    asm volatile("syscall"
                 : "=a"(pid)
                 : "0"(SYS_clone3), "D"(&args), "S"(sizeof args)
                 : "rcx", "r11", "memory");
#else
    pid = syscall(SYS_clone3, &args, sizeof args);
#endif
    if (pid == 0) enter(&entry);
    close(cgroup);
    return static_cast<pid_t>(pid);
  }

  Folders hierarchies_;
  bool reuse_ = false;
  int spares_ = 0;
  bool born_inside_ = false;
  int null_ = open("/dev/null", O_RDWR | O_CLOEXEC);
  std::unordered_map<pid_t, Folders> running_;
};

}  // namespace

int main(int count, char** words) {
  if (count < 3) {
    std::fprintf(stderr, "usage: spawn_ceiling TASKS SLOTS [--reuse] [CGROUP_FOLDER...]\n");
    return 2;
  }
  const int tasks = std::atoi(words[1]), slots = std::atoi(words[2]);
  const bool reuse = count > 3 && std::string(words[3]) == "--reuse";
  Loop loop(Folders(words + (reuse ? 4 : 3), words + count), reuse);
  const auto begun = std::chrono::steady_clock::now();
  int started = 0;
  for (int ended = 0; ended < tasks; ++ended) {
    while (started < tasks && started - ended < slots) loop.start(started++);
    loop.finish_one();
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begun;
  loop.remove_spares();
  std::printf("%.1f\n", tasks / took.count());
  return 0;
}
