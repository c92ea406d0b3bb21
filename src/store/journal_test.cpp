// The journal as its owner sees it: what goes in comes out, whatever happens in between.
#include "store/journal.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "store/backup.hpp"
#include "store/files.hpp"
#include "store/reader.hpp"
#include "store/schema.hpp"
#include "store/testing_batches.hpp"
#include "store/testing_damage.hpp"
#include "store/testing_folder.hpp"

namespace busbar::store {
namespace {

using testing::BatchMaker;
using testing::contains;
using testing::Folder;
using testing::make_payload;
using testing::make_submitted;
using testing::patience;
using testing::reopen;
using testing::sql;
using testing::write_batches;

TEST(Journal, ANewStoreIsClosedToOthersAndGetsAnInstallationOnce) {
  Folder folder;
  Options options = folder.options();
  options.folder = folder.file("state");
  const auto first = reopen(options);
  ASSERT_TRUE(first.recovery.ok()) << first.recovery.error().text;
  EXPECT_FALSE(first.recovery->mark.has_value());
  const std::string& name = first.recovery->installation;
  ASSERT_EQ(name.size(), 6U);
  EXPECT_EQ(name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789"), std::string::npos);
  EXPECT_EQ(reopen(options).recovery->installation, name);
  struct stat info {};
  ASSERT_EQ(stat(options.folder.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0700U);
  for (const auto& entry : std::filesystem::directory_iterator(options.folder)) {
    ASSERT_EQ(stat(entry.path().c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777, 0600U) << entry.path();
  }
}

RC_GTEST_PROP(Journal, WhatWasAppendedIsFoundAgain, (std::uint64_t seed)) {
  Folder folder;
  Events expected;
  const int rounds = *rc::gen::inRange(1, 4);
  for (int round = 0; round < rounds; ++round)
    expected = write_batches(folder.options(), *rc::gen::inRange(0, 20), mix(seed, round));
  const auto found = reopen(folder.options());
  RC_ASSERT(found.recovery.ok());
  RC_ASSERT(found.events == expected);
  RC_ASSERT(found.recovery->notice.empty());
  if (!expected.empty()) RC_ASSERT(found.recovery->last == expected.back().revision);
}

TEST(Journal, TheListenerHearsOfRevisionsUpwardsAndOnlyWhenDurable) {
  Folder folder;
  std::vector<Revision> heard;
  {
    SqliteJournal journal(folder.options());
    journal.set_listener([&](Revision revision) { heard.push_back(revision); });
    ASSERT_TRUE(reopen(journal).recovery.ok());
    BatchMaker maker(1);
    for (int i = 0; i < 50; ++i) journal.append(maker.next());
    ASSERT_TRUE(journal.wait_durable(maker.last(), patience));
    EXPECT_EQ(journal.durable(), maker.last());
  }
  ASSERT_FALSE(heard.empty());
  EXPECT_TRUE(std::is_sorted(heard.begin(), heard.end()));
  EXPECT_EQ(std::adjacent_find(heard.begin(), heard.end()), heard.end());
}

TEST(Journal, ClosingWritesWhatIsQueuedAndTheMarkIsKept) {
  Folder folder;
  BatchMaker maker(2);
  {
    SqliteJournal journal(folder.options());
    ASSERT_TRUE(reopen(journal).recovery.ok());
    for (int i = 0; i < 200; ++i) journal.append(maker.next());
  }
  const auto found = reopen(folder.options());
  EXPECT_EQ(found.recovery->last, maker.last());
  ASSERT_TRUE(found.recovery->mark.has_value());
  EXPECT_EQ(found.recovery->mark->boot_id, "boot");
  EXPECT_EQ(found.recovery->mark->unix_ms, 8);
}

TEST(Journal, PayloadsAreReadByAnyThreadFromTheMomentTheyAreAppended) {
  Folder folder;
  SqliteJournal journal(folder.options());
  ASSERT_TRUE(reopen(journal).recovery.ok());
  std::atomic<std::uint64_t> appended{0};
  std::atomic<int> wrong{0};
  std::vector<std::thread> readers;
  for (std::uint64_t t = 0; t < 4; ++t) {
    readers.emplace_back([&, t] {
      Rng rng(t);
      while (appended < 300) {
        if (appended == 0) continue;
        const auto blob = make_payload(1 + rng.below(appended));
        const auto found = journal.get(blob.hash);
        if (!found.ok() || *found != blob.bytes) ++wrong;
      }
    });
  }
  BatchMaker maker(3);
  for (std::uint64_t number = 1; number <= 300; ++number) {
    Batch batch;
    maker.add(batch, make_submitted(number));
    batch.payloads.push_back(make_payload(number));
    journal.append(std::move(batch));
    appended = number;
  }
  for (auto& reader : readers) reader.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(journal.get({1, 2}).error().code, Errc::not_found);
}

// ---- who may use the folder

TEST(JournalFolder, AnotherDaemonIsRefusedAndToldWhoOwnsIt) {
  Folder folder;
  SqliteJournal first(folder.options());
  ASSERT_TRUE(reopen(first).recovery.ok());
  for (const char* which : {"the second", "the third"}) {
    SCOPED_TRACE(which);
    const auto refused = reopen(folder.options());
    ASSERT_FALSE(refused.recovery.ok());
    const std::string& text = refused.recovery.error().text;
    EXPECT_EQ(refused.recovery.error().code, Errc::unavailable);
    EXPECT_TRUE(contains(text, "by process " + std::to_string(getpid()))) << text;
    EXPECT_TRUE(contains(text, folder.path())) << text;
  }
}

TEST(JournalFolder, WhatIsWrongIsSaidWithPathAndRemedy) {
  struct Case {
    const char* what;
    std::function<void(const Folder&, Options&)> spoil;
    Errc code;
    const char* says;
  };
  const Case cases[] = {
      {"missing, with its parent", [](const Folder& f, Options& o) { o.folder = f.file("a/b"); },
       Errc::not_found, "folder above"},
      {"missing and not to be made",
       [](const Folder& f, Options& o) { o.folder = f.file("a"), o.create = false; },
       Errc::not_found, "state folder"},
      {"a file", [](const Folder& f, Options& o) { std::ofstream(o.folder = f.file("a")) << "x"; },
       Errc::invalid, "not a folder"},
      {"open to others", [](const Folder& f, Options&) { chmod(f.path().c_str(), 0755); },
       Errc::denied, "chmod 700"},
      {"somebody else's",
       [](const Folder& f, Options&) { (void)!chown(f.path().c_str(), 12345, 12345); },
       Errc::denied, "12345"},
      {"not a database",
       [](const Folder& f, Options&) {
         std::ofstream(f.file("journal.db")) << std::string(5000, 'x');
         chmod(f.file("journal.db").c_str(), 0600);
       },
       Errc::corrupt, "not a database"},
      {"another program's database",
       [](const Folder& f, Options&) {
         sql(f.file("journal.db"), "CREATE TABLE a (b)");
         chmod(f.file("journal.db").c_str(), 0600);
       },
       Errc::corrupt, "another program"},
      {"a newer Busbar's",
       [](const Folder& f, Options& o) {
         (void)reopen(o);
         sql(f.file("journal.db"), "PRAGMA user_version = 99");
       },
       Errc::unavailable, "newer Busbar"},
  };
  for (const auto& c : cases) {
    if (geteuid() != 0 && c.says == std::string("12345")) continue;
    SCOPED_TRACE(c.what);
    Folder folder;
    Options options = folder.options();
    c.spoil(folder, options);
    const auto found = reopen(options);
    ASSERT_FALSE(found.recovery.ok());
    EXPECT_EQ(found.recovery.error().code, c.code) << found.recovery.error().text;
    EXPECT_TRUE(contains(found.recovery.error().text, c.says)) << found.recovery.error().text;
    EXPECT_TRUE(contains(found.recovery.error().text, folder.path()));
  }
}

TEST(JournalFolder, WhereNoFolderCanBeMadeThatIsSaid) {
  Options options;
  options.folder = "/proc/busbar";
  EXPECT_EQ(
      reopen(options).recovery.error().text,
      "cannot make the state folder /proc/busbar: No such file or directory; name another one");
}

// A small file system of its own; empty when this user may not mount.
class SmallDisk {
 public:
  explicit SmallDisk(const char* options) {
    mounted_ = mount("tmpfs", folder_.path().c_str(), "tmpfs", 0, options) == 0;
    if (mounted_) chmod(folder_.path().c_str(), 0700);
  }
  ~SmallDisk() {
    if (mounted_) umount2(folder_.path().c_str(), MNT_DETACH);
  }
  bool mounted() const { return mounted_; }
  const Folder& folder() const { return folder_; }

 private:
  Folder folder_;
  bool mounted_ = false;
};

TEST(JournalFolder, AReadOnlyFileSystemIsSaid) {
  SmallDisk disk("size=1m,mode=0700");
  if (!disk.mounted()) GTEST_SKIP() << "needs the right to mount";
  ASSERT_EQ(mount("tmpfs", disk.folder().path().c_str(), "tmpfs", MS_REMOUNT | MS_RDONLY, nullptr),
            0);
  const auto found = reopen(disk.folder().options());
  ASSERT_FALSE(found.recovery.ok());
  EXPECT_EQ(found.recovery.error().code, Errc::denied);
  EXPECT_TRUE(contains(found.recovery.error().text, "read-only")) << found.recovery.error().text;
  EXPECT_FALSE(contains(found.recovery.error().text, "make it")) << found.recovery.error().text;
}

// ---- crashes

TEST(JournalCrash, NothingAcknowledgedIsLostWhenTheProcessIsKilled) {
  Folder folder;
  Rng rng(11);
  std::uint64_t last_before = 0;
  for (int round = 0; round < 20; ++round) {
    int channel[2];
    ASSERT_EQ(pipe(channel), 0);
    const std::uint64_t seed = rng.next();
    const pid_t child = fork();
    if (child == 0) {
      SqliteJournal journal(folder.options());
      journal.set_listener([&](Revision revision) {
        (void)!write(channel[1], &revision.value, sizeof revision.value);
      });
      BatchMaker maker(seed, reopen(journal).recovery->last);
      for (int i = 0;; ++i) {
        journal.append(maker.next());
        if (i % 16 == 0) journal.wait_durable(maker.last(), patience);
        if (i % 64 == 63) (void)journal.save_snapshot(journal.durable(), std::string(99, 's'));
      }
    }
    close(channel[1]);
    std::uint64_t acknowledged = last_before;
    (void)!read(channel[0], &acknowledged, sizeof acknowledged);
    usleep(static_cast<useconds_t>(rng.below(60'000)));
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    std::uint64_t revision = 0;
    while (read(channel[0], &revision, sizeof revision) == sizeof revision) acknowledged = revision;
    close(channel[0]);

    SqliteJournal journal(folder.options());
    const auto found = reopen(journal);
    ASSERT_TRUE(found.recovery.ok()) << found.recovery.error().text;
    EXPECT_GE(found.recovery->last.value, acknowledged);
    std::uint64_t expected = found.recovery->snapshot_revision.value;
    for (const auto& event : found.events) {
      ASSERT_EQ(event.revision.value, ++expected);
      if (const auto* submitted = std::get_if<Submitted>(&event.body)) {
        ASSERT_TRUE(journal.get(submitted->jobs[0].groups[0].payload).ok());
      }
    }
    EXPECT_EQ(expected, found.recovery->last.value);
    last_before = expected;
  }
  EXPECT_GT(last_before, 20U);
}

// ---- space and sync

TEST(JournalSpace, AFullDiskKeepsTheBatchAndTheReserveStillTakesEnds) {
  SmallDisk disk("size=4m,mode=0700");
  if (!disk.mounted()) GTEST_SKIP() << "needs the right to mount";
  Options options = disk.folder().options();
  options.reserve_bytes = 512 << 10;
  Events expected;
  {
    SqliteJournal journal(options);
    ASSERT_TRUE(reopen(journal).recovery.ok());
    BatchMaker maker(1);
    const auto append = [&](Event event) {
      Batch batch;
      maker.add(batch, std::move(event));
      expected.push_back(batch.events.back());
      journal.append(std::move(batch));
      return journal.wait_durable(maker.last(), seconds(2));
    };
    const std::string ballast = disk.folder().file("ballast");
    std::ofstream fill(ballast, std::ios::binary);
    for (const std::string block(4096, 'b'); fill.write(block.data(), 4096).flush();) {
    }
    fill.close();
    while (journal.health() == JournalHealth::ok)
      ASSERT_TRUE(append({Revision(), Tick(), NodeDrained{NodeId(1), std::string(3000, 'd'), ""}}));
    EXPECT_EQ(journal.health(), JournalHealth::full);
    for (std::uint64_t job = 1; job <= 10; ++job)
      EXPECT_TRUE(append({Revision(), Tick(), Ended{{{JobId(job), 0, 0}, 1}}}));
    while (append({Revision(), Tick(), NodeDrained{NodeId(1), std::string(30000, 'd'), ""}})) {
    }
    EXPECT_EQ(journal.health(), JournalHealth::full);
    EXPECT_LT(journal.durable(), maker.last());
    std::filesystem::remove(ballast);
    EXPECT_TRUE(journal.wait_durable(maker.last(), patience));
    for (int i = 0; i < 100 && journal.health() != JournalHealth::ok; ++i) usleep(50'000);
    EXPECT_EQ(journal.health(), JournalHealth::ok);
  }
  EXPECT_EQ(reopen(options).events, expected);
}

// SQLite's own file layer, with syncs that can be told to fail.
std::atomic<bool> sync_fails{false};
sqlite3_vfs* plain_vfs = nullptr;
// SQLite keeps two sets of methods: for the database, which it locks, and for all other files.
sqlite3_io_methods failing_methods[2];
int (*plain_sync)(sqlite3_file*, int) = nullptr;

int failing_sync(sqlite3_file* file, int flags) {
  return sync_fails ? SQLITE_IOERR_FSYNC : plain_sync(file, flags);
}

int open_failing(sqlite3_vfs*, sqlite3_filename name, sqlite3_file* file, int flags, int* out) {
  const int code = plain_vfs->xOpen(plain_vfs, name, file, flags, out);
  if (code != SQLITE_OK || file->pMethods == nullptr) return code;
  sqlite3_io_methods& methods = failing_methods[(flags & SQLITE_OPEN_MAIN_DB) != 0 ? 1 : 0];
  methods = *file->pMethods;
  plain_sync = methods.xSync;  // one and the same in both
  methods.xSync = failing_sync;
  file->pMethods = &methods;
  return code;
}

TEST(JournalSpace, AfterAFailedSyncNothingFurtherBecomesDurable) {
  static sqlite3_vfs vfs;
  plain_vfs = sqlite3_vfs_find(nullptr);
  vfs = *plain_vfs;
  vfs.zName = "failing";
  vfs.xOpen = open_failing;
  ASSERT_EQ(sqlite3_vfs_register(&vfs, 0), SQLITE_OK);
  Folder folder;
  Options options = folder.options();
  options.vfs = "failing";
  BatchMaker maker(1);
  Revision durable;
  {
    SqliteJournal journal(options);
    ASSERT_TRUE(reopen(journal).recovery.ok());
    journal.append(maker.next());
    durable = maker.last();
    ASSERT_TRUE(journal.wait_durable(durable, patience));
    sync_fails = true;
    journal.append(maker.next());
    EXPECT_FALSE(journal.wait_durable(maker.last(), patience));
    EXPECT_EQ(journal.health(), JournalHealth::failed);
    sync_fails = false;
    journal.append(maker.next());
    EXPECT_FALSE(journal.wait_durable(maker.last(), seconds(1)));
    EXPECT_EQ(journal.durable(), durable);
    EXPECT_FALSE(journal.save_snapshot(durable, "state").ok());
  }
  const auto found = reopen(options);
  ASSERT_TRUE(found.recovery.ok()) << found.recovery.error().text;
  EXPECT_GE(found.recovery->last, durable);
}

// ---- snapshots

TEST(JournalSnapshots, TheNewestThatVerifiesIsUsedAndEventsBehindTwoArePruned) {
  Folder folder;
  Events events = write_batches(folder.options(), 30, 1);
  const Revision third(events.size() / 3);
  const Revision half(events.size() / 2);
  std::string big(3 << 20, 'x');
  Rng rng(1);
  for (char& c : big) c = static_cast<char>(rng.below(256));
  {
    SqliteJournal journal(folder.options());
    ASSERT_TRUE(reopen(journal).recovery.ok());
    EXPECT_EQ(journal.save_snapshot(Revision(1 << 20), "x").error().code, Errc::conflict);
    ASSERT_TRUE(journal.save_snapshot(third, "third").ok());
    ASSERT_TRUE(journal.save_snapshot(half, big).ok());
    EXPECT_EQ(journal.save_snapshot(Revision(1), "x").error().code, Errc::conflict);
  }
  EXPECT_EQ(Reader::open(folder.path())->base()->value, third.value);
  auto found = reopen(folder.options());
  EXPECT_EQ(found.recovery->snapshot_revision, half);
  EXPECT_EQ(found.recovery->snapshot, big);
  EXPECT_EQ(found.events, Events(events.begin() + static_cast<long>(half.value), events.end()));
  EXPECT_TRUE(Reader::open(folder.path())->verify()->problems.empty());

  sql(folder.file("journal.db"),
      "UPDATE snapshot_part SET bytes = zeroblob(length(bytes)) "
      "WHERE part = 1");
  found = reopen(folder.options());
  EXPECT_EQ(found.recovery->snapshot_revision, third);
  EXPECT_EQ(found.recovery->snapshot, "third");
  EXPECT_TRUE(contains(found.recovery->notice, "damaged"));
  EXPECT_EQ(found.events, Events(events.begin() + static_cast<long>(third.value), events.end()));

  sql(folder.file("journal.db"), "UPDATE snapshot SET digest = digest + 1");
  found = reopen(folder.options());
  ASSERT_FALSE(found.recovery.ok());
  EXPECT_EQ(found.recovery.error().code, Errc::corrupt);
}

TEST(JournalSnapshots, WithArchivingEveryEventStays) {
  Folder folder;
  Options options = folder.options();
  options.archive = true;
  const Events events = write_batches(options, 30, 1);
  {
    SqliteJournal journal(options);
    ASSERT_TRUE(reopen(journal).recovery.ok());
    for (const std::uint64_t revision : {5, 9, 12})
      ASSERT_TRUE(journal.save_snapshot(Revision(revision), "state").ok());
  }
  Events found;
  auto reader = Reader::open(folder.path());
  ASSERT_TRUE(reader
                  ->for_each(Revision(), Revision(), std::nullopt,
                             [&](const Event& event) { found.push_back(event); })
                  .ok());
  EXPECT_EQ(found, events);
  EXPECT_EQ(reader->snapshots()->size(), 2U);
}

// ---- backup and migration

TEST(JournalBackup, ACopyTakenWhileInUseIsAWholeJournal) {
  Folder folder;
  Folder elsewhere;
  Events expected;
  {
    SqliteJournal journal(folder.options());
    ASSERT_TRUE(reopen(journal).recovery.ok());
    BatchMaker maker(1);
    for (int i = 0; i < 50; ++i) {
      Batch batch = maker.next();
      expected.insert(expected.end(), batch.events.begin(), batch.events.end());
      journal.append(std::move(batch));
    }
    ASSERT_TRUE(journal.wait_durable(maker.last(), patience));
    std::atomic<bool> stop{false};
    std::thread writer([&] {
      while (!stop) journal.append(maker.next()), usleep(500);
    });
    const auto copied = backup(folder.path(), elsewhere.file("journal.db"));
    stop = true;
    writer.join();
    ASSERT_TRUE(copied.ok()) << copied.error().text;
    EXPECT_EQ(backup(folder.path(), elsewhere.file("journal.db")).error().code, Errc::conflict);
  }
  EXPECT_FALSE(std::filesystem::exists(elsewhere.file("journal.db-wal")));
  const auto restored = reopen(elsewhere.options());
  ASSERT_TRUE(restored.recovery.ok()) << restored.recovery.error().text;
  ASSERT_GE(restored.events.size(), expected.size());
  EXPECT_TRUE(std::equal(expected.begin(), expected.end(), restored.events.begin()));
  EXPECT_EQ(restored.recovery->installation, reopen(folder.options()).recovery->installation);
  EXPECT_EQ(backup(elsewhere.file("nothing"), elsewhere.file("b")).error().code, Errc::not_found);
}

TEST(Migration, StepsRunOnceInOrderAndAFailingOneChangesNothing) {
  Folder folder;
  write_batches(folder.options(), 3, 1);
  auto connection = Connection::open(folder.file("journal.db"), Access::read_write, "");
  ASSERT_TRUE(connection.ok());
  std::vector<Migration> steps(migrations().begin(), migrations().end());
  const int now = static_cast<int>(steps.size());
  EXPECT_EQ(migrate(*connection, steps).value(), 0);
  steps.push_back({"ALTER TABLE event ADD COLUMN note TEXT NOT NULL DEFAULT ''"});
  steps.push_back({"CREATE TABLE half (a); INSERT INTO missing VALUES (1)"});
  EXPECT_FALSE(migrate(*connection, steps).ok());
  EXPECT_EQ(schema_version(*connection).value(), now + 1);
  EXPECT_EQ(connection->integer("SELECT count(*) FROM sqlite_schema WHERE name = 'half'").value(),
            0);
  steps.back() = {"CREATE TABLE whole (a)"};
  EXPECT_EQ(migrate(*connection, steps).value(), 1);
  EXPECT_EQ(migrate(*connection, steps).value(), 0);
  EXPECT_EQ(check_schema(*connection, migrations()).error().code, Errc::unavailable);
}

// Everything the golden export says is still said; a newer build may say more.
bool still_said(const nlohmann::json& golden, const nlohmann::json& now) {
  if (golden.is_array())
    return now.is_array() && golden.size() == now.size() &&
           std::equal(golden.begin(), golden.end(), now.begin(), still_said);
  if (!golden.is_object()) return golden == now;
  return std::all_of(golden.items().begin(), golden.items().end(), [&](const auto& item) {
    return now.contains(item.key()) && still_said(item.value(), now.at(item.key()));
  });
}

class Golden : public ::testing::TestWithParam<int> {};

TEST_P(Golden, ADatabaseOfEachSchemaIsReadAsOnTheDayItWasMade) {
  const std::string golden = STORE_GOLDEN_FOLDER "/schema" + std::to_string(GetParam());
  Folder folder;
  std::filesystem::copy_file(golden + ".db", folder.file("journal.db"));
  chmod(folder.file("journal.db").c_str(), 0600);
  const auto found = reopen(folder.options());
  ASSERT_TRUE(found.recovery.ok()) << found.recovery.error().text;
  EXPECT_EQ(found.recovery->installation, "golden");
  EXPECT_EQ(found.recovery->notice, "");
  std::ifstream lines(golden + ".jsonl");
  std::string line;
  for (const auto& event : found.events) {
    ASSERT_TRUE(std::getline(lines, line));
    EXPECT_TRUE(still_said(nlohmann::json::parse(line), nlohmann::json::parse(event_json(event))))
        << line << "\n"
        << event_json(event);
  }
  EXPECT_FALSE(std::getline(lines, line));
  const auto report = Reader::open(folder.path())->verify();
  EXPECT_TRUE(report->problems.empty());
  EXPECT_EQ(report->schema, static_cast<int>(migrations().size()));
}
INSTANTIATE_TEST_SUITE_P(Migration, Golden, ::testing::Range(1, 3));

}  // namespace
}  // namespace busbar::store
