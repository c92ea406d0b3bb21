#include "sim/sim_journal.hpp"

#include <algorithm>

#include "base/codec.hpp"

namespace busbar::sim {

SimJournal::SimJournal(Agenda& agenda, Faults& faults, Rng rng)
    : agenda_(agenda), faults_(faults), rng_(rng) {}

Result<Recovery> SimJournal::open(const std::function<void(const Event&)>& replay,
                                  const std::function<void(const Recovery&)>& before_replay) {
  ++life_;
  Recovery recovery;
  recovery.installation = "sim123";
  recovery.last = durable();
  if (!moments_.empty()) recovery.mark = moments_.back().mark;
  // Every other opening goes without the snapshot, so that both ways are used.
  if (snapshot_revision_ > Revision(0) && rng_.chance(1, 2)) {
    recovery.snapshot_revision = snapshot_revision_;
    recovery.snapshot = snapshot_;
  }
  before_replay(recovery);
  for (std::size_t i = recovery.snapshot_revision.value; i < events_.size(); ++i) {
    BUSBAR_TRY(event, decode_event(events_[i]));
    replay(event);
  }
  return recovery;
}

void SimJournal::append(Batch batch) {
  if (faults_.on && rng_.below(1000) < faults_.crash) throw Crash{"before append"};
  pending_.push_back(std::move(batch));
  const Span delay(static_cast<std::int64_t>(1 + rng_.below(20)));
  agenda_.add(agenda_.now() + delay, [this, life = life_] {
    if (life == life_ && !pending_.empty()) commit_next();
  });
  if (faults_.on && rng_.below(1000) < faults_.crash) throw Crash{"after append"};
}

void SimJournal::commit_next() {
  Batch batch = std::move(pending_.front());
  pending_.pop_front();
  for (const auto& event : batch.events) {
    check(event.revision.value == events_.size() + 1, "revisions are not consecutive");
    events_.push_back(encode_event(event));
  }
  for (auto& blob : batch.payloads) payloads_.emplace(blob.hash, std::move(blob.bytes));
  for (auto& row : batch.history) rows_.push_back(std::move(row));
  for (auto& job : batch.retired) retired_.emplace(job.job.id, std::move(job));
  moments_.push_back({events_.size(), rows_.size(), std::move(batch.mark)});
  if (on_durable_) on_durable_(durable());
}

void SimJournal::crash() {
  on_durable_ = nullptr;
  std::uint64_t kept = rng_.below(pending_.size() + 1);
  while (kept-- > 0) commit_next();
  pending_.clear();
  ++life_;
}

void SimJournal::restore(std::uint64_t batches_back) {
  if (moments_.empty()) return;
  moments_.resize(moments_.size() - std::min<std::uint64_t>(batches_back, moments_.size() - 1));
  events_.resize(moments_.back().events);
  rows_.resize(moments_.back().rows);
  if (snapshot_revision_ <= Revision(events_.size())) return;
  snapshot_revision_ = Revision(0);
  snapshot_.clear();
}

void SimJournal::set_listener(std::function<void(Revision)> on_durable) {
  on_durable_ = std::move(on_durable);
}

Result<Ok> SimJournal::save_snapshot(Revision revision, std::string state_bytes) {
  snapshot_revision_ = revision;
  snapshot_ = std::move(state_bytes);
  return Ok{};
}

Result<std::string> SimJournal::get(PayloadHash hash) {
  const auto found = payloads_.find(hash);
  if (found == payloads_.end()) return {Errc::not_found, "no such payload"};
  return found->second;
}

Result<HistoryPage> SimJournal::history(const HistoryQuery&) { return HistoryPage{rows_, 0}; }

Result<HistoryJob> SimJournal::history_job(JobId job) {
  const auto found = retired_.find(job);
  if (found == retired_.end()) return {Errc::not_found, "no such job in history"};
  return found->second;
}

std::uint64_t SimJournal::hash() const {
  std::uint64_t hash = 0;
  for (const auto& event : events_) hash = digest(event, hash);
  return hash;
}

}  // namespace busbar::sim
