// A real busbar-shim in a folder of its own, driven over its socket.
#pragma once

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <optional>
#include <sstream>

#include "shim/protocol.hpp"
#include "shim/system.hpp"

namespace busbar::shim {

extern const char* const shim_program;  // where the build put it

inline std::string slurp(const std::string& path) {
  std::ifstream in(path);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

// How many times longer to wait than on a machine of one's own; for emulated ones.
inline int patience() {
  static const char* const factor = std::getenv("BUSBAR_TEST_PATIENCE");
  return factor == nullptr ? 1 : std::max(1, std::atoi(factor));
}

inline bool eventually(const std::function<bool()>& holds, int wait_ms = 5000) {
  wait_ms *= patience();
  for (int waited = 0; waited < wait_ms; waited += 10) {
    if (holds()) return true;
    usleep(10'000);
  }
  return holds();
}

// Whether a process with this word in its command line is alive.
inline bool runs(const std::string& word) {
  for (const std::string& pid : list_folder("/proc", Entries::folders)) {
    if (to_number(pid) <= 0) continue;
    const std::string command = read_file("/proc/" + pid + "/cmdline");
    if (command.find(word) != std::string::npos) return true;
  }
  return false;
}

// One connection of a daemon.
class Daemon {
 public:
  explicit Daemon(int fd) : fd_(fd) {}
  ~Daemon() { close(fd_); }
  Daemon(const Daemon&) = delete;

  template <class T>
  void send(const T& message) {
    const Result<Ok> sent = send_message(fd_, encode(message));
    EXPECT_TRUE(sent.ok()) << (sent.ok() ? "" : sent.error().text);
  }

  // The next message, or nothing when the shim hung up or stays silent.
  std::optional<Message> next(int wait_ms = 8000) {
    pollfd readable{fd_, POLLIN, 0};
    if (poll(&readable, 1, wait_ms * patience()) != 1) return std::nullopt;
    const Result<Received> received = receive_message(fd_);
    if (!received.ok() || received.value().closed) return std::nullopt;
    Result<Message> message = decode(received.value().bytes);
    EXPECT_TRUE(message.ok());
    return std::move(message).value();
  }

  // Skips messages until one of kind T (about `name`, unless empty).
  template <class T>
  std::optional<T> await(const std::string& name = "", int wait_ms = 8000) {
    while (auto message = next(wait_ms))
      if (const T* found = std::get_if<T>(&*message)) {
        if constexpr (requires { found->name; })
          if (!name.empty() && found->name != name) continue;
        return *found;
      }
    return std::nullopt;
  }

  ShimHello greet(const std::string& installation = "t") {
    send(DaemonHello{protocol_version, installation});
    return await<ShimHello>().value_or(ShimHello{});
  }

  // The Exited; acknowledged.
  Exited run(const StartRequest& request, int wait_ms = 8000) {
    send(request);
    return end_of(request.name, wait_ms);
  }
  Exited end_of(const std::string& name, int wait_ms = 8000) {
    while (auto message = next(wait_ms)) {
      if (const auto* refused = std::get_if<Refused>(&*message); refused && refused->name == name)
        ADD_FAILURE() << "refused: " << refused->sentence;
      const auto* exited = std::get_if<Exited>(&*message);
      if (exited == nullptr || exited->name != name) continue;
      send(Acknowledge{name});
      return *exited;
    }
    ADD_FAILURE() << "no end of " << name << " was reported";
    return {};
  }

  int fd() const { return fd_; }

 private:
  int fd_;
};

class ShimTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/busbar-shim-test-XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    root_ = name;
    chmod(name, 0777);
    directory_ = root_ + "/shim";
  }

  // Every test ends with a shim that leaves when asked, and with nothing left behind.
  void TearDown() override {
    const pid_t pid = shim_pid();
    if (pid > 0) {
      kill(pid, SIGTERM);
      EXPECT_TRUE(eventually([&] { return !alive(pid); })) << "the shim did not leave";
      if (alive(pid)) kill(pid, SIGKILL);
    }
    EXPECT_TRUE(eventually([&] { return cgroups().empty(); }, 2000))
        << "left behind: " << cgroups().front();
    std::filesystem::remove_all(root_);
  }

  static bool alive(pid_t pid) {
    const std::string stat = read_file("/proc/" + std::to_string(pid) + "/stat");
    return !stat.empty() && stat.find(") Z") == std::string::npos;
  }

  std::vector<std::string> cgroups() const {
    std::vector<std::string> found;
    std::error_code error;
    const auto options = std::filesystem::directory_options::skip_permission_denied;
    std::filesystem::recursive_directory_iterator it("/sys/fs/cgroup", options, error), end;
    for (; !error && it != end; it.increment(error))
      if (it->path().filename().string().starts_with("busbar-" + installation_ + "-"))
        found.push_back(it->path().string());
    return found;
  }

  int start_shim(const std::string& mode = "auto", const std::string& more = "") {
    mode_ = mode;
    const std::string command = std::string(shim_program) + " --directory " + directory_ +
                                " --installation " + installation_ + " --cgroups " + mode + " " +
                                more;
    return WEXITSTATUS(std::system(command.c_str()));
  }

  std::unique_ptr<Daemon> connect() {
    const Result<int> fd = connect_to_shim(directory_);
    if (!fd.ok()) return nullptr;
    return std::make_unique<Daemon>(fd.value());
  }

  // A started shim with a daemon that has said hello.
  std::unique_ptr<Daemon> begin(const std::string& mode = "auto", const std::string& more = "") {
    EXPECT_EQ(start_shim(mode, more), 0);
    auto daemon = connect();
    EXPECT_NE(daemon, nullptr);
    check(daemon != nullptr, "no shim answers: nothing more can be tested");
    hello_ = daemon->greet(installation_);
    // Where the controllers are known to be there, as in the virtual machine, no less will do.
    const char* expected = std::getenv("BUSBAR_TEST_CGROUPS");
    if (expected != nullptr && mode == "auto") {
      EXPECT_EQ(to_string(hello_.cgroup_mode), std::string("cgroup ") + expected) << hello_.limits;
    }
    return daemon;
  }

  void kill_shim() const {
    kill(static_cast<pid_t>(hello_.pid), SIGKILL);
    EXPECT_TRUE(eventually([this] { return !alive(static_cast<pid_t>(hello_.pid)); }));
  }

  pid_t shim_pid() const {
    const Result<int> fd = connect_to_shim(directory_);
    if (!fd.ok()) return -1;
    ucred peer{};
    socklen_t size = sizeof peer;
    getsockopt(fd.value(), SOL_SOCKET, SO_PEERCRED, &peer, &size);
    close(fd.value());
    return static_cast<pid_t>(hello_.pid);
  }

  StartRequest script(const std::string& name, const std::string& text) const {
    StartRequest request;
    request.name = name;
    request.uid = geteuid();
    request.gid = getegid();
    request.environment = {"PATH=/usr/bin:/bin", "LANG=C"};
    request.scripts = {text};
    ProcessSpec process;
    process.script = 1;
    process.working_directory = root_;
    process.output_path = root_ + "/" + name + ".out";
    request.processes = {process};
    return request;
  }
  StartRequest gang(const std::string& name, const std::string& text, std::uint32_t size) const {
    StartRequest request = script(name, text);
    request.processes.resize(size, request.processes[0]);
    for (std::uint32_t rank = 0; rank < size; ++rank) {
      request.processes[rank].rank = rank;
      request.processes[rank].environment = {"RANK=" + std::to_string(rank)};
    }
    return request;
  }
  std::string output(const std::string& name) const { return slurp(root_ + "/" + name + ".out"); }
  // A sleep that no other test has, to look for in /proc.
  std::string unique_sleep(int which) const {
    return std::to_string(100'000 + which) + "." + std::to_string(getpid());
  }

  std::string root_, directory_, mode_;
  std::string installation_ = "t" + std::to_string(getpid());
  ShimHello hello_;
};

}  // namespace busbar::shim
