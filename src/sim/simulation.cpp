#include "sim/simulation.hpp"

#include <fmt/format.h>

#include <map>
#include <memory>
#include <set>
#include <vector>

#include "core/explain/verdict_book.hpp"
#include "ring/ring.hpp"
#include "sim/agenda.hpp"
#include "sim/checkers.hpp"
#include "sim/faults.hpp"
#include "sim/sim_engine.hpp"
#include "sim/sim_journal.hpp"
#include "sim/workload.hpp"
#include "sim/world.hpp"

namespace busbar::sim {
namespace {

std::vector<Node> nodes_of(const World& world, const std::string& cluster) {
  std::vector<Node> out;
  for (auto& node : world.make_nodes())
    if (node.cluster == cluster) out.push_back(node);
  return out;
}

class Simulation : public ring::Observer {
 public:
  explicit Simulation(const SimulationOptions& options)
      : options_(options),
        rng_(options.seed),
        world_(mix(options.seed, 1), options.stretch),
        journal_(agenda_, faults_, rng_.fork(2)),
        alpha_("alpha", nodes_of(world_, "alpha"), world_, agenda_, faults_, rng_.fork(3)),
        beta_("beta", nodes_of(world_, "beta"), world_, agenda_, faults_, rng_.fork(4)),
        workload_(rng_.fork(5)),
        clock_chance_(rng_.fork(6)),
        restore_chance_(rng_.fork(7)) {
    faults_.on = options.faults;
    faults_.crash = options.crash;
  }

  SimulationResult run() {
    start();
    plan_rough_times();
    const Tick calm_from = Tick(1000) + options_.rough;
    agenda_.add(calm_from, [this] { calm(); });
    const Tick end = calm_from + options_.calm_max;
    while (result_.violation.empty() && agenda_.next_at() < end) {
      happen(agenda_.take());
      if (calm_ && all_ended()) break;
    }
    if (result_.violation.empty()) check_end();
    result_.journal_hash = journal_.hash();
    result_.events = journal_.events().size();
    result_.runs = alpha_.runs() + beta_.runs();
    result_.staged_runs = alpha_.staged_runs() + beta_.staged_runs();
    result_.end = agenda_.now();
    if (options_.keep_journal) result_.journal = journal_.events();
    return result_;
  }

 private:
  void durable_events(const Events& events) override {
    for (const auto& event : events) {
      replica_.apply(event);
      if (std::holds_alternative<Promised>(event.body)) ++result_.promises;
      if (const auto* granted = std::get_if<Granted>(&event.body))
        fail_if(check_grant(replica_, *granted));
      fail_if(history_.see(event));
      fail_if(replica_.invariants());
    }
    if (++batches_ % 16 == 0)
      expect(journal_.save_snapshot(replica_.revision(), core::encode_state(replica_)).ok(),
             "a snapshot was refused");
  }
  void verdicts(const core::Verdicts& verdicts, bool cycle_finished) override {
    why_.put(verdicts, cycle_finished);
  }

  void start() {
    ++life_;
    replica_ = core::State();
    history_ = History();
    ring_ = std::make_unique<ring::Ring>(clock_, journal_, std::vector<Engine*>{&alpha_, &beta_},
                                         *this, ring::RingOptions{options_.seed, "simulated"});
    journal_.set_listener([this](Revision) { stir_ = true; });
    const auto recovery = ring_->recover();
    if (!recovery.ok()) return fail("recovery failed: " + recovery.error().text);
    if (recovery->mark) clock_.resume(*recovery->mark);
    forget_what_is_lost();
    rebuild_replica();
    if (ring_->state().config_version() == 0) ring_->post(Configure{world_.make_config()}, {});
    ring_->open_engines([this](Engine&) -> ReportSink {
      return [this](Command command) {
        ring_->post(std::move(command), {});
        stir_ = true;
      };
    });
    stir_ = true;
  }

  // The replica follows durable events from the beginning, so that replay is compared with live.
  void rebuild_replica() {
    for (const auto& bytes : journal_.events()) {
      const auto event = decode_event(bytes);
      check(event.ok(), "the simulated journal cannot be read");
      replica_.apply(*event);
      fail_if(history_.see(*event));
    }
    expect(replica_.digest() == ring_->state().digest(), "replay does not equal recovery");
  }

  void happen(const std::function<void()>& happening) {
    try {
      happening();
      if (stir_ && ring_) turn();
    } catch (const Crash& at) {
      ++result_.crashes_at[at.where];
      crash();
    }
  }

  void turn() {
    stir_ = false;
    const std::uint64_t before = ring_->counters().slices;
    while (ring_->turn()) {
      if (ring_->counters().slices - before > 100'000) return fail("the cycle never ends");
    }
    check_now();
    const Tick wake = clock_.agenda_at(ring_->next_wake());
    if (wake < tick_never && wake != wake_) {
      wake_ = wake;
      agenda_.add(wake, [this, life = life_] { stir_ = stir_ || life == life_; });
    }
  }

  void check_now() {
    fail_if(check_capacity(ring_->state()));
    fail_if(check_quotas(ring_->state()));
    fail_if(check_gangs(ring_->state()));
    if (++turns_ % 8 == 0)
      expect(core::Index(ring_->state()) == ring_->index(), "the index is not Index(State)");
    if (!alpha_.violation().empty()) fail(alpha_.violation());
    if (!beta_.violation().empty()) fail(beta_.violation());
  }

  void crash() {
    ++result_.crashes;
    journal_.crash();
    alpha_.close();
    beta_.close();
    ring_.reset();
    stir_ = false;
    wake_ = Tick(-1);
    const Span down = std::exchange(absence_, Span(0)) +
                      Span(static_cast<std::int64_t>(100 + rng_.below(20'000)));
    agenda_.add(agenda_.now() + down, [this] { start(); });
  }

  void plan_rough_times() {
    for (std::uint32_t i = 0; i < options_.submissions; ++i) {
      agenda_.add(moment(), [this] { submit(workload_.submission(clock_.now())); });
      if (i % 2 == 0) {
        agenda_.add(moment(), [this] {
          if (!ring_) return;
          Command command = workload_.meddling(ring_->state(), clock_.now());
          // Who fences a node vouches that nothing runs there, and here speaks the truth.
          if (const auto* fence = std::get_if<FenceNode>(&command); fence && fence->by.is_operator)
            for (SimEngine* engine : {&alpha_, &beta_}) engine->lose_node(fence->node, seconds(20));
          ring_->post(std::move(command), {});
          stir_ = true;
        });
      }
    }
    if (!options_.faults) return;
    for (int i = 0; i < 4; ++i) {
      agenda_.add(moment(), [this] {
        SimEngine& engine = beta_.node_count() > 0 && rng_.chance(1, 2) ? beta_ : alpha_;
        engine.lose_node(rng_.below(engine.node_count()), seconds(20));
      });
      agenda_.add(moment(), [this] {
        if (ring_) throw Crash{"between steps"};  // what is down cannot die again
      });
    }
    if (restore_chance_.chance(1, 2)) agenda_.add(moment(), [this] { restore_backup(); });
    if (clock_chance_.chance(1, 8)) agenda_.add(moment(), [this] { stay_away(); });
    if (clock_chance_.chance(1, 4)) agenda_.add(moment(), [this] { sleep(); });
  }

  Span hours_unseen() {
    return hours(1) + seconds(static_cast<std::int64_t>(1 + clock_chance_.below(3 * 3600)));
  }

  // The loop dies and is started again hours later only.
  void stay_away() {
    if (!ring_) return;
    absence_ = hours_unseen();
    ++result_.clock_jumps;
    agenda_.add(agenda_.now() + absence_ + minutes(2), [this] { answer_clock(); });
    throw Crash{"between steps"};
  }

  // The machine sleeps: all that was to happen meanwhile happens at its end.
  void sleep() {
    if (!ring_) return;
    const Span span = hours_unseen();
    ++result_.clock_jumps;
    agenda_.advance(agenda_.now() + span);
    clock_.sleep(span);
    stir_ = true;
    agenda_.add(agenda_.now() + minutes(2), [this] { answer_clock(); });
  }

  // The loop dies, and the next finds a backup of the journal in its place.
  void restore_backup() {
    if (!ring_) return;
    journal_.crash();
    journal_.restore(1 + restore_chance_.below(60));
    restored_ = going_back_ = true;
    agenda_.add(agenda_.now() + minutes(1), [this] { adopt(); });
    throw Crash{"between steps"};
  }

  // What was acknowledged after the backup is lost, and nobody expects it.
  void forget_what_is_lost() {
    // What ends before an engine is asked leaves no trace in an older journal.
    if (restored_)
      for (SimEngine* engine : {&alpha_, &beta_}) engine->forget_history();
    if (!std::exchange(going_back_, false)) return;
    const JobId next = ring_->state().next_job();
    std::erase_if(acknowledged_, [&](JobId job) { return job >= next; });
    answered_.clear();
  }

  void adopt() {
    if (!ring_) return;
    if (ring_->state().behind_engines()) ++result_.restores;
    ring_->post(AdoptCluster{"", restore_chance_.chance(1, 2), {"root", 0, 0, true}}, {});
    stir_ = true;
  }

  void answer_clock() {
    if (!ring_) return;
    ring_->post(AnswerClock{clock_chance_.chance(1, 2), {"root", 0, 0, true}}, {});
    stir_ = true;
  }

  Tick moment() {
    return Tick(2000) + Span(static_cast<std::int64_t>(
                            rng_.below(static_cast<std::uint64_t>(options_.rough.value))));
  }

  // A person submits, and again under the same key when no answer came because the loop died.
  void submit(SubmitJobs submission) {
    const Tick again = agenda_.now() + seconds(30);
    if (!submission.idempotency_key.empty())
      agenda_.add(again, [this, submission] {
        if (!answered_.contains(submission.idempotency_key)) submit(submission);
      });
    if (!ring_) return;
    const std::string key = submission.idempotency_key;
    ring_->post(std::move(submission), [this, key](Result<ring::Reply> reply) {
      if (!key.empty()) answered_.insert(key);
      if (!reply.ok()) return;
      for (const JobId job : reply->jobs) acknowledged_.insert(job);
    });
    stir_ = true;
  }

  // No more faults; everything is released and resumed, and all work must end.
  void calm() {
    faults_.on = false;
    calm_ = true;
    if (!ring_) {
      calm_ = false;
      agenda_.add(agenda_.now() + seconds(5), [this] { calm(); });
      return;
    }
    adopt();  // else the rest is refused
    const UserRef root{"root", 0, 0, true};
    for (const auto& [id, record] : ring_->state().jobs()) {
      UnitSelector all;
      all.job = id;
      ring_->post(ReleaseUnits{all, root}, {});
    }
    resume_all();
    answer_clock();
    agenda_.add(agenda_.now() + minutes(1), [this] { calm_again(); });
    stir_ = true;
  }

  void resume_all() {
    const UserRef root{"root", 0, 0, true};
    for (const auto& record : ring_->state().nodes())
      if (record.drained) ring_->post(ResumeNode{record.node.name, root}, {});
  }

  // Units that three failed launches in a row held are cancelled, as an operator would; nodes are
  // resumed again, because a command that the daemon died under was never acknowledged.
  void calm_again() {
    agenda_.add(agenda_.now() + minutes(10), [this] { calm_again(); });
    if (!ring_) return;
    resume_all();
    adopt();
    const UserRef root{"root", 0, 0, true};
    for (const auto& [id, record] : ring_->state().jobs()) {
      if (record.held == 0) continue;
      UnitSelector all;
      all.job = id;
      ring_->post(CancelUnits{all, root, "it never launches"}, {});
    }
    stir_ = true;
  }

  bool all_ended() const {
    if (!ring_ || !ring_->drained() || !ring_->state().attempts().empty()) return false;
    if (!ring_->state().sighted().empty()) return false;
    for (const auto& [id, record] : ring_->state().jobs())
      if (!record.ended_all()) return false;
    return true;
  }

  std::string words_of(JobId id, const core::JobRecord& record) const {
    const auto verdicts = why_.of(ring_->state(), ring_->index(), record, ring_->state().now());
    const core::Verdict why = verdicts.empty() ? core::Verdict{} : verdicts.front();
    return fmt::format(" {}(waiting {}, held {}, live {}: {} {} {}/{}/{})", id.value,
                       record.waiting, record.held, record.live, to_string(why.reason),
                       why.resource, why.wanted, why.free, why.capacity);
  }

  void check_end() {
    if (!all_ended()) {
      std::string who;
      if (ring_)
        for (const auto& [id, record] : ring_->state().jobs())
          if (!record.ended_all()) who += words_of(id, record);
      return fail("work never ended:" + who);
    }
    for (const JobId job : acknowledged_) {
      ++result_.jobs;
      if (ring_->state().find(job) == nullptr && !journal_.history_job(job).ok())
        return fail(fmt::format("acknowledged job {} is lost", job.value));
    }
    expect(replica_.digest() == ring_->state().digest(), "the replica does not equal the loop");
    const auto decoded = core::decode_state(core::encode_state(replica_));
    expect(decoded.ok() && *decoded == replica_, "a snapshot does not read back");
    check_exit_codes();
  }

  // The history's exit codes are the world's.
  void check_exit_codes() {
    std::map<AttemptId, int> seen;
    for (const auto& row : journal_.rows()) {
      if (row.attempt == 0) continue;
      const AttemptId id{row.unit, row.attempt};
      expect(++seen[id] == 1, "an attempt has two rows in history");
      if (row.exit.cause != EndCause::exited) continue;
      const Exit truth = world_.truth_of(id).exit;
      expect(row.exit.code == truth.code && row.exit.signal == truth.signal,
             "an exit code is not the world's");
    }
  }

  void fail(std::string what) {
    if (result_.violation.empty())
      result_.violation = fmt::format("at tick {}: {}", agenda_.now().value, what);
  }
  void fail_if(const std::optional<std::string>& broken) {
    if (broken) fail(*broken);
  }
  void expect(bool holds, const char* what) {
    if (!holds) fail(what);
  }

  SimulationOptions options_;
  Rng rng_;
  Agenda agenda_;
  Faults faults_;
  SimClock clock_{agenda_};
  World world_;
  SimJournal journal_;
  SimEngine alpha_;
  SimEngine beta_;
  Workload workload_;
  Rng clock_chance_;
  Span absence_;  // of the loop, at the next crash
  Rng restore_chance_;
  bool restored_ = false;
  bool going_back_ = false;  // the next start finds the backup
  std::unique_ptr<ring::Ring> ring_;
  core::State replica_;
  History history_;
  std::set<std::string> answered_;
  std::set<JobId> acknowledged_;
  core::VerdictBook why_;
  SimulationResult result_;
  std::uint64_t life_ = 0;
  std::uint64_t batches_ = 0;
  std::uint64_t turns_ = 0;
  Tick wake_{-1};
  bool stir_ = false;
  bool calm_ = false;
};

}  // namespace

SimulationResult simulate(const SimulationOptions& options) { return Simulation(options).run(); }

}  // namespace busbar::sim
