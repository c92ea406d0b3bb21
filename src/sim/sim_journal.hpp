// The Journal's twin: keeps encoded events in memory, makes them durable a little later, and loses
// on a crash whatever was not. It outlives the loop, as a disk does.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/rng.hpp"
#include "ports/journal.hpp"
#include "sim/agenda.hpp"
#include "sim/faults.hpp"

namespace busbar::sim {

class SimJournal : public Journal {
 public:
  SimJournal(Agenda& agenda, Faults& faults, Rng rng);

  Result<Recovery> open(const std::function<void(const Event&)>& replay,
                        const std::function<void(const Recovery&)>& before_replay) override;
  void append(Batch batch) override;
  Revision durable() const override { return Revision(events_.size()); }
  void set_listener(std::function<void(Revision)> on_durable) override;
  JournalHealth health() const override { return JournalHealth::ok; }
  Result<Ok> save_snapshot(Revision revision, std::string state_bytes) override;
  Result<std::string> get(PayloadHash hash) override;
  Result<HistoryPage> history(const HistoryQuery& query) override;
  Result<HistoryJob> history_job(JobId job) override;

  // The loop died: of what was on its way, a prefix of whole batches may still have reached the
  // disk. A batch that was torn is gone as a whole, as behind the checksums of SQLite's log; the
  // store's own tests tear bytes.
  void crash();
  // A backup of an earlier moment is restored: what was durable behind it is gone.
  void restore(std::uint64_t batches_back);
  const std::vector<std::string>& events() const { return events_; }
  const std::vector<HistoryRow>& rows() const { return rows_; }
  std::uint64_t hash() const;

 private:
  void commit_next();

  Agenda& agenda_;
  Faults& faults_;
  Rng rng_;
  std::vector<std::string> events_;  // durable; revision r is at r - 1
  std::vector<HistoryRow> rows_;
  std::map<PayloadHash, std::string> payloads_;
  std::map<JobId, HistoryJob> retired_;
  std::deque<Batch> pending_;
  std::uint64_t life_ = 0;  // counts openings: a commit of an earlier life does nothing
  // How much was durable after each batch.
  struct Moment {
    std::size_t events = 0;
    std::size_t rows = 0;
    ClockMark mark;
  };
  std::vector<Moment> moments_;
  Revision snapshot_revision_;
  std::string snapshot_;
  std::function<void(Revision)> on_durable_;
};

}  // namespace busbar::sim
