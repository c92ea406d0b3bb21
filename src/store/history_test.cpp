// What has ended: pages, filters, and forgetting it in bounded steps.
#include "store/history.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "store/testing_batches.hpp"
#include "store/testing_folder.hpp"

namespace busbar::store {
namespace {

using testing::BatchMaker;
using testing::Folder;
using testing::make_history;
using testing::make_payload;
using testing::make_retired;
using testing::make_submitted;
using testing::patience;
using testing::reopen;

TEST(JournalHistory, PagesRunNewestFirstAndFiltersHold) {
  Folder folder;
  SqliteJournal journal(folder.options());
  ASSERT_TRUE(reopen(journal).recovery.ok());
  BatchMaker maker(1);
  for (std::uint64_t job = 1; job <= 30; ++job) {
    Batch batch;
    maker.add(batch, {Revision(), Tick(), JobRetired{JobId(job)}});
    batch.history = {make_history(job, 1, RunState::node_fail),
                     make_history(job, 2, RunState::completed)};
    batch.retired = {make_retired(job)};
    journal.append(std::move(batch));
  }
  ASSERT_TRUE(journal.wait_durable(maker.last(), patience));
  const auto walk = [&](HistoryQuery query) {
    std::vector<HistoryRow> rows;
    do {
      const auto page = journal.history(query);
      EXPECT_TRUE(page.ok());
      EXPECT_LE(page->rows.size(), std::max(1U, query.limit));
      rows.insert(rows.end(), page->rows.begin(), page->rows.end());
      query.before_row = page->next_before_row;
    } while (query.before_row != 0);
    return rows;
  };
  HistoryQuery query;
  query.limit = 7;
  const auto all = walk(query);
  ASSERT_EQ(all.size(), 60U);
  EXPECT_EQ(all.front(), make_history(30, 2, RunState::completed));
  EXPECT_EQ(all.back(), make_history(1, 1, RunState::node_fail));
  query.limit = 0;
  EXPECT_EQ(walk(query).size(), 60U);
  query.user = "ada";
  EXPECT_EQ(walk(query).size(), 30U);
  query.state = RunState::node_fail;
  EXPECT_EQ(walk(query).size(), 15U);
  query.ended_from = Tick(20'000);
  query.ended_to = Tick(26'000);
  EXPECT_EQ(walk(query).size(), 3U);  // jobs 20, 22, 24
  query.job = JobId(22);
  EXPECT_EQ(walk(query).size(), 1U);
  query.tenant = "nobody";
  EXPECT_EQ(walk(query).size(), 0U);
  EXPECT_EQ(journal.history_job(JobId(7)).value(), make_retired(7));
  EXPECT_EQ(journal.history_job(JobId(31)).error().code, Errc::not_found);
}

TEST(JournalHistory, ForgettingAJobForgetsItsRowsAndPayloadsNobodyElseNeeds) {
  Folder folder;
  SqliteJournal journal(folder.options());
  ASSERT_TRUE(reopen(journal).recovery.ok());
  BatchMaker maker(1);
  for (std::uint64_t job = 1; job <= 3; ++job) {
    Batch batch;
    Event event = make_submitted(job);
    auto& group = std::get<Submitted>(event.body).jobs[0].groups[0];
    if (job == 3) group.payload = make_payload(2).hash;  // shared with job 2
    batch.payloads.push_back(make_payload(job == 3 ? 2 : job));
    maker.add(batch, event);
    batch.history.push_back(make_history(job, 1, RunState::completed));
    batch.retired.push_back(make_retired(job));
    journal.append(std::move(batch));
  }
  ASSERT_TRUE(journal.wait_durable(maker.last(), patience));
  ASSERT_TRUE(journal.prune_history(Tick(2001)).ok());
  EXPECT_EQ(journal.get(make_payload(1).hash).error().code, Errc::not_found);
  EXPECT_TRUE(journal.get(make_payload(2).hash).ok());
  EXPECT_EQ(journal.history({})->rows.size(), 1U);
  EXPECT_FALSE(journal.history_job(JobId(2)).ok());
  EXPECT_TRUE(journal.history_job(JobId(3)).ok());
}

TEST(JournalHistory, AnArrayOfManyUnitsIsForgottenInBoundedSteps) {
  Folder folder;
  SqliteJournal journal(folder.options());
  ASSERT_TRUE(reopen(journal).recovery.ok());
  BatchMaker maker(1);
  Batch batch;
  maker.add(batch, make_submitted(1));
  batch.payloads.push_back(make_payload(1));
  for (std::uint32_t attempt = 1; attempt <= 9000; ++attempt)
    batch.history.push_back(make_history(1, attempt, RunState::completed));
  batch.retired.push_back(make_retired(1));
  journal.append(std::move(batch));
  Batch later;
  maker.add(later, make_submitted(2));
  later.history.push_back(make_history(2, 1, RunState::completed));
  later.retired.push_back(make_retired(2));
  journal.append(std::move(later));
  ASSERT_TRUE(journal.wait_durable(maker.last(), patience));

  auto connection = Connection::open(folder.file("journal.db"), Access::read_write, "");
  ASSERT_TRUE(connection.ok());
  const auto rows = [&] { return connection->integer("SELECT count(*) FROM history").value(); };
  const auto step = [&] {
    EXPECT_TRUE(connection->begin().ok());
    const auto done = forget_jobs(*connection, Tick(1001), 4000);
    EXPECT_TRUE(connection->commit().ok());
    return done.value();
  };
  EXPECT_FALSE(step());
  EXPECT_EQ(rows(), 5001);
  EXPECT_TRUE(journal.history_job(JobId(1)).ok()) << "it counts until its last row is gone";
  EXPECT_FALSE(step());
  EXPECT_EQ(rows(), 1001);
  EXPECT_TRUE(step());
  EXPECT_EQ(rows(), 1);
  EXPECT_FALSE(journal.history_job(JobId(1)).ok());
  EXPECT_FALSE(journal.get(make_payload(1).hash).ok());
  EXPECT_TRUE(journal.history_job(JobId(2)).ok());

  ASSERT_TRUE(journal.prune_history(Tick(1'000'000)).ok());
  EXPECT_EQ(rows(), 0);
}

TEST(JournalHistory, CommitsGoOnWhileHistoryIsForgotten) {
  Folder folder;
  SqliteJournal journal(folder.options());
  ASSERT_TRUE(reopen(journal).recovery.ok());
  BatchMaker maker(1);
  Batch batch;
  maker.add(batch, make_submitted(1));
  for (std::uint32_t attempt = 1; attempt <= 20'000; ++attempt)
    batch.history.push_back(make_history(1, attempt, RunState::completed));
  batch.retired.push_back(make_retired(1));
  journal.append(std::move(batch));
  ASSERT_TRUE(journal.wait_durable(maker.last(), patience));
  std::atomic<bool> pruned{false};
  std::thread pruner([&] {
    EXPECT_TRUE(journal.prune_history(Tick(1'000'000)).ok());
    pruned = true;
  });
  int durable_meanwhile = 0;
  while (!pruned) {
    Batch next;
    maker.add(next, {Revision(), Tick(), NodeDrained{NodeId(1), "", "op"}});
    journal.append(std::move(next));
    ASSERT_TRUE(journal.wait_durable(maker.last(), patience));
    durable_meanwhile += pruned ? 0 : 1;
  }
  pruner.join();
  EXPECT_GT(durable_meanwhile, 0);
  EXPECT_EQ(journal.history({})->rows.size(), 0U);
}

}  // namespace
}  // namespace busbar::store
