// For tests of the ring: the smallest Clock, Journal, Engine and Observer that let a test say when
// something is durable and see in which order things left. No threads, no faults.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "core/state/testing.hpp"
#include "model/event.hpp"
#include "ports/clock.hpp"
#include "ports/engine.hpp"
#include "ports/journal.hpp"
#include "ring/ring.hpp"

namespace busbar::ring::testing {

using Log = std::vector<std::string>;

class FakeClock : public Clock {
 public:
  Tick at{1000};
  Span jump;  // to be told
  Tick now() override { return at; }
  std::int64_t unix_ms(Tick tick) const override { return tick.value; }
  Tick tick_of_unix_ms(std::int64_t unix_ms) const override { return Tick(unix_ms); }
  ClockMark mark() const override { return {at, "boot", at.value, at.value}; }
  Span take_jump() override { return std::exchange(jump, Span(0)); }
  void advance(Span withheld) override { at = at + withheld; }
};

// Durable is what flush() was called for.
class FakeJournal : public Journal {
 public:
  Result<Recovery> open(const std::function<void(const Event&)>& replay,
                        const std::function<void(const Recovery&)>& before_replay) override {
    Recovery recovery;
    recovery.installation = "test12";
    recovery.last = durable();
    recovery.snapshot_revision = snapshot_revision;
    recovery.snapshot = snapshot;
    before_replay(recovery);
    for (std::size_t i = snapshot_revision.value; i < disk.size(); ++i)
      replay(decode_event(disk[i]).value());
    return recovery;
  }
  void append(Batch batch) override { pending.push_back(std::move(batch)); }
  Revision durable() const override { return Revision(disk.size()); }
  void set_listener(std::function<void(Revision)>) override {}
  JournalHealth health() const override { return health_now; }
  Result<Ok> save_snapshot(Revision revision, std::string state_bytes) override {
    snapshot_revision = revision;
    snapshot = std::move(state_bytes);
    return Ok{};
  }
  Result<std::string> get(PayloadHash) override { return {Errc::not_found, "no such payload"}; }
  Result<HistoryPage> history(const HistoryQuery&) override { return HistoryPage{rows, 0}; }
  Result<HistoryJob> history_job(JobId) override { return {Errc::not_found, "no such job"}; }

  void flush_one() {
    Batch batch = std::move(pending.front());
    pending.erase(pending.begin());
    for (const auto& event : batch.events) disk.push_back(encode_event(event));
    for (auto& blob : batch.payloads) payloads.push_back(std::move(blob));
    for (auto& row : batch.history) rows.push_back(std::move(row));
    for (auto& job : batch.retired) retired.push_back(std::move(job));
  }
  void flush() {
    while (!pending.empty()) flush_one();
  }

  std::vector<Batch> pending;
  std::vector<std::string> disk;
  std::vector<PayloadBlob> payloads;
  std::vector<HistoryRow> rows;
  std::vector<HistoryJob> retired;
  JournalHealth health_now = JournalHealth::ok;
  Revision snapshot_revision;
  std::string snapshot;
};

class FakeEngine : public Engine {
 public:
  explicit FakeEngine(Log& log) : log_(log) {}
  std::string cluster() const override { return "local"; }
  EngineCapabilities capabilities() const override { return {}; }
  void open(std::string, std::vector<Launch> live, ReportSink) override {
    for (const auto& launch : live) log_.push_back("open " + launch.name);
  }
  void launch(const Launch& launch) override {
    launches.push_back(launch);
    log_.push_back("launch " + launch.name);
  }
  void end(const std::string& name, Span grace) override {
    log_.push_back("end " + name + " " + format_span(grace));
  }
  void revoke(const std::string& name) override { log_.push_back("revoke " + name); }
  void limit(const std::string& name, Span time_limit) override {
    log_.push_back("limit " + name + " " + format_span(time_limit));
  }
  void look_up(const std::string& name) override { log_.push_back("look_up " + name); }
  void acknowledge(const std::string& name) override { log_.push_back("acknowledge " + name); }
  void read_log(const LogRequest&, LogSink) override {}
  void close() override {}

  std::vector<Launch> launches;

 private:
  Log& log_;
};

class FakeObserver : public Observer {
 public:
  explicit FakeObserver(Log& log) : log_(log) {}
  void durable_events(const Events& events) override {
    for (const auto& event : events)
      if (!std::holds_alternative<SliceDecided>(event.body))
        log_.push_back("observe " + std::string(event_words[event.body.index()]));
  }
  void verdicts(const core::Verdicts& verdicts, bool) override {
    seen += verdicts.cohorts.size() + verdicts.classes.size();
  }
  std::size_t seen = 0;

 private:
  Log& log_;
};

// A ring over the fakes. The journal outlives a crash, as a disk does.
struct Loop {
  Log log;
  FakeClock clock;
  FakeJournal journal;
  FakeEngine engine{log};
  FakeObserver observer{log};
  std::unique_ptr<Ring> ring;
  bool engine_tells = true;  // at once, what it runs: nothing unknown

  // As the daemon starts; with a new journal, one node of 4 cores and its engine's word.
  explicit Loop(bool with_node = true) {
    start();
    if (!with_node) return;
    tell(NodeReport{core::testing::node("n1", 4)});
    settle();
    log.clear();
  }
  void start() {
    ring = std::make_unique<Ring>(clock, journal, std::vector<Engine*>{&engine}, observer,
                                  RingOptions{1, "test"});
    const auto recovery = ring->recover();
    check(recovery.ok(), "recovery failed");
    ring->open_engines([](Engine&) -> ReportSink { return [](const Command&) {}; });
    if (engine_tells) tell(EngineSynchronised{"local"});
  }
  // The process dies: what is not on disk is gone.
  void restart() {
    journal.pending.clear();
    start();
  }
  void tell(Command command) { ring->post(std::move(command), {}); }
  // Asks, and logs the answer under `word`.
  void ask(Command command, std::string word) {
    ring->post(std::move(command), [this, word = std::move(word)](const Result<Reply>& reply) {
      log.push_back(word + (reply.ok() ? " accepted" : " refused: " + reply.error().text));
      if (reply.ok()) replies.push_back(*reply);
    });
  }
  void turn() {
    while (ring->turn()) {
    }
  }
  void flush() {
    journal.flush();
    ring->externalise();
  }
  void settle() {
    turn();
    flush();
  }
  // What left since the last call.
  Log take() { return std::exchange(log, {}); }

  std::vector<Reply> replies;
};

inline SubmitJobs submit(Job job) {
  SubmitJobs out;
  out.user = core::testing::user();
  out.jobs.push_back(std::move(job));
  return out;
}
inline std::string name_of(std::uint64_t job, std::uint32_t number = 1) {
  return "bb-test12-" + std::to_string(job) + "-0x0-" + std::to_string(number);
}

}  // namespace busbar::ring::testing
