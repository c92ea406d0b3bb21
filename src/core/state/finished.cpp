#include <algorithm>
#include <string_view>
#include <utility>

#include "core/state/writer.hpp"

namespace busbar::core {
namespace {

bool ends_before(const FinishedRun& run, std::uint32_t index) { return run.range.last < index; }

bool alike(const FinishedRun& a, const FinishedRun& b) {
  return a.state == b.state && a.exit_code == b.exit_code && a.attempts == b.attempts &&
         a.ran == b.ran;
}

// Worst end first.
int rank_of(RunState state) {
  constexpr RunState order[] = {RunState::cancelled, RunState::node_fail, RunState::out_of_memory,
                                RunState::timeout,   RunState::preempted, RunState::failed,
                                RunState::completed};
  return static_cast<int>(std::find(std::begin(order), std::end(order), state) - std::begin(order));
}

std::string signal_text(std::int32_t signal) {
  constexpr std::pair<std::int32_t, std::string_view> names[] = {
      {1, "SIGHUP"},   {2, "SIGINT"},   {3, "SIGQUIT"},  {4, "SIGILL"},   {5, "SIGTRAP"},
      {6, "SIGABRT"},  {7, "SIGBUS"},   {8, "SIGFPE"},   {9, "SIGKILL"},  {10, "SIGUSR1"},
      {11, "SIGSEGV"}, {12, "SIGUSR2"}, {13, "SIGPIPE"}, {14, "SIGALRM"}, {15, "SIGTERM"},
      {24, "SIGXCPU"}, {25, "SIGXFSZ"}, {31, "SIGSYS"}};
  for (const auto& [number, name] : names)
    if (number == signal) return "ended by " + std::string(name);
  return "ended by signal " + std::to_string(signal);
}

}  // namespace

std::string plain_reason(RunState state, std::int32_t exit_code) {
  switch (state) {
    case RunState::failed:
      return "exit code " + std::to_string(exit_code);
    case RunState::timeout:
      return "reached its time limit";
    case RunState::out_of_memory:
      return "needed more memory than it asked for";
    case RunState::node_fail:
      return "its node was lost";
    case RunState::cancelled:
      return "cancelled";
    default:
      return {};
  }
}

std::string ended_reason(const JobRecord& record) {
  const RunState state = job_state(record);
  if (!is_final(state) || state == RunState::completed) return {};
  const std::string& last = *record.end_reason;  // of several units, that of the last
  const bool plain = state == RunState::failed && last.starts_with("exit code ");
  if (record.end_state == state && !last.empty() && !plain) return last;
  return record.close_reason->empty() ? plain_reason(state, record.exit_code)
                                      : *record.close_reason;
}

void note_end(JobRecord& record, const Ended& event) {
  if (event.state == RunState::completed) return;
  if (event.state == RunState::cancelled && event.next != UnitNext::closed) return;
  const bool closes = event.next == UnitNext::closed;
  if (closes && rank_of(event.state) > rank_of(record.end_state)) return;
  record.end_state = event.state;
  if (!event.exit.detail.empty()) {
    record.end_reason = event.exit.detail;
  } else if (event.state == RunState::failed && event.exit.signal != 0) {
    record.end_reason = signal_text(event.exit.signal);
  } else {
    record.end_reason = plain_reason(event.state, event.exit.code);
  }
}

const FinishedRun* find_finished(const GroupRecord& group, std::uint32_t index) {
  const auto it =
      std::lower_bound(group.finished.begin(), group.finished.end(), index, ends_before);
  return it != group.finished.end() && it->range.first <= index ? &*it : nullptr;
}

RunState job_state(const JobRecord& record) {
  if (record.live > 0) return RunState::running;
  if (record.waiting > 0 || record.held > 0) return RunState::pending;
  RunState worst = RunState::completed;
  for (const auto& group : record.groups)
    for (const auto& run : group.finished)
      if (rank_of(run.state) < rank_of(worst)) worst = run.state;
  return worst;
}

void insert_finished(List<FinishedRun>& runs, FinishedRun run) {
  auto at = std::lower_bound(runs.begin(), runs.end(), run.range.first, ends_before);
  check(at == runs.end() || at->range.first > run.range.last, "a unit finished twice");
  if (at != runs.begin()) {
    const auto before = at - 1;
    if (before->range.last + 1 == run.range.first && alike(*before, run)) {
      run.range.first = before->range.first;
      at = runs.erase(before);
    }
  }
  if (at != runs.end() && run.range.last + 1 == at->range.first && alike(*at, run)) {
    at->range.first = run.range.first;
    return;
  }
  runs.insert(at, run);
}

List<FinishedRun> take_finished(List<FinishedRun>& runs, IndexRange range) {
  List<FinishedRun> taken;
  List<FinishedRun> left;
  auto at = std::lower_bound(runs.begin(), runs.end(), range.first, ends_before);
  const auto begin = at;
  for (; at != runs.end() && at->range.first <= range.last; ++at) {
    FinishedRun inside = *at;
    inside.range.first = std::max(inside.range.first, range.first);
    inside.range.last = std::min(inside.range.last, range.last);
    taken.push_back(inside);
    if (at->range.first < range.first) {
      left.push_back(*at);
      left.back().range.last = range.first - 1;
    }
    if (at->range.last > range.last) {
      left.push_back(*at);
      left.back().range.first = range.last + 1;
    }
  }
  runs.insert(runs.erase(begin, at), left.begin(), left.end());
  return taken;
}

}  // namespace busbar::core
