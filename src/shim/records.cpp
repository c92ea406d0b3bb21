#include "shim/records.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "base/text.hpp"
#include "shim/system.hpp"

namespace busbar::shim {

namespace {

constexpr std::size_t file_bytes_min = 512 << 10;
constexpr std::size_t header_bytes = 24;             // a word, the generation, a digest of both
constexpr std::uint64_t magic = 0x31304d4948534242;  // "BBSHIM01"

std::uint64_t word_at(std::string_view bytes, std::size_t at) {
  std::uint64_t word = 0;
  if (at + sizeof word <= bytes.size()) std::memcpy(&word, bytes.data() + at, sizeof word);
  return word;
}

void put_word(std::string& out, std::uint64_t word) {
  out.append(reinterpret_cast<const char*>(&word), sizeof word);
}

std::string header_of(std::uint64_t generation) {
  std::string header;
  put_word(header, magic);
  put_word(header, generation);
  put_word(header, digest(header));
  return header;
}

// 0 when the file has none.
std::uint64_t generation_of(std::string_view bytes) {
  const std::uint64_t generation = word_at(bytes, 8);
  return bytes.substr(0, header_bytes) == header_of(generation) ? generation : 0;
}

void put_entry(std::string& out, std::string_view message, std::uint64_t generation) {
  put_word(out, message.size());
  put_word(out, digest(message, generation));
  out += message;
}

std::size_t entry_bytes(std::string_view message) { return 16 + message.size(); }

std::size_t end_entry_bytes_max(const RunningRecord& record) {
  constexpr std::size_t fixed = 512 + sentence_bytes_max, each = 20;
  return fixed + record.name.size() + each * record.process_count;
}

std::string read_all(int fd) {
  std::string bytes;
  struct stat status {};
  if (fstat(fd, &status) != 0) return bytes;
  bytes.resize(static_cast<std::size_t>(status.st_size));
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t n = pread(fd, bytes.data() + done, bytes.size() - done, static_cast<off_t>(done));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    done += static_cast<std::size_t>(n);
  }
  bytes.resize(done);
  return bytes;
}

int write_at(int fd, std::size_t at, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(at));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno;
    at += static_cast<std::size_t>(n);
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return 0;
}

RunningRecord decode_running(std::string_view message) {
  RunningRecord record;
  std::size_t items_left = items_max;
  Decoder in(message);
  if (in.get_unsigned() != static_cast<std::uint64_t>(Kind::start)) return record;
  wire::Reader{in, items_left}(record);
  if (record.leaders.size() != record.leader_ticks.size()) record.leaders.clear();
  return record;
}

}  // namespace

std::string boot_id() {
  const std::string text = read_file("/proc/sys/kernel/random/boot_id");
  return std::string(trim(text));
}

Records::File::~File() {
  if (fd >= 0) close(fd);
}

Result<Records> Records::open(const std::string& directory) {
  const auto fail = [&](int error) {
    return Error{Errc::unavailable,
                 "cannot keep records in " + directory + ": " + std::strerror(error)};
  };
  Records records;
  std::array<std::string, 2> bytes;
  for (std::size_t i = 0; i < 2; ++i) {
    const std::string path = directory + "/records." + std::to_string(i);
    records.files_[i].fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (records.files_[i].fd < 0) return fail(errno);
    bytes[i] = read_all(records.files_[i].fd);
    records.files_[i].bytes = bytes[i].size();
  }
  records.current_ = generation_of(bytes[1]) > generation_of(bytes[0]) ? 1 : 0;
  records.generation_ = generation_of(bytes[records.current_]);
  if (records.generation_ > 0) records.read(bytes[records.current_]);
  File& current = records.files_[records.current_];  // grown now, while the disk may have room
  if (current.bytes < file_bytes_min) records.grow(current, file_bytes_min);
  if (const int error = records.begin_generation({}, 0); error != 0) return fail(error);
  const int folder = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool named = folder >= 0 && fsync(folder) == 0;
  const int error = errno;
  if (folder >= 0) close(folder);
  if (!named) return fail(error);
  return records;
}

void Records::read(const std::string& bytes) {
  for (std::size_t at = header_bytes; at + 16 <= bytes.size();) {
    const std::uint64_t size = word_at(bytes, at);
    if (size == 0 || size > bytes.size() - at - 16) return;
    const std::string_view message = std::string_view(bytes).substr(at + 16, size);
    if (digest(message, generation_) != word_at(bytes, at + 8)) return;
    take(message);
    at += entry_bytes(message);
  }
}

void Records::take(std::string_view message) {
  const RunningRecord record = decode_running(message);
  if (valid_name(record.name))
    return hold(record.name, {false, std::string(message), end_entry_bytes_max(record)});
  const Result<Message> other = decode(message);
  if (!other.ok()) return;
  if (const auto* exited = std::get_if<Exited>(&other.value()))
    return hold(exited->name, {true, std::string(message), 0});
  if (const auto* done = std::get_if<Acknowledge>(&other.value())) forget(done->name);
}

void Records::hold(const std::string& name, Held held) {
  Held& place = held_[name];
  promised_bytes_ += held.end_bytes_max - place.end_bytes_max;
  place = std::move(held);
}

void Records::forget(const std::string& name) {
  hold(name, {});
  held_.erase(name);
}

// The room that starts were promised for their ends is left alone, but for the ends' own.
int Records::append(const std::vector<std::string>& messages, std::size_t promise_bytes) {
  std::string entries;
  for (const std::string& message : messages) put_entry(entries, message, generation_);
  if (broken_ || end_ + entries.size() + promise_bytes > files_[current_].bytes)
    return begin_generation(messages, promise_bytes);
  if (write_at(files_[current_].fd, end_, entries) != 0) {
    broken_ = true;
    return begin_generation(messages, promise_bytes);
  }
  end_ += entries.size();
  return 0;
}

int Records::grow(File& file, std::size_t bytes) const {
  const int error = write_at(file.fd, file.bytes, std::string(bytes - file.bytes, '\0'));
  if (error == 0) file.bytes = bytes;
  return error;
}

int Records::begin_generation(const std::vector<std::string>& messages, std::size_t promise_bytes) {
  File& file = files_[1 - current_];
  const std::uint64_t generation = generation_ + 1;
  std::string text(header_bytes, '\0');
  for (const auto& [name, held] : held_) put_entry(text, held.message, generation);
  for (const std::string& message : messages) put_entry(text, message, generation);
  const std::size_t needed = text.size() + promise_bytes;
  const std::size_t wanted = std::max(file_bytes_min, needed + needed / 2);
  if (file.bytes < wanted) {
    const int error = grow(file, std::max(wanted, file.bytes * 2));
    if (error != 0 && file.bytes < needed) return error;
  }
  int error = write_at(file.fd, 0, text);
  if (error == 0 && fdatasync(file.fd) != 0) error = errno;
  if (error == 0) error = write_at(file.fd, 0, header_of(generation));
  if (error == 0 && fdatasync(file.fd) != 0) error = errno;
  if (error != 0) return error;
  current_ = 1 - current_;
  generation_ = generation;
  end_ = text.size();
  broken_ = false;
  return 0;
}

int Records::write_running(const RunningRecord& record) {
  const std::string message = encode(record);
  const std::size_t end_bytes_max = end_entry_bytes_max(record);
  const auto known = held_.find(record.name);
  const std::size_t before = known == held_.end() ? 0 : known->second.end_bytes_max;
  const int error = append({message}, promised_bytes_ - before + end_bytes_max);
  if (error == 0) hold(record.name, {false, message, end_bytes_max});
  return error;
}

std::vector<RunningRecord> Records::running() const {
  std::vector<RunningRecord> records;
  for (const auto& [name, held] : held_)
    if (!held.ended) records.push_back(decode_running(held.message));
  return records;
}

int Records::write_exits(const std::vector<const Exited*>& ended) {
  std::vector<std::string> messages;
  std::size_t promise_bytes = promised_bytes_;
  for (const Exited* exited : ended) {
    messages.push_back(encode(*exited));
    if (const auto known = held_.find(exited->name); known != held_.end())
      promise_bytes -= known->second.end_bytes_max;
  }
  int error = append(messages, promise_bytes);
  if (error == 0 && fdatasync(files_[current_].fd) != 0) {
    broken_ = true;  // what the disk holds of this generation is not known any more
    error = begin_generation(messages, promise_bytes);
  }
  if (error != 0) return error;
  for (std::size_t i = 0; i < ended.size(); ++i) hold(ended[i]->name, {true, messages[i], 0});
  return 0;
}

const std::string* Records::find_exit(const std::string& name) const {
  const auto found = held_.find(name);
  return found == held_.end() || !found->second.ended ? nullptr : &found->second.message;
}

std::vector<std::string> Records::exits() const {
  std::vector<std::string> names;
  for (const auto& [name, held] : held_)
    if (held.ended) names.push_back(name);
  return names;
}

// Where there is no room for this entry a new generation leaves the end out instead.
void Records::acknowledge(const std::string& name) {
  forget(name);
  append({encode(Acknowledge{name})}, promised_bytes_);
}

}  // namespace busbar::shim
