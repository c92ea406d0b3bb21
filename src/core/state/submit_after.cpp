// `after`: documents of one submission become job ids; unknown jobs, and jobs that would wait for
// each other in a circle, are refused.
#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "core/state/rules.hpp"

namespace busbar::core {
namespace {

// Whether every unit of the job can become ready; a gang needs one probe.
bool can_be_ready(const Job& job) {
  const auto probed = [](const TaskGroup& group) { return group.has_ready_probe; };
  return job.coupling == Coupling::loose
             ? std::all_of(job.groups.begin(), job.groups.end(), probed)
             : std::any_of(job.groups.begin(), job.groups.end(), probed);
}

Result<const Job*> target_of(const State& state, const std::vector<Job>& jobs,
                             const Dependency& dependency, const std::string& who) {
  if (dependency.job == JobId(0)) {
    if (dependency.document < jobs.size()) return &jobs[dependency.document];
    return {Errc::invalid, fmt::format("{} waits for document {}, but this submission has {}", who,
                                       dependency.document + 1, jobs.size())};
  }
  const std::uint64_t id = dependency.job.value;
  if (const JobRecord* record = state.find(dependency.job)) return &record->job;
  if (dependency.job < state.next_job())
    return {Errc::not_found,
            fmt::format("{} waits for job {}, which ended and has left the queue; \"busbar history "
                        "{}\" shows how it ended; leave it out of after:",
                        who, id, id)};
  return {Errc::not_found, fmt::format("{} waits for job {}, which does not exist", who, id)};
}

enum class Mark : std::uint8_t { unseen, on_path, done };

std::string circle(const std::vector<Job>& jobs, const std::vector<std::size_t>& path,
                   std::size_t again) {
  std::string text;
  for (auto it = std::find(path.begin(), path.end(), again); it != path.end(); ++it)
    text += name_in_submission(jobs[*it], *it) + " after ";
  return text + name_in_submission(jobs[again], again);
}

// Depth first, without recursion: `next[d]` is the dependency of document d to look at.
Result<Ok> refuse_circles_from(const std::vector<Job>& jobs, std::size_t start,
                               std::vector<Mark>& marks, std::vector<std::size_t>& next) {
  std::vector<std::size_t> path = {start};
  marks[start] = Mark::on_path;
  while (!path.empty()) {
    const std::size_t at = path.back();
    const auto& after = jobs[at].after;
    if (next[at] == after.size()) {
      marks[at] = Mark::done;
      path.pop_back();
      continue;
    }
    const Dependency& dependency = after[next[at]++];
    if (dependency.job != JobId(0)) continue;
    const std::size_t target = dependency.document;
    if (marks[target] == Mark::on_path)
      return {Errc::invalid, fmt::format("the jobs wait for each other in a circle: {}; remove one "
                                         "of these after:",
                                         circle(jobs, path, target))};
    if (marks[target] == Mark::unseen) {
      marks[target] = Mark::on_path;
      path.push_back(target);
    }
  }
  return Ok{};
}

Result<Ok> refuse_circles(const std::vector<Job>& jobs) {
  std::vector<Mark> marks(jobs.size(), Mark::unseen);
  std::vector<std::size_t> next(jobs.size(), 0);
  for (std::size_t d = 0; d < jobs.size(); ++d)
    if (marks[d] == Mark::unseen) BUSBAR_TRY_OK(refuse_circles_from(jobs, d, marks, next));
  return Ok{};
}

}  // namespace

Result<Ok> resolve_dependencies(const State& state, std::vector<Job>& jobs) {
  for (std::size_t d = 0; d < jobs.size(); ++d) {
    const std::string who = name_in_submission(jobs[d], d);
    for (const auto& dependency : jobs[d].after) {
      BUSBAR_TRY(target, target_of(state, jobs, dependency, who));
      if (target == &jobs[d])
        return {Errc::invalid, fmt::format("{} waits for itself; remove this after:", who)};
      if (dependency.kind == DependencyKind::ready && !can_be_ready(*target))
        return {
            Errc::invalid,
            fmt::format("{} waits until \"{}\" is ready, but that job has no ready: probe; give "
                        "it one, or wait for its end",
                        who, printable(target->name))};
    }
  }
  BUSBAR_TRY_OK(refuse_circles(jobs));
  for (auto& job : jobs)
    for (auto& dependency : job.after)
      if (dependency.job == JobId(0)) dependency.job = jobs[dependency.document].id;
  return Ok{};
}

}  // namespace busbar::core
