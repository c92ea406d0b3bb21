#include <algorithm>

#include "api/refs.hpp"
#include "api/views.hpp"
#include "core/explain/verdict.hpp"
#include "model/names.hpp"

namespace busbar::api {
namespace {

std::optional<IndexRange> range_around(const IndexSet& set, std::uint32_t index) {
  const auto& ranges = set.ranges();
  auto after = std::upper_bound(
      ranges.begin(), ranges.end(), index,
      [](std::uint32_t value, const IndexRange& range) { return value < range.first; });
  if (after == ranges.begin()) return {};
  --after;
  if (after->last < index) return {};
  return *after;
}

DeviceHeldView device_held(const core::NodeRecord* node, const DeviceShare& share) {
  DeviceHeldView view;
  view.ordinal = share.ordinal;
  view.share = {share.share.value};
  if (node == nullptr || share.ordinal >= node->node.devices.size()) return view;
  const Device& device = node->node.devices[share.ordinal];
  view.vendor = device.vendor;
  view.model = device.model;
  view.uuid = device.uuid;
  view.simulated = device.simulated;
  return view;
}

}  // namespace

std::vector<ClaimView> claim_views(const Lens& lens, const Job& job, const Allocation& allocation) {
  std::vector<ClaimView> views;
  views.reserve(allocation.claims.size());
  for (const Claim& claim : allocation.claims) {
    const core::NodeRecord* node = lens.view.state.find(claim.node);
    ClaimView view;
    if (node != nullptr) {
      view.node = node->node.name;
      view.cluster = node->node.cluster;
      view.simulated = node->node.simulated;
    }
    if (claim.group < job.groups.size()) view.group = job.groups[claim.group].name;
    view.tasks = claim.tasks;
    view.cores = {claim.cores.value};
    view.memory = claim.memory;
    view.scratch = claim.scratch;
    for (const DeviceShare& share : claim.devices) view.devices.push_back(device_held(node, share));
    view.named = claim.named;
    view.ports = claim.ports;
    view.exclusive = claim.exclusive;
    view.binding = claim.binding;
    view.core_ids = claim.core_ids;
    views.push_back(std::move(view));
  }
  return views;
}

constexpr double rate_span_min_ms = 2'000;  // what was done in less tells no rate

std::optional<ProgressView> progress_view(const Lens& lens, const core::AttemptRecord& attempt) {
  if (attempt.progressed == Tick() && attempt.work_done == 0) return {};
  ProgressView view;
  view.work_done = attempt.work_done;
  view.rate_per_hour = attempt.rate_per_hour;
  view.told = lens.moment_if(attempt.progressed);
  if (attempt.work_total <= 0) return view;
  view.work_total = attempt.work_total;
  const auto done = static_cast<double>(attempt.work_done);
  const auto left = static_cast<double>(attempt.work_total) - done;
  const auto ran_ms = static_cast<double>((attempt.progressed - attempt.started).value);
  double per_ms = static_cast<double>(attempt.rate_per_hour) / 3'600'000;
  if (per_ms <= 0 && attempt.started != Tick() && ran_ms >= rate_span_min_ms)
    per_ms = done / ran_ms;
  constexpr double year_ms = 365.0 * 24 * 3'600'000;
  if (left < 0 || per_ms <= 0 || left / per_ms > 100 * year_ms) return view;
  view.predicted_end =
      lens.moment(attempt.progressed + Span(static_cast<std::int64_t>(left / per_ms)));
  return view;
}

AttemptView attempt_view(const Lens& lens, const Job& job, const core::AttemptRecord& attempt) {
  AttemptView view;
  view.name = attempt_display(job, attempt.id);
  view.unit = unit_name(job, attempt.id.unit);
  view.number = attempt.id.number;
  view.state = attempt.state;
  view.granted = lens.moment(attempt.granted);
  view.started = lens.moment_if(attempt.started);
  view.latest_end = lens.moment_if(lens.view.state.latest_end(attempt));
  std::string parts = core::latest_end_parts(lens.view.state.config(), job, attempt.time_limit);
  if (view.latest_end && !parts.empty()) view.latest_end_parts = std::move(parts);
  view.time_limit = limited(attempt.time_limit);
  if (attempt.started != Tick() && lens.now > attempt.started)
    view.elapsed = {lens.now - attempt.started};
  view.ready = attempt.ready;
  if (!attempt.address.empty()) view.address = attempt.address;
  if (attempt.stop != StopCause::none)
    view.stop = StopView{attempt.stop, attempt.stop_by, attempt.stop_reason};
  view.progress = progress_view(lens, attempt);
  view.claims = claim_views(lens, job, attempt.allocation);
  if (attempt.staged()) view.after = attempt_display(job, attempt.after);
  for (const Claim& claim : attempt.allocation.claims) {
    const core::NodeRecord* node = lens.view.state.find(claim.node);
    if (node == nullptr) continue;
    view.reachable = view.reachable && node->reachable;
    if (std::find(view.nodes.begin(), view.nodes.end(), node->node.name) == view.nodes.end())
      view.nodes.push_back(node->node.name);
  }
  return view;
}

UnitRunView unit_run(const Lens& lens, const core::JobRecord& record, std::uint32_t group,
                     std::uint32_t index) {
  const core::GroupRecord& units = record.groups[group];
  const UnitId id{record.job.id, group, index};
  UnitRunView run;
  run.group = record.job.groups[group].name;
  IndexRange range{index, index};
  const auto own = units.units->find(index);
  const bool has_record = own != units.units->end();
  if (has_record) {
    run.attempts = own->second.attempts;
    run.requeued = own->second.requeued;
  }
  if (const core::AttemptRecord* attempt = lens.view.state.live_attempt(id)) {
    run.attempt = attempt_view(lens, record.job, *attempt);
    run.state = attempt->state;
    run.attempts = attempt->id.number;
  } else if (const auto held = range_around(units.held, index)) {
    run.held = true;
    if (!has_record) range.last = held->last;
  } else if (const auto waiting = range_around(units.waiting, index)) {
    if (!has_record) range.last = waiting->last;
    if (has_record && own->second.not_before > lens.now)
      run.not_before = lens.moment_if(own->second.not_before);
  } else if (const core::FinishedRun* finished = core::find_finished(units, index)) {
    run.state = finished->state;
    if (has_exit_code(finished->state, finished->exit_code)) run.exit_code = finished->exit_code;
    run.attempts = finished->attempts;
    range.last = finished->range.last;
  }
  // A unit with a record of its own is an entry of its own.
  const auto next_record = units.units->upper_bound(index);
  if (next_record != units.units->end()) range.last = std::min(range.last, next_record->first - 1);
  run.first = range.first;
  run.last = range.last;
  run.count = std::uint64_t{range.last} - range.first + 1;
  run.ref = units_name(record.job, group, range);
  return run;
}

std::uint32_t newest_attempt(const core::State& state, const UnitId& unit) {
  if (const core::AttemptRecord* attempt = state.live_attempt(unit)) return attempt->id.number;
  if (const core::UnitRecord* record = state.find(unit)) return record->attempts;
  const core::JobRecord* job = state.find(unit.job);
  if (job == nullptr || unit.group >= job->groups.size()) return 0;
  const core::FinishedRun* run = core::find_finished(job->groups[unit.group], unit.index);
  return run == nullptr ? 0 : run->attempts;
}

}  // namespace busbar::api
