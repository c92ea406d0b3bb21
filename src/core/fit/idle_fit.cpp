#include "core/fit/idle_fit.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "core/fit/find.hpp"
#include "core/fit/unit_class.hpp"
#include "core/policy/policy.hpp"

namespace busbar::core {
namespace {

// The cluster with nothing on it, and the job as its only one.
State idle_state(const State& state, Job job) {
  State idle;
  const auto apply = [&](EventBody body) {
    idle.apply({Revision(idle.revision().value + 1), Tick(1), std::move(body)});
  };
  apply(Configured{state.config(), 1});
  for (const auto& record : state.nodes()) apply(NodeRegistered{record.node});
  for (const auto& cluster : state.synchronised()) apply(ClusterSynchronised{cluster});
  job.after.clear();
  job.hold = false;
  job.id = idle.next_job();
  apply(Submitted{{std::move(job)}, ""});
  return idle;
}

// The miss of the first unit of `group`, or nothing when it finds a place.
std::optional<Miss> miss_when_idle(const State& state, const Job& job, std::uint32_t group) {
  const State idle = idle_state(state, job);
  const Index index(idle);
  const auto policy = make_policy(state.config().policy);
  Scratch scratch(idle, index, Tick(1));
  Steps steps;
  const JobId id(idle.next_job().value - 1);
  const Job& placed = idle.find(id)->job;
  const Ask ask = make_ask(idle, {id, group, 0}, unit_class(placed, group), Tick(1));
  Found found = find(scratch, *policy, ask, steps);
  if (found.allocation) return std::nullopt;
  return std::move(found.miss);
}

// The largest count of the gang's largest group that would still fit; 0: not even one task.
std::uint32_t largest_fit(const State& state, const Job& job, std::uint32_t group) {
  std::uint32_t low = 0;
  std::uint32_t high = job.groups[group].count.min - 1;
  while (low < high) {
    const std::uint32_t middle = low + (high - low + 1) / 2;
    Job smaller = job;
    smaller.groups[group].count = {middle, middle};
    smaller.groups[group].nodes = 0;
    if (miss_when_idle(state, smaller, 0)) {
      high = middle - 1;
    } else {
      low = middle;
    }
  }
  return low;
}

std::string together(const Job& job) {
  if (job.topology->required) return fmt::format("inside one {}", job.topology->within);
  if (job.coupling == Coupling::extreme) return "inside one link domain";
  return "at once";
}

Error refusal(const State& state, const Job& job, const Miss& miss) {
  std::uint32_t group = 0;
  for (std::uint32_t g = 1; g < job.groups.size(); ++g)
    if (job.groups[g].count.min > job.groups[group].count.min) group = g;
  const std::uint32_t wanted = job.groups[group].count.min;
  const std::uint32_t fits = wanted > 1 ? largest_fit(state, job, group) : 0;
  std::string text = fmt::format(
      "job \"{}\" asks for {} task{} {}, and even with nothing else running they would not fit",
      printable(job.name), wanted, wanted == 1 ? "" : "s", together(job));
  if (!miss.resource.empty()) text += fmt::format(" (short of {})", miss.resource);
  if (fits > 0) {
    text += fmt::format(". Nearest: tasks: {}", fits);
  } else {
    text += ". Ask for less per task, or drop a condition on where they run";
  }
  return {Errc::unsatisfiable, std::move(text)};
}

}  // namespace

bool needs_idle_proof(const State& state, const Job& job) {
  if (job.coupling != Coupling::loose) return true;
  const bool several = std::any_of(job.groups.begin(), job.groups.end(),
                                   [](const TaskGroup& group) { return group.any_of.size() > 1; });
  const auto tenant = state.find_tenant(job.tenant);
  const bool bounded = tenant && !state.config().tenants[tenant->value].quota.empty();
  // An exclusive node counts whole against a quota, whatever the job asks for.
  return bounded && (several || job.exclusive);
}

std::optional<Error> never_fits_idle(const State& state, const Job& job) {
  const std::uint32_t groups =
      job.coupling == Coupling::loose ? static_cast<std::uint32_t>(job.groups.size()) : 1;
  for (std::uint32_t g = 0; g < groups; ++g) {
    const auto miss = miss_when_idle(state, job, g);
    if (miss && miss->reason != Reason::not_found_in_budget) return refusal(state, job, *miss);
  }
  return std::nullopt;
}

}  // namespace busbar::core
