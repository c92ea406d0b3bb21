#include <algorithm>

#include "core/explain/verdict.hpp"
#include "core/fit/hardware.hpp"

namespace busbar::core {
namespace {

bool is_named(const State& state, const Job* job, const std::string& resource) {
  const auto has = [&](const std::vector<NamedCount>& named) {
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
      : resource_(std::move(resource)), named_(is_named(state, job, resource_)) {}
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
    return text(amount) + " " + noun;
  }

 private:
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

std::string start_text(const State& state, const Verdict& verdict, Tick now, Tick likely) {
  if (verdict.start_estimate == tick_never) {
    std::string text;
    if (!verdict.blockers.empty())
      text = "; " + jobs_text(state, verdict.blockers) +
             (verdict.blockers.size() == 1 ? " holds it" : " hold it");
    if (likely != tick_never) return text + "; it should start " + in_text(likely, now);
    if (text.empty()) return {};
    return text + " and no end is known: a time limit on running jobs would tell";
  }
  std::string text = "; starts " + in_text(verdict.start_estimate, now) + " at the latest";
  if (!verdict.blockers.empty())
    text += ", when " + jobs_text(state, verdict.blockers) +
            (verdict.blockers.size() == 1 ? " ends" : " end");
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
  if (verdict.nodes_wanted > 1)
    text += " on " + std::to_string(verdict.nodes_wanted) + " nodes, " +
            std::to_string(verdict.nodes_fit) + " with room now";
  text += ", " + amounts.text(verdict.free) + " free";
  if (verdict.capacity > 0) text += " of " + amounts.text(verdict.capacity);
  if (!verdict.where.empty()) text += " (node " + verdict.where + " is closest)";
  return text;
}

std::string reserved_text(const State& state, const Verdict& verdict, Tick now) {
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
    if (reservation.start > now) text += "; a shorter time limit could let it pass";
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

std::string held_text(const JobRecord* record, const Verdict& verdict) {
  std::string text = "held";
  if (record != nullptr && !record->hold_reason.empty()) text += ": " + record->hold_reason;
  return text + "; 'busbar release " + std::to_string(verdict.job.value) + "' lets it go";
}

}  // namespace

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
      return held_text(record, verdict);
    case Reason::backoff:
      return "failed before and is tried again " + in_text(verdict.start_estimate, now);
    case Reason::array_limit:
      return "its array runs at most " + std::to_string(verdict.capacity) +
             " at once; a higher 'parallel' would let more start";
    case Reason::quota:
      return "the quota of tenant " + verdict.where + " has " + amounts.text(verdict.free) +
             " of " + amounts.full(verdict.capacity) + " left, it needs " +
             amounts.text(verdict.wanted);
    case Reason::tenant_limit:
      return "tenant " + verdict.where + " runs its " + std::to_string(verdict.capacity) +
             " units already";
    case Reason::resources:
      if (const std::string text = out_of_service_text(state, job); !text.empty()) return text;
      return resources_text(state, verdict, job) + start_text(state, verdict, now, likely);
    case Reason::reserved:
      return reserved_text(state, verdict, now);
    case Reason::priority:
      return verdict.blockers.empty()
                 ? "others go first"
                 : jobs_text(state, verdict.blockers) + " goes first, nothing may pass it";
    case Reason::drained:
      return "only nodes that are drained or unreachable would do (" + verdict.where +
             "); it starts when one is back";
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
