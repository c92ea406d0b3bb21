#include "store/journal.hpp"

#include <fmt/format.h>
#include <sys/random.h>

#include <algorithm>
#include <array>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "store/files.hpp"
#include "store/history.hpp"
#include "store/rows.hpp"
#include "store/schema.hpp"
#include "store/snapshot.hpp"
#include "store/sqlite.hpp"
#include "store/writer.hpp"

namespace busbar::store {
namespace {

constexpr std::uint64_t prune_events_step = 5000;
constexpr std::uint32_t forget_rows_step = 2000;
constexpr char remedy[] =
    "; put a backup in its place (docs/operations.md, Backup and restore), and keep the damaged "
    "file for `busbar journal verify` and `busbar journal export`";

Error with_remedy(Error error) {
  if (error.code == Errc::corrupt && error.text.find("backup") == std::string::npos)
    error.text += remedy;
  return error;
}

Result<std::string> new_installation() {
  constexpr std::string_view letters = "abcdefghijklmnopqrstuvwxyz0123456789";
  std::string name;
  while (name.size() < 6) {
    unsigned char byte = 0;
    if (getrandom(&byte, 1, 0) != 1)
      return {Errc::unavailable, "the system's random source does not answer"};
    // 252 is the highest multiple of 36 in a byte: every letter is equally likely.
    if (byte < 252) name += letters[byte % letters.size()];
  }
  return name;
}

Result<Ok> make_whole(Connection& connection) {
  BUSBAR_TRY(migrated, migrate(connection, migrations()));
  (void)migrated;
  BUSBAR_TRY(installation, get_meta(connection, "installation"));
  if (installation.empty()) {
    BUSBAR_TRY(made, new_installation());
    BUSBAR_TRY_OK(put_meta(connection, "installation", made));
  }
  return Ok{};
}

// An older schema stays as it is until its journal has proved to be good.
Result<Connection> open_database(const Options& options) {
  const std::string path = options.folder + "/" + journal_file;
  BUSBAR_TRY(connection, Connection::open(path, Access::read_write, options.vfs));
  BUSBAR_TRY_OK(check_schema(connection, migrations()));
  BUSBAR_TRY_OK(connection.run(
      "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA trusted_schema = OFF;"
      "PRAGMA cell_size_check = ON; PRAGMA journal_size_limit = 67108864;"
      "PRAGMA wal_autocheckpoint = 0; PRAGMA temp_store = MEMORY;"));
  // What a torn end left in the log would be written over in part, and look like damage later.
  // Not on a full disk, and not beside a reader: then it stays, and at worst too much is said.
  (void)connection.checkpoint(true);
  BUSBAR_TRY(version, schema_version(connection));
  if (version == 0) BUSBAR_TRY_OK(make_whole(connection));
  return connection;
}

void say(Recovery& recovery, const std::string& sentence) {
  recovery.notice += (recovery.notice.empty() ? "" : " ") + sentence;
}

// What recovery starts from: a snapshot that verifies, or the first event.
struct Start {
  Revision revision;
  std::uint64_t chain = 0;
  std::vector<Revision> damaged;  // snapshots that were passed over
};

Result<Start> choose_start(Connection& connection, Recovery& recovery) {
  BUSBAR_TRY(base, read_base(connection));
  BUSBAR_TRY(snapshots, list_snapshots(connection));
  Start start;
  for (const Revision revision : snapshots) {
    auto snapshot = load_snapshot(connection, revision);
    if (snapshot.ok()) {
      recovery.snapshot_revision = revision;
      recovery.snapshot = std::move(snapshot->bytes);
      start.revision = revision;
      start.chain = snapshot->chain;
      return start;
    }
    if (snapshot.error().code != Errc::corrupt) return snapshot.error();
    say(recovery, fmt::format("The snapshot of revision {} was damaged and an older start was "
                              "used.",
                              revision.value));
    start.damaged.push_back(revision);
  }
  if (base.revision != Revision())
    return {Errc::corrupt,
            fmt::format("{}: no snapshot verifies, and the events up to revision {} were pruned",
                        connection.path(), base.revision.value)};
  return start;
}

// Begins the journal at the snapshot when the events that lead to it are gone: its State is whole.
Result<Ok> bridge_gap(Connection& connection, const Start& start, Recovery& recovery) {
  if (start.revision == Revision()) return Ok{};
  const auto chain = chain_at(connection, start.revision);
  if (chain.ok()) return Ok{};
  if (chain.error().code != Errc::not_found) return chain.error();
  say(recovery, fmt::format("Events before the snapshot of revision {} are missing; nothing that "
                            "runs or waits depends on them.",
                            start.revision.value));
  return begin_at(connection, {start.revision, start.chain});
}

Result<Ok> refuse_damage_inside(const Connection& connection, const Scan& scan) {
  if (scan.good_behind)
    return {Errc::corrupt,
            fmt::format("{}: {}, and good events lie behind it (up to revision {}): this is not a "
                        "torn end, so nothing was changed",
                        connection.path(), scan.damage, scan.good_behind_from.value)};
  return Ok{};
}

Result<Ok> repair_tail(Connection& connection, const Start& start, const Scan& scan,
                       Recovery& recovery) {
  if (scan.damage.empty()) return Ok{};
  BUSBAR_TRY_OK(cut_tail(connection, scan.last, [&] {
    const auto left =
        scan_events(connection, start.revision, start.chain, revision_max, [](const Event&) {});
    return left.ok() && left->damage.empty() && left->last == scan.last;
  }));
  say(recovery, fmt::format("The end of the journal was damaged ({}); it was recovered to "
                            "revision {}, the last good event.",
                            scan.damage, scan.last.value));
  return Ok{};
}

Result<Ok> check_log(const std::string& path, Recovery& recovery) {
  BUSBAR_TRY(log, inspect_log(path));
  if (log.header_damaged)
    return {Errc::corrupt,
            path +
                ": the header of the write-ahead log is damaged, so what lies behind it cannot "
                "be read, and nothing was changed"};
  if (log.damaged_inside)
    return {Errc::corrupt,
            fmt::format("{}: frame {} of the write-ahead log is damaged, and whole transactions "
                        "lie behind it: this is not a torn end, so nothing was changed",
                        path, log.frames_good + 1)};
  if (log.frames_dropped > 0)
    say(recovery, fmt::format("The last {} pages of the write-ahead log were torn and were "
                              "dropped; the journal was recovered to the last good event.",
                              log.frames_dropped));
  return Ok{};
}

// Deletes events up to `target` in steps; true when done.
Result<bool> prune_events(Connection& connection, Revision target) {
  BUSBAR_TRY(base, read_base(connection));
  if (base.revision >= target) return true;
  const Revision cut(std::min(base.revision.value + prune_events_step, target.value));
  BUSBAR_TRY(chain, chain_at(connection, cut));
  BUSBAR_TRY_OK(put_meta(connection, "base_revision", std::to_string(cut.value)));
  BUSBAR_TRY_OK(put_meta(connection, "base_chain", std::to_string(chain)));
  BUSBAR_TRY(erase, connection.prepare("DELETE FROM event WHERE revision <= ?"));
  BUSBAR_TRY_OK(erase.bind(cut.value).step());
  return cut == target;
}

}  // namespace

struct SqliteJournal::Impl {
  Options options;
  std::function<void(Revision)> listener;  // until there is a writer
  std::optional<FolderLock> lock;          // goes last
  std::unique_ptr<Writer> writer;

  std::mutex readers_mutex;
  std::vector<Connection> readers;

  // Calls `use` with a connection of nobody else's.
  template <class Use>
  auto read(Use use) -> decltype(use(std::declval<Connection&>())) {
    if (!writer) return {Errc::unavailable, "the journal is not open"};
    std::optional<Connection> reader;
    {
      const std::lock_guard guard(readers_mutex);
      if (!readers.empty()) {
        reader = std::move(readers.back());
        readers.pop_back();
      }
    }
    if (!reader) {
      BUSBAR_TRY(opened, Connection::open(options.folder + "/" + journal_file, Access::read_only,
                                          options.vfs));
      reader = std::move(opened);
    }
    auto result = use(*reader);
    const std::lock_guard guard(readers_mutex);
    readers.push_back(std::move(*reader));
    return result;
  }

  Result<Recovery> recover(const std::function<void(const Event&)>& replay,
                           const std::function<void(const Recovery&)>& before_replay);
};

SqliteJournal::SqliteJournal(Options options) : impl_(std::make_unique<Impl>()) {
  impl_->options = std::move(options);
}

SqliteJournal::~SqliteJournal() {
  // Readers first: the writer's connection is the last one and may empty the log.
  if (impl_->writer && health() != JournalHealth::failed) {
    const std::lock_guard guard(impl_->readers_mutex);
    impl_->readers.clear();
  }
  impl_->writer.reset();
  impl_->readers.clear();
  impl_->lock.reset();
}

Result<Recovery> SqliteJournal::Impl::recover(
    const std::function<void(const Event&)>& replay,
    const std::function<void(const Recovery&)>& before_replay) {
  Recovery recovery;
  BUSBAR_TRY_OK(prepare_folder(options.folder, options.create));
  BUSBAR_TRY(taken, FolderLock::take(options.folder));
  BUSBAR_TRY(is_new, prepare_database(options.folder, options.create));
  if (!is_new) BUSBAR_TRY_OK(check_log(options.folder + "/" + journal_file + "-wal", recovery));
  BUSBAR_TRY(connection, open_database(options));
  BUSBAR_TRY(installation, get_meta(connection, "installation"));
  recovery.installation = installation;
  BUSBAR_TRY(mark, read_mark(connection));
  recovery.mark = mark;
  BUSBAR_TRY(start, choose_start(connection, recovery));
  BUSBAR_TRY(last, connection.integer("SELECT max(revision) FROM event"));
  recovery.last = std::max(Revision(static_cast<std::uint64_t>(last)), start.revision);
  if (before_replay) before_replay(recovery);
  BUSBAR_TRY(scan, scan_events(connection, start.revision, start.chain, revision_max,
                               [&](const Event& event) {
                                 if (replay) replay(event);
                               }));
  BUSBAR_TRY_OK(compare_with_mark(connection, scan));
  BUSBAR_TRY_OK(refuse_damage_inside(connection, scan));
  BUSBAR_TRY_OK(make_whole(connection));
  for (const Revision damaged : start.damaged) BUSBAR_TRY_OK(drop_snapshot(connection, damaged));
  BUSBAR_TRY_OK(bridge_gap(connection, start, recovery));
  if (!scan.marked)
    say(recovery,
        "The mark of the last revision is missing: events may have been lost at the end.");
  BUSBAR_TRY_OK(repair_tail(connection, start, scan, recovery));
  recovery.last = scan.last;
  lock = std::move(taken);
  writer = std::make_unique<Writer>(
      std::move(connection), Reserve(options.folder, options.reserve_bytes), scan.last, scan.chain);
  if (listener) writer->set_listener(std::move(listener));
  return recovery;
}

Result<Recovery> SqliteJournal::open(const std::function<void(const Event&)>& replay,
                                     const std::function<void(const Recovery&)>& before_replay) {
  check(!impl_->writer, "a journal is opened once");
  auto recovery = impl_->recover(replay, before_replay);
  if (!recovery.ok()) return with_remedy(recovery.error());
  return recovery;
}

void SqliteJournal::append(Batch batch) {
  check(impl_->writer != nullptr, "append() needs an open journal");
  impl_->writer->append(std::move(batch));
}

Revision SqliteJournal::durable() const {
  return impl_->writer ? impl_->writer->durable() : Revision();
}

void SqliteJournal::set_listener(std::function<void(Revision)> on_durable) {
  if (impl_->writer)
    impl_->writer->set_listener(std::move(on_durable));
  else
    impl_->listener = std::move(on_durable);
}

JournalHealth SqliteJournal::health() const {
  return impl_->writer ? impl_->writer->health() : JournalHealth::ok;
}

Result<Ok> SqliteJournal::save_snapshot(Revision revision, std::string state_bytes) {
  if (!impl_->writer) return {Errc::unavailable, "the journal is not open"};
  Writer& writer = *impl_->writer;
  if (revision == Revision() || revision > writer.durable())
    return {Errc::conflict, fmt::format("revision {} is not durable yet (the journal is at {})",
                                        revision.value, writer.durable().value)};
  const PackedSnapshot packed = pack_snapshot(revision, state_bytes);
  state_bytes = std::string();
  std::size_t part = 0;
  auto saved = writer.run([&](Connection& connection) -> Result<bool> {
    if (part == 0) {
      BUSBAR_TRY(known, list_snapshots(connection));
      if (std::find(known.begin(), known.end(), revision) != known.end()) return true;
      if (!chain_at(connection, revision).ok())
        return {Errc::conflict,
                fmt::format("the events up to revision {} were pruned already", revision.value)};
    }
    if (part < packed.parts.size()) {
      BUSBAR_TRY_OK(write_snapshot_part(connection, packed, part++));
      return false;
    }
    BUSBAR_TRY_OK(finish_snapshot(connection, packed));
    return true;
  });
  if (!saved.ok()) return saved;
  if (!impl_->options.archive) {
    std::optional<Revision> target;
    return writer.run([&](Connection& connection) -> Result<bool> {
      if (!target) {
        BUSBAR_TRY(known, list_snapshots(connection));
        if (known.size() < 2) return true;
        target = known.back();
      }
      return prune_events(connection, *target);
    });
  }
  return Ok{};
}

Result<std::string> SqliteJournal::get(PayloadHash hash) {
  if (impl_->writer)
    if (const auto pending = impl_->writer->find_pending(hash)) return std::string(*pending);
  return impl_->read([&](Connection& connection) { return load_payload(connection, hash); });
}

Result<HistoryPage> SqliteJournal::history(const HistoryQuery& query) {
  return impl_->read([&](Connection& connection) { return query_history(connection, query); });
}

Result<HistoryJob> SqliteJournal::history_job(JobId job) {
  return impl_->read([&](Connection& connection) { return find_retired(connection, job); });
}

Result<Ok> SqliteJournal::prune_history(Tick before) {
  if (!impl_->writer) return {Errc::unavailable, "the journal is not open"};
  return impl_->writer->run([before](Connection& connection) {
    return forget_jobs(connection, before, forget_rows_step);
  });
}

bool SqliteJournal::wait_durable(Revision revision, Span patience) {
  return impl_->writer && impl_->writer->wait(revision, patience);
}

}  // namespace busbar::store
