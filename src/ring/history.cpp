#include "ring/history.hpp"

#include <algorithm>
#include <set>

#include "model/names.hpp"

namespace busbar::ring {
namespace {

HistoryRow row_of(const core::JobRecord& record, UnitId unit, Tick ended) {
  HistoryRow row;
  row.unit = unit;
  row.index_last = unit.index;
  row.unit_name = unit_name(record.job, unit);
  row.job_name = record.job.name;
  row.user = record.job.user.name;
  row.tenant = record.job.tenant;
  row.submitted = record.submitted;
  row.ended = ended;
  return row;
}

// A daemon that was away hears of an end late; the engine has measured how long the attempt ran.
Tick end_of(const core::AttemptRecord& attempt, const Usage& usage, Tick told) {
  const bool measured = attempt.started != Tick() && usage.wall_time > Span(0);
  return measured ? std::min(told, attempt.started + usage.wall_time) : told;
}

HistoryRow ended_row(const core::State& before, const Ended& ended, Tick at) {
  const auto* record = before.find(ended.attempt.unit.job);
  const auto* attempt = before.find(ended.attempt);
  check(record != nullptr && attempt != nullptr, "an attempt ended that State does not hold");
  HistoryRow row = row_of(*record, ended.attempt.unit, end_of(*attempt, ended.usage, at));
  row.attempt = ended.attempt.number;
  row.state = ended.state;
  row.exit = ended.exit;
  row.usage = ended.usage;
  row.granted = attempt->granted;
  row.started = attempt->started;
  // It began and ended while no daemon was there to be told.
  if (row.started == Tick() && ended.usage.wall_time > Span(0))
    row.started = std::max(row.granted, Tick(row.ended.value - ended.usage.wall_time.value));
  row.final = ended.next == UnitNext::closed;
  std::set<NodeId> seen;  // several groups may have claims on one node
  for (const auto& claim : attempt->allocation.claims) {
    const Node& node = before.find(claim.node)->node;
    if (seen.insert(claim.node).second) row.nodes += (row.nodes.empty() ? "" : ",") + node.name;
    row.simulated = row.simulated || node.simulated;
    row.cores += claim.cores;
    row.memory += claim.memory;
    for (const auto& device : claim.devices) {
      row.devices += device.share;
      row.simulated = row.simulated || node.devices.at(device.ordinal).simulated;
    }
  }
  return row;
}

// Staged, and taken back before it ran: nothing happened that a history should tell.
bool was_taken_back(const core::State& before, const Ended& ended) {
  const auto* attempt = before.find(ended.attempt);
  return attempt != nullptr && attempt->stop == StopCause::revoke && attempt->started == Tick() &&
         ended.exit.cause == EndCause::stopped;
}

void add_closed(const core::State& before, const UnitsClosed& closed, Tick at, Batch& batch) {
  const auto* record = before.find(closed.job);
  check(record != nullptr, "units were closed of a job that State does not hold");
  for (const auto& range : closed.indices.ranges()) {
    HistoryRow row = row_of(*record, {closed.job, closed.group, range.first}, at);
    row.index_last = range.last;
    row.state = closed.state;
    row.exit.cause = EndCause::stopped;
    row.exit.detail = closed.reason;
    batch.history.push_back(std::move(row));
  }
}

}  // namespace

void add_history(const core::State& before, const Event& event, Batch& batch) {
  if (const auto* ended = std::get_if<Ended>(&event.body)) {
    if (was_taken_back(before, *ended)) return;
    batch.history.push_back(ended_row(before, *ended, event.tick));
  } else if (const auto* closed = std::get_if<UnitsClosed>(&event.body)) {
    add_closed(before, *closed, event.tick, batch);
  } else if (const auto* retired = std::get_if<JobRetired>(&event.body)) {
    const auto* record = before.find(retired->job);
    check(record != nullptr, "a job retired that State does not hold");
    batch.retired.push_back({record->job, core::job_state(*record), record->exit_code,
                             record->submitted, record->ended, record->started,
                             core::ended_reason(*record)});
  }
}

}  // namespace busbar::ring
