// The write-ahead log's format: https://www.sqlite.org/fileformat2.html, section 4.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "store/files.hpp"

namespace busbar::store {
namespace {

constexpr std::size_t header_bytes = 32;
constexpr std::size_t frame_header_bytes = 24;
constexpr off_t frame_bytes_min = frame_header_bytes + 512;

struct Sum {
  std::uint32_t a = 0;
  std::uint32_t b = 0;
  friend bool operator==(const Sum&, const Sum&) = default;
};

std::uint32_t big(const unsigned char* at) {
  return static_cast<std::uint32_t>(at[0]) << 24 | static_cast<std::uint32_t>(at[1]) << 16 |
         static_cast<std::uint32_t>(at[2]) << 8 | at[3];
}

std::uint32_t little(const unsigned char* at) {
  return static_cast<std::uint32_t>(at[3]) << 24 | static_cast<std::uint32_t>(at[2]) << 16 |
         static_cast<std::uint32_t>(at[1]) << 8 | at[0];
}

Sum add(Sum sum, const unsigned char* bytes, std::size_t length, bool is_big) {
  for (std::size_t i = 0; i + 8 <= length; i += 8) {
    sum.a += (is_big ? big(bytes + i) : little(bytes + i)) + sum.b;
    sum.b += (is_big ? big(bytes + i + 4) : little(bytes + i + 4)) + sum.a;
  }
  return sum;
}

bool read_at(int descriptor, unsigned char* to, std::size_t length, std::uint64_t offset) {
  std::size_t done = 0;
  while (done < length) {
    const ssize_t got =
        pread(descriptor, to + done, length - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    done += static_cast<std::size_t>(got);
  }
  return true;
}

// Whether anything lies behind the header but zeros, which a file system leaves where a write never
// reached the disk. The header is synced before the first frame: without it, frames are damage.
bool holds_frames(int descriptor) {
  std::vector<unsigned char> bytes(1 << 16);
  off_t offset = header_bytes;
  struct stat facts {};
  if (fstat(descriptor, &facts) != 0 || facts.st_size < offset + frame_bytes_min) return false;
  while (true) {
    const ssize_t got = pread(descriptor, bytes.data(), bytes.size(), offset);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    if (std::any_of(bytes.begin(), bytes.begin() + got, [](auto byte) { return byte != 0; }))
      return true;
    offset += got;
  }
}

// Each frame carries the running sum, so a frame behind the damage still proves itself against
// the sum its neighbour carries.
LogState walk(int descriptor, const unsigned char* header, std::size_t page_bytes) {
  const bool is_big = (big(header) & 1) != 0;
  LogState state;
  Sum sum = add({}, header, 24, is_big);
  std::vector<unsigned char> frame(frame_header_bytes + page_bytes);
  std::uint64_t offset = header_bytes;
  bool damaged = false;
  bool linked = true;  // the frame before belongs to this round
  std::uint64_t frames_strange = 0;
  std::uint64_t commits_behind = 0;
  std::uint64_t frames_behind_commit = 0;
  for (; read_at(descriptor, frame.data(), frame.size(), offset); offset += frame.size()) {
    const bool same_writing = std::memcmp(frame.data() + 8, header + 16, 8) == 0;
    const Sum stored{big(frame.data() + 16), big(frame.data() + 20)};
    const Sum found = add(add(sum, frame.data(), 8, is_big), frame.data() + frame_header_bytes,
                          page_bytes, is_big);
    sum = stored;
    // What an earlier round of the log left behind, unless more of this one follows, or its sum
    // goes on from one of this round: the sum does not cover the salts.
    linked = same_writing || (linked && found == stored);
    if (!linked) {
      ++frames_strange;
      continue;
    }
    damaged = damaged || frames_strange > 0;
    state.frames_dropped += std::exchange(frames_strange, 0);
    const bool good = same_writing && found == stored;
    const bool commit = good && big(frame.data() + 4) != 0;
    if (good && !damaged) {
      ++state.frames_good;
      state.commits_good += commit ? 1 : 0;
    } else {
      damaged = true;
      ++state.frames_dropped;
      if (good && commits_behind > 0) ++frames_behind_commit;
      commits_behind += commit ? 1 : 0;
    }
  }
  // A transaction is synced before the next one begins: one that has a successor was whole once.
  state.damaged_inside = frames_behind_commit > 0;
  return state;
}

}  // namespace

Result<LogState> inspect_log(const std::string& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (descriptor < 0) {
    if (errno == ENOENT) return LogState{};
    return {Errc::denied, "cannot open " + path + ": " + std::strerror(errno)};
  }
  unsigned char header[header_bytes] = {};
  LogState state;
  if (read_at(descriptor, header, header_bytes, 0)) {
    const std::uint32_t magic = big(header);
    const std::size_t page_bytes = big(header + 8) == 1 ? 65536 : big(header + 8);
    const bool known = (magic & ~1U) == 0x377F0682U && page_bytes >= 512 && page_bytes <= 65536;
    const Sum sum = add({}, header, 24, (magic & 1) != 0);
    if (known && sum == Sum{big(header + 24), big(header + 28)})
      state = walk(descriptor, header, page_bytes);
    else
      state.header_damaged = holds_frames(descriptor);
  }
  ::close(descriptor);
  return state;
}

}  // namespace busbar::store
