// The wiring: journal, engine, ring, replica and doors of one installation, from start to graceful
// stop.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "api/backend.hpp"
#include "api/progress_gate.hpp"
#include "api/replica.hpp"
#include "api/tokens.hpp"
#include "daemon/clock.hpp"
#include "daemon/config.hpp"
#include "daemon/loop.hpp"
#include "engine/local/local_engine.hpp"
#include "ring/ring.hpp"
#include "store/journal.hpp"

namespace busbar::daemon {

class Daemon : public ring::Observer, public api::Backend {
 public:
  // `reread` reads the configuration again for a reload; `on_fatal` is called once, from any
  // thread, when the process must end.
  Daemon(DaemonConfig config, std::function<Result<DaemonConfig>()> reread,
         std::function<void()> on_fatal);
  ~Daemon() override;

  // Takes the state folder, recovers, opens the engine and turns the loop. The doors are the
  // caller's.
  Result<Ok> start();
  // Engines detach, attempts go on; what is queued is written; a snapshot is kept.
  void stop();

  // Called after each reload, with what is in force now.
  void on_reload(std::function<Result<Ok>(const DaemonConfig&)> then);

  api::Replica& replica() { return *replica_; }
  const DaemonConfig& config() const { return config_; }

  // Backend
  void submit(Command command, std::function<void(Result<api::Committed>)> done) override;
  Result<std::string> payload(PayloadHash hash) override;
  Result<HistoryPage> history(const HistoryQuery& query) override;
  Result<HistoryJob> history_job(JobId job) override;
  void take_progress(const AttemptProgress& report) override;
  api::Tokens& tokens() override { return tokens_; }
  void read_log(const LogRequest& request, LogSink sink) override;
  Tick now() const override;
  std::int64_t unix_ms(Tick at) const override;
  Tick tick_of_unix_ms(std::int64_t unix_ms) const override;
  std::string installation() const override;
  std::string version() const override;
  std::string build() const override;
  Tick started_at() const override;
  JournalHealth journal_health() const override;
  std::string journal_notice() const override { return journal_notice_; }
  std::vector<std::string> clusters() const override;
  Result<api::Reload> reload() override;
  std::string config_text() const override;
  std::vector<api::Metric> metrics() const override;
  Result<Ok> may_submit(const UserRef& user) const override;

 private:
  void durable_events(const Events& events) override;
  void verdicts(const core::Verdicts& verdicts, bool cycle_finished) override;
  static void tell_withheld(Span withheld);
  void tell_newer(const EventBody& body);
  void keep_house();
  void save_snapshot();
  void prune_history();
  local::LocalOptions local_options() const;

  // Puts in force what core does not decide.
  Result<std::string> take(const DaemonConfig& read);
  mutable std::mutex config_lock_;
  DaemonConfig config_;
  std::function<Result<DaemonConfig>()> reread_;
  std::function<void()> on_fatal_;
  std::function<Result<Ok>(const DaemonConfig&)> on_reload_;
  SystemClock clock_;
  std::unique_ptr<store::SqliteJournal> journal_;
  std::unique_ptr<local::LocalEngine> engine_;
  std::unique_ptr<ring::Ring> ring_;
  std::unique_ptr<Loop> loop_;
  std::unique_ptr<api::Replica> replica_;
  api::Tokens tokens_;
  api::ProgressGate progress_;
  std::string installation_;
  std::string journal_notice_;
  std::atomic<std::int64_t> started_at_{0};  // tick; moves with the clock when it is advanced
  Revision snapshot_revision_;

  std::mutex house_lock_;
  std::condition_variable house_woken_;
  bool stopping_ = false;
  std::thread house_;

  std::atomic<std::uint64_t> events_{0};
  std::atomic<std::uint64_t> grants_{0};
  std::atomic<std::uint64_t> ends_{0};
  std::atomic<std::uint64_t> commands_{0};
  std::atomic<std::uint64_t> refusals_{0};
};

}  // namespace busbar::daemon
