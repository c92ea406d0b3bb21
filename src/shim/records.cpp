#include "shim/records.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include "base/text.hpp"
#include "shim/system.hpp"

namespace busbar::shim {

namespace {

void fields(auto& v, wire::Like<RunningRecord> auto& x) {
  v(x.name), v(x.boot_id), v(x.shim_pid), v(x.started_unix_ms), v(x.started_boot_ms);
  v(x.leaders), v(x.leader_ticks);
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
  if (!exists(reserve)) replace_file(reserve, std::string(reserve_bytes, '\0'), Sync::no);
}

int Records::write_running(const RunningRecord& record) const {
  Encoder out;
  wire::Writer writer{out};
  fields(writer, record);
  return replace_file(path("running", record.name), out.bytes(), Sync::no);
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

void Records::drop_running(const std::string& name) const { unlink(path("running", name).c_str()); }

int Records::write_exit(const Exited& exited) {
  const std::string target = path("exits", exited.name);
  const std::string bytes = encode(exited);
  int error = replace_file(target, bytes, Sync::yes);
  if (error == ENOSPC || error == EDQUOT) {
    unlink((directory_ + "/reserve").c_str());
    error = replace_file(target, bytes, Sync::yes);
  }
  if (error == 0) exits_.insert(exited.name);
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
