// A journal whose files were damaged: every event that is told was written just so, in order and
// without a gap, a payload too; events that are missing are said, or the journal is refused with a
// reason; a second start finds nothing more to say. What verify finds good holds all that was
// written.
//
// Input    the first byte chooses the journal (closed; with a write-ahead log; with a log that has
//          begun again over its first round) and whether a file is cut short; then records of six
//          bytes, each an edit: file, position (3 bytes), what to do, and a value.
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
#include <vector>

#include "require.hpp"
#include "store/files.hpp"
#include "store/journal.hpp"
#include "store/reader.hpp"
#include "store/sqlite.hpp"
#include "store/testing_batches.hpp"

using namespace busbar;

namespace {

constexpr int snapshot_at = 4;
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

struct Files {
  std::string database, log;
};

// A journal as it lay on disk at three moments, the last two of which hold all of it.
struct Whole {
  std::string folder = make_folder();
  Files first_round, second_round, closed;
  std::map<std::uint64_t, Event> events;
  std::map<PayloadHash, std::string> payloads;
  std::vector<HistoryRow> history;
  Revision first_round_last, last;

  Whole() {
    store::testing::BatchMaker maker(7);
    {
      store::SqliteJournal journal(options());
      require(journal.open(nullptr, nullptr).ok(), "a new journal opens");
      write(journal, maker, 6);
      first_round = {read_file(folder + database), read_file(folder + log)};
      first_round_last = maker.last();
      begin_log_again();
      write(journal, maker, 6);
      second_round = {read_file(folder + database), read_file(folder + log)};
    }
    last = maker.last();
    closed = {read_file(folder + database), ""};
    require(!first_round.log.empty() && second_round.log.size() >= first_round.log.size(),
            "the log begins again over what it held");
  }
  ~Whole() { std::filesystem::remove_all(folder); }
  Whole(const Whole&) = delete;
  Whole& operator=(const Whole&) = delete;

  void write(store::SqliteJournal& journal, store::testing::BatchMaker& maker, int batches) {
    for (int i = 1; i <= batches; ++i) {
      Batch batch = maker.next();
      for (const Event& event : batch.events) events.emplace(event.revision.value, event);
      for (const PayloadBlob& blob : batch.payloads) payloads.emplace(blob.hash, blob.bytes);
      history.insert(history.begin(), batch.history.rbegin(), batch.history.rend());
      journal.append(std::move(batch));
      require(journal.wait_durable(maker.last(), seconds(30)), "a batch becomes durable");
      if (i == snapshot_at)
        require(journal.save_snapshot(maker.last(), state_of(maker.last())).ok(), "it is saved");
    }
  }
  // As the writer does when the log has grown.
  void begin_log_again() const {
    auto beside = store::Connection::open(folder + database, store::Access::read_write, "");
    require(beside.ok() && beside->run("PRAGMA wal_checkpoint(RESTART)").ok(), "the log is empty");
  }
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
  Files before;
  Revision last;  // of what was laid out
  bool any = false;
  bool log_cut = false;  // as if the last transactions had never been written
};

Damage lay_out(std::string_view input) {
  const auto choice = static_cast<unsigned char>(input[0]);
  const bool cut = (choice & 4) != 0;
  Damage damage;
  damage.before = (choice & 3) == 0   ? whole().closed
                  : (choice & 3) == 1 ? whole().first_round
                                      : whole().second_round;
  damage.last = (choice & 3) == 1 ? whole().first_round_last : whole().last;
  Files now = damage.before;
  const auto* record = reinterpret_cast<const unsigned char*>(input.data()) + 1;
  for (std::size_t left = input.size() - 1; left >= 6; left -= 6, record += 6)
    edit((record[0] & 3) != 0 && !now.log.empty() ? now.log : now.database, record);
  // A log is cut where writing was torn; a database, at least its first page stays.
  if (cut && !now.log.empty()) now.log.resize(now.log.size() * (choice >> 3) / 32);
  if (cut && damage.before.log.empty())
    now.database.resize(std::max<std::size_t>(4096, now.database.size() * (choice >> 3) / 32));
  for (const auto& entry : std::filesystem::directory_iterator(whole().folder))
    std::filesystem::remove_all(entry.path());
  write_file(whole().folder + database, now.database);
  if (!damage.before.log.empty()) write_file(whole().folder + log, now.log);
  damage.log_cut = now.log.size() < damage.before.log.size();
  damage.any =
      damage.log_cut || now.database != damage.before.database || now.log != damage.before.log;
  return damage;
}

// True when verify finds nothing wrong.
bool look_with_reader() {
  auto reader = store::Reader::open(whole().folder);
  if (!reader.ok()) return require(!reader.error().text.empty(), "a reason is told"), false;
  const auto report = reader->verify();
  if (!report.ok() || !report->problems.empty()) return false;
  const auto told = reader->for_each(Revision(), Revision(), {}, [](const Event& event) {
    require(whole().events.at(event.revision.value) == event, "a verified event is as written");
  });
  require(told.ok(), "a journal without problems can be read");
  return true;
}

// What was read since the last snapshot, checked one by one; events behind `until` are new ones.
Result<Recovery> start(store::SqliteJournal& journal, Revision until) {
  Revision told;
  auto found = journal.open(
      [&](const Event& event) {
        require(event.revision.value == told.value + 1, "events come in order");
        require(event.revision > until || whole().events.at(event.revision.value) == event,
                "an event is as it was written");
        told = event.revision;
      },
      [&](const Recovery& recovery) {
        told = recovery.snapshot_revision;
        const bool same = told == Revision() || recovery.snapshot == state_of(told);
        require(same, "a snapshot is as it was written");
      });
  require(!found.ok() || found->last == told, "recovery ends at the last event told");
  return found;
}

void look_at_rows(store::SqliteJournal& journal, const Damage& damage, bool good) {
  for (const auto& [hash, bytes] : whole().payloads) {
    const auto read = journal.get(hash);
    require(!read.ok() || *read == bytes, "a payload is as it was written");
  }
  HistoryQuery every;
  every.limit = 100;
  const auto page = journal.history(every);
  if (!good || damage.log_cut || damage.last != whole().last) return;
  require(page.ok() && page->rows == whole().history, "a verified history is as it was written");
}

// True when more can be written; a damaged page that is in use may forbid it.
bool go_on(store::SqliteJournal& journal, Revision last) {
  store::testing::BatchMaker maker(9, last);
  journal.append(maker.next());
  return journal.wait_durable(maker.last(), seconds(30));
}

void start_again(Revision until) {
  store::SqliteJournal journal(whole().options());
  const auto again = start(journal, until);
  require(!again.ok() || (again->last > until && again->notice.empty()),
          "what was repaired is repaired, and what came after it is there");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  if (size == 0) return 0;
  const Damage damage = lay_out({reinterpret_cast<const char*>(data), size});
  const bool good = look_with_reader();
  Revision until;
  {
    store::SqliteJournal journal(whole().options());
    const auto found = start(journal, damage.last);
    if (!found.ok()) {
      require(damage.any, "a journal that nobody damaged is opened");
      return require(!found.error().text.empty(), "a reason is told"), 0;
    }
    require(found->last == damage.last || damage.log_cut || !found->notice.empty(),
            "events that are missing are said");
    look_at_rows(journal, damage, good);
    until = found->last;
    if (!go_on(journal, until)) return 0;
  }
  start_again(until);
  return 0;
}
