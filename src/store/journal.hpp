// The Journal on SQLite: one folder, one database, one writer thread of its own.
//
// Shape    append() queues and returns; the writer puts everything queued (up to a bound) into one
//          transaction with a full sync, then moves `durable` and calls the listener.
// Threads  as the port says. save_snapshot, prune_history and wait_durable block their caller and
//          must not be called by the listener.
// Errors   unavailable: another process owns the folder, or a newer Busbar wrote it. denied: owner,
//          permissions, read-only. corrupt: damage inside the journal, with its position. A damaged
//          tail is cut off and told in Recovery::notice.
// Full     the batch is kept and tried again; the reserve file is given up first, so that ends of
//          running jobs still fit. health() is ok again once the reserve can be held again.
// Failed   after a failed sync, read or write nothing further becomes durable.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/units.hpp"
#include "ports/journal.hpp"

namespace busbar::store {

struct Options {
  std::string folder;
  bool create = true;    // make folder and database when they are missing
  bool archive = false;  // keep every event; otherwise those behind two snapshots are pruned
  std::int64_t reserve_bytes = std::int64_t{8} << 20;
  std::string vfs;  // SQLite's file layer; "" for the usual one
};

class SqliteJournal : public Journal {
 public:
  explicit SqliteJournal(Options options);
  // Writes what is queued, then closes. What does not fit on a full disk is lost: it was never
  // acknowledged.
  ~SqliteJournal() override;
  SqliteJournal(const SqliteJournal&) = delete;
  SqliteJournal& operator=(const SqliteJournal&) = delete;

  Result<Recovery> open(const std::function<void(const Event&)>& replay,
                        const std::function<void(const Recovery&)>& before_replay) override;
  void append(Batch batch) override;
  Revision durable() const override;
  void set_listener(std::function<void(Revision)> on_durable) override;
  JournalHealth health() const override;
  // conflict: the revision is not durable yet, or its events were pruned already.
  Result<Ok> save_snapshot(Revision revision, std::string state_bytes) override;
  Result<std::string> get(PayloadHash hash) override;
  Result<HistoryPage> history(const HistoryQuery& query) override;
  Result<HistoryJob> history_job(JobId job) override;

  // Forgets retired jobs that ended before `before`, with their history and payloads, in small
  // transactions between the commits of others. Costs one look at an index when there is none.
  Result<Ok> prune_history(Tick before);
  // True once `revision` is durable; false when `patience` ran out or the journal failed.
  bool wait_durable(Revision revision, Span patience);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace busbar::store
