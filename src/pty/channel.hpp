// The connection between a person's terminal and the terminal of an interactive job: packets over
// a Unix socket of this machine.
//
// Shape    `busbar run --pty` opens a Door, a listening socket in a private folder. `busbar-pty`,
//          which runs as the job, knocks with the door's word. Then both have a Channel.
// Packets  SOCK_SEQPACKET keeps them whole: one letter for the kind, then its content.
// Bounds   a packet has at most packet_bytes_max bytes; a Channel keeps one unsent packet.
// Trust    each side accepts only its own user; the word keeps other jobs of this user out.
#pragma once

#include <poll.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace busbar::pty {

inline constexpr std::size_t packet_bytes_max = std::size_t{16} << 10;
inline constexpr std::size_t content_bytes_max = packet_bytes_max - 1;
inline constexpr const char* word_variable = "PTY_WORD";

// An open file, closed with its holder.
class File {
 public:
  File() = default;
  explicit File(int fd) : fd_(fd) {}
  File(File&& other) noexcept : fd_(other.release()) {}
  File& operator=(File&& other) noexcept;
  ~File() { reset(); }
  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  int release();
  void reset();

 private:
  int fd_ = -1;
};

// For poll(): a file of which nothing is wanted is left out.
inline short events_of(bool reads, bool writes) {
  return static_cast<short>((reads ? POLLIN : 0) | (writes ? POLLOUT : 0));
}
inline pollfd polled(int fd, bool reads, bool writes) {
  return {reads || writes ? fd : -1, events_of(reads, writes), 0};
}

struct Window {
  std::uint16_t rows = 24;
  std::uint16_t columns = 80;
  friend bool operator==(const Window&, const Window&) = default;
};
std::string encode(Window window);
std::optional<Window> decode_window(std::string_view content);

enum class Kind : char {
  hello = 'h',   // job: the word
  window = 'w',  // person: the size of the terminal
  bytes = 'b',   // both: what was typed, what was printed
};

struct Packet {
  Kind kind = Kind::bytes;
  std::string content;
};

class Channel {
 public:
  explicit Channel(File socket) : socket_(std::move(socket)) {}
  int fd() const { return socket_.get(); }
  // Whether a packet still waits; then nothing may be sent but by flush().
  bool full() const { return !unsent_.empty(); }
  // False: the other side is gone.
  bool send(Kind kind, std::string_view content);
  bool flush();
  enum class Got { packet, nothing, gone };
  Got receive(Packet& into);
  // The next packet, within this time.
  std::optional<Packet> await(int timeout_ms);

 private:
  File socket_;
  std::string unsent_;
};

class Door {
 public:
  // In a new folder below $XDG_RUNTIME_DIR, else /tmp, that only this user can enter.
  static Result<Door> open();
  Door(Door&&) = default;
  Door& operator=(Door&&) = delete;
  ~Door();
  int fd() const { return socket_.get(); }
  const std::string& path() const { return path_; }
  const std::string& word() const { return word_; }
  // Lets the one in that waits outside, if it is the right one, and shuts the door behind it.
  std::optional<Channel> admit();

 private:
  Door() = default;
  void shut();
  File socket_;
  std::string folder_, path_, word_;
};

// The other side of a Door.
Result<Channel> knock(const std::string& path, const std::string& word);

}  // namespace busbar::pty
