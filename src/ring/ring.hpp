// The ring of docs/architecture.md, as a machine that somebody turns: one thread calls post() and
// turn().
//
// A turn takes every command that was posted, decides and applies each, runs one slice of the cycle
// if anything may have changed, appends what happened as one batch, and lets out whatever has
// become durable. It reads the clock once, and before anything else takes in what the clock
// withheld. Nothing is planned, and no report but of what runs is taken, until every engine has
// told what it runs since the start: what is newer than the journal stops everything until it is
// adopted. Same journal, same commands at the same ticks: same events.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "core/cycle/plan.hpp"
#include "core/fit/index.hpp"
#include "core/policy/policy.hpp"
#include "core/query/launch.hpp"
#include "core/state/decide.hpp"
#include "core/state/state.hpp"
#include "ports/clock.hpp"
#include "ports/engine.hpp"
#include "ports/journal.hpp"

namespace busbar::ring {

// The answer to a command, given once everything it rests on is durable.
struct Reply {
  Revision revision;
  std::vector<JobId> jobs;  // of a submission
};
using Done = std::function<void(Result<Reply>)>;

// Sees durable facts only; called on the loop's thread, in order.
class Observer {
 public:
  virtual ~Observer() = default;
  virtual void durable_events(const Events& events) = 0;
  // Of the cohorts and classes the last slice looked at and did not start; `cycle_finished` when
  // the walk is complete.
  virtual void verdicts(const core::Verdicts& verdicts, bool cycle_finished) = 0;
};

struct RingOptions {
  std::uint64_t seed = 1;
  std::string build = "unknown";
};

struct RingCounters {
  std::uint64_t commands = 0;
  std::uint64_t refused = 0;
  std::uint64_t slices = 0;
  std::uint64_t cycles = 0;
  std::uint64_t steps_dropped = 0;
  std::uint64_t grants = 0;
};

class Ring {
 public:
  Ring(Clock& clock, Journal& journal, std::vector<Engine*> engines, Observer& observer,
       RingOptions options);

  // Rebuilds State from the journal. corrupt or unavailable: as the journal says.
  Result<Recovery> recover();
  // Opens every engine with the attempts that State holds there; reports must come back through
  // post().
  void open_engines(const std::function<ReportSink(Engine&)>& sink_for);

  void post(Command command, Done done);
  // True while there is more to do at once; otherwise nothing happens before next_wake() unless
  // something is posted or becomes durable.
  bool turn();
  // Lets out what is durable now; turn() does it too.
  void externalise();
  Tick next_wake() const;

  const core::State& state() const { return state_; }
  const core::Index& index() const { return *index_; }
  const RingCounters& counters() const { return counters_; }
  const std::string& installation() const { return installation_; }
  bool drained() const {
    return inbox_.empty() && outbox_.empty() && waiting_reports_.empty() &&
           waiting_requests_.empty();
  }

 private:
  struct Posted {
    Command command;
    Done done;
  };
  // What may leave once `revision` is durable.
  struct Outgoing {
    Revision revision;
    std::function<void()> act;
  };

  void take(Posted posted, Tick now);
  bool put_aside(Posted& posted, Tick now);
  bool put_aside_closed(const AttemptSighted& seen, Posted& posted);
  void take_waiting_reports(Tick now);
  void take_waiting_requests(Tick now);
  bool may_learn() const;
  bool may_plan() const;
  void answer(Done done, Result<Reply> reply);
  void commit(std::vector<EventBody> bodies, Tick now);
  void apply(Event event);
  void add_history(const Event& event);
  void plan_slice(Tick now);
  void act_on(const EventBody& body, const std::optional<core::AttemptRecord>& ended);
  void act_on_leftovers(const EventBody& body);
  void follow_report(const Command& command);
  void follow_sighting(const AttemptSighted& seen);
  void ask_after_leftover(const AttemptId& id, const core::SightedRecord& sighted);
  void append();
  void look_up_overdue(Tick now);
  Engine* engine_of(const Allocation& allocation) const;
  Engine* engine_named(const std::string& cluster) const;
  void leave(std::function<void()> act);

  Clock& clock_;
  Journal& journal_;
  std::vector<Engine*> engines_;
  Observer& observer_;
  RingOptions options_;
  std::string installation_;

  core::State state_;
  std::unique_ptr<core::Index> index_;
  std::unique_ptr<core::Policy> policy_;
  std::deque<Posted> inbox_;
  std::deque<Outgoing> outbox_;
  std::set<std::string> silent_;  // clusters that have not told what they run since the start
  std::vector<Posted> waiting_reports_;   // until none is silent and the journal is the newest
  std::vector<Posted> waiting_requests_;  // until none is silent, or refused after this:
  Tick requests_wait_until_;
  Batch batch_;
  core::Cursor cursor_;
  core::Memory memory_;  // of the scheduler, never changes an answer
  Tick planned_at_;      // of the last slice: what was due until then it has seen
  bool dirty_ = true;    // something since the last cycle's start may change a decision
  Tick next_look_up_{0};
  RingCounters counters_;
};

}  // namespace busbar::ring
