#include "daemon/daemon.hpp"

#include <fmt/format.h>

#include <chrono>

#include "busbar_build.hpp"
#include "daemon/log.hpp"
#include "host/places.hpp"
#include "model/names.hpp"

namespace busbar::daemon {
namespace {

constexpr std::chrono::seconds house_interval{5};
constexpr std::uint64_t prune_rounds = 60;  // of the house: every five minutes

}  // namespace

Daemon::Daemon(DaemonConfig config, std::function<Result<DaemonConfig>()> reread,
               std::function<void()> on_fatal)
    : config_(std::move(config)),
      reread_(std::move(reread)),
      on_fatal_(std::move(on_fatal)),
      tokens_(config_.state_directory + "/tokens") {}

Daemon::~Daemon() { stop(); }

local::LocalOptions Daemon::local_options() const {
  local::LocalOptions out;
  out.state_directory = config_.state_directory;
  out.shim_program = host::program_beside("busbar-shim");
  out.shim_build = build_id;
  const std::string busbar = host::program_beside("busbar");
  if (busbar.starts_with('/')) out.programs_directory = busbar.substr(0, busbar.rfind('/'));
  out.scratch_directory = config_.node.scratch;
  out.api_socket = config_.listen.socket;
  out.node_name = config_.node.name;
  for (const auto& device : config_.node.simulated_devices)
    out.simulated.push_back(
        {device.vendor, device.model, device.memory, device.count, device.link_domain_size});
  out.features = config_.node.features;
  out.named = config_.node.resources;
  out.topology = config_.node.topology;
  out.port_first = config_.node.port_first;
  out.port_count = config_.node.port_count;
  out.inventory_interval = config_.node.inventory_interval;
  out.output_bytes_max = config_.node.output_max.value;
  out.pids_max = config_.node.processes_max;
  out.users = {config_.users.root_jobs, config_.users.uid_min};
  out.warn = log_warning;
  return out;
}

Result<Ok> Daemon::start() {
  store::Options store;
  store.folder = config_.state_directory;
  store.archive = config_.archive;
  journal_ = std::make_unique<store::SqliteJournal>(store);
  engine_ = std::make_unique<local::LocalEngine>(
      local_options(), [this](PayloadHash hash) { return journal_->get(hash); });
  ring_ = std::make_unique<ring::Ring>(clock_, *journal_, std::vector<Engine*>{engine_.get()},
                                       *this, ring::RingOptions{1, build_id});
  loop_ = std::make_unique<Loop>(*ring_, clock_, *journal_);
  BUSBAR_TRY(recovery, ring_->recover());
  BUSBAR_TRY_OK(engine_->check_supervisor(recovery.installation));
  if (recovery.mark) {
    const Span back = clock_.resume(*recovery.mark);
    if (back > Span(0))
      log_warning(fmt::format(
          "the wall clock stands {} before the moment at which the daemon last ran; time goes on "
          "from that moment",
          format_span(back)));
  }
  tell_withheld(ring_->state().clock_withheld());
  if (!recovery.notice.empty()) log_warning(recovery.notice);
  journal_notice_ = recovery.notice;
  installation_ = recovery.installation;
  snapshot_revision_ = recovery.snapshot_revision;
  started_at_ = clock_.now().value;
  replica_ = std::make_unique<api::Replica>(ring_->state());
  journal_->set_listener([this](Revision) { loop_->notice_durable(); });
  loop_->on_journal_failed([this] {
    log_error(
        "the journal cannot be written any more; stopping, so that nothing is promised "
        "that is not on disk. Look at the disk, then start again");
    on_fatal_();
  });
  ring_->post(Configure{config_.core}, [](Result<ring::Reply> reply) {
    if (!reply.ok()) log_error("the configuration was refused: " + reply.error().text);
  });
  ring_->open_engines([this](Engine&) -> ReportSink {
    return [this](Command command) { loop_->post(std::move(command), {}); };
  });
  log_info(fmt::format("installation {} at revision {}, {} jobs, {} live attempts", installation_,
                       recovery.last.value, ring_->state().jobs().size(),
                       ring_->state().attempts().size()));
  loop_->start();
  house_ = std::thread([this] { keep_house(); });
  return Ok{};
}

void Daemon::stop() {
  {
    const std::lock_guard guard(house_lock_);
    if (stopping_) return;
    stopping_ = true;
  }
  house_woken_.notify_all();
  if (house_.joinable()) house_.join();
  // What jobs told and still waits for its time would be lost.
  if (loop_)
    for (const AttemptProgress& report : progress_.due(clock_.read() + api::progress_interval))
      loop_->post(report, {});
  if (loop_) loop_->stop();  // first: the loop's thread calls the engine
  if (engine_) engine_->close();
  if (journal_ && replica_ && journal_->wait_durable(ring_->state().revision(), seconds(10))) {
    ring_->externalise();
    replica_->wait_for(ring_->state().revision(), std::chrono::seconds(5));
    save_snapshot();
  }
  if (replica_) replica_->stop();
  journal_.reset();  // before the loop goes, which its listener wakes
}

void Daemon::durable_events(const Events& events) {
  events_ += events.size();
  for (const auto& event : events) {
    if (std::holds_alternative<Granted>(event.body)) ++grants_;
    if (std::holds_alternative<Ended>(event.body)) ++ends_;
    tell_newer(event.body);
    if (const auto* jump = std::get_if<ClockWithheld>(&event.body)) tell_withheld(jump->by);
    if (const auto* answer = std::get_if<ClockAnswered>(&event.body)) {
      if (answer->accepted) started_at_ += answer->withheld.value;
      log_info(fmt::format("the {} withheld {}, by {}", format_span(answer->withheld),
                           answer->accepted ? "count" : "do not count", answer->by));
    }
  }
  replica_->feed(events);
}

void Daemon::tell_newer(const EventBody& body) {
  if (const auto* seen = std::get_if<NewerSighted>(&body)) {
    log_warning(fmt::format(
        "{} {} on cluster {} and is newer than the journal, as after a restored backup. Nothing is "
        "changed, started or ended until an operator says `busbar adopt`",
        attempt_name(installation_, seen->attempt), seen->running ? "runs" : "has ended",
        seen->cluster));
  } else if (const auto* adopted = std::get_if<ClusterAdopted>(&body)) {
    log_info(fmt::format("{} attempts newer than the journal {}, by {}; the next job is {}",
                         adopted->attempts.size(),
                         adopted->keep ? "may end by themselves" : "are ended", adopted->by,
                         adopted->next_job.value));
  } else if (const auto* ended = std::get_if<LeftoverEnded>(&body)) {
    const std::string& detail = ended->exit.detail;
    log_info(fmt::format("{}, left over, has ended: {}, exit code {}{}{}",
                         attempt_name(installation_, ended->attempt), to_string(ended->exit.cause),
                         ended->exit.code, detail.empty() ? "" : ": ", detail));
  }
}

void Daemon::tell_withheld(Span withheld) {
  if (withheld == Span(0)) return;
  log_warning(fmt::format(
      "the clock moved by {} while this daemon was away or the machine slept. Nothing expires in "
      "that time: say `busbar config clock accept` when it really went by, or `busbar config "
      "clock ignore`",
      format_span(withheld)));
}

void Daemon::verdicts(const core::Verdicts& verdicts, bool cycle_finished) {
  replica_->publish(verdicts, cycle_finished);
}

void Daemon::keep_house() {
  std::uint64_t round = 0;
  std::unique_lock guard(house_lock_);
  while (!house_woken_.wait_for(guard, house_interval, [this] { return stopping_; })) {
    guard.unlock();
    for (const AttemptProgress& report : progress_.due(clock_.read())) loop_->post(report, {});
    if (round++ % prune_rounds == 0) prune_history();
    if (replica_->revision().value >= snapshot_revision_.value + config_.snapshot_events)
      save_snapshot();
    guard.lock();
  }
}

void Daemon::prune_history() {
  Span keep;
  {
    const std::lock_guard guard(config_lock_);
    keep = config_.history_keep;
  }
  const Span since_start = clock_.read() - Tick();
  if (keep == span_unlimited || since_start <= keep) return;
  const auto pruned = journal_->prune_history(Tick() + (since_start - keep));
  if (!pruned.ok()) log_warning("history was not pruned: " + pruned.error().text);
}

void Daemon::save_snapshot() {
  const core::State state = replica_->copy();
  if (state.revision() <= snapshot_revision_) return;
  const auto saved = journal_->save_snapshot(state.revision(), core::encode_state(state));
  if (!saved.ok()) return log_warning("no snapshot: " + saved.error().text);
  snapshot_revision_ = state.revision();
  log_debug(fmt::format("snapshot at revision {}", snapshot_revision_.value));
}

void Daemon::submit(Command command, std::function<void(Result<api::Committed>)> done) {
  ++commands_;
  // Shared, because a loop that has stopped takes neither the command nor its answer.
  auto answer = std::make_shared<std::function<void(Result<api::Committed>)>>(std::move(done));
  const bool posted = loop_->post(std::move(command), [this, answer](Result<ring::Reply> reply) {
    if (!reply.ok()) {
      ++refusals_;
      return (*answer)(reply.error());
    }
    (*answer)(api::Committed{reply->revision, reply->jobs});
  });
  if (!posted) (*answer)(Error{Errc::unavailable, "the daemon is stopping; try again"});
}

Result<std::string> Daemon::payload(PayloadHash hash) { return journal_->get(hash); }

Result<HistoryPage> Daemon::history(const HistoryQuery& query) { return journal_->history(query); }

Result<HistoryJob> Daemon::history_job(JobId job) { return journal_->history_job(job); }

void Daemon::take_progress(const AttemptProgress& report) {
  if (const auto now = progress_.offer(report, clock_.read())) loop_->post(*now, {});
}

void Daemon::on_reload(std::function<Result<Ok>(const DaemonConfig&)> then) {
  const std::lock_guard guard(config_lock_);
  on_reload_ = std::move(then);
}

void Daemon::read_log(const LogRequest& request, LogSink sink) {
  engine_->read_log(request, std::move(sink));
}

Tick Daemon::now() const { return clock_.read(); }
std::int64_t Daemon::unix_ms(Tick at) const { return clock_.unix_ms(at); }
Tick Daemon::tick_of_unix_ms(std::int64_t unix_ms) const { return clock_.tick_of_unix_ms(unix_ms); }
std::string Daemon::installation() const { return installation_; }
std::string Daemon::version() const { return build_version; }
std::string Daemon::build() const { return build_id; }
Tick Daemon::started_at() const { return Tick(started_at_.load()); }
JournalHealth Daemon::journal_health() const { return journal_->health(); }
std::vector<std::string> Daemon::clusters() const { return {engine_->cluster()}; }

Result<api::Reload> Daemon::reload() {
  BUSBAR_TRY(read, reread_());
  return api::Reload{Configure{read.core}, [this, read] { return take(read); }};
}

Result<std::string> Daemon::take(const DaemonConfig& read) {
  std::string restart;
  std::function<Result<Ok>(const DaemonConfig&)> then;
  {
    const std::lock_guard guard(config_lock_);
    restart = needs_restart(config_, read);
    config_.core = read.core;
    config_.history_keep = read.history_keep;
    config_.users.operators = read.users.operators;
    config_.users.operator_groups = read.users.operator_groups;
    then = on_reload_;
    config_.log_level = read.log_level;
    set_log_level(read.log_level);
  }
  if (then) BUSBAR_TRY_OK(then(read));
  log_info("configuration read again");
  if (restart.empty()) return std::string("the configuration is in force");
  return "the configuration is in force, but for these keys, which need a restart: " + restart;
}

std::string Daemon::config_text() const {
  const std::lock_guard guard(config_lock_);
  return daemon::config_text(config_);
}

std::vector<api::Metric> Daemon::metrics() const {
  const auto number = [](const std::atomic<std::uint64_t>& value) {
    return static_cast<double>(value.load());
  };
  return {{"events_total", "Durable events.", true, number(events_), ""},
          {"grants_total", "Attempts granted.", true, number(grants_), ""},
          {"ends_total", "Attempts ended.", true, number(ends_), ""},
          {"commands_total", "Requests taken from people.", true, number(commands_), ""},
          {"refusals_total", "Requests refused.", true, number(refusals_), ""}};
}

Result<Ok> Daemon::may_submit(const UserRef& user) const {
  const std::lock_guard guard(config_lock_);
  if (user.uid == 0 && !config_.users.root_jobs)
    return {Errc::denied, "root's own jobs are refused here; submit as yourself"};
  if (user.uid != 0 && user.uid < config_.users.uid_min)
    return {Errc::denied, fmt::format("users below uid {} may not submit here, and {} has uid {}",
                                      config_.users.uid_min, user.name, user.uid)};
  return Ok{};
}

}  // namespace busbar::daemon
