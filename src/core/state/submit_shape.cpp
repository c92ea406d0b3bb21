// Whether a job's own fields agree with each other. The reader of job files refuses most of this
// with line and column; here stands the last word, for every way in.
#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "core/state/rules.hpp"

namespace busbar::core {
namespace {

constexpr std::size_t groups_max = 64;
constexpr std::size_t alternatives_max = 16;
constexpr std::uint32_t tasks_per_gang_max = 1'000'000;

Error wrong(const std::string& who, std::string_view what) {
  return {Errc::invalid, fmt::format("{} {}", who, what)};
}

Result<Ok> check_resources(const Resources& each, const std::string& who) {
  if (each.cores < MilliCores(0) || each.memory < Bytes(0) || each.scratch < Bytes(0))
    return wrong(who, "asks for a negative amount of cores, memory or scratch");
  for (const auto& request : each.devices) {
    if (request.count == 0) return wrong(who, "asks for 0 devices; leave the request out instead");
    if (request.share <= MilliDevices(0) || request.share > MilliDevices(1000))
      return wrong(who, "asks for a share of a device outside 0.001 to 1");
  }
  for (const auto& named : each.named)
    if (named.name.empty() || named.count < 0)
      return wrong(who, "asks for a countable without a name, or a negative number of one");
  return Ok{};
}

std::uint64_t array_size(const TaskGroup& group) {
  std::uint64_t size = 0;
  for (const auto& range : group.array) size += (range.last - range.first) / range.step + 1;
  return size;
}

Result<Ok> check_array(const TaskGroup& group, const std::string& who) {
  for (const auto& range : group.array)
    if (range.step == 0 || range.last < range.first)
      return wrong(who, "has an array range that runs downwards or stands still");
  if (!group.array.empty() && array_size(group) != group.count.min)
    return wrong(who, "has an array whose size is not its number of tasks");
  return Ok{};
}

Result<Ok> check_group(const Job& job, const TaskGroup& group, const std::string& who) {
  const bool loose = job.coupling == Coupling::loose;
  if (group.count.min == 0 || group.count.max < group.count.min)
    return wrong(who, "needs at least one task, and no fewer at most than at least");
  if (loose && group.count.min != group.count.max)
    return wrong(who, "is loose, so its number of tasks is fixed; use parallel: for its width");
  if (!loose && group.count.max > tasks_per_gang_max)
    return wrong(who, fmt::format("asks for more than {} tasks at once", tasks_per_gang_max));
  if (!loose && (!group.array.empty() || group.parallel > 0))
    return wrong(who, fmt::format("is {}: array: and parallel: are for loose jobs",
                                  to_string(job.coupling)));
  if (loose && (group.nodes > 0 || group.tasks_per_node > 0))
    return wrong(who, "is loose: nodes: and tasks_per_node: are for tight and extreme jobs");
  if (group.nodes > group.count.max)
    return wrong(
        who, fmt::format("asks for {} nodes but has only {} tasks", group.nodes, group.count.max));
  if (group.nodes > 0 && group.tasks_per_node > 0 &&
      std::uint64_t{group.nodes} * group.tasks_per_node < group.count.min)
    return wrong(who, fmt::format("asks for {} tasks, but {} nodes with {} each hold only {}",
                                  group.count.min, group.nodes, group.tasks_per_node,
                                  std::uint64_t{group.nodes} * group.tasks_per_node));
  if (group.any_of.empty() || group.any_of.size() > alternatives_max)
    return wrong(who, fmt::format("needs 1 to {} alternatives", alternatives_max));
  for (const auto& alternative : group.any_of)
    BUSBAR_TRY_OK(check_resources(alternative.resources, who));
  return check_array(group, who);
}

Result<Ok> check_times(Facts facts, const Job& job, const std::string& who) {
  if (job.time_limit <= Span(0)) return wrong(who, "needs a time limit above zero");
  if (!is_time_limit(job.time_limit))
    return wrong(who, "has a time limit of more than a century; leave it out for none");
  if (job.grace < Span(0) || job.restart->backoff < Span(0) || job.restart->backoff_max < Span(0))
    return wrong(who, "has a negative grace or backoff");
  if (job.deadline_at <= facts.now) return wrong(who, "has a deadline that has already passed");
  if (job.begin_at >= job.deadline_at)
    return wrong(who, "would begin after its deadline; move one of them");
  return Ok{};
}

Result<Ok> check_level(const State& state, std::string_view level, const std::string& who) {
  std::vector<std::string_view> known = {"node", "cluster"};
  for (const auto& name : state.config().topology_levels) known.push_back(name);
  if (level.empty() || std::find(known.begin(), known.end(), level) != known.end()) return Ok{};
  return wrong(who, "names an unknown level: " + unknown_name("topology level", level, known).text);
}

}  // namespace

std::string name_in_submission(const Job& job, std::size_t position) {
  if (!job.name.empty()) return fmt::format("job \"{}\"", printable(job.name));
  return fmt::format("job {} of this submission", position + 1);
}

Result<Ok> check_shape(Facts facts, const Job& job, const std::string& who) {
  if (job.groups.empty() || job.groups.size() > groups_max)
    return wrong(who, fmt::format("needs 1 to {} task groups", groups_max));
  if (job.name.size() > 256 || !is_utf8(job.name))
    return wrong(who, "needs a name that is UTF-8 text of at most 256 bytes");
  std::uint64_t units = 0;
  for (std::uint32_t g = 0; g < job.groups.size(); ++g) {
    BUSBAR_TRY_OK(check_group(job, job.groups[g], who));
    units += unit_count(job, g);
    for (std::uint32_t other = 0; other < g; ++other)
      if (job.groups[other].name == job.groups[g].name)
        return wrong(who, fmt::format("has two groups named \"{}\"; give each its own name",
                                      printable(job.groups[g].name)));
  }
  const std::uint64_t units_max = facts.state.config().units_per_job_max;
  if (units > units_max)
    return wrong(
        who, fmt::format("has {} units, but at most {} are allowed; split it", units, units_max));
  BUSBAR_TRY_OK(check_level(facts.state, job.topology->within, who));
  BUSBAR_TRY_OK(check_level(facts.state, job.topology->spread, who));
  return check_times(facts, job, who);
}

}  // namespace busbar::core
