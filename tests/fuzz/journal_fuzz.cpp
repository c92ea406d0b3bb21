// A journal whose files were damaged: every event and payload that is told was written just so, in
// order and without a gap; what is missing is said, or the journal is refused with a reason.
//
// Input    the first byte chooses the journal (with or without a write-ahead log) and whether a
//          file is cut short; then records of six bytes, each an edit: file, position (3 bytes),
//          what to do, and a value.
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <string_view>

#include "require.hpp"
#include "store/files.hpp"
#include "store/journal.hpp"
#include "store/reader.hpp"
#include "store/testing_batches.hpp"

using namespace busbar;

namespace {

constexpr int batches = 12;
constexpr int snapshot_every = 4;
const std::string database = std::string("/") + store::journal_file;
const std::string log = database + "-wal";

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

void write_file(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
  chmod(path.c_str(), 0600);
}

std::string make_folder() {
  const char* memory = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
  std::string name = std::string(memory) + "/busbar-journal-fuzz-XXXXXX";
  require(mkdtemp(name.data()) != nullptr, "there is a folder to work in");
  return name;
}

std::string state_of(Revision revision) {
  return "the State of revision " + std::to_string(revision.value) + std::string(3000, 'x');
}

// One journal as it lay on disk while it was open and after it was closed, and what it holds.
struct Whole {
  std::string folder = make_folder();
  std::string open_database, open_log, closed_database;
  std::map<std::uint64_t, Event> events;
  std::map<PayloadHash, std::string> payloads;
  Revision last;

  Whole() {
    store::testing::BatchMaker maker(7);
    {
      store::SqliteJournal journal(options());
      require(journal.open(nullptr, nullptr).ok(), "a new journal opens");
      for (int i = 1; i <= batches; ++i) {
        Batch batch = maker.next();
        for (const Event& event : batch.events) events.emplace(event.revision.value, event);
        for (const PayloadBlob& blob : batch.payloads) payloads.emplace(blob.hash, blob.bytes);
        journal.append(std::move(batch));
        require(journal.wait_durable(maker.last(), seconds(30)), "a batch becomes durable");
        if (i % snapshot_every == 0 && i < batches)
          require(journal.save_snapshot(maker.last(), state_of(maker.last())).ok(), "it is saved");
      }
      open_database = read_file(folder + database);
      open_log = read_file(folder + log);
    }
    last = maker.last();
    closed_database = read_file(folder + database);
    require(!open_log.empty() && !closed_database.empty(), "there is something to damage");
  }
  ~Whole() { std::filesystem::remove_all(folder); }
  Whole(const Whole&) = delete;
  Whole& operator=(const Whole&) = delete;

  store::Options options() const {
    store::Options chosen;
    chosen.folder = folder;
    chosen.reserve_bytes = 4096;
    return chosen;
  }
};

const Whole& whole() {
  static const Whole made;
  return made;
}

void edit(std::string& bytes, const unsigned char* record) {
  if (bytes.empty()) return;
  const std::size_t at =
      (std::size_t{record[1]} << 16 | std::size_t{record[2]} << 8 | record[3]) % bytes.size();
  const std::size_t length = std::min<std::size_t>(bytes.size() - at, 1 + record[4] / 4 % 64);
  for (std::size_t i = at; i < at + length; ++i) {
    const auto value = static_cast<char>(record[5]);
    if (record[4] % 4 == 0) bytes[i] = value;
    if (record[4] % 4 == 1) bytes[i] = static_cast<char>(bytes[i] ^ value);
    if (record[4] % 4 == 2) bytes[i] = static_cast<char>(bytes[i] + value);
    if (record[4] % 4 == 3) bytes[i] = bytes[(i + 4096) % bytes.size()];
  }
}

struct Damage {
  bool any = false;
  bool log_cut = false;  // as if the last transactions had never been written
};

Damage lay_out(std::string_view input) {
  const auto choice = static_cast<unsigned char>(input[0]);
  const bool with_log = (choice & 1) != 0;
  std::string main = with_log ? whole().open_database : whole().closed_database;
  std::string ahead = with_log ? whole().open_log : std::string();
  const std::string main_before = main, ahead_before = ahead;
  const auto* record = reinterpret_cast<const unsigned char*>(input.data()) + 1;
  for (std::size_t left = input.size() - 1; left >= 6; left -= 6, record += 6)
    edit((record[0] & 1) != 0 && with_log ? ahead : main, record);
  // A log is cut where writing was torn; a database, at least its first page stays.
  if ((choice & 2) != 0 && with_log) ahead.resize(ahead.size() * (choice >> 2) / 64);
  if ((choice & 2) != 0 && !with_log)
    main.resize(std::max<std::size_t>(4096, main.size() * (choice >> 2) / 64));
  for (const auto& entry : std::filesystem::directory_iterator(whole().folder))
    std::filesystem::remove_all(entry.path());
  write_file(whole().folder + database, main);
  if (with_log) write_file(whole().folder + log, ahead);
  return {main != main_before || ahead != ahead_before, ahead.size() < ahead_before.size()};
}

void look_with_reader() {
  auto reader = store::Reader::open(whole().folder);
  if (!reader.ok()) return require(!reader.error().text.empty(), "a reason is told");
  const auto report = reader->verify();
  if (!report.ok() || !report->problems.empty()) return;
  const auto told = reader->for_each(Revision(), Revision(), {}, [](const Event& event) {
    require(whole().events.at(event.revision.value) == event, "a verified event is as written");
  });
  require(told.ok(), "a journal without problems can be read");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  if (size == 0) return 0;
  const Damage damage = lay_out({reinterpret_cast<const char*>(data), size});
  look_with_reader();
  store::SqliteJournal journal(whole().options());
  Revision told;
  const auto found = journal.open(
      [&](const Event& event) {
        require(event.revision.value == told.value + 1, "events come in order");
        require(whole().events.at(event.revision.value) == event, "an event is as it was written");
        told = event.revision;
      },
      [&](const Recovery& recovery) {
        told = recovery.snapshot_revision;
        const bool whole_state = told == Revision() || recovery.snapshot == state_of(told);
        require(whole_state, "a snapshot is as it was written");
      });
  if (!found.ok()) {
    require(damage.any, "a journal that nobody damaged is opened");
    return require(!found.error().text.empty(), "a reason is told"), 0;
  }
  require(found->last == told, "recovery ends at the last event told");
  require(told == whole().last || damage.log_cut || !found->notice.empty(),
          "what is missing is said");
  for (const auto& [hash, bytes] : whole().payloads) {
    const auto read = journal.get(hash);
    require(!read.ok() || *read == bytes, "a payload is as it was written");
  }
  HistoryQuery every;
  every.limit = 100;
  static_cast<void>(journal.history(every));
  return 0;
}
