#include "core/cycle/admit.hpp"

#include <limits>

namespace busbar::core {

std::optional<std::string> never_admitted(const State& state, const Job& job) {
  for (const auto& dependency : job.after) {
    if (dependency_state(state, dependency) != DependencyState::never) continue;
    const std::string name = "dependency " + std::to_string(dependency.job.value);
    switch (dependency.kind) {
      case DependencyKind::failed:
        return name + " did not fail";
      case DependencyKind::ready:
        return name + " ended before it was ready";
      default:
        if (const JobRecord* ended = state.find(dependency.job); ended != nullptr)
          return name + " ended " + std::string(to_string(job_state(*ended)));
        return name + " failed";
    }
  }
  return std::nullopt;
}

std::optional<Verdict> job_waits(const State& state, const Job& job, std::uint32_t group,
                                 Tick now) {
  Verdict verdict;
  verdict.job = job.id;
  verdict.group = group;
  for (const auto& dependency : job.after)
    if (dependency_state(state, dependency) != DependencyState::met &&
        verdict.blockers.size() < Verdict::blockers_max)
      verdict.blockers.push_back(dependency.job);
  if (!verdict.blockers.empty()) {
    verdict.reason = Reason::dependency;
    return verdict;
  }
  if (job.begin_at > now) {
    verdict.reason = Reason::begin_time;
    verdict.start_estimate = job.begin_at;
    return verdict;
  }
  return std::nullopt;
}

std::uint64_t array_room(const Scratch& scratch, const JobRecord& record, std::uint32_t group) {
  const std::uint32_t parallel = record.job.groups[group].parallel;
  if (parallel == 0 || record.job.coupling != Coupling::loose)
    return std::numeric_limits<std::uint64_t>::max();
  const std::uint64_t running =
      std::uint64_t{record.groups[group].live - record.groups[group].staged} +
      scratch.taken_of({record.job.id, group});
  return parallel > running ? parallel - running : 0;
}

std::uint64_t tenant_room(const Scratch& scratch, TenantId tenant) {
  const std::uint64_t most = scratch.state().config().tenants[tenant.value].running_max;
  if (most == 0) return std::numeric_limits<std::uint64_t>::max();
  const std::uint64_t running = scratch.running(tenant);
  return most > running ? most - running : 0;
}

std::vector<std::uint32_t> backing_off(const GroupRecord& group, Tick now) {
  std::vector<std::uint32_t> later;
  for (const auto& [index, unit] : *group.units)
    if (!unit.live && unit.not_before > now && group.waiting.contains(index))
      later.push_back(index);
  return later;
}

}  // namespace busbar::core
