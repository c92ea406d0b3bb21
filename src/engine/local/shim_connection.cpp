#include "engine/local/shim_connection.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "base/text.hpp"
#include "shim/protocol.hpp"

namespace busbar::local {
namespace {

constexpr Span pause_first = Span(50);
constexpr Span pause_max = seconds(5);
// A connection that is lost sooner was of no use: the next one waits as if there had been none.
constexpr Span useful_min = seconds(1);
constexpr int start_wait_ms = 10'000;
constexpr int frames_per_turn = 256;

// What the program says before it goes into the background; the pipe closes then.
std::string read_words(int fd) {
  std::string words;
  std::array<char, 1024> part{};
  pollfd wait{fd, POLLIN, 0};
  while (words.size() < part.size() && poll(&wait, 1, start_wait_ms) > 0) {
    const ssize_t got = read(fd, part.data(), part.size());
    if (got <= 0) break;
    words.append(part.data(), static_cast<std::size_t>(got));
  }
  return printable(trim(words), 300);
}

}  // namespace

ShimConnection::ShimConnection(ShimPlace place, std::function<void(const std::string&)> warn)
    : place_(std::move(place)), warn_(std::move(warn)) {}

ShimConnection::~ShimConnection() {
  if (fd_ >= 0) close(fd_);
}

void ShimConnection::set_receiver(std::function<void(std::string)> on_frame,
                                  std::function<void()> on_connected,
                                  std::function<void()> on_disconnected) {
  on_frame_ = std::move(on_frame);
  on_connected_ = std::move(on_connected);
  on_disconnected_ = std::move(on_disconnected);
}

void ShimConnection::warn_once(const std::string& sentence) {
  if (sentence == warned_) return;
  warned_ = sentence;
  if (warn_) warn_(sentence);
}

bool ShimConnection::try_connect() {
  const Result<int> connected = shim::connect_to_shim(place_.directory);
  if (!connected) {
    if (connected.error().code == Errc::denied) warn_once(connected.error().text);
    return false;
  }
  fd_ = *connected;
  fcntl(fd_, F_SETFL, fcntl(fd_, F_GETFL) | O_NONBLOCK);
  warned_.clear();
  on_connected_();
  return true;
}

bool ShimConnection::start_program() {
  if (mkdir(place_.directory.c_str(), 0700) != 0 && errno != EEXIST) {
    warn_once(fmt::format("cannot create {}: {}", place_.directory, std::strerror(errno)));
    return false;
  }
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) return false;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, ends[1], 2);
  posix_spawn_file_actions_addclosefrom_np(&actions, 3);
  const std::array<std::string, 5> words{place_.program, "--directory", place_.directory,
                                         "--installation", place_.installation};
  std::array<char*, 6> arguments{};
  for (std::size_t i = 0; i < words.size(); ++i) arguments[i] = const_cast<char*>(words[i].c_str());
  std::array<char*, 3> environment{
      const_cast<char*>("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
      const_cast<char*>("LANG=C.UTF-8"), nullptr};
  pid_t pid = -1;
  const int error = posix_spawn(&pid, place_.program.c_str(), &actions, nullptr, arguments.data(),
                                environment.data());
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  std::string said;
  int status = 0;
  if (error == 0) {
    said = read_words(ends[0]);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
  }
  close(ends[0]);
  if (error == 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0) return true;
  warn_once(fmt::format("{} does not start: {}", place_.program,
                        error != 0 ? std::strerror(error) : said));
  return false;
}

Result<Ok> check_supervisor(const ShimPlace& place) {
  constexpr int answer_ms = 1000;
  const Result<int> connected = shim::connect_to_shim(place.directory);
  if (!connected.ok()) return Ok{};
  pollfd readable{*connected, POLLIN, 0};
  std::string frame;
  const bool said =
      shim::send_message(*connected, shim::encode(shim::DaemonHello{0, place.installation})).ok();
  if (said && poll(&readable, 1, answer_ms) == 1)
    if (auto got = shim::receive_message(*connected); got.ok()) frame = std::move(got->bytes);
  close(*connected);
  const auto message = shim::decode(frame);
  const auto* refused = message.ok() ? std::get_if<shim::Refused>(&*message) : nullptr;
  if (refused == nullptr) return Ok{};
  return {Errc::conflict,
          fmt::format("{} belongs to another journal ({}), and the jobs it holds run on; put that "
                      "journal back, or end it and its jobs first: pkill -f 'busbar-shim "
                      "--directory {}'",
                      place.directory, refused->sentence, place.directory)};
}

void ShimConnection::maintain(Tick now) {
  if (fd_ >= 0 || now < retry_at_) return;
  if (connected_at_ + useful_min <= now) pause_ = Span(0);
  const bool connected = try_connect() || (start_program() && try_connect());
  if (connected) connected_at_ = now;
  pause_ = pause_ == Span(0) ? pause_first : std::min(pause_ * 2, pause_max);
  retry_at_ = now + pause_;
}

bool ShimConnection::send(std::string frame) {
  if (fd_ < 0) return false;
  out_.push_back(std::move(frame));
  if (out_.size() == 1) flush();
  return fd_ >= 0;
}

void ShimConnection::flush() {
  while (fd_ >= 0 && !out_.empty()) {
    const Result<Ok> sent = shim::send_message(fd_, out_.front());
    if (!sent && sent.error().code == Errc::unavailable) return;
    if (!sent && sent.error().code == Errc::not_found) return drop();
    if (!sent) warn_once(sent.error().text);  // too large: it can never go
    out_.pop_front();
  }
}

short ShimConnection::events() const {
  return static_cast<short>(POLLIN | (out_.empty() ? 0 : POLLOUT));
}

void ShimConnection::handle(short ready) {
  if ((ready & POLLOUT) != 0) flush();
  if ((ready & (POLLIN | POLLHUP | POLLERR)) == 0) return;
  for (int i = 0; i < frames_per_turn && fd_ >= 0; ++i) {
    Result<shim::Received> received = shim::receive_message(fd_);
    if (!received) {
      warn_once("busbar-shim: " + received.error().text);
      return drop();
    }
    if (received->closed) return drop();
    if (received->bytes.empty()) return;
    on_frame_(std::move(received->bytes));
  }
}

void ShimConnection::drop() {
  close(fd_);
  fd_ = -1;
  out_.clear();
  retry_at_ = Tick(0);
  on_disconnected_();
}

}  // namespace busbar::local
