#include "engine/local/log_reader.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/text.hpp"

namespace busbar::local {
namespace {

constexpr std::size_t path_bytes_max = 4096;

bool plain(const std::string& path) {
  if (!path.starts_with("/") || path.size() >= path_bytes_max) return false;
  if (path.find('\0') != path.npos) return false;
  for (const std::string_view part : split(path, '/')) {
    if (part == "..") return false;
  }
  return true;
}

Error open_error(const std::string& path, int error) {
  if (error == ENOENT || error == ENOTDIR)
    return {Errc::not_found, fmt::format("there is no file {} (yet)", printable(path, 200))};
  if (error == ELOOP)
    return {Errc::denied,
            fmt::format("{} is a link; logs are not read through links", printable(path, 200))};
  return {Errc::denied,
          fmt::format("{} cannot be read: {}", printable(path, 200), std::strerror(error))};
}

Result<LogChunk> read_part(int fd, const LogRequest& request, OutputBook::Range part) {
  struct stat status {};
  if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode))
    return {Errc::denied,
            fmt::format("{} is no regular file; only those are read", printable(request.path))};
  LogChunk chunk;
  if (part.begin > status.st_size) part = {};
  chunk.size = std::min<std::int64_t>(status.st_size, part.end);
  chunk.begin = part.begin;
  const std::int64_t offset = request.offset < 0 ? part.begin : request.offset;
  if (offset >= chunk.size) return chunk;
  const std::int64_t wanted = std::clamp<std::int64_t>(request.length_max, 0, log_bytes_max);
  chunk.bytes.resize(static_cast<std::size_t>(std::min(wanted, chunk.size - offset)));
  std::size_t done = 0;
  while (done < chunk.bytes.size()) {
    const ssize_t got = pread(fd, chunk.bytes.data() + done, chunk.bytes.size() - done,
                              static_cast<off_t>(offset) + static_cast<off_t>(done));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    done += static_cast<std::size_t>(got);
  }
  chunk.bytes.resize(done);
  return chunk;
}

}  // namespace

Result<LogChunk> read_log_file(const LogRequest& request, const UserPolicy& policy,
                               OutputBook::Range part) {
  if (!plain(request.path))
    return {Errc::invalid, "a log's path is absolute, without \"..\", below 4096 bytes"};
  BUSBAR_TRY(account, find_account(request.user, policy));
  int fd = -1;
  int error = 0;
  {
    const AsUser as_user(account);
    if (!as_user.ok())
      return {Errc::denied, fmt::format("this daemon cannot act as {}", account.facts.name)};
    fd = open(request.path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    error = errno;
  }
  if (fd < 0) return open_error(request.path, error);
  Result<LogChunk> chunk = read_part(fd, request, part);
  close(fd);
  return chunk;
}

}  // namespace busbar::local
