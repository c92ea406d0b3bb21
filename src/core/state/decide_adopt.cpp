// Attempts that are newer than the journal: an engine shows them after a backup was restored, or
// after a journal lost its end. What they are is not known any more, only that they exist. Until an
// operator adopts them, everything stands still; then ids count on behind them, and nothing starts
// before the last of them has ended.
#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "core/state/rules.hpp"
#include "model/names.hpp"

namespace busbar::core {
namespace {

// Their claims are not known: the unit's own older attempt in State has ended since, unseen.
void end_older_attempt(Facts facts, const AttemptId& seen, Bodies& out) {
  const AttemptRecord* older = facts.state.live_attempt(seen.unit);
  if (older == nullptr || older->id.number >= seen.number) return;
  Exit exit;
  exit.cause = EndCause::node_lost;
  exit.detail = "it ended after the journal's last event, and its end is not known";
  out.push_back(end_of(facts, *older, std::move(exit), {}));
}

std::string name_seen(const AttemptId& id) {
  return fmt::format("job {} attempt {}", id.unit.job.value, id.number);
}

}  // namespace

bool State::is_newer(const AttemptId& id) const {
  if (id.unit.job >= next_job_) return true;
  const JobRecord* record = find(id.unit.job);
  if (record == nullptr) return false;  // it ended and left the queue
  const auto& groups = record->groups;
  if (id.unit.group >= groups.size() || id.unit.index >= unit_count(record->job, id.unit.group))
    return false;  // no unit of ours
  if (const UnitRecord* unit = find(id.unit)) return id.number > unit->attempts;
  const FinishedRun* run = find_finished(groups[id.unit.group], id.unit.index);
  return id.number > (run == nullptr ? 0 : run->attempts);
}

bool State::behind_engines() const {
  return std::any_of(sighted_.begin(), sighted_.end(),
                     [](const auto& entry) { return !entry.second.adopted; });
}

Result<Ok> require_journal_up_to_date(const State& state) {
  for (const auto& [id, sighted] : state.sighted()) {
    if (sighted.adopted) continue;
    return {Errc::conflict,
            fmt::format("cluster {} shows attempts that this journal does not know ({}), as after "
                        "a restored backup. Until an operator says \"busbar adopt\", nothing is "
                        "changed, started or ended",
                        printable(sighted.cluster), name_seen(id))};
  }
  return Ok{};
}

std::optional<EventBody> leftover_end(const State& state, const AttemptEnded& ended) {
  const auto it = state.sighted().find(ended.attempt);
  if (it == state.sighted().end() || !it->second.adopted) return std::nullopt;
  return LeftoverEnded{ended.attempt, ended.exit, ended.usage};
}

Result<Decision> rule(Facts facts, const AttemptSighted& command) {
  if (facts.state.find(command.attempt) != nullptr) return Decision{};
  const auto known = facts.state.sighted().find(command.attempt);
  if (known != facts.state.sighted().end()) {
    if (known->second.running == command.running) return Decision{};
  } else if (!facts.state.is_newer(command.attempt)) {
    return Decision{};
  }
  return decided({NewerSighted{command.cluster, command.attempt, command.running}});
}

Result<Decision> rule(Facts facts, const AdoptCluster& command) {
  BUSBAR_TRY_OK(require_operator(command.by, "adopting what a cluster runs"));
  ClusterAdopted event;
  event.cluster = command.cluster;
  event.keep = command.keep;
  event.next_job = facts.state.next_job();
  event.by = command.by.name;
  Bodies out;
  for (const auto& [id, sighted] : facts.state.sighted()) {
    if (!command.cluster.empty() && sighted.cluster != command.cluster) continue;
    // Leftovers that were to end by themselves may still be ended.
    if (sighted.adopted && (command.keep || !sighted.keep)) continue;
    event.attempts.push_back(id);
    event.next_job = std::max(event.next_job, JobId(id.unit.job.value + 1));
    // Several newer attempts of one unit: in the order of their numbers.
    const bool first =
        event.attempts.size() == 1 || event.attempts[event.attempts.size() - 2].unit != id.unit;
    if (first) end_older_attempt(facts, id, out);
  }
  if (event.attempts.empty())
    return {Errc::conflict,
            command.cluster.empty()
                ? std::string("every engine agrees with the journal; there is nothing to adopt")
                : fmt::format("cluster {} agrees with the journal; there is nothing to adopt",
                              printable(command.cluster))};
  out.push_back(std::move(event));
  return decided(std::move(out));
}

}  // namespace busbar::core
