#include <algorithm>

#include "api/refs.hpp"
#include "api/views.hpp"
#include "core/state/capacity.hpp"
#include "model/names.hpp"

namespace busbar::api {
namespace {

constexpr std::size_t nodes_shown_max = 16;
constexpr std::size_t attempts_looked_at_max = 256;

std::string quantity_text(std::string_view resource, std::int64_t value) {
  if (resource == "memory" || resource == "scratch") return format_bytes(Bytes(value));
  const bool counted = resource == "ports" || resource == "nodes" || resource == "units";
  return counted ? std::to_string(value) : format_milli(value);
}

// "core" of one, "cores" of more.
std::string noun_of(const std::string& resource, std::int64_t amount) {
  const bool one = (resource == "cores" && amount == 1000) ||
                   ((resource == "ports" || resource == "nodes") && amount == 1);
  return one ? resource.substr(0, resource.size() - 1) : resource;
}

// "Held by root", "Held: a licence is missing".
std::string held_line(const core::JobRecord& record) {
  const std::string& why = *record.hold_reason;
  if (why.rfind("held ", 0) == 0) return "H" + why.substr(1);
  return why.empty() ? "Held" : "Held: " + why;
}

UnitCounts count_units(const core::JobRecord& record) {
  UnitCounts counts;
  counts.waiting = record.waiting + record.staged();  // a staged unit waits for a place still
  counts.held = record.held;
  counts.running = record.live - record.staged();
  counts.completed = record.completed;
  for (const core::GroupRecord& group : record.groups)
    for (const core::FinishedRun& run : group.finished)
      if (run.state == RunState::cancelled)
        counts.cancelled += std::uint64_t{run.range.last} - run.range.first + 1;
  counts.failed = record.failed - counts.cancelled;
  counts.ready = record.ready;
  counts.total = record.waiting + record.held + record.live + record.completed + record.failed;
  return counts;
}

bool is_simulated(const Node& node, const Claim& claim) {
  return node.simulated ||
         std::any_of(claim.devices.begin(), claim.devices.end(), [&](const DeviceShare& share) {
           return share.ordinal < node.devices.size() && node.devices[share.ordinal].simulated;
         });
}

// Where its attempts are, and whether a unit waits again.
void look_at_attempts(const Lens& lens, const core::JobRecord& record, JobView& view) {
  const auto& attempts = lens.view.state.attempts();
  std::size_t looked_at = 0;
  for (auto at = attempts.lower_bound({{record.job.id, 0, 0}, 0});
       at != attempts.end() && at->first.unit.job == record.job.id &&
       looked_at < attempts_looked_at_max;
       ++at, ++looked_at) {
    if (view.units.total == 1) view.progress = progress_view(lens, at->second);
    for (const Claim& claim : at->second.allocation.claims) {
      const core::NodeRecord* node = lens.view.state.find(claim.node);
      if (node == nullptr) continue;
      view.simulated = view.simulated || is_simulated(node->node, claim);
      if (view.nodes.size() >= nodes_shown_max) continue;
      if (std::find(view.nodes.begin(), view.nodes.end(), node->node.name) == view.nodes.end())
        view.nodes.push_back(node->node.name);
    }
  }
  view.started = lens.moment_if(record.started);
  for (const core::GroupRecord& group : record.groups) {
    std::size_t units = 0;
    for (auto unit = group.units->begin(); unit != group.units->end() && units < 64;
         ++unit, ++units)
      view.requeued = view.requeued || (unit->second.requeued && !unit->second.live);
  }
}

std::string resources_of(const Job& job) {
  std::string text;
  for (const TaskGroup& group : job.groups) {
    if (!text.empty()) text += " + ";
    if (group.any_of.empty()) continue;
    if (job.coupling != Coupling::loose || job.groups.size() > 1) {
      text += std::to_string(group.count.min);
      if (group.count.max != group.count.min) text += ".." + std::to_string(group.count.max);
      text += " x ";
    }
    for (std::size_t i = 0; i < group.any_of.size(); ++i)
      text += (i > 0 ? " or " : "") + resources_line(group.any_of[i].resources);
  }
  return text;
}

void copy_plain(const Job& job, JobView& view) {
  view.id = job.id;
  view.name = job.name;
  view.user = job.user.name;
  view.tenant = job.tenant;
  view.priority = job.priority;
  view.coupling = job.coupling;
  view.time_limit = limited(job.time_limit);
  view.resources = resources_of(job);
  view.labels = {job.labels};
}

std::optional<std::string> not_empty(std::string text) {
  if (text.empty()) return {};
  return text;
}

}  // namespace

bool has_exit_code(RunState state, std::int32_t exit_code) {
  return state == RunState::completed || exit_code != 0;
}

std::string resources_line(const Resources& resources) {
  std::string text = format_milli(resources.cores.value);
  text += resources.cores == MilliCores(1000) ? " core" : " cores";
  if (resources.memory.value > 0) text += ", " + format_bytes(resources.memory);
  for (const DeviceRequest& request : resources.devices) {
    text += ", " + (request.model.empty() ? std::string("gpu") : request.model) + ":";
    text += request.share.value < 1000 ? format_milli(request.share.value * request.count)
                                       : std::to_string(request.count);
    if (request.memory_min_bytes.value > 0)
      text += " (" + format_bytes(request.memory_min_bytes) + " or more)";
  }
  if (resources.scratch.value > 0) text += ", " + format_bytes(resources.scratch) + " scratch";
  for (const NamedCount& named : resources.named)
    text += ", " + named.name + ":" + std::to_string(named.count);
  if (resources.ports > 0)
    text += ", " + std::to_string(resources.ports) + (resources.ports == 1 ? " port" : " ports");
  return text;
}

// `mark` follows what is wanted where that is simulated.
std::string short_reason(const core::Verdict& verdict, std::string_view mark) {
  std::string text(to_string(verdict.reason));
  if (verdict.reason == core::Reason::drained) return text + ": " + verdict.where;
  if (verdict.reason == core::Reason::dependency && !verdict.blockers.empty()) {
    text += ": job";
    for (const JobId id : verdict.blockers) text += " " + std::to_string(id.value);
  } else if (!verdict.resource.empty()) {
    const bool amount = verdict.wanted > 0 && verdict.reason != core::Reason::not_synchronised;
    text += ": ";
    if (amount) text += "wants " + quantity_text(verdict.resource, verdict.wanted) + " ";
    text += amount ? noun_of(verdict.resource, verdict.wanted) : verdict.resource;
    if (amount) text += mark;
    const bool promised = verdict.reason == core::Reason::reserved;
    if (amount)
      text += ", " + quantity_text(verdict.resource, verdict.free) + " free" +
              (promised ? " beside what is promised" : "");
  }
  return text;
}

Verdicts verdicts_of(const Lens& lens, const core::JobRecord& record) {
  return lens.view.verdicts.of(lens.view.state, lens.view.index, record, lens.now);
}

std::optional<std::string> waiting_line(const Lens& lens, const core::JobRecord& record,
                                        const Verdicts& verdicts) {
  if (record.waiting > 0 && !verdicts.empty()) {
    const core::Verdict& verdict = verdicts.front();
    const bool of_room = verdict.reason == core::Reason::resources;
    if (verdict.reason != core::Reason::held || record.hold_reason->empty())
      return short_reason(verdict,
                          core::wants_simulated(lens.view.state, record.job, verdict.resource)
                              ? " (simulated)"
                              : "") +
             (record.job.exclusive && of_room ? " (exclusive)" : "");
    return held_line(record);
  }
  if (record.waiting == 0 && record.held > 0) return held_line(record);
  return {};
}

Tick predicted_start(const Lens& lens, const core::JobRecord& record, const Verdicts& verdicts) {
  Tick earliest = tick_never;
  const auto& promises = lens.view.state.promises();
  for (auto at = promises.lower_bound({record.job.id, 0, 0});
       at != promises.end() && at->first.job == record.job.id; ++at)
    earliest = std::min(earliest, at->second.at);
  for (const core::Verdict& verdict : verdicts) {
    // The estimate of one that is held back is the start of the job it must not delay.
    const bool of_others = verdict.reason == core::Reason::reserved && !verdict.blockers.empty();
    if (!of_others) earliest = std::min(earliest, verdict.start_estimate);
  }
  return earliest;
}

JobView job_view(const Lens& lens, const core::JobRecord& record) {
  JobView view;
  copy_plain(record.job, view);
  view.state = core::job_state(record);
  view.units = count_units(record);
  view.submitted = lens.moment(record.submitted);
  look_at_attempts(lens, record, view);
  if (record.ended_all()) {
    view.simulated = core::only_simulated(lens.view.state, record.job);
    view.ended = lens.moment_if(record.ended);
    if (has_exit_code(view.state, record.exit_code)) view.exit_code = record.exit_code;
    view.reason = not_empty(core::ended_reason(record));
  } else if (record.live == 0) {
    view.simulated = core::only_simulated(lens.view.state, record.job);
    Verdicts verdicts;
    if (record.waiting > 0) verdicts = verdicts_of(lens, record);
    view.reason = waiting_line(lens, record, verdicts);
    view.predicted_start = lens.moment_if(predicted_start(lens, record, verdicts));
  }
  return view;
}

JobView job_view(const Lens& lens, const HistoryJob& job) {
  JobView view;
  copy_plain(job.job, view);
  view.state = job.state;
  for (std::uint32_t g = 0; g < job.job.groups.size(); ++g)
    view.units.total += unit_count(job.job, g);
  view.units.completed = job.state == RunState::completed ? view.units.total : 0;
  (job.state == RunState::cancelled ? view.units.cancelled : view.units.failed) =
      view.units.total - view.units.completed;
  view.submitted = lens.moment(job.submitted);
  view.ended = lens.moment_if(job.ended);
  view.started = lens.moment_if(job.started);
  if (has_exit_code(job.state, job.exit_code)) view.exit_code = job.exit_code;
  view.reason =
      not_empty(job.reason.empty() ? core::plain_reason(job.state, job.exit_code) : job.reason);
  return view;
}

UnitCounts group_counts(const Job& job, std::uint32_t group, const core::GroupRecord& record,
                        std::uint64_t ready) {
  UnitCounts counts;
  counts.total = unit_count(job, group);
  counts.waiting = record.waiting.size() + record.staged;
  counts.held = record.held.size();
  counts.running = record.live - record.staged;
  counts.ready = ready;
  for (const core::FinishedRun& run : record.finished) {
    const std::uint64_t units = std::uint64_t{run.range.last} - run.range.first + 1;
    (run.state == RunState::completed   ? counts.completed
     : run.state == RunState::cancelled ? counts.cancelled
                                        : counts.failed) += units;
  }
  return counts;
}

}  // namespace busbar::api
