// A Journal that is durable at once and keeps of all events one hash; history rows go to whoever
// counts them.
#pragma once

#include <cstdint>
#include <functional>
#include <utility>

#include "base/codec.hpp"
#include "ports/journal.hpp"

namespace busbar::sim {

class HashJournal : public Journal {
 public:
  explicit HashJournal(std::function<void(const HistoryRow&)> on_row)
      : on_row_(std::move(on_row)) {}

  Result<Recovery> open(const std::function<void(const Event&)>&,
                        const std::function<void(const Recovery&)>& before_replay) override {
    Recovery recovery;
    recovery.installation = "replay";
    before_replay(recovery);
    return recovery;
  }
  void append(Batch batch) override {
    for (const auto& event : batch.events) {
      hash_ = digest(encode_event(event), hash_);
      durable_ = event.revision;
    }
    for (const auto& row : batch.history) on_row_(row);
  }
  Revision durable() const override { return durable_; }
  void set_listener(std::function<void(Revision)>) override {}
  JournalHealth health() const override { return JournalHealth::ok; }
  Result<Ok> save_snapshot(Revision, std::string) override { return Ok{}; }
  Result<std::string> get(PayloadHash) override { return {Errc::not_found, "no payload is kept"}; }
  Result<HistoryPage> history(const HistoryQuery&) override { return HistoryPage{}; }
  Result<HistoryJob> history_job(JobId) override { return {Errc::not_found, "no job is kept"}; }

  std::uint64_t hash() const { return hash_; }

 private:
  std::function<void(const HistoryRow&)> on_row_;
  std::uint64_t hash_ = 0;
  Revision durable_;
};

}  // namespace busbar::sim
