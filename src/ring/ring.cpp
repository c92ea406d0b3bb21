#include "ring/ring.hpp"

#include <algorithm>
#include <utility>

#include "base/rng.hpp"
#include "model/names.hpp"
#include "model/written.hpp"
#include "ring/history.hpp"

namespace busbar::ring {
namespace {

// How long an engine may be silent about an attempt before it is asked.
constexpr Span look_up_interval = seconds(30);
// How long a request waits after a start until every engine has told what it runs.
constexpr Span engines_wait = seconds(10);
// From the request to end what no operator knows until SIGKILL.
constexpr Span leftover_grace = seconds(5);

// What engines report, but for what they run and that they have told all: these two may prove that
// the journal is not the newest, and then nothing is learned, acknowledged or ended.
bool is_report(const Command& command) {
  return !core::is_request(command) && !std::holds_alternative<Configure>(command) &&
         !std::holds_alternative<ClockJumped>(command) &&
         !std::holds_alternative<AttemptSighted>(command) &&
         !std::holds_alternative<EngineSynchronised>(command);
}

// From the request to end until SIGKILL. A job that is to run again and asked for a signal to save
// itself gets its checkpoint's grace before its own; the engine uses the surplus as the lead.
Span end_grace(const Job& job, StopCause cause) {
  const bool again = cause == StopCause::preempt || cause == StopCause::requeue;
  const bool saves = job.checkpoint->present && job.checkpoint->signal != 0;
  return again && saves ? job.grace + job.checkpoint->grace : job.grace;
}

std::vector<PayloadBlob> take_payloads(Command& command) {
  auto* submit = std::get_if<SubmitJobs>(&command);
  return submit == nullptr ? std::vector<PayloadBlob>{} : std::exchange(submit->payloads, {});
}

}  // namespace

Ring::Ring(Clock& clock, Journal& journal, std::vector<Engine*> engines, Observer& observer,
           RingOptions options)
    : clock_(clock),
      journal_(journal),
      engines_(std::move(engines)),
      observer_(observer),
      options_(std::move(options)),
      policy_(core::make_policy(core::State().config().policy)) {}

Result<Recovery> Ring::recover() {
  std::optional<Error> bad_snapshot;
  const auto start = [&](const Recovery& found) {
    if (found.snapshot_revision == Revision(0)) return;
    auto state = core::decode_state(found.snapshot);
    if (state.ok()) {
      state_ = std::move(state).value();
    } else {
      bad_snapshot = state.error();
    }
  };
  const auto replay = [&](const Event& event) {
    if (!bad_snapshot) state_.apply(event);
  };
  BUSBAR_TRY(recovery, journal_.open(replay, start));
  if (bad_snapshot) return *bad_snapshot;
  check(state_.revision() == recovery.last, "replay did not reach the last durable revision");
  installation_ = recovery.installation;
  index_ = std::make_unique<core::Index>(state_);
  policy_ = core::make_policy(state_.config().policy);
  return recovery;
}

void Ring::open_engines(const std::function<ReportSink(Engine&)>& sink_for) {
  requests_wait_until_ = std::max(clock_.now(), state_.now()) + engines_wait;
  for (Engine* engine : engines_) {
    silent_.insert(engine->cluster());
    std::vector<Launch> live;
    std::vector<std::pair<std::string, Span>> stopping;
    std::vector<std::string> revoked;
    for (const auto& [id, attempt] : state_.attempts()) {
      if (engine_of(attempt.allocation) != engine) continue;
      live.push_back(core::make_launch(state_, attempt, installation_));
      if (attempt.stop == StopCause::revoke)
        revoked.push_back(live.back().name);
      else if (attempt.stop != StopCause::none)
        stopping.push_back(
            {live.back().name, end_grace(state_.find(id.unit.job)->job, attempt.stop)});
    }
    engine->open(installation_, std::move(live), sink_for(*engine));
    for (const auto& [name, grace] : stopping) engine->end(name, grace);
    for (const auto& name : revoked) engine->revoke(name);
  }
  for (const auto& [id, sighted] : state_.sighted())
    if (sighted.adopted) ask_after_leftover(id, sighted);
}

void Ring::post(Command command, Done done) {
  inbox_.push_back({std::move(command), std::move(done)});
}

bool Ring::turn() {
  const Tick now = std::max(clock_.now(), state_.now());
  if (const Span jump = clock_.take_jump(); jump > Span(0)) take({ClockJumped{jump}, {}}, now);
  const std::size_t posted = inbox_.size();
  for (std::size_t i = 0; i < posted; ++i) {
    Posted next = std::move(inbox_.front());
    inbox_.pop_front();
    take(std::move(next), now);
  }
  take_waiting_reports(now);
  take_waiting_requests(now);
  if (may_plan() &&
      (dirty_ || !cursor_.finished || core::next_due(state_, *index_, planned_at_) <= now))
    plan_slice(now);
  append();
  look_up_overdue(now);
  externalise();
  return !inbox_.empty() || (may_plan() && (dirty_ || !cursor_.finished));
}

// What is started could be what an engine already runs under the same name, or need what leftovers
// hold.
bool Ring::may_plan() const { return silent_.empty() && state_.sighted().empty(); }

bool Ring::may_learn() const { return silent_.empty() && !state_.behind_engines(); }

void Ring::take_waiting_reports(Tick now) {
  if (!may_learn()) return;
  for (auto& posted : std::exchange(waiting_reports_, {})) take(std::move(posted), now);
}

void Ring::take_waiting_requests(Tick now) {
  if (!silent_.empty() && now < requests_wait_until_) return;
  for (auto& posted : std::exchange(waiting_requests_, {})) take(std::move(posted), now);
}

// True: it was taken care of, and may come again later.
bool Ring::put_aside(Posted& posted, Tick now) {
  if (is_report(posted.command)) {
    if (may_learn()) return false;
    waiting_reports_.push_back(std::move(posted));
    return true;
  }
  if (const auto* seen = std::get_if<AttemptSighted>(&posted.command))
    return !may_learn() && put_aside_closed(*seen, posted);
  if (!core::is_request(posted.command)) return false;
  if (silent_.empty() && waiting_requests_.empty()) return false;
  if (silent_.empty() || now < requests_wait_until_) {
    waiting_requests_.push_back(std::move(posted));
    return true;
  }
  ++counters_.refused;
  answer(std::move(posted.done),
         Error{Errc::unavailable, "cluster " + *silent_.begin() +
                                      " has not told what it runs since this start, and nothing "
                                      "is changed before; look at the log, and try again"});
  return true;
}

// What State has closed is ended, but not while the journal may be an older one.
bool Ring::put_aside_closed(const AttemptSighted& seen, Posted& posted) {
  if (state_.find(seen.attempt) != nullptr || state_.sighted().contains(seen.attempt) ||
      state_.is_newer(seen.attempt))
    return false;
  const bool waits =
      std::any_of(waiting_reports_.begin(), waiting_reports_.end(), [&](const Posted& other) {
        const auto* sighted = std::get_if<AttemptSighted>(&other.command);
        return sighted != nullptr && sighted->attempt == seen.attempt;
      });
  if (!waits) waiting_reports_.push_back(std::move(posted));
  return true;
}

void Ring::take(Posted posted, Tick now) {
  if (put_aside(posted, now)) return;
  ++counters_.commands;
  if (core::is_request(posted.command) && journal_.health() != JournalHealth::ok) {
    ++counters_.refused;
    if (posted.done)
      posted.done({Errc::unavailable,
                   "the state folder has no space left, so nothing new is accepted; free some "
                   "space and try again"});
    return;
  }
  if (const auto* told = std::get_if<EngineSynchronised>(&posted.command)) {
    silent_.erase(told->cluster);
    take_waiting_reports(now);
  }
  auto payloads = take_payloads(posted.command);
  Result<core::Decision> decision = core::decide(state_, posted.command, now);
  if (!decision.ok()) {
    ++counters_.refused;
    answer(std::move(posted.done), std::move(decision).error());
    return;
  }
  if (decision->events.empty()) {
    follow_report(posted.command);
  } else {
    for (auto& blob : payloads) batch_.payloads.push_back(std::move(blob));
    commit(std::move(decision->events), now);
    dirty_ = true;
  }
  answer(std::move(posted.done), Reply{state_.revision(), std::move(decision->jobs)});
}

void Ring::answer(Done done, Result<Reply> reply) {
  if (!done) return;
  leave([done = std::move(done), reply = std::move(reply)] { done(reply); });
}

// A report that changed nothing. An engine keeps what it reported until State has it for good: an
// end told again is acknowledged again, and an attempt that State does not hold as live (fenced, or
// already ended) is ended there.
void Ring::follow_report(const Command& command) {
  if (const auto* ended = std::get_if<AttemptEnded>(&command)) {
    if (state_.find(ended->attempt) != nullptr) return;
    const std::string name = attempt_name(installation_, ended->attempt);
    leave([this, name] {
      for (Engine* engine : engines_) engine->acknowledge(name);
    });
  } else if (const auto* started = std::get_if<AttemptStarted>(&command)) {
    if (state_.find(started->attempt) != nullptr) return;
    if (state_.sighted().contains(started->attempt)) return;
    const std::string name = attempt_name(installation_, started->attempt);
    leave([this, name] {
      for (Engine* engine : engines_) engine->end(name, Span(0));
    });
  } else if (const auto* seen = std::get_if<AttemptSighted>(&command)) {
    follow_sighting(*seen);
  }
}

// An attempt that is not newer than the journal is one that State has closed: it is ended.
void Ring::follow_sighting(const AttemptSighted& seen) {
  if (state_.find(seen.attempt) != nullptr) return;
  const auto sighted = state_.sighted().find(seen.attempt);
  if (sighted != state_.sighted().end()) {
    if (sighted->second.adopted) ask_after_leftover(seen.attempt, sighted->second);
    return;
  }
  Engine* engine = engine_named(seen.cluster);
  leave([engine, name = attempt_name(installation_, seen.attempt)] {
    if (engine != nullptr) engine->end(name, leftover_grace);
  });
}

// Either makes the engine tell of its end once it has come.
void Ring::ask_after_leftover(const AttemptId& id, const core::SightedRecord& sighted) {
  Engine* engine = engine_named(sighted.cluster);
  leave([engine, keep = sighted.keep, name = attempt_name(installation_, id)] {
    if (engine == nullptr) return;
    if (!keep) engine->end(name, leftover_grace);
    engine->look_up(name);
  });
}

void Ring::commit(std::vector<EventBody> bodies, Tick now) {
  for (auto& body : bodies) {
    Event event;
    event.revision = Revision(state_.revision().value + 1);
    event.tick = now;
    event.body = std::move(body);
    apply(std::move(event));
  }
}

void Ring::apply(Event event) {
  std::optional<core::AttemptRecord> ended;
  if (const auto* body = std::get_if<Ended>(&event.body)) ended = *state_.find(body->attempt);
  add_history(event);
  state_.apply(event);
  index_->apply(state_, event);
  if (std::holds_alternative<Configured>(event.body))
    policy_ = core::make_policy(state_.config().policy);
  act_on(event.body, ended);
  batch_.events.push_back(std::move(event));
}

void Ring::add_history(const Event& event) { ring::add_history(state_, event, batch_); }

// Queues what an event means for the engines; it happens once the event is durable.
void Ring::act_on(const EventBody& body, const std::optional<core::AttemptRecord>& ended) {
  if (const auto* granted = std::get_if<Granted>(&body)) {
    ++counters_.grants;
    next_look_up_ = std::min(next_look_up_, state_.now() + look_up_interval);
    const auto* attempt = state_.find(granted->attempt);
    Engine* engine = engine_of(attempt->allocation);
    Launch launch = core::make_launch(state_, *attempt, installation_);
    launch.durable = state_.revision();
    leave([engine, launch = std::move(launch)] {
      if (engine != nullptr) engine->launch(launch);
    });
  } else if (const auto* stopping = std::get_if<Stopping>(&body)) {
    const auto* attempt = state_.find(stopping->attempt);
    Engine* engine = engine_of(attempt->allocation);
    const Span grace = end_grace(state_.find(stopping->attempt.unit.job)->job, stopping->cause);
    const bool revokes = stopping->cause == StopCause::revoke;
    leave([engine, revokes, grace, name = attempt_name(installation_, stopping->attempt)] {
      if (engine != nullptr && revokes) engine->revoke(name);
      if (engine != nullptr && !revokes) engine->end(name, grace);
    });
  } else if (const auto* updated = std::get_if<JobUpdated>(&body)) {
    next_look_up_ = std::min(next_look_up_, state_.now() + look_up_interval);
    for (const core::AttemptRecord* attempt : state_.live_attempts(updated->job.id))
      leave([engine = engine_of(attempt->allocation), limit = attempt->time_limit,
             name = attempt_name(installation_, attempt->id)] {
        if (engine != nullptr) engine->limit(name, limit);
      });
  } else if (const auto* end = std::get_if<Ended>(&body)) {
    // Where no engine reported this end (fence, new boot), anything that still bears the name must
    // go.
    Engine* engine = engine_of(ended->allocation);
    const bool unconfirmed = end->exit.cause == EndCause::node_lost;
    leave([engine, unconfirmed, name = attempt_name(installation_, end->attempt)] {
      if (engine == nullptr) return;
      if (unconfirmed) engine->end(name, Span(0));
      engine->acknowledge(name);
    });
  } else if (const auto* answer = std::get_if<ClockAnswered>(&body)) {
    // At once, so that the mark of this batch contains it.
    if (answer->accepted) clock_.advance(answer->withheld);
  } else {
    act_on_leftovers(body);
  }
}

void Ring::act_on_leftovers(const EventBody& body) {
  if (const auto* adopted = std::get_if<ClusterAdopted>(&body)) {
    for (const AttemptId& id : adopted->attempts) ask_after_leftover(id, state_.sighted().at(id));
    next_look_up_ = std::min(next_look_up_, state_.now() + look_up_interval);
  } else if (const auto* end = std::get_if<LeftoverEnded>(&body)) {
    leave([this, name = attempt_name(installation_, end->attempt)] {
      for (Engine* engine : engines_) engine->acknowledge(name);
    });
  }
}

void Ring::plan_slice(Tick now) {
  planned_at_ = now;
  const bool fresh = cursor_.finished;
  if (fresh) {
    ++counters_.cycles;
    dirty_ = false;
  }
  const core::View view{state_, *index_, now, &memory_};
  const Revision input = state_.revision();
  const std::uint64_t seed = mix(options_.seed, input.value);
  const core::StepBudget budget{state_.config().policy.slice_steps};
  const core::Cursor from = cursor_;
  core::Slice slice = core::plan(view, *policy_, from, budget, seed);
  ++counters_.slices;
  cursor_ = slice.cursor;
  core::Accepted accepted = core::accept(state_, *index_, slice.plan);
  counters_.steps_dropped += accepted.dropped;
  if (accepted.dropped > 0) memory_.forget_failures();
  if (!accepted.events.empty()) {
    const bool only_starts =
        std::all_of(accepted.events.begin(), accepted.events.end(), [](const EventBody& body) {
          return std::holds_alternative<Granted>(body) || std::holds_alternative<Promised>(body) ||
                 std::holds_alternative<PromiseVoided>(body);
        });
    SliceDecided record;
    record.input = input;
    record.seed = seed;
    record.policy_version = state_.config_version();
    record.build = options_.build;
    record.cursor = encode(from);
    record.budget_steps = budget.steps;
    accepted.events.push_back(std::move(record));
    commit(std::move(accepted.events), now);
    // Units that ended without running may free or close others.
    if (!only_starts) dirty_ = true;
  }
  leave([this, verdicts = std::move(slice.plan.verdicts), finished = slice.cursor.finished] {
    observer_.verdicts(verdicts, finished);
  });
}

void Ring::append() {
  if (batch_.events.empty()) return;
  auto events = std::make_shared<const Events>(batch_.events);
  const Revision last = batch_.events.back().revision;
  batch_.mark = clock_.mark();
  journal_.append(std::exchange(batch_, {}));
  // Observers see a revision before anything that rests on it is let out.
  const auto position = std::find_if(outbox_.begin(), outbox_.end(), [&](const Outgoing& out) {
    return out.revision >= events->front().revision;
  });
  outbox_.insert(position, {last, [this, events] { observer_.durable_events(*events); }});
}

void Ring::leave(std::function<void()> act) {
  outbox_.push_back({state_.revision(), std::move(act)});
}

void Ring::externalise() {
  const Revision durable = journal_.durable();
  while (!outbox_.empty() && outbox_.front().revision <= durable) {
    const auto act = std::move(outbox_.front().act);
    outbox_.pop_front();
    act();
  }
}

Tick Ring::next_wake() const {
  if (!inbox_.empty()) return state_.now();
  if (!may_plan())
    return waiting_requests_.empty() ? next_look_up_
                                     : std::min(next_look_up_, requests_wait_until_);
  if (dirty_ || !cursor_.finished) return state_.now();
  return std::min(core::next_due(state_, *index_, planned_at_), next_look_up_);
}

// An attempt that should have started, or ended, and of which nothing was heard: ask by name. The
// core never expires what an engine enforces; only the engine's answer counts.
void Ring::look_up_overdue(Tick now) {
  if (now < next_look_up_) return;
  const Tick again = now + look_up_interval;
  next_look_up_ = again;
  if (!silent_.empty() || state_.behind_engines()) return;
  if (state_.sighted().empty()) next_look_up_ = tick_never;
  for (const auto& [id, sighted] : state_.sighted()) ask_after_leftover(id, sighted);
  for (const auto& [id, attempt] : state_.attempts()) {
    const bool to_start = attempt.state == RunState::configuring;
    const Tick due = to_start ? std::min(attempt.granted + look_up_interval, attempt.latest_end)
                              : attempt.latest_end;
    next_look_up_ = std::min(next_look_up_, due > now ? due : again);
    if (due > now) continue;
    Engine* engine = engine_of(attempt.allocation);
    const std::string name = attempt_name(installation_, id);
    leave([engine, name] {
      if (engine != nullptr) engine->look_up(name);
    });
  }
}

Engine* Ring::engine_of(const Allocation& allocation) const {
  check(!allocation.claims.empty(), "an allocation without a claim");
  const auto* node = state_.find(allocation.claims.front().node);
  check(node != nullptr, "a claim on a node that State does not hold");
  return engine_named(node->node.cluster);
}

Engine* Ring::engine_named(const std::string& cluster) const {
  for (Engine* engine : engines_)
    if (engine->cluster() == cluster) return engine;
  return nullptr;
}

}  // namespace busbar::ring
