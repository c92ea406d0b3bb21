#include "shim/server.hpp"

#include <signal.h>
#include <spawn.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstdio>

#include "base/text.hpp"

namespace busbar::shim {

namespace {

constexpr std::size_t clients_max = 16;
constexpr std::size_t queue_max = 1 << 16;  // messages a slow daemon may leave unread
constexpr std::int64_t look_round_ms = 2'000;

struct Handover {
  static constexpr Kind kind = Kind::upgrade;
  std::int32_t lock_fd = -1, listen_fd = -1;
  std::vector<Attempt> attempts;
};
void fields(auto& v, wire::Like<Handover> auto& x) { v(x.lock_fd), v(x.listen_fd), v(x.attempts); }

Error system_error(const std::string& what) {
  return Error{Errc::unavailable, what + ": " + std::strerror(errno)};
}

// Whether a shim that lives listens in `directory`: one that is about to die does not answer.
bool answers(const std::string& directory, const std::string& installation) {
  const Result<int> fd = connect_to_shim(directory);
  if (!fd.ok()) return false;
  pollfd readable{fd.value(), POLLIN, 0};
  const bool said = send_message(fd.value(), encode(DaemonHello{0, installation})).ok() &&
                    poll(&readable, 1, 1000) == 1 && (readable.revents & POLLHUP) == 0;
  close(fd.value());
  return said;
}

std::string folder_name(const std::string& directory, const std::string& installation) {
  char* real = realpath(directory.c_str(), nullptr);
  const std::uint64_t where = digest(real != nullptr ? real : directory.c_str());
  free(real);
  char hex[9];
  std::snprintf(hex, sizeof hex, "%08x", static_cast<unsigned>(where & 0xFFFFFFFF));
  return "busbar-" + installation + "-" + hex;
}

}  // namespace

Result<std::unique_ptr<Server>> Server::open(const Options& options, const std::string& build) {
  std::unique_ptr<Server> server(new Server(options, build));
  BUSBAR_TRY_OK(server->acquire());
  const std::string folder = folder_name(options.directory, options.installation);
  BUSBAR_TRY(records, Records::open(options.directory));
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  write_file("/proc/self/oom_score_adj", "-900");  // without it the system would lose its jobs

  sigset_t handled;
  sigemptyset(&handled);
  for (const int number : {SIGCHLD, SIGTERM, SIGINT, SIGHUP}) sigaddset(&handled, number);
  sigprocmask(SIG_SETMASK, &handled, nullptr);
  // Attempts inherit what is ignored.
  for (int number = 1; number < NSIG; ++number) signal(number, SIG_DFL);
  signal(SIGPIPE, SIG_IGN);
  server->signal_fd_ = signalfd(-1, &handled, SFD_CLOEXEC | SFD_NONBLOCK);
  server->epoll_fd_ = epoll_create1(EPOLL_CLOEXEC);
  server->spare_fd_ = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (server->signal_fd_ < 0 || server->epoll_fd_ < 0) return system_error("no descriptor left");

  Server* self = server.get();
  server->supervisor_ =
      std::make_unique<Supervisor>(std::move(records), Cgroups::detect(folder, options.mode_max),
                                   folder, server->epoll_fd_, [self](const std::string& bytes) {
                                     for (auto& [fd, client] : self->clients_)
                                       if (client.greeted && client.same_version)
                                         self->say(fd, bytes);
                                   });
  if (options.resume_fd >= 0) {
    BUSBAR_TRY_OK(server->take_over());
  } else {
    BUSBAR_TRY_OK(server->listen_there());
    server->supervisor_->recover();
  }
  struct stat status {};
  fstatat(server->folder_fd_, "shim.sock", &status, 0);
  server->socket_inode_ = status.st_ino;
  server->watch(server->listen_fd_, EPOLLIN, EPOLL_CTL_ADD);
  server->watch(server->signal_fd_, EPOLLIN, EPOLL_CTL_ADD);
  return server;
}

Result<Ok> Server::acquire() {
  const std::string& directory = options_.directory;
  if (mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST)
    return system_error("cannot make the folder " + directory);
  folder_fd_ = ::open(directory.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  struct stat status {};
  if (folder_fd_ < 0 || fstat(folder_fd_, &status) != 0)
    return system_error("cannot open the folder " + directory);
  if (status.st_uid != geteuid() || (status.st_mode & 077) != 0)
    return Error{Errc::denied, directory + " must be yours with mode 0700; chmod 700 it"};
  if (options_.resume_fd >= 0) return Ok{};
  lock_fd_ = openat(folder_fd_, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (lock_fd_ < 0) return system_error("cannot open " + directory + "/lock");
  // A killed predecessor may take a moment to go, and so may its child between fork and exec.
  for (int attempt = 0; attempt < 60; ++attempt) {
    if (flock(lock_fd_, LOCK_EX | LOCK_NB) == 0) return Ok{};
    if (answers(directory, options_.installation)) break;
    usleep(50'000);
  }
  return Error{Errc::conflict, "a shim already serves " + directory};
}

Result<Ok> Server::listen_there() {
  unlinkat(folder_fd_, "shim.sock", 0);
  listen_fd_ = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  const sockaddr_un address = socket_address(folder_fd_);
  if (listen_fd_ < 0 ||
      bind(listen_fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      listen(listen_fd_, 64) != 0)
    return system_error("cannot listen in " + options_.directory);
  return Ok{};
}

Result<Ok> Server::take_over() {
  BUSBAR_TRY(bytes, wire::read_memfd(options_.resume_fd));
  close(options_.resume_fd);
  std::size_t items_left = items_max;
  wire::Reader reader{Decoder(bytes), items_left};
  Handover handover;
  fields(reader, handover);
  if (!reader.in.ok()) return Error{Errc::corrupt, "the predecessor's hand-over is damaged"};
  lock_fd_ = handover.lock_fd;
  listen_fd_ = handover.listen_fd;
  fcntl(lock_fd_, F_SETFD, FD_CLOEXEC);
  fcntl(listen_fd_, F_SETFD, FD_CLOEXEC);
  supervisor_->resume(std::move(handover.attempts));
  supervisor_->reap();  // ends that nobody was there to hear of
  return Ok{};
}

void Server::watch(int fd, std::uint32_t events, int operation) {
  epoll_event event{events, {.fd = fd}};
  epoll_ctl(epoll_fd_, operation, fd, &event);
}

int Server::run() {
  idle_since_ = clock_ms(CLOCK_MONOTONIC);
  std::array<epoll_event, 64> events;
  supervisor_->tick();
  while (!done()) {
    const std::int64_t now = clock_ms(CLOCK_MONOTONIC);
    const std::int64_t next = std::min(supervisor_->next_at(), now + look_round_ms);
    const int wait = static_cast<int>(std::max<std::int64_t>(0, next - now));
    const int count = epoll_wait(epoll_fd_, events.data(), events.size(), wait);
    for (int i = 0; i < count; ++i) {
      const int fd = events[static_cast<std::size_t>(i)].data.fd;
      if (fd == listen_fd_) {
        accept_one();
      } else if (fd == signal_fd_) {
        signals();
      } else if (!supervisor_->launch_readable(fd)) {
        client_ready(fd, events[static_cast<std::size_t>(i)].events);
      }
    }
    supervisor_->tick();
  }
  leave();
  return 0;
}

bool Server::done() {
  const std::int64_t now = clock_ms(CLOCK_MONOTONIC);
  if (supervisor_->count() > 0 || !clients_.empty()) idle_since_ = now;
  struct stat status {};
  const std::string socket_path = options_.directory + "/shim.sock";
  if (!homeless_ && stat(socket_path.c_str(), &status) != 0 && errno == ENOENT) {
    std::fprintf(stderr, "the folder is gone; ending everything\n");
    homeless_ = ending_ = true;
    supervisor_->end_all("the supervisor's folder was removed");
    supervisor_->tick();
  }
  if (homeless_) return supervisor_->all_over();
  if (ending_) return supervisor_->count() == 0;
  return now - idle_since_ >= options_.idle_exit_ms;
}

void Server::leave() {
  struct stat status {};
  if (fstatat(folder_fd_, "shim.sock", &status, 0) == 0 && status.st_ino == socket_inode_)
    unlinkat(folder_fd_, "shim.sock", 0);
  supervisor_->cgroups().remove_base();
}

void Server::signals() {
  signalfd_siginfo info{};
  while (read(signal_fd_, &info, sizeof info) == sizeof info) {
    if (info.ssi_signo == SIGHUP || info.ssi_signo == SIGCHLD) continue;
    ending_ = true;
    supervisor_->end_all("the supervisor was told to end, as at a shutdown of the machine");
  }
  supervisor_->reap();
}

// ---- daemons

void Server::accept_one() {
  int fd = accept4(listen_fd_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (fd < 0 && (errno == EMFILE || errno == ENFILE) && spare_fd_ >= 0) {
    close(spare_fd_);
    fd = accept4(listen_fd_, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd >= 0) close(fd);
    spare_fd_ = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    return;
  }
  if (fd < 0) return;
  if (peer_uid(fd) != geteuid() || clients_.size() >= clients_max) {
    std::fprintf(stderr, "a connection of uid %lld was turned away\n",
                 static_cast<long long>(peer_uid(fd)));
    close(fd);
    return;
  }
  clients_[fd].number = ++client_count_;
  watch(fd, EPOLLIN, EPOLL_CTL_ADD);
}

void Server::client_ready(int fd, std::uint32_t events) {
  if (!clients_.contains(fd)) return;
  if ((events & EPOLLOUT) != 0) drain(fd);
  if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) == 0 || !clients_.contains(fd)) return;
  Result<Received> received = receive_message(fd);
  if (!received.ok() || received.value().closed) return drop(fd);
  if (received.value().bytes.empty()) return;
  Result<Message> message = decode(received.value().bytes);
  if (!message.ok()) {
    std::fprintf(stderr, "a daemon sent %s; its connection ends\n", message.error().text.c_str());
    return drop(fd);
  }
  follow(fd, message.value());
}

void Server::follow(int fd, Message& message) {
  const Say reply = [this, fd](std::string bytes) { say(fd, std::move(bytes)); };
  if (const auto* hello = std::get_if<DaemonHello>(&message)) return greet(fd, *hello);
  if (!clients_[fd].greeted) return drop(fd);
  if (const auto* better = std::get_if<Upgrade>(&message)) return upgrade(fd, better->path);
  if (!clients_[fd].same_version)
    return reply(encode(Refused{"", "this shim speaks version " + std::to_string(protocol_version) +
                                        " of the protocol; upgrade it first"}));
  if (auto* start = std::get_if<StartRequest>(&message)) {
    if (ending_) return reply(encode(Refused{start->name, "the supervisor is ending"}));
    return supervisor_->take(*start, reply);
  }
  if (auto* stage = std::get_if<Stage>(&message)) {
    if (ending_) return reply(encode(Refused{stage->start.name, "the supervisor is ending"}));
    return supervisor_->take(*stage, reply);
  }
  if (const auto* revoke = std::get_if<Revoke>(&message)) return supervisor_->take(*revoke, reply);
  if (const auto* limit = std::get_if<Limit>(&message)) return supervisor_->take(*limit);
  if (const auto* end = std::get_if<End>(&message)) return supervisor_->take(*end, reply);
  if (const auto* signal = std::get_if<Signal>(&message)) return supervisor_->take(*signal, reply);
  if (const auto* ack = std::get_if<Acknowledge>(&message)) return supervisor_->take(*ack, reply);
  if (const auto* list = std::get_if<List>(&message)) return supervisor_->take(*list, reply);
  drop(fd);  // a shim's word in a daemon's mouth
}

void Server::greet(int fd, const DaemonHello& hello) {
  if (hello.installation != options_.installation) {
    say(fd, encode(Refused{"", "this shim belongs to installation " + options_.installation}));
    return drop(fd);
  }
  if (hello.version == protocol_version) drop_before(fd);
  const Cgroups& cgroups = supervisor_->cgroups();
  say(fd, encode(ShimHello{protocol_version, static_cast<std::uint32_t>(getpid()), boot_id(),
                           options_.installation, cgroups.mode(), cgroups.sentence(),
                           supervisor_->held_count(), build_, true, true}));
  if (!clients_.contains(fd)) return;
  clients_[fd].greeted = true;
  clients_[fd].same_version = hello.version == protocol_version;
  if (!clients_[fd].same_version) return;
  const Say reply = [this, fd](std::string bytes) { say(fd, std::move(bytes)); };
  supervisor_->take(List{}, reply);
  supervisor_->repeat_exits(reply);
}

void Server::say(int fd, std::string bytes) {
  const auto client = clients_.find(fd);
  if (client == clients_.end()) return;
  client->second.out.push_back(std::move(bytes));
  if (client->second.out.size() == 1) drain(fd);
}

void Server::drain(int fd) {
  auto& out = clients_.at(fd).out;
  while (!out.empty()) {
    const Result<Ok> sent = send_message(fd, out.front());
    if (!sent.ok() && sent.error().code == Errc::unavailable) break;
    out.pop_front();
    if (!sent.ok()) out.clear();  // it is gone; epoll says so too
  }
  if (out.size() > queue_max) {
    out.clear();
    shutdown(fd, SHUT_RDWR);  // dropped when epoll tells of it
  }
  watch(fd, out.empty() ? EPOLLIN : EPOLLIN | EPOLLOUT, EPOLL_CTL_MOD);
}

void Server::drop(int fd) {
  close(fd);
  clients_.erase(fd);
}

// There is one daemon. What an earlier connection left unread is a dead daemon's word: followed
// after this one was told what is held, it would start what this one takes for absent.
void Server::drop_before(int fd) {
  const std::uint64_t number = clients_.at(fd).number;
  std::vector<int> earlier;
  for (const auto& [other, client] : clients_)
    if (client.number < number) earlier.push_back(other);
  for (const int other : earlier) drop(other);
}

// ---- becoming a newer program

std::string Server::prove_program(const std::string& path) const {
  if (path.empty() || path[0] != '/') return "the path of the new shim must be absolute";
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return "no descriptor left";
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
  std::string program = path, flag = "--version";
  char* arguments[] = {program.data(), flag.data(), nullptr};
  pid_t pid = -1;
  const int error = posix_spawn(&pid, path.c_str(), &actions, nullptr, arguments, environ);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  std::string text;
  pollfd readable{ends[0], POLLIN, 0};
  if (error == 0 && poll(&readable, 1, 2000) == 1) {
    char part[256];
    const ssize_t n = read(ends[0], part, sizeof part);
    if (n > 0) text.assign(part, static_cast<std::size_t>(n));
  }
  close(ends[0]);
  if (error == 0) {
    kill(pid, SIGKILL);
    waitpid(pid, nullptr, 0);
  }
  if (error != 0) return printable(path, 400) + " cannot be run: " + std::strerror(error);
  return text.starts_with("busbar-shim ") ? "" : printable(path, 400) + " is not a busbar-shim";
}

void Server::upgrade(int fd, const std::string& path) {
  const auto refuse = [&](const std::string& why) { say(fd, encode(Refused{"", why})); };
  if (const std::string fault = prove_program(path); !fault.empty()) return refuse(fault);
  Result<std::vector<Attempt>> state = supervisor_->state();
  if (!state.ok()) return refuse(state.error().text);
  const Handover handover{lock_fd_, listen_fd_, std::move(state).value()};
  Encoder out;
  wire::Writer writer{out};
  fields(writer, handover);
  const int memory = wire::make_memfd("busbar-handover", out.bytes());
  if (memory < 0 || out.bytes().size() > message_bytes_max) return refuse("no memory to hand over");
  std::vector<int> kept{memory, lock_fd_, listen_fd_};
  for (const Attempt& attempt : handover.attempts)
    if (attempt.launch_fd >= 0) kept.push_back(attempt.launch_fd);
  for (const int one : kept) fcntl(one, F_SETFD, 0);

  const char* mode = options_.mode_max == CgroupMode::v2   ? "auto"
                     : options_.mode_max == CgroupMode::v1 ? "v1"
                                                           : "none";
  std::vector<std::string> words{path,
                                 "--directory",
                                 options_.directory,
                                 "--installation",
                                 options_.installation,
                                 "--idle-exit-ms",
                                 std::to_string(options_.idle_exit_ms),
                                 "--cgroups",
                                 mode,
                                 "--resume",
                                 std::to_string(memory)};
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  execv(path.c_str(), arguments.data());
  const int error = errno;
  for (const int one : kept) fcntl(one, F_SETFD, FD_CLOEXEC);
  close(memory);
  refuse("cannot become " + printable(path, 400) + ": " + std::strerror(error));
}

}  // namespace busbar::shim
