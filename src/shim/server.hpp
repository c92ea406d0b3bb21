// The loop of busbar-shim: its socket, its daemons, its signals, its replacement by a newer one.
//
// Errors   open() fails with a sentence when the folder, the lock or the socket cannot be had;
//          conflict: a shim already serves the folder. A peer that breaks the protocol loses its
//          connection, nothing else.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>

#include "shim/supervisor.hpp"

namespace busbar::shim {

struct Options {
  std::string directory;
  std::string installation;
  std::int64_t idle_exit_ms = 10'000;  // without attempts and daemons it ends after this
  CgroupMode mode_max = CgroupMode::v2;
  bool foreground = false;
  int resume_fd = -1;  // set by a predecessor that becomes this program
};

class Server {
 public:
  static Result<std::unique_ptr<Server>> open(const Options& options, const std::string& build);
  // Until it is told to end or idle long enough; the exit status of the program.
  int run();

 private:
  struct Client {
    std::uint64_t number = 0;  // in the order of their connections
    bool greeted = false;
    bool same_version = false;
    std::deque<std::string> out;
  };

  Server(Options options, std::string build) : options_(std::move(options)), build_(build) {}
  Result<Ok> acquire();
  Result<Ok> listen_there();
  Result<Ok> take_over();
  void watch(int fd, std::uint32_t events, int operation);

  void accept_one();
  void client_ready(int fd, std::uint32_t events);
  void follow(int fd, Message& message);
  void greet(int fd, const DaemonHello& hello);
  void say(int fd, std::string bytes);
  void drain(int fd);
  void drop(int fd);
  void drop_before(int fd);
  void signals();
  void upgrade(int fd, const std::string& path);
  std::string prove_program(const std::string& path) const;  // "" when it is a shim
  bool done();
  void leave();

  Options options_;
  std::string build_;
  int folder_fd_ = -1, lock_fd_ = -1, listen_fd_ = -1, signal_fd_ = -1, epoll_fd_ = -1;
  int spare_fd_ = -1;  // given up for a moment to turn a connection away when none is left
  std::uint64_t socket_inode_ = 0;
  std::unique_ptr<Supervisor> supervisor_;
  std::map<int, Client> clients_;
  std::uint64_t client_count_ = 0;  // of all that ever connected
  std::int64_t idle_since_ = 0;
  bool ending_ = false;    // SIGTERM: no more starts
  bool homeless_ = false;  // its folder is gone: nobody will ever ask
};

}  // namespace busbar::shim
