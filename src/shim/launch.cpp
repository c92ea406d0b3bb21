#include "shim/launch.hpp"

#include <grp.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <algorithm>
#include <map>

#include "base/text.hpp"
#include "shim/system.hpp"

namespace busbar::shim {

namespace {

// Made before fork, so that the child need not allocate: what it changes it must copy first.
struct Words {
  std::string script = "/proc/self/fd/3";
  std::vector<char*> arguments, environment;

  Words(const StartRequest& request, const ProcessSpec& process, const std::string& mark) {
    if (process.script != 0) arguments.push_back(script.data());
    for (const std::string& word : process.arguments) put(arguments, word);
    std::map<std::string_view, const std::string*> variables;  // by "NAME=": the later one wins
    for (const auto* list : {&request.environment, &process.environment})
      for (const std::string& variable : *list) variables[name_of(variable)] = &variable;
    variables[name_of(mark)] = &mark;
    for (const auto& [name, whole] : variables) put(environment, *whole);
    arguments.push_back(nullptr);
    environment.push_back(nullptr);
  }

  static void put(std::vector<char*>& list, const std::string& text) {
    list.push_back(const_cast<char*>(text.c_str()));
  }
  static std::string_view name_of(const std::string& variable) {
    return std::string_view(variable).substr(0, variable.find('=') + 1);
  }
};

// Runs in the child only: says why and ends it.
struct Child {
  const StartRequest& request;
  const ProcessSpec& process;
  const LaunchPlace& place;
  const Words& words;
  bool born_inside = false;  // of the first of the doors

  [[noreturn]] void fail(const std::string& what, int error) const {
    const std::string text = "process " + std::to_string(process.rank) + ": " + what +
                             (error != 0 ? std::string(": ") + std::strerror(error) : "");
    // At most PIPE_BUF, so that the sentences of several ranks do not mix.
    const std::string line = text.substr(0, sentence_bytes_max) + "\n";
    if (write(place.report_fd, line.data(), line.size()) < 0) _exit(126);
    _exit(127);
  }
  // What the user asked for cannot be run: as in a shell, it has run and ended with 127 or 126, and
  // its error file says why. Anything else may be the machine's fault: a failed launch.
  [[noreturn]] void fail_program(const std::string& what, int error) const {
    const bool absent = error == ENOENT || error == ENOTDIR;
    const bool unfit = error == EACCES || error == EPERM || error == ENOEXEC || error == EISDIR ||
                       error == ELOOP || error == ENAMETOOLONG || error == E2BIG || error == EINVAL;
    if (!absent && !unfit) fail(what, error);
    const std::string line = "busbar: " + what + ": " + std::strerror(error) + "\n";
    if (write(STDERR_FILENO, line.data(), line.size()) < 0) fail(what, error);
    _exit(absent ? 127 : 126);
  }
  void need(bool done, const char* what, const std::string* about = nullptr) const {
    if (done) return;
    const int error = errno;
    fail(about == nullptr ? std::string(what) : what + printable(*about, 400), error);
  }

  // A process that is not yet recognisable as its attempt's must not outlive the shim.
  void end_with_shim() const {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != place.shim_pid) _exit(125);
  }

  static bool write_zero(const char* path, int folder = AT_FDCWD) {
    const int fd = openat(folder, path, O_WRONLY | O_CLOEXEC);
    const bool written = fd >= 0 && write(fd, "0", 1) == 1;
    const int error = errno;
    if (fd >= 0) close(fd);
    errno = error;
    return written;
  }

  void enter() const {
    end_with_shim();
    for (std::size_t i = born_inside ? 1 : 0; i < place.doors.size(); ++i)
      need(write_zero(place.doors[i].file.c_str(), place.doors[i].base_fd),
           "cannot enter its cgroup ", &place.doors[i].path);
    need(setsid() >= 0, "cannot start a session");
    signal(SIGPIPE, SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    umask(request.umask & 0777);
    setrlimit(RLIMIT_NOFILE, &place.files);
    write_zero("/proc/self/oom_score_adj");
  }

  void bind() const {
    if (!process.cpus.empty()) {
      cpu_set_t set;
      CPU_ZERO(&set);
      for (const std::uint32_t cpu : process.cpus) CPU_SET(cpu, &set);
      need(sched_setaffinity(0, sizeof set, &set) == 0, "cannot be bound to its cores");
    }
    if (!process.memory_nodes.empty()) {
      std::array<unsigned long, 16> mask{};
      for (const std::uint32_t node : process.memory_nodes) mask[node / 64] |= 1UL << (node % 64);
      constexpr int bind_policy = 2;  // MPOL_BIND
      if (syscall(SYS_set_mempolicy, bind_policy, mask.data(), mask.size() * 64) != 0 &&
          errno != ENOSYS)
        fail("cannot be bound to its memory nodes", errno);
    }
  }

  // It may stand here for long: it keeps nothing of the shim's open.
  void wait_at_gate() const {
    if (place.gate_fd < 0) return;
    const auto low = static_cast<unsigned>(std::min(place.gate_fd, place.report_fd));
    const auto high = static_cast<unsigned>(std::max(place.gate_fd, place.report_fd));
    if (low > 3) close_range(3, low - 1, 0);
    if (high > low + 1) close_range(low + 1, high - 1, 0);
    close_range(high + 1, ~0U, 0);
    char go = 0;
    ssize_t n;
    do n = read(place.gate_fd, &go, 1);
    while (n < 0 && errno == EINTR);
    if (n != 1) _exit(125);
  }

  void become_user() const {
    if (geteuid() == 0) {
      need(setgroups(request.groups.size(), request.groups.data()) == 0,
           "cannot take the groups of user ", &request.user_name);
      need(setresgid(request.gid, request.gid, request.gid) == 0, "cannot become its group");
      need(setresuid(request.uid, request.uid, request.uid) == 0, "cannot become its user");
    }
    if (geteuid() != request.uid || getuid() != request.uid)
      fail("the shim is not root and cannot run it as user " + std::to_string(request.uid), 0);
  }

  // Non-blocking while opening: a FIFO that nobody reads must not hold the launch.
  static int try_output(const std::string& path) {
    return open(path.c_str(),
                O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK | O_CLOEXEC,
                0666);
  }

  int open_output(const std::string& path) const {
    int fd = try_output(path);
    for (std::size_t at = path.find('/', 1); fd < 0 && errno == ENOENT && at != std::string::npos;
         at = path.find('/', at + 1)) {
      if (mkdir(path.substr(0, at).c_str(), 0777) != 0 && errno != EEXIST && errno != EROFS &&
          errno != EACCES && errno != EISDIR)
        fail("cannot make the folder " + printable(path.substr(0, at), 400), errno);
      fd = try_output(path);
    }
    if (fd < 0 && errno == ELOOP)
      fail("the output file " + printable(path, 400) + " is a symbolic link; remove it", 0);
    need(fd >= 0, "cannot open the output file ", &path);
    fcntl(fd, F_SETFL, O_APPEND);
    return fd;
  }

  void arrange_files() const {
    // First: the folders of an output file are made, and must not make a mistyped directory.
    need(chdir(process.working_directory.c_str()) == 0, "cannot enter the working directory ",
         &process.working_directory);
    const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    need(null >= 0, "cannot open /dev/null");
    const std::string& error = process.error_path;
    const int out = process.output_path.empty() ? null : open_output(process.output_path);
    const int err = error.empty() || error == process.output_path ? out : open_output(error);
    need(dup2(null, 0) == 0 && dup2(out, 1) == 1 && dup2(err, 2) == 2, "cannot place its files");
  }

  // Descriptor 3 is the script, open for its interpreter; nothing else is inherited.
  void place_script() const {
    if (process.script == 0) return;
    const int memory = wire::make_memfd("busbar-script", request.scripts[process.script - 1]);
    need(memory >= 0, "no memory for its script");
    if (place.report_fd == 3) fail("the report is in the script's place", 0);
    need(memory == 3 ? fcntl(3, F_SETFD, 0) == 0 : dup2(memory, 3) == 3, "cannot place its script");
  }

  [[noreturn]] void run() const {
    enter();
    bind();
    wait_at_gate();
    become_user();
    end_with_shim();  // the change of user forgot it
    arrange_files();
    close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
    place_script();
    environ = const_cast<char**>(words.environment.data());  // execvp looks in this PATH
    if (place.data_bytes_max > 0) {
      const rlimit data{static_cast<rlim_t>(place.data_bytes_max), RLIM_INFINITY};
      need(setrlimit(RLIMIT_DATA, &data) == 0, "the memory limit could not be set");
    }
    prctl(PR_SET_PDEATHSIG, 0);
    execvp(words.arguments[0], words.arguments.data());
    if (process.script != 0) fail_program("its script cannot be run; look at its #! line", errno);
    const int error = errno;
    fail_program("cannot run the program " + printable(words.arguments[0], 400), error);
  }
};

// fork() into a cgroup of v2. To move a process there once it lives makes the kernel wait for every
// processor. -1: this kernel, or what guards it, cannot.
pid_t fork_into(int birthplace_fd) {
  if (birthplace_fd < 0) return -1;
  clone_args arguments{};
  arguments.flags = CLONE_INTO_CGROUP;
  arguments.exit_signal = SIGCHLD;
  arguments.cgroup = static_cast<std::uint64_t>(birthplace_fd);
  return static_cast<pid_t>(syscall(SYS_clone3, &arguments, sizeof arguments));
}

bool has_nul(const std::string& text) { return text.find('\0') != std::string::npos; }

std::string fault_of(const ProcessSpec& process, std::size_t scripts) {
  if (process.script > scripts) return "it names a script that is not there";
  if (process.script == 0 && process.arguments.empty()) return "there is no program to run";
  if (process.working_directory.empty() || process.working_directory[0] != '/')
    return "the working directory must be an absolute path";
  for (const std::string* path : {&process.output_path, &process.error_path})
    if (!path->empty() && (*path)[0] != '/') return "output files need absolute paths";
  for (const std::string* text :
       {&process.working_directory, &process.output_path, &process.error_path})
    if (has_nul(*text)) return "a path contains a zero byte";
  for (const std::string& argument : process.arguments)
    if (has_nul(argument)) return "an argument contains a zero byte";
  for (const std::string& variable : process.environment)
    if (has_nul(variable) || variable.find('=') == std::string::npos)
      return "an environment variable is not NAME=value";
  for (const std::uint32_t cpu : process.cpus)
    if (cpu >= CPU_SETSIZE) return "a core number is too large";
  for (const std::uint32_t node : process.memory_nodes)
    if (node >= 1024) return "a memory node's number is too large";
  return "";
}

}  // namespace

Result<pid_t> launch(const StartRequest& request, const ProcessSpec& process,
                     const LaunchPlace& place) {
  const Words words(request, process, place.mark);
  pid_t pid = fork_into(place.birthplace_fd);
  const bool born_inside = pid >= 0;
  if (!born_inside) pid = fork();
  if (pid == 0) Child{request, process, place, words, born_inside}.run();
  if (pid > 0) return pid;
  return Error{Errc::unavailable,
               std::string("the system cannot start another process: ") + std::strerror(errno)};
}

std::string fault_of(const StartRequest& request) {
  if (!valid_name(request.name)) return "the attempt's name is not one";
  if (request.processes.empty() || request.processes.size() > processes_max)
    return "it must have 1 to 4,096 processes";
  if (request.setup.size() > 1) return "it can have only one setup process";
  if (request.memory_bytes < 0 || request.output_bytes_max < 0) return "a limit is negative";
  for (const std::int64_t time : {request.time_limit_ms, request.grace_ms, request.warn_lead_ms})
    if (time < 0 || time > time_max_ms) return "a time is negative or too long";
  if (request.warn_signal < 0 || request.warn_signal >= NSIG) return "the warn signal is none";
  if (request.cpu_weight > 10'000) return "the CPU weight must be at most 10,000";
  if (request.groups.size() > groups_max) return "it has too many groups";
  for (const std::string& variable : request.environment)
    if (has_nul(variable) || variable.find('=') == std::string::npos)
      return "an environment variable is not NAME=value";
  for (const auto* list : {&request.setup, &request.processes})
    for (const ProcessSpec& process : *list)
      if (std::string fault = fault_of(process, request.scripts.size()); !fault.empty())
        return "process " + std::to_string(process.rank) + ": " + fault;
  return "";
}

}  // namespace busbar::shim
