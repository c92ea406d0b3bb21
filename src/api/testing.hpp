// For tests of the API: a Backend that decides and applies in the caller's thread, as the ring
// does, feeds a Replica, and keeps what the journal would keep. Time stands still unless moved.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "api/backend.hpp"
#include "api/replica.hpp"
#include "api/routes.hpp"
#include "api/tokens.hpp"
#include "base/check.hpp"
#include "core/state/decide.hpp"
#include "core/state/testing.hpp"
#include "model/names.hpp"

namespace busbar::api::testing {

inline constexpr std::int64_t epoch_unix_ms = 1'767'225'600'000;  // 2026-01-01T00:00:00Z at tick 0

class TestBackend : public Backend {
 public:
  std::int64_t log_begin = 0;  // of every attempt's output in its file

  TestBackend() : replica_(core::State()) {}

  void submit(Command command, std::function<void(Result<Committed>)> done) override {
    done(tell(std::move(command)));
  }
  Result<Committed> tell(Command command) {
    const std::lock_guard hold(lock_);
    if (health_ != JournalHealth::ok) return {Errc::unavailable, "the journal has no space left"};
    auto decision = core::decide(state_, command, now_);
    if (!decision.ok()) return decision.error();
    if (const auto* jobs = std::get_if<SubmitJobs>(&command)) {
      for (const PayloadBlob& blob : jobs->payloads) payloads_[blob.hash] = blob.bytes;
    }
    apply(std::move(decision->events));
    return Committed{state_.revision(), decision->jobs};
  }
  // Facts as the cycle would make them.
  void happen(EventBody body) {
    const std::lock_guard hold(lock_);
    std::vector<EventBody> bodies;
    bodies.push_back(std::move(body));
    apply(std::move(bodies));
  }

  Result<std::string> payload(PayloadHash hash) override {
    const std::lock_guard hold(lock_);
    const auto found = payloads_.find(hash);
    if (found == payloads_.end()) return {Errc::not_found, "no such payload"};
    return found->second;
  }
  void take_progress(const AttemptProgress& report) override { static_cast<void>(tell(report)); }
  Tokens& tokens() override { return tokens_; }
  Result<HistoryPage> history(const HistoryQuery& query) override {
    const std::lock_guard hold(lock_);
    HistoryPage page;
    for (std::size_t i = rows_.size(); i-- > 0;) {
      const HistoryRow& row = rows_[i];
      if (query.before_row != 0 && i + 1 >= query.before_row) continue;
      if (query.job && row.unit.job != *query.job) continue;
      if (!query.user.empty() && row.user != query.user) continue;
      if (query.state && row.state != *query.state) continue;
      if (row.ended < query.ended_from || row.ended >= query.ended_to) continue;
      if (page.rows.size() == query.limit) {
        page.next_before_row = i + 2;
        break;
      }
      page.rows.push_back(row);
    }
    return page;
  }
  Result<HistoryJob> history_job(JobId job) override {
    const std::lock_guard hold(lock_);
    const auto found = retired_.find(job);
    if (found == retired_.end())
      return {Errc::not_found, "there is no job " + std::to_string(job.value)};
    return found->second;
  }
  void read_log(const LogRequest& request, LogSink sink) override {
    const int file = open(request.path.c_str(), O_RDONLY | O_CLOEXEC);
    if (file < 0) return sink({Errc::not_found, "there is no file " + request.path});
    LogChunk chunk;
    struct stat facts {};
    fstat(file, &facts);
    chunk.size = facts.st_size;
    chunk.bytes.resize(static_cast<std::size_t>(request.length_max));
    chunk.begin = log_begin;
    const std::int64_t offset = request.offset < 0 ? log_begin : request.offset;
    const ssize_t count = pread(file, chunk.bytes.data(), chunk.bytes.size(), offset);
    chunk.bytes.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
    close(file);
    sink(std::move(chunk));
  }

  Tick now() const override {
    const std::lock_guard hold(lock_);
    return now_;
  }
  void advance(Span span) {
    const std::lock_guard hold(lock_);
    now_ = now_ + span;
  }
  std::int64_t unix_ms(Tick at) const override { return epoch_unix_ms + at.value; }
  Tick tick_of_unix_ms(std::int64_t unix_ms) const override {
    return Tick(std::max<std::int64_t>(0, unix_ms - epoch_unix_ms));
  }
  std::string installation() const override { return "abc123"; }
  std::string version() const override { return "0.1.0"; }
  std::string build() const override { return "test"; }
  Tick started_at() const override { return Tick(0); }
  JournalHealth journal_health() const override { return health_; }
  void set_health(JournalHealth health) { health_ = health; }
  std::vector<std::string> clusters() const override { return {"local"}; }
  Result<Reload> reload() override {
    return Reload{Configure{state_.config()}, [] { return std::string("nothing changed"); }};
  }
  std::string config_text() const override { return "listen:\n  socket: /run/busbar/socket\n"; }

  Replica& replica() { return replica_; }
  const core::State& state() const { return state_; }
  // The replica shows all that has happened.
  void settle() const { replica_.wait_for(state_.revision(), std::chrono::seconds(10)); }

  // --- short forms
  NodeId add_node(Node node) {
    node.id = state_.next_node();
    const NodeId id = node.id;
    happen(NodeRegistered{std::move(node)});
    happen(ClusterSynchronised{"local"});
    return id;
  }
  JobId add_job(Job job) {
    job.id = state_.next_job();
    const JobId id = job.id;
    if (job.tenant.empty()) job.tenant = state_.config().default_tenant;
    happen(Submitted{{std::move(job)}, {}});
    return id;
  }
  AttemptId grant(const UnitId& unit, NodeId node, std::uint32_t first_device = 0) {
    const Job& job = state_.find(unit.job)->job;
    const std::uint32_t tasks = job.coupling == Coupling::loose ? 1 : job.groups[0].count.min;
    const AttemptId id = state_.next_attempt(unit);
    const Allocation allocation{
        {core::testing::claim_on(node, job, unit.group, tasks, first_device)}};
    happen(Granted{id, allocation, job.time_limit, tick_never});
    return id;
  }
  void run(const AttemptId& attempt) { happen(Running{attempt, {}, tick_never}); }
  void end(const AttemptId& attempt, RunState state = RunState::completed, int code = 0) {
    Ended event;
    event.attempt = attempt;
    event.state = state;
    event.exit.code = code;
    happen(std::move(event));
  }

 private:
  void apply(std::vector<EventBody> bodies) {
    Events events;
    for (EventBody& body : bodies) {
      Event event;
      event.revision = Revision(state_.revision().value + 1);
      event.tick = now_;
      event.body = std::move(body);
      keep_history(event);
      state_.apply(event);
      events.push_back(std::move(event));
    }
    if (!events.empty()) replica_.feed(std::move(events));
  }
  void keep_history(const Event& event) {
    if (const auto* ended = std::get_if<Ended>(&event.body)) {
      const core::JobRecord& record = *state_.find(ended->attempt.unit.job);
      const core::AttemptRecord& attempt = *state_.find(ended->attempt);
      HistoryRow row;
      row.unit = ended->attempt.unit;
      row.index_last = row.unit.index;
      row.attempt = ended->attempt.number;
      row.unit_name = unit_name(record.job, row.unit);
      row.job_name = record.job.name;
      row.user = record.job.user.name;
      row.tenant = record.job.tenant;
      row.nodes = state_.find(attempt.allocation.claims[0].node)->node.name;
      row.state = ended->state;
      row.exit = ended->exit;
      row.submitted = record.submitted;
      row.granted = attempt.granted;
      row.started = attempt.started;
      row.ended = event.tick;
      row.final = ended->next == UnitNext::closed;
      rows_.push_back(std::move(row));
    } else if (const auto* closed = std::get_if<UnitsClosed>(&event.body)) {
      const core::JobRecord& record = *state_.find(closed->job);
      for (const auto& range : closed->indices.ranges()) {
        HistoryRow row;
        row.unit = {closed->job, closed->group, range.first};
        row.index_last = range.last;
        row.unit_name = unit_name(record.job, row.unit);
        row.state = closed->state;
        row.ended = event.tick;
        rows_.push_back(std::move(row));
      }
    } else if (const auto* gone = std::get_if<JobRetired>(&event.body)) {
      const core::JobRecord& record = *state_.find(gone->job);
      retired_[gone->job] = {
          record.job,   core::job_state(record), record.exit_code,          record.submitted,
          record.ended, record.started,          core::ended_reason(record)};
    }
  }

  mutable std::mutex lock_;
  Tick now_{1000};
  core::State state_;
  Replica replica_;
  JournalHealth health_ = JournalHealth::ok;
  std::map<PayloadHash, std::string> payloads_;
  std::vector<HistoryRow> rows_;
  std::map<JobId, HistoryJob> retired_;
  Tokens tokens_;
};

inline Caller caller(std::string name = "ada", std::uint32_t uid = 1000, bool is_operator = false) {
  return {UserRef{std::move(name), uid, uid, is_operator}, true, true};
}
inline Caller operator_caller() { return caller("root", 0, true); }

inline Response follow(TestBackend& backend, FollowLog& log) {
  constexpr int reads_max = 4;
  for (int reads = 0; reads < reads_max; ++reads) {
    const auto request = log.request();
    if (!request.ok()) return error_response(request.error());
    Result<LogChunk> chunk = LogChunk{};
    if (request->has_value())
      backend.read_log(**request, [&](Result<LogChunk> read) { chunk = std::move(read); });
    LogStep step = log.answer(std::move(chunk), true);
    if (step.response) return std::move(*step.response);
    check(step.at_once, "a last answer waits for nothing");
  }
  check_failed("a log has no answer after several reads", __FILE__, __LINE__);
}

// What the server makes of an outcome when it may wait no longer; of events, those there are.
inline Response carry_out(TestBackend& backend, Outcome outcome) {
  if (auto* response = std::get_if<Response>(&outcome)) return std::move(*response);
  if (auto* labour = std::get_if<Labour>(&outcome)) return labour->run();
  if (auto* log = std::get_if<FollowLog>(&outcome)) return follow(backend, *log);
  if (auto* later = std::get_if<Later>(&outcome)) {
    auto response = later->look(true);
    check(response.has_value(), "a last look has an answer");
    return std::move(*response);
  }
  if (auto* stream = std::get_if<EventStream>(&outcome)) {
    Response response;
    response.content_type = "text/event-stream";
    for (const auto& event : backend.replica().read_events(stream->since, 256).events)
      response.body += stream->write(*event);
    return response;
  }
  auto& wanted = std::get<Ask>(outcome);
  const auto committed = backend.tell(std::move(wanted.command));
  if (!committed.ok()) return error_response(committed.error());
  if (wanted.committed) wanted.committed();
  backend.settle();
  return wanted.answer(*committed);
}

// Asks as the server does, and carries outcomes out at once.
class Asker {
 public:
  explicit Asker(TestBackend& backend, Caller who = caller())
      : backend_(backend), caller_(std::move(who)) {}

  Outcome outcome(const std::string& method, const std::string& target, std::string body = "",
                  std::map<std::string, std::string> headers = {}) {
    backend_.settle();
    Request request;
    request.method = method;
    request.headers = std::move(headers);
    request.body = std::move(body);
    const auto parsed = parse_target(target, request);
    if (!parsed.ok()) return error_response(parsed.error());
    return dispatch(request, caller_, backend_.replica(), backend_);
  }
  Response ask(const std::string& method, const std::string& target, std::string body = "",
               std::map<std::string, std::string> headers = {}) {
    return carry_out(backend_, outcome(method, target, std::move(body), std::move(headers)));
  }
  Response get(const std::string& target) { return ask("GET", target); }
  Response post(const std::string& target, std::string body = "") {
    return ask("POST", target, std::move(body));
  }

 private:
  TestBackend& backend_;
  Caller caller_;
};

}  // namespace busbar::api::testing
