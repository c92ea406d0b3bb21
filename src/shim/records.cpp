#include "shim/records.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.hpp"
#include "shim/system.hpp"

namespace busbar::shim {

namespace {

void fields(auto& v, wire::Like<RunningRecord> auto& x) {
  v(x.name), v(x.boot_id), v(x.shim_pid), v(x.started_unix_ms), v(x.started_boot_ms);
  v(x.leaders), v(x.leader_ticks), v(x.uid);
}

constexpr std::size_t reserve_bytes = 1 << 20;

}  // namespace

std::string boot_id() {
  const std::string text = read_file("/proc/sys/kernel/random/boot_id");
  return std::string(trim(text));
}

Result<Records> Records::open(const std::string& directory) {
  Records records;
  records.directory_ = directory;
  for (const char* folder : {"/running", "/exits"})
    if (mkdir((directory + folder).c_str(), 0700) != 0 && errno != EEXIST)
      return Error{Errc::unavailable,
                   "cannot make " + directory + folder + ": " + std::strerror(errno)};
  // An end that was written whole but not renamed any more is an end all the same. A running
  // record never looks like one: it begins with the length of a name, which is no Exited's kind.
  for (const std::string& name : records.running()) {
    const Result<Message> message = decode(read_file(records.path("running", name)));
    const Exited* exited = message.ok() ? std::get_if<Exited>(&message.value()) : nullptr;
    if (exited != nullptr && exited->name == name)
      rename(records.path("running", name).c_str(), records.path("exits", name).c_str());
  }
  for (const std::string& name : list_folder(directory + "/exits", Entries::others))
    if (valid_name(name)) records.exits_.insert(name);
  records.make_reserve();
  return records;
}

std::string Records::path(const char* folder, const std::string& name) const {
  return directory_ + "/" + folder + "/" + name;
}

void Records::make_reserve() const {
  const std::string reserve = directory_ + "/reserve";
  if (exists(reserve)) return;
  const int fd = put_file(reserve, std::string(reserve_bytes, '\0'));
  if (fd >= 0) close(fd);
}

int Records::write_running(const RunningRecord& record) const {
  Encoder out;
  wire::Writer writer{out};
  fields(writer, record);
  const std::string draft = directory_ + "/running.new";  // one is enough: nobody else writes here
  const int fd = put_file(draft, out.bytes());
  int error = fd < 0 ? -fd : 0;
  if (fd >= 0) close(fd);
  if (error == 0 && rename(draft.c_str(), path("running", record.name).c_str()) != 0) error = errno;
  if (error != 0) unlink(draft.c_str());
  return error;
}

RunningRecord Records::read_running(const std::string& name) const {
  RunningRecord record;
  const std::string bytes = read_file(path("running", name));
  std::size_t items_left = items_max;
  wire::Reader reader{Decoder(bytes), items_left};
  fields(reader, record);
  if (!reader.in.ok() || record.leaders.size() != record.leader_ticks.size()) record = {};
  record.name = name;
  return record;
}

std::vector<std::string> Records::running() const {
  std::vector<std::string> names = list_folder(directory_ + "/running", Entries::others);
  std::erase_if(names, [](const std::string& name) { return !valid_name(name); });
  return names;
}

int Records::write_exits(const std::vector<const Exited*>& ended) {
  std::vector<int> files;
  int error = 0;
  for (const Exited* exited : ended) {
    const std::string record = path("running", exited->name);
    int fd = put_file(record, encode(*exited));
    if (fd == -ENOSPC || fd == -EDQUOT) {
      unlink((directory_ + "/reserve").c_str());
      fd = put_file(record, encode(*exited));
    }
    if (fd < 0) {
      error = -fd;
      break;
    }
    sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE);  // so that the first fsync serves them all
    files.push_back(fd);
  }
  for (const int fd : files) {
    if (fsync(fd) != 0) error = errno;
    close(fd);
  }
  for (const Exited* exited : ended) {
    const std::string &name = exited->name, target = path("exits", name);
    if (error == 0 && rename(path("running", name).c_str(), target.c_str()) != 0) error = errno;
    if (error == 0) exits_.insert(name);
  }
  return error;
}

std::optional<Exited> Records::read_exit(const std::string& name) const {
  if (!exits_.contains(name)) return std::nullopt;
  Result<Message> message = decode(read_file(path("exits", name)));
  if (message.ok())
    if (Exited* exited = std::get_if<Exited>(&message.value())) return std::move(*exited);
  Exited damaged;
  damaged.name = name;
  damaged.cause = Cause::supervisor_lost;
  damaged.detail = "the record of its end is damaged: " + path("exits", name);
  return damaged;
}

void Records::acknowledge(const std::string& name) {
  unlink(path("exits", name).c_str());
  exits_.erase(name);
  make_reserve();
}

}  // namespace busbar::shim
