#include "sim/checkers.hpp"

#include <fmt/format.h>

#include <set>
#include <vector>

namespace busbar::sim {
namespace {

struct Used {
  MilliCores cores;
  Bytes memory;
  Bytes scratch;
  std::vector<std::int64_t> devices;
  std::map<std::string, std::int64_t> named;
  std::set<std::uint32_t> ports;
  std::set<AttemptId> attempts;
  bool exclusive = false;
};

std::optional<std::string> add_claim(const Node& node, const AttemptId& id, const Claim& claim,
                                     Used& used) {
  used.cores += claim.cores;
  used.memory += claim.memory;
  used.scratch += claim.scratch;
  used.devices.resize(node.devices.size());
  for (const auto& device : claim.devices) {
    if (device.ordinal >= node.devices.size())
      return fmt::format("{} has no device {}", node.name, device.ordinal);
    used.devices[device.ordinal] += device.share.value;
  }
  for (const auto& named : claim.named) used.named[named.name] += named.count;
  for (const std::uint32_t port : claim.ports)
    if (!used.ports.insert(port).second)
      return fmt::format("port {} of {} is given twice", port, node.name);
  used.attempts.insert(id);
  used.exclusive = used.exclusive || claim.exclusive;
  return std::nullopt;
}

std::optional<std::string> over(const Node& node, const Used& used) {
  if (used.cores > node.cores) return fmt::format("cores of {} are oversold", node.name);
  if (used.memory > node.memory) return fmt::format("memory of {} is oversold", node.name);
  if (used.scratch > node.scratch) return fmt::format("scratch of {} is oversold", node.name);
  for (std::size_t i = 0; i < used.devices.size(); ++i)
    if (used.devices[i] > 1000) return fmt::format("device {} of {} is oversold", i, node.name);
  for (const auto& [name, count] : used.named) {
    std::int64_t there = 0;
    for (const auto& named : node.named)
      if (named.name == name) there = named.count;
    if (count > there) return fmt::format("{} of {} is oversold", name, node.name);
  }
  if (used.exclusive && used.attempts.size() > 1)
    return fmt::format("{} is exclusive and shared", node.name);
  return std::nullopt;
}

}  // namespace

std::optional<std::string> check_capacity(const core::State& state) {
  std::map<NodeId, Used> used;
  for (const auto& [id, attempt] : state.attempts()) {
    if (attempt.staged()) continue;
    for (const auto& claim : attempt.allocation.claims) {
      const auto* node = state.find(claim.node);
      if (node == nullptr) return "a claim on an unknown node";
      if (auto broken = add_claim(node->node, id, claim, used[claim.node])) return broken;
    }
  }
  for (const auto& [id, sum] : used)
    if (auto broken = over(state.find(id)->node, sum)) return broken;
  return std::nullopt;
}

std::optional<std::string> check_quotas(const core::State& state) {
  const auto& tenants = state.config().tenants;
  for (std::size_t t = 0; t < tenants.size(); ++t) {
    std::map<std::string, std::int64_t> used;
    std::uint64_t running = 0;
    for (const auto& [id, attempt] : state.attempts()) {
      if (attempt.staged() || state.find(id.unit.job)->job.tenant != tenants[t].name) continue;
      ++running;
      for (const auto& quota : tenants[t].quota)
        used[quota.name] += core::quota_amount(state, attempt.allocation, quota.name);
    }
    for (const auto& quota : tenants[t].quota)
      if (used[quota.name] > quota.count)
        return fmt::format("tenant {} holds {} of {} and may hold {}", tenants[t].name,
                           used[quota.name], quota.name, quota.count);
    if (tenants[t].running_max != 0 && running > tenants[t].running_max)
      return fmt::format("tenant {} runs {} units and may run {}", tenants[t].name, running,
                         tenants[t].running_max);
  }
  return std::nullopt;
}

std::optional<std::string> check_gangs(const core::State& state) {
  for (const auto& [id, attempt] : state.attempts()) {
    const Job& job = state.find(id.unit.job)->job;
    std::map<std::uint32_t, std::uint32_t> tasks;
    for (const auto& claim : attempt.allocation.claims) tasks[claim.group] += claim.tasks;
    if (job.coupling == Coupling::loose) {
      if (tasks.size() != 1 || tasks[id.unit.group] != 1)
        return fmt::format("a unit of loose job {} holds more than one task", job.id.value);
      continue;
    }
    for (std::uint32_t g = 0; g < job.groups.size(); ++g) {
      const auto& count = job.groups[g].count;
      if (tasks[g] < count.min || tasks[g] > count.max)
        return fmt::format("gang {} holds {} tasks of group {}, wanted {}..{}", job.id.value,
                           tasks[g], g, count.min, count.max);
    }
  }
  return std::nullopt;
}

std::optional<std::string> check_grant(const core::State& after, const Granted& granted) {
  const UnitId& unit = granted.attempt.unit;
  const auto* record = after.find(unit.job);
  if (record == nullptr) return "an attempt of no job was granted";
  const std::uint32_t parallel = record->job.groups[unit.group].parallel;
  if (parallel == 0) return std::nullopt;
  std::uint32_t live = 0;
  for (const auto& [id, attempt] : after.attempts())
    live += id.unit.job == unit.job && id.unit.group == unit.group && !attempt.staged() ? 1 : 0;
  if (live <= parallel) return std::nullopt;
  return fmt::format("array {} runs {} units and may run {}", unit.job.value, live, parallel);
}

std::optional<std::string> History::see(const Event& event) {
  if (const auto* promise = std::get_if<Promised>(&event.body)) {
    promised_[promise->unit] = promise->at;
  } else if (const auto* voided = std::get_if<PromiseVoided>(&event.body)) {
    promised_.erase(voided->unit);
  } else if (const auto* granted = std::get_if<Granted>(&event.body)) {
    const auto& id = granted->attempt;
    if (id.number != last_number_[id.unit] + 1)
      return fmt::format("attempt {} of job {} came after {}", id.number, id.unit.job.value,
                         last_number_[id.unit]);
    if (id.number > 1 && live_.contains({id.unit, id.number - 1}))
      return fmt::format("attempt {} of job {} was granted while {} lives", id.number,
                         id.unit.job.value, id.number - 1);
    last_number_[id.unit] = id.number;
    live_.emplace(id, false);
    const auto kept = promised_.find(id.unit);
    if (kept != promised_.end() && event.tick > kept->second)
      return fmt::format("job {} was promised {} and started {}", id.unit.job.value,
                         kept->second.value, event.tick.value);
    if (kept != promised_.end()) promised_.erase(kept);
  } else if (const auto* adopted = std::get_if<ClusterAdopted>(&event.body)) {
    for (const auto& id : adopted->attempts)
      last_number_[id.unit] = std::max(last_number_[id.unit], id.number);
  } else if (const auto* running = std::get_if<Running>(&event.body)) {
    const auto found = live_.find(running->attempt);
    if (found == live_.end()) return "an attempt runs that was not granted";
    found->second = true;
  } else if (const auto* ended = std::get_if<Ended>(&event.body)) {
    if (live_.erase(ended->attempt) == 0) return "an attempt ended that was not live";
  }
  return std::nullopt;
}

}  // namespace busbar::sim
