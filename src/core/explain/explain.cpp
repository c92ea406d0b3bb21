#include <algorithm>

#include "core/explain/verdict.hpp"
#include "core/fit/ask.hpp"
#include "core/fit/hardware.hpp"
#include "core/state/capacity.hpp"
#include "model/names.hpp"

namespace busbar::core {
namespace {

bool is_named(const State& state, const Job* job, const std::string& resource) {
  const auto has = [&](const List<NamedCount>& named) {
    return std::any_of(named.begin(), named.end(),
                       [&](const NamedCount& each) { return each.name == resource; });
  };
  if (job != nullptr)
    for (const auto& group : job->groups)
      for (const auto& alternative : group.any_of)
        if (has(alternative.resources.named)) return true;
  return std::any_of(state.nodes().begin(), state.nodes().end(),
                     [&](const NodeRecord& record) { return has(record.node.named); });
}

// A number of `resource` in its own unit.
class Amounts {
 public:
  Amounts(const State& state, const Job* job, std::string resource)
      : state_(state),
        job_(job),
        resource_(std::move(resource)),
        named_(is_named(state, job, resource_)) {}
  std::string text(std::int64_t amount) const {
    if (resource_ == "memory" || resource_ == "scratch") return format_bytes(Bytes(amount));
    if (resource_ == "ports" || named_) return std::to_string(amount);
    return format_milli(amount);
  }
  // "4 H100", "2 cores", "64G memory".
  std::string full(std::int64_t amount) const {
    std::string noun = resource_;
    if (noun == "gpu" && amount != 1000) noun = "gpus";
    if (noun == "cores" && amount == 1000) noun = "core";
    if (noun == "ports" && amount == 1) noun = "port";
    const bool simulated = job_ != nullptr && wants_simulated(state_, *job_, resource_);
    return text(amount) + " " + noun + (simulated ? " (simulated)" : "");
  }

 private:
  const State& state_;
  const Job* job_;
  std::string resource_;
  bool named_;
};

// "job 12 (prep)", "jobs 12 (prep), 14 and 15".
std::string jobs_text(const State& state, const std::vector<JobId>& jobs) {
  std::string text = jobs.size() == 1 ? "job " : "jobs ";
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    if (i > 0) text += i + 1 == jobs.size() ? " and " : ", ";
    text += std::to_string(jobs[i].value);
    const JobRecord* record = state.find(jobs[i]);
    if (record != nullptr && !record->job.name.empty()) text += " (" + record->job.name + ")";
  }
  return text;
}

// Whole seconds say enough from ten seconds on.
std::string in_text(Tick when, Tick now) {
  Span span = when - now;
  if (span.value >= 10'000) span = Span(span.value / 1000 * 1000);
  return span.value <= 0 ? "now" : "in " + format_span(span);
}

// Attempts of the job: when the last of them must have ended; never when one has no limit.
Tick last_end(const State& state, JobId job) {
  Tick end;
  const auto& attempts = state.attempts();
  for (auto at = attempts.lower_bound({{job, 0, 0}, 0});
       at != attempts.end() && at->first.unit.job == job; ++at)
    end = std::max(end, state.latest_end(at->second));
  return end;
}

// A job of no limit that has a promise: what comes after it cannot be foretold. One on `where`
// before others.
const JobRecord* endless_before(const State& state, const Verdict& verdict) {
  const NodeRecord* node = state.find_node(verdict.where);
  const JobRecord* found = nullptr;
  for (const auto& [unit, promise] : state.promises()) {
    const JobRecord* record = state.find(unit.job);
    if (record == nullptr || unit.job == verdict.job) continue;
    if (record->job.time_limit != span_unlimited) continue;
    const auto& claims = promise.allocation.claims;
    const bool here = node != nullptr && std::any_of(claims.begin(), claims.end(), [&](auto& one) {
                        return one.node == node->node.id;
                      });
    if (here) return record;
    if (found == nullptr) found = record;
  }
  return found;
}

// Who holds it, and why no start can be told.
std::string no_start_text(const State& state, const Verdict& verdict, Tick now, Tick likely) {
  const std::size_t count = verdict.blockers.size();
  std::string text;
  if (count > 0)
    text = "; " + jobs_text(state, verdict.blockers) + (count == 1 ? " holds it" : " hold it");
  if (likely != tick_never)
    return text + "; it should start " + in_text(likely, now) + (likely > now ? " or sooner" : "");
  std::vector<JobId> endless;
  Tick end;
  for (const JobId blocker : verdict.blockers) {
    const Tick its = last_end(state, blocker);
    if (its == tick_never) endless.push_back(blocker);
    end = std::max(end, its);
  }
  if (!endless.empty() && endless.size() == count)
    return text + " and no end is known: a time limit on running jobs would tell";
  if (!endless.empty())
    return text + ", and " + jobs_text(state, endless) + (endless.size() == 1 ? " has" : " have") +
           " no time limit, which would tell an end";
  if (end > now)
    text +=
        std::string(count == 1 ? " and ends " : " and end ") + in_text(end, now) + " at the latest";
  if (const JobRecord* before = endless_before(state, verdict))
    text += "; it is behind " + jobs_text(state, {before->job.id}) + ", which has no time limit";
  return text;
}

// " (limit 20s + grace 30s + cleanup 10s)": what the end of a job that runs is made of, where it is
// more than its limit.
std::string end_parts(const State& state, const std::vector<JobId>& jobs) {
  const JobRecord* record = jobs.size() == 1 ? state.find(jobs[0]) : nullptr;
  if (record == nullptr || record->job.time_limit == span_unlimited) return {};
  const std::string parts = latest_end_parts(state.config(), record->job, record->job.time_limit);
  return parts.empty() ? parts : " (" + parts + ")";
}

std::string start_text(const State& state, const Verdict& verdict, Tick now, Tick likely) {
  if (verdict.start_estimate == tick_never) return no_start_text(state, verdict, now, likely);
  std::string text = "; starts " + in_text(verdict.start_estimate, now) + " at the latest";
  if (!verdict.blockers.empty())
    text += ", when " + jobs_text(state, verdict.blockers) +
            (verdict.blockers.size() == 1 ? " ends" : " end") + end_parts(state, verdict.blockers);
  return text;
}

// Tasks of the group that the node would hold with nothing else on it.
std::uint32_t idle_tasks(const Node& node, const Job& job, const TaskGroup& group) {
  if (std::find(job.exclude.begin(), job.exclude.end(), node.name) != job.exclude.end()) return 0;
  const std::uint32_t most = group.tasks_per_node > 0 ? group.tasks_per_node : group.count.min;
  std::uint32_t best = 0;
  for (const Alternative& alternative : group.any_of) {
    const HardwareFit fit = hardware_fit(node, alternative);
    if (!fit.possible) continue;
    const NodeAsk ask{node, alternative.resources, fit, job.exclusive, 0, nullptr};
    best = std::max(best, tasks_that_fit(ask, whole_node(node), most));
  }
  return best;
}

// Of a gang that the nodes in service could not hold even if they were idle: the nodes out of
// service that could help.
std::string out_of_service_text(const State& state, const Job* job) {
  if (job == nullptr || job->coupling == Coupling::loose) return {};
  for (const TaskGroup& group : job->groups) {
    std::uint64_t tasks = 0;
    std::uint32_t nodes = 0;
    FewNames out;
    for (const NodeRecord& record : state.nodes()) {
      const std::uint32_t here = idle_tasks(record.node, *job, group);
      if (here == 0) continue;
      if (!record.schedulable()) {
        out.add(record.node.name);
        continue;
      }
      tasks += here;
      nodes += 1;
    }
    if (out.count() == 0 || (tasks >= group.count.min && nodes >= group.nodes)) continue;
    return "too little is in service for its " + std::to_string(group.count.min) +
           " tasks: " + out.text() + (out.count() == 1 ? " is" : " are") +
           " drained or unreachable; it starts when enough is back";
  }
  return {};
}

std::string resources_text(const State& state, const Verdict& verdict, const Job* job) {
  const Amounts amounts(state, job, verdict.resource);
  std::string text = "waits for resources";
  if (verdict.resource.empty()) return text;
  text += ": needs " + amounts.full(verdict.wanted);
  const bool per_task = verdict.capacity > 0 && job != nullptr && job->coupling != Coupling::loose;
  if (per_task && job->groups[0].count.min > 1)
    text += " for each of its " + std::to_string(job->groups[0].count.min) + " tasks";
  if (verdict.nodes_wanted > 1)
    text += " on " + std::to_string(verdict.nodes_wanted) + " nodes, " +
            std::to_string(verdict.nodes_fit) + " with room now";
  const bool alone = job != nullptr && job->exclusive;
  if (alone) text += " on a node of its own (exclusive)";
  if (alone && verdict.free == 0) {
    text += ", and none is free";
  } else {
    text += ", " + amounts.text(verdict.free) + " free";
    if (verdict.capacity > 0) text += " of " + amounts.text(verdict.capacity);
  }
  if (!verdict.where.empty()) text += " (node " + verdict.where + " is closest)";
  return text;
}

// How long the job may hold its place, and what that is made of.
std::string hold_text(const State& state, const Job& job) {
  if (job.time_limit == span_unlimited) return "it has no time limit";
  const Span bound = state.config().cleanup_bound;
  std::string parts = latest_end_parts(state.config(), job, job.time_limit);
  if (bound > Span(0)) parts += " + launch " + format_span(bound);
  return "it may hold its place for " + format_span(place_end(state, job, Tick(0)) - Tick(0)) +
         (parts.empty() ? "" : " (" + parts + ")");
}

std::string reserved_text(const State& state, const Verdict& verdict, const Job* job, Tick now) {
  const std::string later =
      verdict.start_estimate == tick_never
          ? std::string()
          : "; starts " + in_text(verdict.start_estimate, now) + " at the latest";
  if (verdict.resource != "maintenance" && !verdict.blockers.empty()) {
    std::string text =
        "holds back so that " + jobs_text(state, verdict.blockers) +
        (verdict.blockers.size() == 1 ? ", which is first, starts" : ", which are first, start");
    if (verdict.start_estimate != tick_never) text += " " + in_text(verdict.start_estimate, now);
    return text + "; a shorter time limit could let it pass";
  }
  const NodeRecord* node = state.find_node(verdict.where);
  for (const auto& [id, reservation] : state.reservations()) {
    if (node == nullptr || reservation.end <= now) continue;
    if (std::find(reservation.nodes.begin(), reservation.nodes.end(), node->node.id) ==
        reservation.nodes.end())
      continue;
    std::string text =
        "would run into the reservation " + reservation.name + " on node " + verdict.where;
    text += reservation.start > now ? ", which begins " + in_text(reservation.start, now)
                                    : ", which ends " + in_text(reservation.end, now);
    if (reservation.start > now && job != nullptr)
      text += ": " + hold_text(state, *job) + "; a shorter time limit could let it pass";
    return text + later;
  }
  return "would run into a reservation on node " + verdict.where +
         "; a shorter time limit could let it pass" + later;
}

std::string dependency_text(const State& state, const Verdict& verdict, const Job* job) {
  std::string text = "waits for " + jobs_text(state, verdict.blockers);
  DependencyKind kind = DependencyKind::ok;
  if (job != nullptr && !verdict.blockers.empty())
    for (const auto& dependency : job->after)
      if (dependency.job == verdict.blockers.front()) kind = dependency.kind;
  switch (kind) {
    case DependencyKind::ok:
      text += " to complete";
      break;
    case DependencyKind::any:
      text += " to end";
      break;
    case DependencyKind::failed:
      text += " to fail";
      break;
    case DependencyKind::ready:
      text += " to become ready";
      break;
  }
  for (const JobId id : verdict.blockers) {
    const JobRecord* record = state.find(id);
    if (record != nullptr && record->waiting == 0 && record->live == 0 && record->held > 0)
      return text + "; job " + std::to_string(id.value) + " is held: release it";
  }
  return text;
}

// The only held unit of a job of several; nothing else has a name of its own here.
std::string held_reference(const JobRecord& record) {
  std::uint64_t units = 0;
  for (std::uint32_t g = 0; g < record.groups.size(); ++g) units += unit_count(record.job, g);
  if (record.held == 1 && units > 1)
    for (std::uint32_t g = 0; g < record.groups.size(); ++g)
      if (const auto index = record.groups[g].held.next(0))
        return unit_name(record.job, {record.job.id, g, *index});
  return std::to_string(record.job.id.value);
}

std::string drained_text(const State& state, const Verdict& verdict) {
  const NodeRecord* node = state.find_node(verdict.where);
  if (node != nullptr && node->drained && node->reachable && !node->drain_reason.empty())
    return "only node " + verdict.where + " would do, which is drained (" + node->drain_reason +
           "); it starts when it is back";
  return "only nodes that are drained or unreachable would do (" + verdict.where +
         "); it starts when one is back";
}

std::string backoff_text(const JobRecord* record, const Verdict& verdict, Tick now) {
  std::string text = "failed before";
  if (record != nullptr && !record->end_reason->empty()) text += " (" + *record->end_reason + ")";
  return text + " and is tried again " + in_text(verdict.start_estimate, now);
}

}  // namespace

std::string held_text(const JobRecord& record) {
  std::string text = "held";
  if (record.hold_reason->rfind(text, 0) == 0) {
    text = *record.hold_reason;
  } else if (!record.hold_reason->empty()) {
    text += ": " + *record.hold_reason;
  }
  return text + "; 'busbar release " + held_reference(record) + "' lets it go";
}

std::string latest_end_parts(const Config& config, const Job& job, Span time_limit) {
  if (time_limit == span_unlimited) return {};
  std::string text = "limit " + format_span(time_limit);
  if (job.grace > Span(0)) text += " + grace " + format_span(job.grace);
  if (config.cleanup_bound > Span(0)) text += " + cleanup " + format_span(config.cleanup_bound);
  return text.find('+') == std::string::npos ? std::string() : text;
}

std::string explain(const State& state, const Verdict& verdict, Tick now, Tick likely) {
  const JobRecord* record = state.find(verdict.job);
  const Job* job = record == nullptr ? nullptr : &record->job;
  const Amounts amounts(state, job, verdict.resource);
  switch (verdict.reason) {
    case Reason::dependency:
      return dependency_text(state, verdict, job);
    case Reason::begin_time:
      return "asked to begin later: " + in_text(verdict.start_estimate, now);
    case Reason::held:
      return record == nullptr ? "held" : held_text(*record);
    case Reason::backoff:
      return backoff_text(record, verdict, now);
    case Reason::array_limit:
      return "its array runs at most " + std::to_string(verdict.capacity) +
             " at once; a higher 'parallel' would let more start";
    case Reason::quota:
      return "the quota of tenant " + verdict.where + " has " + amounts.text(verdict.free) +
             " of " + amounts.full(verdict.capacity) + " left, it needs " +
             amounts.text(verdict.wanted);
    case Reason::tenant_limit:
      return "tenant " + verdict.where + " runs its " + std::to_string(verdict.capacity) +
             (verdict.capacity == 1 ? " unit already" : " units already");
    case Reason::resources:
      if (const std::string text = out_of_service_text(state, job); !text.empty()) return text;
      return resources_text(state, verdict, job) + start_text(state, verdict, now, likely);
    case Reason::reserved:
      return reserved_text(state, verdict, job, now);
    case Reason::priority:
      return verdict.blockers.empty()
                 ? "others go first"
                 : jobs_text(state, verdict.blockers) + " goes first, nothing may pass it";
    case Reason::drained:
      return drained_text(state, verdict);
    case Reason::not_found_in_budget:
      return "no place was found within the search's bound; it is tried again in the next cycle";
    case Reason::not_synchronised:
      return "the engine of node " + verdict.where + " has not told yet what runs there";
  }
  return "waits";
}

bool tells_start(const Verdict& verdict, Tick likely) {
  switch (verdict.reason) {
    case Reason::begin_time:
    case Reason::backoff:
      return true;
    case Reason::resources:
      return verdict.start_estimate != tick_never || likely != tick_never;
    case Reason::reserved:
      return verdict.start_estimate != tick_never && verdict.blockers.empty();
    default:
      return false;
  }
}

}  // namespace busbar::core
