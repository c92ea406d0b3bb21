#include "sim/replay/replay.hpp"

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "ring/ring.hpp"
#include "sim/agenda.hpp"
#include "sim/replay/breakdowns.hpp"
#include "sim/replay/fill.hpp"
#include "sim/replay/hash_journal.hpp"
#include "sim/replay/work_book.hpp"
#include "sim/sim_engine.hpp"

namespace busbar::sim {
namespace {

constexpr std::uint64_t progress_interval_jobs = 1000;

class Replay : public ring::Observer, public Truths {
 public:
  Replay(const Cluster& cluster, const Trace& trace, const ReplayOptions& options)
      : cluster_(cluster),
        trace_(trace),
        options_(options),
        work_(cluster),
        breakdowns_(cluster, options.seed, agenda_, hands()),
        measure_(cluster) {
    faults_.on = false;
    result_.jobs.resize(trace.jobs.size());
    for (std::size_t i = 0; i < trace.jobs.size(); ++i) {
      result_.jobs[i].submitted = trace.jobs[i].submit;
      for (std::uint32_t g = 0; g < trace.jobs[i].job.groups.size(); ++g)
        result_.jobs[i].units_left += unit_count(trace.jobs[i].job, g);
    }
  }

  Result<ReplayResult> run(Config config) {
    make_engines();
    ring_ = std::make_unique<ring::Ring>(clock_, journal_, engine_list(), *this,
                                         ring::RingOptions{options_.seed, "replay"});
    BUSBAR_TRY_OK(ring_->recover());
    config.topology_levels = cluster_.topology_levels;
    post(Configure{std::move(config)}, "the configuration");
    ring_->open_engines([this](Engine&) -> ReportSink {
      return [this](Command command) { ring_->post(std::move(command), {}); };
    });
    settle();
    take_inventory();
    if (trouble_) return std::move(*trouble_);
    if (options_.mode == ReplayMode::fill)
      fill();
    else
      play();
    if (trouble_) return std::move(*trouble_);
    result_.cycle_count = ring_->counters().cycles;
    result_.decisions = ring_->counters().grants;
    result_.journal_hash = journal_.hash();
    result_.end = agenda_.now() - begin_;
    return std::move(result_);
  }

  Truth truth_of(const Launch& launch) const override {
    Truth truth;
    const TraceJob& job = trace_.jobs[place_of(launch.id.unit.job)];
    truth.run_time = work_.run_time(job, launch);
    truth.exit.code = job.exit_code;
    return truth;
  }

 private:
  void durable_events(const Events& events) override {
    if (options_.mode != ReplayMode::fill) return;
    for (const Event& event : events)
      if (const auto* granted = std::get_if<Granted>(&event.body))
        for (const Claim& claim : granted->allocation.claims) allocated_ += measure_.of(claim);
  }
  void verdicts(const core::Verdicts&, bool) override {}

  std::size_t place_of(JobId job) const { return place_of_[job.value - 1]; }

  void make_engines() {
    std::map<std::string, std::vector<Node>> by_cluster;
    for (const Node& node : cluster_.nodes) by_cluster[node.cluster].push_back(node);
    for (auto& [name, nodes] : by_cluster)
      engines_.push_back(std::make_unique<SimEngine>(name, std::move(nodes), *this, agenda_,
                                                     faults_, Rng(options_.seed),
                                                     SimEngineOptions{Span(0), span_unlimited}));
  }
  std::vector<Engine*> engine_list() const {
    std::vector<Engine*> list;
    for (const auto& engine : engines_) list.push_back(engine.get());
    return list;
  }

  void post(Command command, std::string what) {
    ring_->post(std::move(command),
                [this, what = std::move(what)](const Result<ring::Reply>& reply) {
                  if (!reply.ok() && !trouble_)
                    trouble_ = Error{Errc::invalid, what + ": " + reply.error().text};
                });
  }

  // Until every engine has told what it has.
  void take_inventory() {
    while (!agenda_.empty() && !trouble_) {
      agenda_.take()();
      settle();
    }
    begin_ = agenda_.now();
  }

  void settle() {
    while (ring_->turn()) {
    }
    for (const HistoryRow& row : std::exchange(rows_, {})) count(row);
  }

  static UserRef operator_of_simulation() {
    return UserRef{.name = "simulation", .is_operator = true};
  }

  Breakdowns::Hands hands() {
    return {[this](std::size_t node, Span down) {
              work_.node_failed(cluster_.nodes[node].name, agenda_.now());
              for (const auto& engine : engines_)
                engine->lose_node(cluster_.nodes[node].name, down);
            },
            [this](std::size_t node) {
              post(FenceNode{cluster_.nodes[node].name, "it failed", operator_of_simulation()},
                   "a fence");
            },
            [this](std::size_t node) {
              post(ResumeNode{cluster_.nodes[node].name, operator_of_simulation()}, "a resumption");
            }};
  }

  // Nothing will ever happen again but that nodes fail and come back.
  bool stuck() const {
    return breakdowns_.endless() && next_ == trace_.jobs.size() && breakdowns_.all_up() &&
           ring_->state().attempts().empty() && ring_->next_wake() == tick_never;
  }

  void play() {
    breakdowns_.plan(begin_);
    const std::size_t count = trace_.jobs.size();
    const Tick stop = begin_ + options_.until;
    while (!trouble_ && ended_ < count && !stuck()) {
      const Tick submission = next_ < count ? begin_ + trace_.jobs[next_].submit : tick_never;
      const Tick at = std::min({agenda_.next_at(), submission, ring_->next_wake()});
      if (at == tick_never || at > stop) {
        if (stop != tick_never) agenda_.advance(stop);
        break;
      }
      agenda_.advance(at);
      while (agenda_.next_at() <= at) agenda_.take()();
      for (; next_ < count && begin_ + trace_.jobs[next_].submit <= at; ++next_) submit(next_);
      const std::uint64_t grants = ring_->counters().grants;
      settle();
      note_cycle(ring_->counters().grants - grants);
    }
    count_running();
  }

  // Each job has one cycle to find its place in.
  void fill() {
    for (; next_ < trace_.jobs.size() && !trouble_; ++next_) {
      const Tick at = begin_ + trace_.jobs[next_].submit;
      if (trace_.jobs[next_].submit > options_.until) break;
      while (agenda_.next_at() <= at) {
        agenda_.advance(agenda_.next_at());
        agenda_.take()();
        settle();
      }
      agenda_.advance(at);
      const std::uint64_t grants = ring_->counters().grants;
      const std::size_t taken = place_of_.size();
      submit(next_);
      settle();
      if (place_of_.size() > taken) give_up(JobId(place_of_.size()));
      note_cycle(ring_->counters().grants - grants);
      arrived_ += measure_.of(trace_.jobs[next_].job);
      result_.fill.push_back({arrived_, allocated_});
      if ((next_ + 1) % progress_interval_jobs == 0 && options_.report)
        options_.report({next_ + 1, next_ + 1, trace_.jobs.size(), agenda_.now() - begin_});
    }
    count_running();
  }

  // What did not start at once is cancelled.
  void give_up(JobId job) {
    const core::JobRecord* record = ring_->state().find(job);
    if (record == nullptr || record->waiting + record->held == 0) return;
    CancelUnits command;
    command.units.job = job;
    for (std::uint32_t g = 0; g < record->groups.size(); ++g) {
      if (record->groups[g].waiting.empty()) continue;
      command.units.all = false;
      command.units.group = g;
      command.units.indices = record->groups[g].waiting;
      command.by = operator_of_simulation();
      command.reason = "it found no place at once";
      post(command, "a job that found no place");
    }
    settle();
  }

  // What still runs has no row yet.
  void count_running() {
    for (const auto& [id, attempt] : ring_->state().attempts()) {
      JobOutcome& job = result_.jobs[place_of(id.unit.job)];
      const Span since = attempt.started - begin_;
      if (attempt.started == Tick()) continue;
      if (job.started == JobOutcome::never || since < job.started) job.started = since;
      job.state = RunState::running;
      job.attempts += 1;
    }
  }

  void submit(std::size_t place) {
    SubmitJobs command;
    command.user = trace_.jobs[place].job.user;
    Job& job = command.jobs.emplace_back(trace_.jobs[place].job);
    if (job.deadline_at != tick_never) job.deadline_at = job.deadline_at + (begin_ - Tick());
    if (job.begin_at != Tick()) job.begin_at = job.begin_at + (begin_ - Tick());
    ring_->post(std::move(command), [this, place](const Result<ring::Reply>& reply) {
      if (reply.ok()) {
        place_of_.push_back(place);
        check(reply->jobs.front().value == place_of_.size(), "jobs are not numbered from 1");
        return;
      }
      result_.jobs[place].refusal = reply.error().text;
      count_end();
    });
  }

  void count_end() {
    if (++ended_ % progress_interval_jobs == 0 && options_.report)
      options_.report({next_, ended_, trace_.jobs.size(), agenda_.now() - begin_});
  }

  void count(const HistoryRow& row) {
    JobOutcome& job = result_.jobs[place_of(row.unit.job)];
    if (row.attempt > 0) count_attempt(row, job);
    if (!row.final) return;
    if (row.state != RunState::completed || job.state == RunState::pending) job.state = row.state;
    job.units_left -= row.index_last - row.unit.index + 1;
    if (job.units_left > 0) return;
    job.ended = row.ended - begin_;
    count_end();
  }

  void count_attempt(const HistoryRow& row, JobOutcome& job) {
    const bool ran = row.started != Tick();
    const Span held = row.ended - (ran ? row.started : row.granted);
    const Span since = row.started - begin_;
    if (ran && (job.started == JobOutcome::never || since < job.started)) job.started = since;
    job.attempts += 1;
    job.restarts += row.attempt > 1 ? 1 : 0;
    job.preemptions += row.state == RunState::preempted ? 1 : 0;
    job.core_ms += row.cores.value * held.value / 1000;
    job.device_ms += row.devices.value * held.value / 1000;
    if (!row.final) {
      const Span kept = work_.interrupted(trace_.jobs[place_of(row.unit.job)], row);
      job.lost_device_ms += row.devices.value * (held - kept).value / 1000;
    }
    job.nodes = row.nodes;
  }

  void note_cycle(std::uint64_t starts) {
    CycleRow row;
    row.at = agenda_.now() - begin_;
    row.starts = static_cast<std::uint32_t>(starts);
    row.running = ring_->state().attempts().size();
    for (const auto& tenant : ring_->state().tenants()) row.waiting += tenant.submitted;
    row.waiting -= row.running;
    for (const auto& tenant : ring_->index().tenants()) row.cores_busy += tenant.held.cores;
    if (!result_.cycles.empty() && result_.cycles.back().running == row.running &&
        result_.cycles.back().waiting == row.waiting && starts == 0)
      return;
    result_.cycles.push_back(row);
  }

  const Cluster& cluster_;
  const Trace& trace_;
  const ReplayOptions& options_;
  Agenda agenda_;
  Faults faults_;
  SimClock clock_{agenda_};
  HashJournal journal_{[this](const HistoryRow& row) { rows_.push_back(row); }};
  std::vector<std::unique_ptr<SimEngine>> engines_;
  std::unique_ptr<ring::Ring> ring_;
  std::optional<Error> trouble_;
  WorkBook work_;
  Breakdowns breakdowns_;
  Tick begin_;
  std::size_t next_ = 0;               // of the trace, to be submitted
  std::size_t ended_ = 0;              // jobs
  std::vector<std::size_t> place_of_;  // in the trace, by job id - 1
  std::vector<HistoryRow> rows_;       // not yet counted
  Measure measure_;
  std::int64_t arrived_ = 0;  // of the fill mode, as FillPoint
  std::int64_t allocated_ = 0;
  ReplayResult result_;
};

}  // namespace

Result<ReplayResult> replay(const Cluster& cluster, const Config& config, const Trace& trace,
                            const ReplayOptions& options) {
  return Replay(cluster, trace, options).run(config);
}

}  // namespace busbar::sim
