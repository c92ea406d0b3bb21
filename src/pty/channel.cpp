#include "pty/channel.hpp"

#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "base/check.hpp"
#include "base/text.hpp"

namespace busbar::pty {
namespace {

constexpr int hello_timeout_ms = 5'000;

bool is_own_user(int socket) {
  ucred peer{};
  socklen_t size = sizeof peer;
  return getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.uid == geteuid();
}

// A path that is too long is cut, and then leads nowhere.
sockaddr_un address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), std::min(path.size(), sizeof address.sun_path - 1));
  return address;
}

File new_socket() {
  return File(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

Result<std::string> fresh_word() {
  std::array<unsigned char, 16> chance{};
  if (getrandom(chance.data(), chance.size(), 0) != static_cast<ssize_t>(chance.size()))
    return {Errc::unavailable, "the system gives no random bytes"};
  std::string word;
  for (const unsigned char byte : chance) {
    word += "0123456789abcdef"[byte >> 4];
    word += "0123456789abcdef"[byte & 15];
  }
  return word;
}

std::string new_folder() {
  const char* runtime = std::getenv("XDG_RUNTIME_DIR");
  std::string below_runtime = runtime == nullptr ? "" : runtime;
  if (!below_runtime.starts_with('/') || below_runtime.size() > 60) below_runtime.clear();
  for (const std::string& above : {below_runtime, std::string("/tmp")}) {
    std::string folder = above + "/busbar-pty-XXXXXX";
    if (!above.empty() && mkdtemp(folder.data()) != nullptr) return folder;
  }
  return "";
}

}  // namespace

File& File::operator=(File&& other) noexcept {
  const int taken = other.release();
  reset();
  fd_ = taken;
  return *this;
}

int File::release() {
  const int fd = fd_;
  fd_ = -1;
  return fd;
}

void File::reset() {
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
}

std::string encode(Window window) {
  std::string out;
  for (const std::uint16_t value : {window.rows, window.columns}) {
    out += static_cast<char>(value & 0xff);
    out += static_cast<char>(value >> 8);
  }
  return out;
}

std::optional<Window> decode_window(std::string_view content) {
  if (content.size() != 4) return {};
  const auto number = [&](std::size_t at) {
    return static_cast<std::uint16_t>(static_cast<unsigned char>(content[at]) |
                                      static_cast<unsigned char>(content[at + 1]) << 8);
  };
  return Window{number(0), number(2)};
}

bool Channel::send(Kind kind, std::string_view content) {
  check(!full() && content.size() <= content_bytes_max, "a packet too many or too large");
  unsent_ = static_cast<char>(kind) + std::string(content);
  return flush();
}

bool Channel::flush() {
  if (unsent_.empty()) return true;
  const ssize_t sent = ::send(socket_.get(), unsent_.data(), unsent_.size(), MSG_NOSIGNAL);
  if (sent < 0) return errno == EAGAIN || errno == EINTR || errno == ENOBUFS;
  unsent_.clear();
  return true;
}

Channel::Got Channel::receive(Packet& into) {
  std::array<char, packet_bytes_max> bytes;
  ssize_t got = recv(socket_.get(), bytes.data(), bytes.size(), 0);
  // It closed without reading all we sent; what it sent before is still to be read.
  if (got < 0 && errno == ECONNRESET) got = recv(socket_.get(), bytes.data(), bytes.size(), 0);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return Got::nothing;
  if (got <= 0) return Got::gone;
  into.kind = static_cast<Kind>(bytes[0]);
  into.content.assign(bytes.data() + 1, static_cast<std::size_t>(got) - 1);
  return Got::packet;
}

std::optional<Packet> Channel::await(int timeout_ms) {
  pollfd one{fd(), POLLIN, 0};
  Packet packet;
  if (poll(&one, 1, timeout_ms) != 1 || receive(packet) != Got::packet) return {};
  return packet;
}

Result<Door> Door::open() {
  Door door;
  BUSBAR_TRY(word, fresh_word());
  door.word_ = word;
  door.folder_ = new_folder();
  const Error trouble{Errc::unavailable,
                      "no socket for the terminal can be made in $XDG_RUNTIME_DIR or /tmp: "};
  if (door.folder_.empty()) return Error{trouble.code, trouble.text + std::strerror(errno)};
  door.path_ = door.folder_ + "/terminal";
  door.socket_ = new_socket();
  const sockaddr_un address = address_of(door.path_);
  if (!door.socket_ ||
      bind(door.fd(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      chmod(door.path_.c_str(), 0600) != 0 || listen(door.fd(), 4) != 0)
    return Error{trouble.code, trouble.text + std::strerror(errno)};
  return door;
}

Door::~Door() { shut(); }

void Door::shut() {
  socket_.reset();
  if (!path_.empty()) unlink(path_.c_str());
  if (!folder_.empty()) rmdir(folder_.c_str());
  path_.clear();
  folder_.clear();
}

std::optional<Channel> Door::admit() {
  File one(accept4(fd(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!one || !is_own_user(one.get())) return {};
  Channel channel(std::move(one));
  const auto hello = channel.await(hello_timeout_ms);
  if (!hello || hello->kind != Kind::hello || hello->content != word_) return {};
  shut();
  return channel;
}

Result<Channel> knock(const std::string& path, const std::string& word) {
  const sockaddr_un address = address_of(path);
  File one = new_socket();
  const std::string where = printable(path, 200);
  if (word.empty() || word.size() > content_bytes_max)
    return {Errc::invalid, std::string("the variable ") + word_variable + " is not set; this " +
                               "program is started by busbar run --pty"};
  if (!one || connect(one.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return {Errc::unavailable, "the terminal that asked for this job is gone (" + where + ": " +
                                   std::strerror(errno) + "); ask again with busbar run --pty"};
  if (!is_own_user(one.get()))
    return {Errc::denied, "the terminal at " + where + " belongs to another user"};
  Channel channel(std::move(one));
  if (!channel.send(Kind::hello, word))
    return {Errc::unavailable, "the terminal that asked for this job has hung up"};
  return channel;
}

}  // namespace busbar::pty
