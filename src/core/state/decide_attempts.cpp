// Reports about attempts. A report may come late, twice, or of an attempt that is over: then it
// changes nothing.
#include "core/state/learn.hpp"
#include "core/state/rules.hpp"

namespace busbar::core {
namespace {

Running running(Facts facts, const AttemptRecord& attempt) {
  const JobRecord* job = facts.state.find(attempt.id.unit.job);
  check(job != nullptr, "a live attempt without a job");
  return {attempt.id, {}, facts.state.latest_end(job->job, attempt.time_limit, facts.now)};
}

// While the attempt that it follows has not ended here, a staged one is not taken to run: what the
// engine has to tell of both comes again, in their order.
const AttemptRecord* find_unstaged(const State& state, const AttemptId& id) {
  const AttemptRecord* attempt = state.find(id);
  return attempt == nullptr || attempt->staged() ? nullptr : attempt;
}

// A report that only a running attempt can cause implies that it runs.
void imply_running(Facts facts, const AttemptRecord& attempt, Bodies& out) {
  if (attempt.started == Tick(0)) out.push_back(running(facts, attempt));
}

// What other live attempts hold of an ordinal.
MilliDevices held_by_others(const State& state, const AttemptId& mine, NodeId node,
                            std::uint32_t ordinal) {
  MilliDevices held;
  for (const auto& [id, attempt] : state.attempts()) {
    if (id == mine || attempt.staged()) continue;
    for (const auto& claim : attempt.allocation.claims) {
      if (claim.node != node) continue;
      for (const auto& device : claim.devices)
        if (device.ordinal == ordinal) held += device.share;
    }
  }
  return held;
}

bool same_shares(const Claim& a, const Claim& b) {
  if (a.devices.size() != b.devices.size()) return false;
  for (std::size_t i = 0; i < a.devices.size(); ++i)
    if (a.devices[i].share != b.devices[i].share) return false;
  return true;
}

bool same_quantities(const Claim& a, const Claim& b) {
  return a.node == b.node && a.group == b.group && a.alternative == b.alternative &&
         a.tasks == b.tasks && a.cores == b.cores && a.memory == b.memory &&
         a.scratch == b.scratch && a.named == b.named && a.ports == b.ports &&
         a.exclusive == b.exclusive && same_shares(a, b);
}

// Whether the reported ordinals exist and are free of others.
bool devices_free(const State& state, const AttemptRecord& attempt,
                  const std::vector<Claim>& bound) {
  for (const auto& claim : bound) {
    const NodeRecord* node = state.find(claim.node);
    for (const auto& device : claim.devices) {
      if (node == nullptr || device.ordinal >= node->node.devices.size()) return false;
      MilliDevices held = held_by_others(state, attempt.id, claim.node, device.ordinal);
      for (const auto& mine : bound) {
        if (mine.node != claim.node) continue;
        for (const auto& share : mine.devices)
          if (share.ordinal == device.ordinal) held += share.share;
      }
      if (held > MilliDevices(1000)) return false;
    }
  }
  return true;
}

bool same_ordinals(const std::vector<Claim>& a, const std::vector<Claim>& b) {
  for (std::size_t i = 0; i < a.size(); ++i)
    if (a[i].devices != b[i].devices) return false;
  return true;
}

// The claims as the engine bound them; the granted ones where its report cannot be true.
std::vector<Claim> accept_bound(const State& state, const AttemptRecord& attempt,
                                const std::vector<Claim>& bound) {
  const auto& granted = attempt.allocation.claims;
  if (bound.size() != granted.size()) return {};
  for (std::size_t i = 0; i < bound.size(); ++i)
    if (!same_quantities(bound[i], granted[i])) return {};
  if (!same_ordinals(bound, granted) && !devices_free(state, attempt, bound)) return {};
  return bound;
}

// What an end teaches that nobody asked for.
std::optional<Learned> lesson_of(Facts facts, const AttemptRecord& attempt, const Ended& ended) {
  const EndCause cause = ended.exit.cause;
  const bool natural = (cause == EndCause::exited || cause == EndCause::timed_out) &&
                       ended.state != RunState::cancelled && ended.state != RunState::preempted;
  if (!natural || attempt.started == Tick(0)) return std::nullopt;
  const Span measured = ended.usage.wall_time;
  const Span run_time = measured > Span(0) ? measured : facts.now - attempt.started;
  return learn(facts.state, facts.state.find(attempt.id.unit.job)->job, run_time);
}

}  // namespace

Result<Decision> rule(Facts facts, const AttemptStarted& command) {
  const AttemptRecord* attempt = find_unstaged(facts.state, command.attempt);
  if (attempt == nullptr || attempt->started != Tick(0)) return Decision{};
  Running event = running(facts, *attempt);
  event.bound = accept_bound(facts.state, *attempt, command.bound);
  return decided({std::move(event)});
}

Result<Decision> rule(Facts facts, const AttemptReady& command) {
  const AttemptRecord* attempt = find_unstaged(facts.state, command.attempt);
  if (attempt == nullptr) return Decision{};
  if (attempt->ready && attempt->address == command.address) return Decision{};
  Bodies out;
  imply_running(facts, *attempt, out);
  out.push_back(BecameReady{command.attempt, command.address});
  return decided(std::move(out));
}

Result<Decision> rule(Facts facts, const AttemptProgress& command) {
  const AttemptRecord* attempt = find_unstaged(facts.state, command.attempt);
  if (attempt == nullptr) return Decision{};
  if (attempt->work_done == command.work_done && attempt->work_total == command.work_total &&
      attempt->rate_per_hour == command.rate_per_hour)
    return Decision{};
  Bodies out;
  imply_running(facts, *attempt, out);
  out.push_back(
      Progressed{command.attempt, command.work_done, command.rate_per_hour, command.work_total});
  return decided(std::move(out));
}

Result<Decision> rule(Facts facts, const AttemptEnded& command) {
  if (auto leftover = leftover_end(facts.state, command)) return decided({std::move(*leftover)});
  const AttemptRecord* attempt = facts.state.find(command.attempt);
  if (attempt == nullptr) return Decision{};
  Ended ended = end_of(facts, *attempt, command.exit, command.usage);
  auto lesson = lesson_of(facts, *attempt, ended);
  Bodies out;
  out.push_back(std::move(ended));
  if (lesson) out.push_back(std::move(*lesson));
  return decided(std::move(out));
}

Result<Decision> rule(Facts facts, const AttemptAbsent& command) {
  Exit exit;
  exit.cause = EndCause::node_lost;
  exit.detail = "the engine no longer knows this attempt";
  if (auto leftover = leftover_end(facts.state, {command.attempt, exit, {}}))
    return decided({std::move(*leftover)});
  const AttemptRecord* attempt = facts.state.find(command.attempt);
  if (attempt == nullptr) return Decision{};
  if (attempt->started == Tick(0)) return decided({never_ran(facts, *attempt)});
  return decided({end_of(facts, *attempt, std::move(exit), {})});
}

}  // namespace busbar::core
