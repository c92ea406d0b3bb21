// busbar-lab journal, as somebody types it, on stores made for the occasion.
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>

#include "core/state/state.hpp"
#include "lab/journal_tool.hpp"
#include "store/journal.hpp"

namespace busbar::lab {
namespace {

struct Said {
  int code = 0;
  std::string out;
  std::string trouble;
};

Said lab(std::vector<std::string> words) {
  std::vector<const char*> pointers = {"busbar-lab"};
  for (const auto& word : words) pointers.push_back(word.c_str());
  std::ostringstream out;
  std::ostringstream trouble;
  Said said;
  said.code = run_lab(static_cast<int>(pointers.size()), pointers.data(), out, trouble);
  said.out = out.str();
  said.trouble = trouble.str();
  return said;
}

TEST(LabUsage, WrongUseIsASentenceThatSaysWhereToLook) {
  struct Row {
    std::vector<std::string> words;
    std::string sentence;
  };
  const Row table[] = {
      {{"journal", "bogus"}, "busbar: `busbar journal` needs one of these after it: export, "},
      {{"journal"}, "busbar: `busbar journal` needs one of these after it: export, "},
      {{"journal", "export", "--from", "x"}, "busbar: journal export: could not convert: --from"},
      {{"journal", "verify"}, "busbar: journal verify: STATE_DIR is required; "}};
  for (const Row& row : table) {
    const Said said = lab(row.words);
    EXPECT_EQ(said.code, exit_usage);
    EXPECT_TRUE(said.trouble.starts_with(row.sentence)) << said.trouble;
  }
  EXPECT_EQ(lab({"journal", "export", "--help"}).code, exit_fine);
}

// A store of two jobs, submitted and partly cancelled, with its live State beside it.
class Lab : public ::testing::Test {
 protected:
  Lab() {
    char name[] = "/tmp/busbar-lab-XXXXXX";
    folder_ = mkdtemp(name);
  }
  ~Lab() override { std::filesystem::remove_all(folder_); }

  void open() {
    store::Options options;
    options.folder = folder_;
    options.reserve_bytes = 0;
    journal_ = std::make_unique<store::SqliteJournal>(options);
    ASSERT_TRUE(journal_->open(nullptr, nullptr).ok());
  }
  void append(EventBody body) {
    Event event{Revision(state_.revision().value + 1), Tick(1000), std::move(body)};
    state_.apply(event);
    Batch batch;
    batch.events.push_back(event);
    journal_->append(std::move(batch));
    ASSERT_TRUE(journal_->wait_durable(state_.revision(), seconds(30)));
  }
  void fill() {
    open();
    Configured configured;
    configured.config.tenants.resize(1);
    configured.config.tenants[0].name = "default";
    configured.version = 1;
    append(configured);
    for (std::uint64_t number = 1; number <= 2; ++number) {
      Submitted submitted;
      Job job;
      job.id = JobId(number);
      job.tenant = "default";
      job.groups.resize(1);
      job.groups[0].any_of.resize(1);
      submitted.jobs.push_back(job);
      append(submitted);
    }
    const IndexSet one(0, 0);
    append(UnitsHeld{JobId(2), 0, one, "asked", "ada"});
  }
  void save_snapshot() {
    ASSERT_TRUE(journal_->save_snapshot(state_.revision(), core::encode_state(state_)).ok());
  }
  void sql(const std::string& text) {
    sqlite3* handle = nullptr;
    ASSERT_EQ(sqlite3_open((folder_ + "/journal.db").c_str(), &handle), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(handle, text.c_str(), nullptr, nullptr, nullptr), SQLITE_OK);
    sqlite3_close(handle);
  }

  std::string folder_;
  core::State state_;
  std::unique_ptr<store::SqliteJournal> journal_;
};

TEST_F(Lab, ExportsJsonLinesWhileTheDaemonRuns) {
  fill();
  const Said all = lab({"journal", "export", folder_});
  EXPECT_EQ(all.code, 0) << all.trouble;
  std::istringstream lines(all.out);
  std::string line;
  std::uint64_t revision = 0;
  while (std::getline(lines, line))
    EXPECT_EQ(nlohmann::json::parse(line)["revision"].get<std::uint64_t>(), ++revision);
  EXPECT_EQ(revision, 4U);
  const Said some = lab({"journal", "export", "--from", "2", "--to", "3", folder_});
  EXPECT_EQ(std::count(some.out.begin(), some.out.end(), '\n'), 2);
  const Said job = lab({"journal", "export", "--job", "2", folder_});
  EXPECT_EQ(std::count(job.out.begin(), job.out.end(), '\n'), 2);
  EXPECT_EQ(lab({"journal", "export", "--from", "99", folder_}).out, "");
}

TEST_F(Lab, ReplayGivesTheLiveStateBeforeAndAfterPruning) {
  fill();
  char digest[17];
  std::snprintf(digest, sizeof digest, "%016llx", static_cast<unsigned long long>(state_.digest()));
  const Said plain = lab({"journal", "replay", folder_});
  EXPECT_EQ(plain.code, 0) << plain.trouble;
  EXPECT_NE(plain.out.find(digest), std::string::npos) << plain.out;
  EXPECT_NE(plain.out.find("jobs         2"), std::string::npos) << plain.out;
  save_snapshot();
  const IndexSet one(0, 0);
  append(UnitsReleased{JobId(2), 0, one, "ada"});
  save_snapshot();
  const Said pruned = lab({"journal", "replay", folder_});
  EXPECT_NE(pruned.out.find("1 events after revision 4"), std::string::npos) << pruned.out;
  EXPECT_EQ(lab({"journal", "replay", "--to", "2", folder_}).code, 2);
  const Said verified = lab({"journal", "verify", folder_});
  EXPECT_EQ(verified.code, 0) << verified.trouble;
  EXPECT_NE(verified.out.find("the journal is good"), std::string::npos);
}

TEST_F(Lab, VerifyFindsWhatIsWrong) {
  fill();
  EXPECT_EQ(lab({"journal", "verify", folder_}).code, 0);
  ASSERT_TRUE(journal_->save_snapshot(Revision(3), core::encode_state(state_)).ok());
  const Said differs = lab({"journal", "verify", folder_});
  EXPECT_EQ(differs.code, 1);
  EXPECT_NE(differs.trouble.find("replaying to revision 3"), std::string::npos) << differs.trouble;
  journal_.reset();
  sql("UPDATE event SET bytes = x'01' WHERE revision = 2");
  const Said damaged = lab({"journal", "verify", folder_});
  EXPECT_EQ(damaged.code, 1);
  EXPECT_NE(damaged.trouble.find("revision 2"), std::string::npos);
  EXPECT_EQ(lab({"journal", "export", folder_}).code, 1);
}

TEST_F(Lab, AnEventThatDoesNotFitIsAFindingNotACrash) {
  open();
  Batch batch;
  batch.events.push_back({Revision(1), Tick(1), JobRetired{JobId(7)}});
  journal_->append(std::move(batch));
  ASSERT_TRUE(journal_->wait_durable(Revision(1), seconds(30)));
  for (const char* command : {"verify", "replay"}) {
    const Said said = lab({"journal", command, folder_});
    EXPECT_EQ(said.code, 1);
    EXPECT_NE(said.trouble.find("does not fit"), std::string::npos) << said.trouble;
  }
}

TEST_F(Lab, BackupMakesAFileThatVerifies) {
  fill();
  std::filesystem::create_directory(folder_ + "/copy");
  const std::string file = folder_ + "/copy/journal.db";
  EXPECT_EQ(lab({"journal", "backup", folder_, file}).code, 0);
  EXPECT_EQ(lab({"journal", "backup", folder_, file}).code, 2);
  EXPECT_EQ(lab({"journal", "verify", folder_ + "/copy"}).code, 0);
}

TEST_F(Lab, TheGoldenJournalOfSchema1StillReplays) {
  std::filesystem::copy_file(STORE_GOLDEN_FOLDER "/schema1.db", folder_ + "/journal.db");
  const Said verified = lab({"journal", "verify", folder_});
  EXPECT_EQ(verified.code, 0) << verified.trouble;
  const Said replayed = lab({"journal", "replay", folder_});
  EXPECT_NE(replayed.out.find("jobs         2"), std::string::npos)
      << replayed.out << replayed.trouble;
}

TEST_F(Lab, WrongUseIsTwo) {
  EXPECT_EQ(lab({}).code, 2);
  EXPECT_EQ(lab({"journal"}).code, 2);
  EXPECT_EQ(lab({"journal", "export"}).code, 2);
  EXPECT_EQ(lab({"journal", "export", "--job", "x", folder_}).code, 2);
  const Said nothing = lab({"journal", "verify", folder_ + "/none"});
  EXPECT_EQ(nothing.code, 2);
  EXPECT_NE(nothing.trouble.find("/none/journal.db"), std::string::npos) << nothing.trouble;
  EXPECT_EQ(lab({"--help"}).code, 0);
}

}  // namespace
}  // namespace busbar::lab
