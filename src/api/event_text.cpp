#include "api/event_text.hpp"

#include "api/json_out.hpp"
#include "api/refs.hpp"
#include "model/names.hpp"

namespace busbar::api {
namespace {

class Teller {
 public:
  explicit Teller(const core::State& state) : state_(state) {}
  EventLine take() { return std::move(line_); }

  void operator()(const Configured& event) {
    say("configuration " + std::to_string(event.version) + " is in force");
  }
  void operator()(const Submitted& event) {
    std::string names;
    for (const Job& job : event.jobs) {
      line_.jobs.push_back(job.id);
      if (names.size() < 200)
        names += (names.empty() ? "" : ", ") + std::to_string(job.id.value) + " " + job.name;
    }
    const std::string who = event.jobs.empty() ? "" : event.jobs[0].user.name + " ";
    say(who + "submitted " + names);
  }
  void operator()(const UnitsClosed& event) {
    units(event.job, event.group, event.indices);
    say("ended " + std::string(to_string(event.state)) + " without running" +
        because(event.by, event.reason));
  }
  void operator()(const UnitsHeld& event) {
    units(event.job, event.group, event.indices);
    say("held" + because(event.by, event.reason));
  }
  void operator()(const UnitsReleased& event) {
    units(event.job, event.group, event.indices);
    say("released" + because(event.by, ""));
  }
  void operator()(const UnitsRequeued& event) {
    units(event.job, event.group, event.indices);
    say("waits again" + because(event.by, ""));
  }
  void operator()(const JobUpdated& event) {
    line_.jobs.push_back(event.job.id);
    line_.ref = std::to_string(event.job.id.value);
    say("updated" + because(event.by, ""));
  }
  void operator()(const Granted& event) {
    attempt(event.attempt);
    if (event.after.number == 0) return say("starts on " + nodes(event.allocation));
    const Job* job = job_of(event.after.unit.job);
    say("is staged on " + nodes(event.allocation) + ", to start when " +
        (job == nullptr ? "its predecessor" : attempt_display(*job, event.after)) + " ends");
  }
  void operator()(const Running& event) {
    attempt(event.attempt);
    say("runs");
  }
  void operator()(const BecameReady& event) {
    attempt(event.attempt);
    say("is ready" + (event.address.empty() ? "" : " at " + event.address));
  }
  void operator()(const Progressed& event) {
    attempt(event.attempt);
    say("has done " + std::to_string(event.work_done) +
        (event.work_total > 0 ? " of " + std::to_string(event.work_total) : ""));
  }
  void operator()(const Stopping& event) {
    attempt(event.attempt);
    say("is being stopped: " + std::string(to_string(event.cause)) +
        because(event.by, event.reason));
  }
  void operator()(const Ended& event) {
    attempt(event.attempt);
    std::string text = "ended " + std::string(to_string(event.state));
    if (event.exit.signal != 0) {
      text += " by signal " + std::to_string(event.exit.signal);
    } else if (event.exit.code != 0) {
      text += " with exit code " + std::to_string(event.exit.code);
    }
    if (!event.exit.detail.empty()) text += ": " + event.exit.detail;
    if (event.next == UnitNext::waits) text += "; waits to run again";
    if (event.next == UnitNext::held) text += "; held";
    say(text);
  }
  void operator()(const NodeRegistered& event) {
    say("node " + event.node.name + " is registered" +
        (event.node.simulated ? " (simulated)" : ""));
  }
  void operator()(const NodeReachability& event) {
    say(node(event.node) + (event.reachable ? " answers again" : " does not answer"));
  }
  void operator()(const NodeDrained& event) {
    say(node(event.node) + " is drained" + because(event.by, event.reason));
  }
  void operator()(const NodeResumed& event) {
    say(node(event.node) + " is in use again" + because(event.by, ""));
  }
  void operator()(const NodeFenced& event) {
    say(node(event.node) + " is fenced" + because(event.by, event.reason));
  }
  void operator()(const ReservationMade& event) {
    say("reservation " + event.reservation.name + " made" + because(event.reservation.by, ""));
  }
  void operator()(const ReservationEnded&) { say("a reservation ended"); }
  void operator()(const Promised& event) {
    unit(event.unit);
    say("is promised a start on " + nodes(event.allocation));
  }
  void operator()(const PromiseVoided& event) {
    unit(event.unit);
    say("promise is over: " + std::string(to_string(event.cause)));
  }
  void operator()(const ClusterSynchronised& event) {
    say("cluster " + event.cluster + " has told what runs");
  }
  void operator()(const JobRetired& event) {
    line_.jobs.push_back(event.job);
    line_.ref = std::to_string(event.job.value);
    say("went to the history");
  }
  void operator()(const SliceDecided&) { say("the scheduler decided"); }
  void operator()(const Learned&) { say("run times were learned"); }
  void operator()(const NewerSighted& event) {
    attempt(event.attempt);
    const std::string how = event.running ? "runs" : "has ended";
    say("is newer than the journal, and " + how + " on cluster " + event.cluster);
  }
  void operator()(const ClusterAdopted& event) {
    const bool one = event.attempts.size() == 1;
    const char* end = one ? "attempt newer than the journal is ended"
                          : "attempts newer than the journal are ended";
    const char* keep = one ? "attempt newer than the journal may end by itself"
                           : "attempts newer than the journal may end by themselves";
    say(std::to_string(event.attempts.size()) + " " + (event.keep ? keep : end) +
        because(event.by, ""));
  }
  void operator()(const LeftoverEnded& event) {
    attempt(event.attempt);
    std::string text = "was newer than the journal and has ended";
    if (event.exit.code != 0) text += " with exit code " + std::to_string(event.exit.code);
    say(text + because("", event.exit.detail));
  }
  void operator()(const ClockWithheld& event) {
    say("the clock moved by " + format_span(event.by) +
        " unseen; nothing expires in that time until an operator answers");
  }
  void operator()(const ClockAnswered& event) {
    say("the " + format_span(event.withheld) + " that the clock moved unseen " +
        (event.accepted ? "count" : "do not count") + because(event.by, ""));
  }

 private:
  void say(const std::string& text) { line_.text = line_.ref ? *line_.ref + " " + text : text; }
  const Job* job_of(JobId id) const {
    const core::JobRecord* record = state_.find(id);
    return record == nullptr ? nullptr : &record->job;
  }
  void units(JobId job, std::uint32_t group, const IndexSet& indices) {
    line_.jobs.push_back(job);
    const Job* known = job_of(job);
    line_.ref = std::to_string(job.value);
    if (known == nullptr || indices.empty() || group >= known->groups.size()) return;
    line_.ref = units_name(*known, group, indices.ranges().front());
    if (indices.ranges().size() > 1) *line_.ref += " and more";
  }
  void unit(const UnitId& id) {
    line_.jobs.push_back(id.job);
    const Job* known = job_of(id.job);
    line_.ref = known == nullptr ? std::to_string(id.job.value) : unit_name(*known, id);
  }
  void attempt(const AttemptId& id) {
    unit(id.unit);
    *line_.ref += "#" + std::to_string(id.number);
  }
  std::string node(NodeId id) const {
    const core::NodeRecord* record = state_.find(id);
    return "node " + (record == nullptr ? std::to_string(id.value) : record->node.name);
  }
  std::string nodes(const Allocation& allocation) const {
    std::string names;
    for (const Claim& claim : allocation.claims) {
      const core::NodeRecord* record = state_.find(claim.node);
      if (record == nullptr) continue;
      if (names.size() > 200) return names + ", ...";
      names += (names.empty() ? "" : ", ") + record->node.name;
    }
    return names;
  }
  static std::string because(const std::string& by, const std::string& reason) {
    return (by.empty() ? "" : " by " + by) + (reason.empty() ? "" : ": " + reason);
  }

  const core::State& state_;
  EventLine line_;
};

struct StreamEventView {
  Revision revision;
  Moment time;
  std::string_view kind;
  std::optional<JobId> job;
  std::optional<std::string> ref;
  std::string text;
  RawJson event;
};
template <class V>
void describe(V& visit, Like<StreamEventView> auto& view) {
  visit("revision", view.revision);
  visit("time", view.time);
  visit("kind", view.kind);
  visit("job", view.job);
  visit("ref", view.ref);
  visit("text", view.text);
  visit("event", view.event);
}

// Without the idempotency key, which is between its sender and the daemon.
struct SubmittedView {
  const std::vector<Job>& jobs;
};
template <class V>
void describe(V& visit, Like<SubmittedView> auto& view) {
  visit("jobs", view.jobs);
}

struct EventJson {
  std::string operator()(const Submitted& event) const {
    return to_json(SubmittedView{event.jobs});
  }
  template <class Body>
  std::string operator()(const Body& event) const {
    return to_json(event);
  }
};

}  // namespace

EventLine event_line(const core::State& state, const Event& event) {
  Teller teller(state);
  std::visit(teller, event.body);
  return teller.take();
}

std::string event_data(const Event& event, const EventLine& line, std::int64_t unix_ms) {
  StreamEventView view;
  view.revision = event.revision;
  view.time = {unix_ms};
  view.kind = event_words[event.body.index()];
  if (!line.jobs.empty()) view.job = line.jobs.front();
  view.ref = line.ref;
  view.text = line.text;
  view.event = {std::visit(EventJson{}, event.body)};
  return to_json(view);
}

}  // namespace busbar::api
