// A journal that was damaged: what is told, what is refused, and that nothing else changes.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>

#include "store/journal.hpp"
#include "store/reader.hpp"
#include "store/schema.hpp"
#include "store/testing_damage.hpp"

namespace busbar::store {
namespace {

using testing::BatchMaker;
using testing::contains;
using testing::Folder;
using testing::patience;
using testing::reopen;
using testing::sql;
using testing::write_batches;

TEST(JournalDamage, ADamagedTailIsCutOffAndSaid) {
  const char* damages[] = {
      "UPDATE event SET bytes = x'00' WHERE revision > %L - 1",
      "UPDATE event SET bytes = x'00' WHERE revision > %L - 3",
      "UPDATE event SET tick = tick + 1 WHERE revision > %L - 1",
      "UPDATE event SET digest = digest + 1 WHERE revision > %L - 2",
      "UPDATE event SET chain = chain + 1 WHERE revision = %L",
  };
  const std::uint64_t lost[] = {1, 3, 1, 2, 1};
  for (std::size_t i = 0; i < std::size(damages); ++i) {
    SCOPED_TRACE(damages[i]);
    Folder folder;
    Events events = write_batches(folder.options(), 20, 5);
    std::string damage = damages[i];
    damage.replace(damage.find("%L"), 2, std::to_string(events.size()));
    sql(folder.file("journal.db"), damage);
    const auto found = reopen(folder.options());
    ASSERT_TRUE(found.recovery.ok()) << found.recovery.error().text;
    events.resize(events.size() - lost[i]);
    EXPECT_EQ(found.events, events);
    EXPECT_TRUE(
        contains(found.recovery->notice, "recovered to revision " + std::to_string(events.size())))
        << found.recovery->notice;
    const Events more = write_batches(folder.options(), 3, 6);
    EXPECT_EQ(reopen(folder.options()).events, more);
    EXPECT_EQ(reopen(folder.options()).recovery->notice, "");
  }
}

TEST(JournalDamage, DamageInsideIsRefusedWithItsPositionAndNothingChanges) {
  for (const char* damage :
       {"UPDATE event SET bytes = x'00' WHERE revision = 7", "DELETE FROM event WHERE revision = 7",
        "UPDATE event SET chain = 1 WHERE revision = 7",
        "UPDATE event SET kind = kind + 1 WHERE revision IN (7, 8)"}) {
    SCOPED_TRACE(damage);
    Folder folder;
    write_batches(folder.options(), 20, 5);
    sql(folder.file("journal.db"), damage);
    for (int again = 0; again < 2; ++again) {
      const auto found = reopen(folder.options());
      ASSERT_FALSE(found.recovery.ok());
      EXPECT_EQ(found.recovery.error().code, Errc::corrupt);
      EXPECT_TRUE(contains(found.recovery.error().text, "revision 7"));
      EXPECT_TRUE(contains(found.recovery.error().text, "Backup and restore"));
    }
    auto reader = Reader::open(folder.path());
    ASSERT_TRUE(reader.ok());
    ASSERT_EQ(reader->verify()->problems.size(), 1U);
  }
}

constexpr std::uint64_t log_header_bytes = 32;
constexpr std::uint64_t log_frame_bytes = 24 + 4096;

// Leaves a write-ahead log behind, as a killed daemon does, and flips one byte of it.
void flip_log(const Folder& folder, const std::function<std::uint64_t(std::uint64_t)>& where) {
  const pid_t child = fork();
  if (child == 0) {
    SqliteJournal journal(folder.options());
    BatchMaker maker(4, reopen(journal).recovery->last);
    for (int i = 0; i < 30; ++i) {
      journal.append(maker.next());
      journal.wait_durable(maker.last(), patience);
    }
    kill(getpid(), SIGKILL);
  }
  waitpid(child, nullptr, 0);
  const std::string path = folder.file("journal.db-wal");
  std::fstream log(path, std::ios::in | std::ios::out | std::ios::binary);
  const auto at = static_cast<std::streamoff>(where(std::filesystem::file_size(path)));
  log.seekg(at);
  const char byte = static_cast<char>(log.get());
  log.seekp(at);
  log.put(static_cast<char>(byte ^ 0x55));
}

TEST(JournalDamage, ATornEndOfTheLogIsDroppedAndSaid) {
  Folder folder;
  write_batches(folder.options(), 5, 1);
  flip_log(folder, [](std::uint64_t size) { return size - 100; });
  const auto found = reopen(folder.options());
  ASSERT_TRUE(found.recovery.ok()) << found.recovery.error().text;
  EXPECT_TRUE(contains(found.recovery->notice, "torn")) << found.recovery->notice;
  EXPECT_FALSE(found.events.empty());
  EXPECT_EQ(reopen(folder.options()).recovery->notice, "");
}

TEST(JournalDamage, DamageInsideTheLogIsRefused) {
  Folder folder;
  write_batches(folder.options(), 5, 1);
  flip_log(folder, [](std::uint64_t size) { return size / 2; });
  const auto found = reopen(folder.options());
  ASSERT_FALSE(found.recovery.ok());
  EXPECT_EQ(found.recovery.error().code, Errc::corrupt);
  EXPECT_TRUE(contains(found.recovery.error().text, "frame")) << found.recovery.error().text;
  auto reader = Reader::open(folder.path());
  ASSERT_TRUE(reader.ok());
  EXPECT_FALSE(reader->verify()->problems.empty());
}

TEST(JournalDamage, AFrameThatLooksLikeOneOfAnEarlierRoundHidesNothing) {
  Folder folder;
  write_batches(folder.options(), 5, 1);
  flip_log(folder, [](std::uint64_t size) {
    const std::uint64_t middle = (size - log_header_bytes) / log_frame_bytes / 2;
    return log_header_bytes + middle * log_frame_bytes + 9;  // its salt
  });
  EXPECT_EQ(reopen(folder.options()).recovery.error().code, Errc::corrupt);
}

TEST(JournalDamage, TheLastFrameCannotPassForOneOfAnEarlierRoundEither) {
  Folder folder;
  write_batches(folder.options(), 5, 1);
  flip_log(folder, [](std::uint64_t size) { return size - log_frame_bytes + 8; });
  const auto found = reopen(folder.options());
  ASSERT_TRUE(found.recovery.ok()) << found.recovery.error().text;
  EXPECT_TRUE(contains(found.recovery->notice, "torn")) << found.recovery->notice;
}

// A start writes into an empty log, or what a power cut tore would lie behind what is written next
// and pass for whole transactions that somebody damaged.
TEST(JournalDamage, TwoPowerCutsInARowAreNoDamageInside) {
  Folder folder;
  write_batches(folder.options(), 5, 1);
  for (int cut = 0; cut < 2; ++cut) {
    flip_log(folder, [](std::uint64_t size) { return size - 2 * log_frame_bytes + 100; });
    SqliteJournal journal(folder.options());
    const auto found = reopen(journal);
    ASSERT_TRUE(found.recovery.ok()) << found.recovery.error().text;
    EXPECT_EQ(std::filesystem::file_size(folder.file("journal.db-wal")), 0U);
  }
}

TEST(JournalDamage, EventsThatAreMissingBeforeTheSnapshotAreSaidAndTheJournalGoesOn) {
  Folder folder;
  Revision last;
  {
    SqliteJournal journal(folder.options());
    ASSERT_TRUE(reopen(journal).recovery.ok());
    BatchMaker maker(1);
    for (int i = 0; i < 10; ++i) journal.append(maker.next());
    last = maker.last();
    ASSERT_TRUE(journal.wait_durable(last, patience));
    ASSERT_TRUE(journal.save_snapshot(last, "the state").ok());
  }
  {
    auto connection = Connection::open(folder.file("journal.db"), Access::read_write, "");
    const std::string from = std::to_string(last.value - 1);
    ASSERT_TRUE(connection->run("DELETE FROM event WHERE revision >= " + from).ok());
  }
  const auto found = reopen(folder.options());
  ASSERT_TRUE(found.recovery.ok()) << found.recovery.error().text;
  EXPECT_EQ(found.recovery->snapshot, "the state");
  EXPECT_TRUE(contains(found.recovery->notice, "missing")) << found.recovery->notice;
  {
    SqliteJournal journal(folder.options());
    EXPECT_EQ(reopen(journal).recovery->notice, "");
    BatchMaker maker(2, last);
    for (int i = 0; i < 2; ++i) {
      journal.append(maker.next());
      ASSERT_TRUE(journal.wait_durable(maker.last(), patience));
      EXPECT_TRUE(journal.save_snapshot(maker.last(), "a later state").ok());
    }
  }
  EXPECT_TRUE(Reader::open(folder.path())->verify()->problems.empty());
}

TEST(JournalDamage, AJournalThatIsRefusedKeepsItsSchema) {
  Folder folder;
  std::filesystem::copy_file(STORE_GOLDEN_FOLDER "/schema1.db", folder.file("journal.db"));
  chmod(folder.file("journal.db").c_str(), 0600);
  {
    auto connection = Connection::open(folder.file("journal.db"), Access::read_write, "");
    ASSERT_TRUE(connection->run("UPDATE event SET tick = tick + 1 WHERE revision = 3").ok());
  }
  EXPECT_EQ(reopen(folder.options()).recovery.error().code, Errc::corrupt);
  auto connection = Connection::open(folder.file("journal.db"), Access::read_only, "");
  EXPECT_EQ(schema_version(*connection).value(), 1);
}

TEST(JournalDamage, ALogWithoutItsHeaderIsRefused) {
  Folder folder;
  write_batches(folder.options(), 5, 1);
  flip_log(folder, [](std::uint64_t) { return 3; });
  const auto found = reopen(folder.options());
  ASSERT_FALSE(found.recovery.ok());
  EXPECT_TRUE(contains(found.recovery.error().text, "header")) << found.recovery.error().text;
  EXPECT_FALSE(Reader::open(folder.path())->verify()->problems.empty());
  // As after a power cut before the first write of a log came to lie on the disk.
  std::filesystem::resize_file(folder.file("journal.db-wal"), 0);
  std::filesystem::resize_file(folder.file("journal.db-wal"), 9000);
  EXPECT_TRUE(reopen(folder.options()).recovery.ok());
}

TEST(JournalDamage, AnEndThatVanishedWithoutATraceIsSaidOnce) {
  Folder folder;
  const Events events = write_batches(folder.options(), 10, 1);
  {
    auto connection = Connection::open(folder.file("journal.db"), Access::read_write, "");
    ASSERT_TRUE(connection.ok());
    const std::uint64_t last = events.back().revision.value;
    ASSERT_TRUE(
        connection->run("DELETE FROM event WHERE revision > " + std::to_string(last - 2)).ok());
  }
  const auto report = Reader::open(folder.path())->verify();
  ASSERT_EQ(report->problems.size(), 1U);
  EXPECT_TRUE(contains(report->problems[0], "are missing")) << report->problems[0];
  const auto found = reopen(folder.options());
  ASSERT_TRUE(found.recovery.ok()) << found.recovery.error().text;
  EXPECT_EQ(found.events.size(), events.size() - 2);
  EXPECT_TRUE(contains(found.recovery->notice, "are missing")) << found.recovery->notice;
  EXPECT_EQ(reopen(folder.options()).recovery->notice, "");
  EXPECT_TRUE(Reader::open(folder.path())->verify()->problems.empty());
}

TEST(JournalDamage, AChangedRowOfTheHistoryIsFound) {
  Folder folder;
  {
    SqliteJournal journal(folder.options());
    ASSERT_TRUE(reopen(journal).recovery.ok());
    BatchMaker maker;
    Batch batch;
    maker.add(batch, {Revision(), Tick(), JobRetired{JobId(1)}});
    batch.history.push_back(testing::make_history(1, 1, RunState::completed));
    journal.append(std::move(batch));
    ASSERT_TRUE(journal.wait_durable(maker.last(), patience));
  }
  EXPECT_TRUE(Reader::open(folder.path())->verify()->problems.empty());
  {
    auto connection = Connection::open(folder.file("journal.db"), Access::read_write, "");
    ASSERT_TRUE(connection.ok());
    const std::string other = encode(testing::make_history(1, 1, RunState::failed));
    auto change = connection->prepare("UPDATE history SET bytes = ?");
    ASSERT_TRUE(change->bind_blob(other).step().ok());
  }
  const auto report = Reader::open(folder.path())->verify();
  ASSERT_EQ(report->problems.size(), 1U);
  EXPECT_EQ(report->problems[0], "history row 1 is damaged");
}

}  // namespace
}  // namespace busbar::store
