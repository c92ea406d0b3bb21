// How an attempt's end changes its unit: the restart rule in one place.
#include <fmt/format.h>

#include <algorithm>

#include "core/state/rules.hpp"

namespace busbar::core {
namespace {

bool lists(const std::vector<std::int32_t>& list, std::int32_t value) {
  return std::find(list.begin(), list.end(), value) != list.end();
}

// The state that an end has when Busbar did not ask for it.
RunState natural_state(const Exit& exit) {
  switch (exit.cause) {
    case EndCause::exited:
      return exit.code == 0 && exit.signal == 0 ? RunState::completed : RunState::failed;
    case EndCause::timed_out:
      return RunState::timeout;
    case EndCause::out_of_memory:
      return RunState::out_of_memory;
    case EndCause::stopped:
      return RunState::cancelled;
    case EndCause::launch_failed:
      return RunState::failed;
    case EndCause::node_lost:
      return RunState::node_fail;
  }
  return RunState::failed;
}

bool restarts_on(const RestartRule& rule, RunState state, const Exit& exit) {
  switch (state) {
    case RunState::node_fail:
      return rule.on_node || rule.on_any;
    case RunState::out_of_memory:
      return rule.on_oom || rule.on_any;
    case RunState::timeout:
      return rule.on_timeout || rule.on_any;
    case RunState::failed:
      return rule.on_any || (exit.signal != 0 && lists(rule.signals, exit.signal)) ||
             lists(rule.exit_codes, exit.code);
    default:
      return false;
  }
}

// backoff, twice that, ... at most backoff_max; `count` from 1.
Span backoff(const RestartRule& rule, std::uint32_t count) {
  Span span = rule.backoff;
  for (std::uint32_t i = 1; i < count && span < rule.backoff_max; ++i) span += span;
  return std::min(span, rule.backoff_max);
}

// Of what it has held.
std::int64_t charge_so_far(Facts facts, const AttemptRecord& attempt) {
  if (attempt.staged()) return 0;
  return charge_of(facts.state, attempt.allocation, facts.now - attempt.granted);
}

void wait_again(Ended& ended, Tick not_before) {
  ended.next = UnitNext::waits;
  ended.not_before = not_before;
}

std::string by_whom(const AttemptRecord& attempt) {
  std::string text = attempt.stop_by.empty() ? std::string() : " by " + attempt.stop_by;
  if (!attempt.stop_reason.empty()) text += ": " + attempt.stop_reason;
  return text;
}

// Busbar had asked for the end. True when that settles it: an attempt that had ended by itself,
// with code 0, before it was told is completed all the same, unless it was to be cancelled.
bool stopped_end(Facts facts, const AttemptRecord& attempt, Ended& ended) {
  if (attempt.stop == StopCause::none) return false;
  if (attempt.stop == StopCause::revoke && ended.exit.cause != EndCause::stopped) return false;
  if (attempt.stop != StopCause::cancel && ended.exit.cause == EndCause::exited &&
      natural_state(ended.exit) == RunState::completed)
    return false;
  std::string& detail = ended.exit.detail;
  switch (attempt.stop) {
    case StopCause::none:
      return false;
    case StopCause::cancel:
      ended.state = RunState::cancelled;
      if (detail.empty()) detail = "cancelled" + by_whom(attempt);
      return true;
    case StopCause::deadline:
      ended.state = RunState::timeout;
      if (detail.empty()) detail = "its deadline passed while it ran";
      return true;
    case StopCause::preempt:
      ended.state = RunState::preempted;
      if (detail.empty()) detail = "preempted" + by_whom(attempt);
      wait_again(ended, facts.now);
      return true;
    case StopCause::requeue:
      ended.state = RunState::cancelled;
      if (detail.empty()) detail = "requeued" + by_whom(attempt);
      wait_again(ended, facts.now);
      return true;
    case StopCause::revoke:
      ended.state = RunState::cancelled;
      detail = "taken back before it ran" + by_whom(attempt);
      wait_again(ended, facts.now);
      if (attempt.stop_by.empty()) return true;
      ended.next = UnitNext::held;
      detail = "held by " + attempt.stop_by;
      return true;
  }
  return false;
}

// A launch that failed waits with growing pauses; several in a row hold the unit.
void failed_launch(Facts facts, const RestartRule& rule, Ended& ended) {
  ended.launch_failures += 1;
  if (ended.launch_failures < facts.state.config().launch_failures_max)
    return wait_again(ended, facts.now + backoff(rule, ended.launch_failures));
  ended.next = UnitNext::held;
  ended.exit.detail =
      fmt::format("held after {} failed launches in a row: {}; release it once this is mended",
                  ended.launch_failures,
                  ended.exit.detail.empty() ? "the engine gave no reason" : ended.exit.detail);
}

}  // namespace

Ended end_of(Facts facts, const AttemptRecord& attempt, Exit exit, Usage usage) {
  const JobRecord* job = facts.state.find(attempt.id.unit.job);
  const UnitRecord* unit = facts.state.find(attempt.id.unit);
  check(job != nullptr && unit != nullptr, "a live attempt without a unit");
  const RestartRule& rule = *job->job.restart;
  Ended ended;
  ended.attempt = attempt.id;
  ended.exit = std::move(exit);
  ended.usage = usage;
  ended.restarts = unit->restarts;
  ended.charge = charge_so_far(facts, attempt);
  const bool launch_failed = ended.exit.cause == EndCause::launch_failed;
  if (launch_failed) ended.launch_failures = unit->launch_failures;
  if (stopped_end(facts, attempt, ended)) return ended;
  ended.state = natural_state(ended.exit);
  if (launch_failed) {
    failed_launch(facts, rule, ended);
  } else if (restarts_on(rule, ended.state, ended.exit) && unit->restarts < rule.max) {
    ended.restarts += 1;
    wait_again(ended, facts.now + backoff(rule, ended.restarts));
  }
  return ended;
}

Ended never_ran(Facts facts, const AttemptRecord& attempt) {
  const UnitRecord* unit = facts.state.find(attempt.id.unit);
  check(unit != nullptr, "a live attempt without a unit");
  Ended ended;
  ended.attempt = attempt.id;
  ended.exit.cause = EndCause::launch_failed;
  ended.restarts = unit->restarts;
  ended.launch_failures = unit->launch_failures;
  ended.charge = charge_so_far(facts, attempt);
  if (stopped_end(facts, attempt, ended)) return ended;
  ended.exit.detail = "the launch never reached the engine; it waits again";
  ended.state = RunState::failed;
  wait_again(ended, facts.now);
  return ended;
}

}  // namespace busbar::core
