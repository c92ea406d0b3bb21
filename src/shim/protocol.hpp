// The words between the daemon and busbar-shim, and how they travel.
//
// Shape    A SEQPACKET Unix socket `D/shim.sock` in a folder of mode 0700; both sides check the
//          other's uid. One packet is one message: varint kind, then a length-framed record. A
//          message over frame_bytes_max travels in a sealed memfd (SCM_RIGHTS) while its packet
//          says so; so scripts and environments of many 100 KB need no socket buffer.
// Order    The daemon says DaemonHello; the shim answers ShimHello, then Held pages (the final one
//          has `last`), then Exited of every attempt not acknowledged yet. After that each request
//          is answered in order. If the versions differ the shim takes only DaemonHello and
//          Upgrade. A daemon's hello of the same version ends every earlier connection; what was
//          not read from those is not followed any more.
// Names    An attempt's name is its only identity. Start of a known name starts nothing and is
//          answered by Started (it runs) or Exited (it has ended). Until it is acknowledged an
//          Exited may be said more than once.
// Growth   Fields are appended to the end of a record; a reader skips those that it does not know
//          and defaults those that are missing. A kind is sent only to who said that it knows it
//          (ShimHello::stages). Further descriptors of a packet are kept free for a terminal.
// Units    milliseconds; *_unix_ms is wall time, *_boot_ms is CLOCK_BOOTTIME of this boot; bytes.
// Errors   invalid: bytes that are no message, or too many of them (drop the connection).
//          unavailable: the socket is full now. not_found: no shim there. denied: another user.
#pragma once

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "base/codec.hpp"
#include "base/result.hpp"

namespace busbar::shim {

inline constexpr std::uint32_t protocol_version = 2;
inline constexpr std::size_t frame_bytes_max = 64 << 10;
inline constexpr std::size_t message_bytes_max = 32 << 20;
inline constexpr std::size_t groups_max = 65'536;
inline constexpr std::size_t processes_max = 4096;  // of one attempt on this machine
inline constexpr std::size_t items_max = 1 << 20;   // of all lists of one message together
inline constexpr std::size_t held_per_page = 128;   // keeps a page inside a frame
inline constexpr std::int64_t time_max_ms = std::int64_t{1} << 50;
inline constexpr std::size_t sentence_bytes_max = 1000;  // of a detail

enum class Kind : std::uint8_t {
  daemon_hello = 1,
  start = 2,
  end = 3,
  signal = 4,
  acknowledge = 5,
  list = 6,
  upgrade = 7,
  stage = 8,
  revoke = 9,
  limit = 10,
  shim_hello = 65,
  started = 66,
  exited = 67,
  held = 68,
  refused = 69,
  revoked = 70,
  in_memfd = 127,  // the message lies in the descriptor that came with this packet
};

// How the trees of attempts are held together and limited on this machine.
enum class CgroupMode : std::uint8_t { none, v1, v2 };
inline std::string_view to_string(CgroupMode mode) {
  return mode == CgroupMode::v2   ? "cgroup v2"
         : mode == CgroupMode::v1 ? "cgroup v1"
                                  : "rlimit and sampling";
}

// Why an attempt is over; the numbers are those of busbar::EndCause.
enum class Cause : std::uint8_t {
  exited,           // codes as given
  timed_out,        // the time limit ran out
  out_of_memory,    // the memory limit was reached
  stopped,          // after an End
  launch_failed,    // nothing of it ran; `detail` says why
  supervisor_lost,  // the shim was killed; its successor ended what was left
};

// One process of an attempt. Its standard input is /dev/null.
struct ProcessSpec {
  std::uint32_t rank = 0;
  // The program and its arguments; without a '/' the program is looked up in the PATH of its
  // environment. With a script these are the script's arguments (a path shown as $0 is added).
  std::vector<std::string> arguments;
  std::uint32_t script = 0;  // 0: none; n: StartRequest::scripts[n - 1], by its #! line or /bin/sh
  std::vector<std::string> environment;  // "NAME=value"; wins over the request's
  std::string working_directory;         // absolute
  std::string output_path;               // absolute; "" is /dev/null; opened as the user, appended
  std::string error_path;                // absolute; "" is the same file as the output
  std::vector<std::uint32_t> cpus;       // CPU numbers it is bound to; empty: not bound
  std::vector<std::uint32_t> memory_nodes;  // NUMA nodes its memory comes from; empty: any
};

// One attempt on this machine, fully resolved.
struct StartRequest {
  static constexpr Kind kind = Kind::start;
  std::string name;
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::string user_name;  // for sentences
  std::uint32_t umask = 022;
  std::vector<std::string> environment;  // "NAME=value", complete, of every process
  std::vector<std::string> scripts;
  std::vector<ProcessSpec> setup;      // none or one; runs before the others
  std::vector<ProcessSpec> processes;  // at least one
  std::int64_t memory_bytes = 0;       // of the whole tree; 0: no limit
  std::uint32_t cpu_weight = 0;        // as cgroup v2: 1 to 10,000; 0: the default (100)
  std::uint32_t pids_max = 0;          // 0: no limit
  std::int64_t time_limit_ms = 0;     // on CLOCK_MONOTONIC, from the first instruction; 0: no limit
  std::int64_t grace_ms = 30'000;     // between SIGTERM and SIGKILL at the time limit
  std::int32_t warn_signal = 0;       // the checkpoint signal; 0: none
  std::int64_t warn_lead_ms = 0;      // sent so long before the time limit
  std::int64_t output_bytes_max = 0;  // of all its output files together; 0: no limit
  // A gang: one process that fails (code or signal) ends the others; its code is the attempt's.
  // Otherwise the attempt ends with its last process, with the highest code.
  bool kill_on_first_failure = false;
  std::vector<std::uint32_t> groups;  // supplementary, of the user
};

struct DaemonHello {
  static constexpr Kind kind = Kind::daemon_hello;
  std::uint32_t version = protocol_version;
  std::string installation;  // a shim of another installation refuses the connection
};

// Ends an attempt: the warn signal if it has one and `warn_lead_ms` is not 0, SIGTERM after that
// lead, SIGKILL of the whole tree after `grace_ms` more (0: at once). The same End again changes
// nothing; one with a shorter lead or grace shortens; none lengthens or sends a signal again.
// Answered by nothing; Exited follows. For an ended attempt Exited is said again.
struct End {
  static constexpr Kind kind = Kind::end;
  std::string name;
  std::int64_t grace_ms = 30'000;
  std::int64_t warn_lead_ms = 0;
};

// Launch-ahead: a Start that is followed once `after`, an attempt or a staged one held here, is
// over and its Exited written down; at once when it is already. Refused when `after` is not known:
// its place may be another's. What is staged lives in the shim alone and is lost with it, and at an
// Upgrade: then it is denied like any name that is not known.
struct Stage {
  static constexpr Kind kind = Kind::stage;
  std::string after;
  StartRequest start;
};

// Takes a staged attempt back: answered by Revoked. Otherwise like a Start of its name. What was
// staged after it follows its predecessor. An End of a staged attempt is answered by Revoked too.
struct Revoke {
  static constexpr Kind kind = Kind::revoke;
  std::string name;
};

// Another time limit of an attempt, counted as the first; one that has run longer ends as if it had
// just run out. Answered by nothing: Held tells the limit. Names that are not known here and
// attempts that are being ended are left alone.
struct Limit {
  static constexpr Kind kind = Kind::limit;
  std::string name;
  std::int64_t time_limit_ms = 0;  // 0: none
};

// Sends a signal to the tree. SIGSTOP and SIGCONT suspend and resume it; its time limit goes on.
struct Signal {
  static constexpr Kind kind = Kind::signal;
  std::string name;
  std::int32_t number = 0;
  bool handlers_only = false;  // only to processes that catch it: a checkpoint signal
};

// The Exited of this attempt is durable with the daemon: the shim may forget it.
struct Acknowledge {
  static constexpr Kind kind = Kind::acknowledge;
  std::string name;
};

// Answered by Held pages: of one attempt, or of all when `name` is empty. A Held without items
// says that the shim does not know the name. Exited of an ended one is said again after it.
struct List {
  static constexpr Kind kind = Kind::list;
  std::string name;
};

// Replaces the shim's program by the one at `path` (absolute), keeping every attempt. The
// connection ends; connect again. Refused when that program does not answer `--version`.
struct Upgrade {
  static constexpr Kind kind = Kind::upgrade;
  std::string path;
};

struct ShimHello {
  static constexpr Kind kind = Kind::shim_hello;
  std::uint32_t version = protocol_version;
  std::uint32_t pid = 0;
  std::string boot_id;
  std::string installation;
  CgroupMode cgroup_mode = CgroupMode::none;
  std::string limits;  // a sentence: what is enforced how on this machine
  std::uint64_t held_count = 0;
  std::string build;
  bool stages = false;       // it knows Stage and Revoke
  bool sets_limits = false;  // ... and Limit
};

struct Usage {
  std::int64_t cpu_ms = 0;  // user and system of the whole tree
  std::int64_t memory_peak_bytes = 0;
  std::int64_t read_bytes = 0;
  std::int64_t written_bytes = 0;
  std::int64_t wall_ms = 0;  // from first instruction to the end of the tree
  bool exact = false;        // false: CPU time and memory peak were sampled
};

// An output file that held something when the attempt began.
struct OutputBegin {
  std::string path;
  std::int64_t bytes = 0;
};

struct Started {
  static constexpr Kind kind = Kind::started;
  std::string name;
  std::uint32_t pid = 0;  // of the first process (of the setup process while that runs)
  std::int64_t started_unix_ms = 0;
  std::int64_t started_boot_ms = 0;
  std::vector<OutputBegin> output_begins;
};

struct ProcessExit {
  std::uint32_t rank = 0;
  std::int32_t code = 0;    // exit status; 128 + signal where a signal ended it
  std::int32_t signal = 0;  // 0: none
};

struct Exited {
  static constexpr Kind kind = Kind::exited;
  std::string name;
  Cause cause = Cause::exited;
  std::int32_t code = 0;  // of the process that decided
  std::int32_t signal = 0;
  std::string detail;  // a sentence; "" where the code says it all
  std::vector<ProcessExit> processes;
  Usage usage;
  std::int64_t started_unix_ms = 0;  // 0: it never ran
  std::int64_t started_boot_ms = 0;
  std::int64_t ended_unix_ms = 0;
  std::int64_t ended_boot_ms = 0;
};

enum class HeldState : std::uint8_t { running, ending, ended, staged };

struct HeldAttempt {
  std::string name;
  HeldState state = HeldState::running;
  std::uint32_t pid = 0;
  std::int64_t started_unix_ms = 0;
  std::int64_t started_boot_ms = 0;
  Usage usage;                      // so far
  std::int64_t time_limit_ms = -1;  // -1: not said, or it is being ended
};

struct Held {
  static constexpr Kind kind = Kind::held;
  std::vector<HeldAttempt> items;
  bool last = true;
  std::string asked;  // the name of the List
};

// A request that could not be followed; nothing changed. `name` as in the request.
struct Refused {
  static constexpr Kind kind = Kind::refused;
  std::string name;
  std::string sentence;
};

// It was staged, will not start, and is forgotten.
struct Revoked {
  static constexpr Kind kind = Kind::revoked;
  std::string name;
};

using Message =
    std::variant<DaemonHello, StartRequest, End, Signal, Acknowledge, List, Upgrade, ShimHello,
                 Started, Exited, Held, Refused, Stage, Revoke, Revoked, Limit>;

// What an attempt may be called: it becomes a file's and a cgroup's name.
inline bool valid_name(std::string_view name) {
  if (name.empty() || name.size() > 64 || name[0] == '-') return false;
  for (const char c : name)
    if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-')) return false;
  return true;
}

namespace wire {

// One list of fields per struct serves both directions.
template <class T, class Of>
concept Like = std::same_as<std::remove_const_t<T>, Of>;

void fields(auto& v, Like<ProcessSpec> auto& x) {
  v(x.rank), v(x.arguments), v(x.script), v(x.environment), v(x.working_directory);
  v(x.output_path), v(x.error_path), v(x.cpus), v(x.memory_nodes);
}
void fields(auto& v, Like<StartRequest> auto& x) {
  v(x.name), v(x.uid), v(x.gid), v(x.user_name), v(x.umask), v(x.environment), v(x.scripts);
  v(x.setup), v(x.processes), v(x.memory_bytes), v(x.cpu_weight), v(x.pids_max);
  v(x.time_limit_ms), v(x.grace_ms), v(x.warn_signal), v(x.warn_lead_ms), v(x.output_bytes_max);
  v(x.kill_on_first_failure), v(x.groups);
}
void fields(auto& v, Like<DaemonHello> auto& x) { v(x.version), v(x.installation); }
void fields(auto& v, Like<End> auto& x) { v(x.name), v(x.grace_ms), v(x.warn_lead_ms); }
void fields(auto& v, Like<Signal> auto& x) { v(x.name), v(x.number), v(x.handlers_only); }
void fields(auto& v, Like<Acknowledge> auto& x) { v(x.name); }
void fields(auto& v, Like<List> auto& x) { v(x.name); }
void fields(auto& v, Like<Upgrade> auto& x) { v(x.path); }
void fields(auto& v, Like<ShimHello> auto& x) {
  v(x.version), v(x.pid), v(x.boot_id), v(x.installation), v(x.cgroup_mode), v(x.limits);
  v(x.held_count), v(x.build), v(x.stages), v(x.sets_limits);
}
void fields(auto& v, Like<Stage> auto& x) { v(x.after), v(x.start); }
void fields(auto& v, Like<Revoke> auto& x) { v(x.name); }
void fields(auto& v, Like<Revoked> auto& x) { v(x.name); }
void fields(auto& v, Like<Limit> auto& x) { v(x.name), v(x.time_limit_ms); }
void fields(auto& v, Like<Usage> auto& x) {
  v(x.cpu_ms), v(x.memory_peak_bytes), v(x.read_bytes), v(x.written_bytes), v(x.wall_ms);
  v(x.exact);
}
void fields(auto& v, Like<OutputBegin> auto& x) { v(x.path), v(x.bytes); }
void fields(auto& v, Like<Started> auto& x) {
  v(x.name), v(x.pid), v(x.started_unix_ms), v(x.started_boot_ms), v(x.output_begins);
}
void fields(auto& v, Like<ProcessExit> auto& x) { v(x.rank), v(x.code), v(x.signal); }
void fields(auto& v, Like<Exited> auto& x) {
  v(x.name), v(x.cause), v(x.code), v(x.signal), v(x.detail), v(x.processes), v(x.usage);
  v(x.started_unix_ms), v(x.started_boot_ms), v(x.ended_unix_ms), v(x.ended_boot_ms);
}
void fields(auto& v, Like<HeldAttempt> auto& x) {
  v(x.name), v(x.state), v(x.pid), v(x.started_unix_ms), v(x.started_boot_ms), v(x.usage);
  v(x.time_limit_ms);
}
void fields(auto& v, Like<Held> auto& x) { v(x.items), v(x.last), v(x.asked); }
void fields(auto& v, Like<Refused> auto& x) { v(x.name), v(x.sentence); }

struct Writer {
  Encoder& out;

  template <class T>
  void operator()(const T& value) {
    if constexpr (std::is_enum_v<T> || std::is_unsigned_v<T>) {
      out.put_unsigned(static_cast<std::uint64_t>(value));
    } else if constexpr (std::is_signed_v<T>) {
      out.put_signed(value);
    } else {
      const std::size_t mark = out.open_record();
      fields(*this, value);
      out.close_record(mark);
    }
  }
  void operator()(const std::string& text) { out.put_text(text); }
  template <class T>
  void operator()(const std::vector<T>& items) {
    out.put_unsigned(items.size());
    for (const T& item : items) (*this)(item);
  }
};

struct Reader {
  Decoder in;
  std::size_t& items_left;

  template <class T>
  void operator()(T& value) {
    if (in.at_end()) return;  // written before this field was known
    if constexpr (std::is_enum_v<T>) {
      value = static_cast<T>(in.get_unsigned());
    } else if constexpr (std::is_unsigned_v<T>) {
      const std::uint64_t number = in.get_unsigned();
      value = static_cast<T>(number);
      if (static_cast<std::uint64_t>(value) != number) in.fail();
    } else if constexpr (std::is_signed_v<T>) {
      const std::int64_t number = in.get_signed();
      value = static_cast<T>(number);
      if (value != number) in.fail();
    } else {
      Reader inner{in.get_record(), items_left};
      fields(inner, value);
      if (!inner.in.ok()) in.fail();
    }
  }
  void operator()(std::string& text) {
    if (!in.at_end()) text = in.get_text();
  }
  template <class T>
  void operator()(std::vector<T>& items) {
    if (in.at_end()) return;
    const std::uint64_t count = in.get_unsigned();
    if (count > in.remaining() || count > items_left) return in.fail();
    items_left -= count;
    for (std::uint64_t i = 0; i < count && in.ok(); ++i) {
      if (in.at_end()) return in.fail();
      (*this)(items.emplace_back());
    }
  }
};

template <std::size_t I = 0>
Result<Message> decode_as(std::uint64_t kind, Decoder& in) {
  if constexpr (I == std::variant_size_v<Message>) {
    return Error{Errc::invalid, "unknown message kind " + std::to_string(kind)};
  } else {
    using T = std::variant_alternative_t<I, Message>;
    if (kind != static_cast<std::uint64_t>(T::kind)) return decode_as<I + 1>(kind, in);
    T value;
    std::size_t items_left = items_max;
    Reader reader{in.get_record(), items_left};
    fields(reader, value);
    if (!reader.in.ok() || !in.ok() || !in.at_end())
      return Error{Errc::invalid, "damaged message of kind " + std::to_string(kind)};
    return Message{std::move(value)};
  }
}

// A sealed memfd with `bytes`, or -1.
inline int make_memfd(const char* label, std::string_view bytes) {
  const int fd = memfd_create(label, MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0) return -1;
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t n = write(fd, bytes.data() + done, bytes.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return close(fd), -1;
    done += static_cast<std::size_t>(n);
  }
  constexpr int seals = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL;
  if (fcntl(fd, F_ADD_SEALS, seals) != 0) return close(fd), -1;
  return fd;
}

// The bytes of a sealed memfd that a peer sent.
inline Result<std::string> read_memfd(int fd) {
  constexpr int needed = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK;
  const int seals = fcntl(fd, F_GET_SEALS);
  if (seals < 0 || (seals & needed) != needed)
    return Error{Errc::invalid, "the message's descriptor is not a sealed memory file"};
  struct stat status {};
  if (fstat(fd, &status) != 0 || status.st_size < 0 ||
      static_cast<std::uint64_t>(status.st_size) > message_bytes_max)
    return Error{Errc::invalid, "the message is larger than the protocol allows"};
  std::string bytes(static_cast<std::size_t>(status.st_size), '\0');
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t n = pread(fd, bytes.data() + done, bytes.size() - done, static_cast<off_t>(done));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return Error{Errc::invalid, "the message's memory file cannot be read"};
    done += static_cast<std::size_t>(n);
  }
  return bytes;
}

}  // namespace wire

// The bytes of one message.
template <class T>
std::string encode(const T& message) {
  Encoder out;
  out.put_unsigned(static_cast<std::uint64_t>(T::kind));
  wire::Writer{out}(message);
  return out.take();
}

inline Result<Message> decode(std::string_view bytes) {
  if (bytes.size() > message_bytes_max)
    return Error{Errc::invalid, "the message is larger than the protocol allows"};
  Decoder in(bytes);
  const std::uint64_t kind = in.get_unsigned();
  return wire::decode_as(kind, in);
}

// Sends one encoded message; the socket may be non-blocking.
inline Result<Ok> send_message(int socket_fd, std::string_view bytes) {
  if (bytes.size() > message_bytes_max)
    return Error{Errc::invalid, "the request is larger than 32 MiB; shorten its environment"};
  int memory = -1;
  std::string note;
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  iovec part{const_cast<char*>(bytes.data()), bytes.size()};
  msghdr packet{};
  packet.msg_iov = &part;
  packet.msg_iovlen = 1;
  if (bytes.size() > frame_bytes_max) {
    memory = wire::make_memfd("busbar-message", bytes);
    if (memory < 0)
      return Error{Errc::unavailable,
                   std::string("no memory file for a message: ") + std::strerror(errno)};
    note.push_back(static_cast<char>(Kind::in_memfd));
    part = {note.data(), note.size()};
    packet.msg_control = control.data();
    packet.msg_controllen = control.size();
    cmsghdr* header = CMSG_FIRSTHDR(&packet);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(header), &memory, sizeof(int));
  }
  ssize_t sent;
  do sent = sendmsg(socket_fd, &packet, MSG_NOSIGNAL);
  while (sent < 0 && errno == EINTR);
  const int error = errno;
  if (memory >= 0) close(memory);
  if (sent >= 0) return Ok{};
  const bool full = error == EAGAIN || error == EWOULDBLOCK || error == ENOBUFS;
  return Error{full ? Errc::unavailable : Errc::not_found,
               std::string("cannot send: ") + std::strerror(error)};
}

// `bytes` of one message; empty with `closed` when the peer has gone; empty without it when a
// non-blocking socket has nothing now. `invalid`: drop the connection.
struct Received {
  std::string bytes;
  bool closed = false;
};

inline Result<Received> receive_message(int socket_fd) {
  Received received;
  std::array<char, frame_bytes_max> frame;  // not a string: that would be zeroed each time
  alignas(cmsghdr) std::array<char, CMSG_SPACE(4 * sizeof(int))> control{};
  iovec part{frame.data(), frame.size()};
  msghdr packet{};
  packet.msg_iov = &part;
  packet.msg_iovlen = 1;
  packet.msg_control = control.data();
  packet.msg_controllen = control.size();
  ssize_t got;
  do got = recvmsg(socket_fd, &packet, MSG_CMSG_CLOEXEC);
  while (got < 0 && errno == EINTR);
  if (got > 0) received.bytes.assign(frame.data(), static_cast<std::size_t>(got));
  if (got < 0) {
    received.closed = errno != EAGAIN && errno != EWOULDBLOCK;
    return received;
  }
  int memory = -1;
  for (cmsghdr* h = CMSG_FIRSTHDR(&packet); h != nullptr; h = CMSG_NXTHDR(&packet, h)) {
    if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int fd;
      std::memcpy(&fd, CMSG_DATA(h) + i * sizeof(int), sizeof(int));
      if (memory < 0) {
        memory = fd;
      } else {
        close(fd);
      }
    }
  }
  if (got == 0) received.closed = true;
  Result<Received> result = received;
  if ((packet.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
    result = Error{Errc::invalid, "a packet is larger than the protocol allows"};
  } else if (got == 1 && received.bytes[0] == static_cast<char>(Kind::in_memfd)) {
    Result<std::string> bytes = memory >= 0
                                    ? wire::read_memfd(memory)
                                    : Error{Errc::invalid, "a packet lacks its memory file"};
    if (bytes.ok()) {
      result = Received{std::move(bytes).value(), false};
    } else {
      result = bytes.error();
    }
  }
  if (memory >= 0) close(memory);
  return result;
}

// The uid at the other end of a connected Unix socket, or -1.
inline std::int64_t peer_uid(int socket_fd) {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (getsockopt(socket_fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return -1;
  return peer.uid;
}

// The address of the socket in `directory_fd`: through /proc, so that no path is too long.
inline sockaddr_un socket_address(int directory_fd) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = "/proc/self/fd/" + std::to_string(directory_fd) + "/shim.sock";
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return address;
}

// Connects to the shim of `directory`: a blocking, close-on-exec socket that the caller owns.
// not_found: no shim listens there (start one). denied: folder or shim belong to someone else.
inline Result<int> connect_to_shim(const std::string& directory) {
  const int folder = open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) return Error{Errc::not_found, "no folder " + directory};
  struct stat status {};
  if (fstat(folder, &status) != 0 || status.st_uid != geteuid() || (status.st_mode & 077) != 0) {
    close(folder);
    return Error{Errc::denied, directory + " must be a folder of mode 0700 of your own"};
  }
  const int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  const sockaddr_un address = socket_address(folder);
  const bool connected =
      fd >= 0 && connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  close(folder);
  if (connected && peer_uid(fd) == geteuid()) return fd;
  if (fd >= 0) close(fd);
  if (connected) return Error{Errc::denied, "the shim of " + directory + " is another user's"};
  return Error{Errc::not_found, "no shim listens in " + directory};
}

}  // namespace busbar::shim
