#include <algorithm>
#include <map>
#include <set>

#include "core/cycle/spec_testing.hpp"

namespace busbar::core::testing {

CycleWorld::CycleWorld() {
  Config config;
  config.cleanup_bound = Span(0);
  configure(config);
  apply(ClusterSynchronised{"local"});
}

void CycleWorld::apply(EventBody body) {
  world.apply(std::move(body));
  index.apply(world.state, world.events.back());
}

void CycleWorld::configure(const Config& config) {
  apply(Configured{config, world.state.config_version() + 1});
  policy = make_policy(config.policy);
}

NodeId CycleWorld::add(Node node) {
  node.id = world.state.next_node();
  const NodeId id = node.id;
  apply(NodeRegistered{std::move(node)});
  return id;
}

JobId CycleWorld::add(Job job) {
  job.id = world.state.next_job();
  if (job.tenant.empty()) job.tenant = world.state.config().default_tenant;
  const JobId id = job.id;
  apply(Submitted{{std::move(job)}, {}});
  return id;
}

void CycleWorld::end(const AttemptId& attempt, RunState state) {
  Ended event;
  event.attempt = attempt;
  event.state = state;
  event.charge = charge_of(world.state, world.state.find(attempt)->allocation,
                           world.now - world.state.find(attempt)->granted);
  apply(std::move(event));
}

void CycleWorld::cycle() {
  accepted.clear();
  bool again = true;
  while (again) {
    again = false;
    Cursor next;
    next.config_version = cursor.config_version;
    next.room = cursor.room;
    next.hopeless = cursor.hopeless;
    cursor = next;
    std::size_t slices = 0;
    do {
      const Slice slice = plan(view(), *policy, cursor, budget, 1);
      const Accepted step = accept(world.state, index, slice.plan);
      if (step.dropped > 0 && problem.empty()) problem = "accept dropped a step of a fresh plan";
      for (const auto& body : step.events) {
        again = again || std::holds_alternative<UnitsClosed>(body) ||
                std::holds_alternative<JobRetired>(body);
        accepted.push_back(body);
        apply(body);
      }
      book.put(slice.plan.verdicts, slice.cursor.finished);
      cursor = slice.cursor;
      check(++slices < 1'000'000, "a cycle does not end");
    } while (!cursor.finished);
  }
  verdicts.clear();
  for (const auto& [id, record] : world.state.jobs())
    for (Verdict& verdict : book.of(world.state, index, record, world.now))
      verdicts.push_back(std::move(verdict));
  if (problem.empty()) problem = oversold();
  if (problem.empty()) problem = world.broken;
}

std::string CycleWorld::oversold() const {
  const State& state = world.state;
  for (const auto& record : state.nodes()) {
    const NodeFree& free = index.nodes()[record.node.id.value - 1];
    const bool negative = free.cores.value < 0 || free.memory.value < 0 || free.scratch.value < 0 ||
                          std::any_of(free.devices.begin(), free.devices.end(),
                                      [](MilliDevices left) { return left.value < 0; }) ||
                          std::any_of(free.named.begin(), free.named.end(),
                                      [](const NamedCount& left) { return left.count < 0; });
    if (negative) return "node " + record.node.name + " is oversold";
    if (free.exclusive > 0 && index.attempts_on(record.node.id).size() > 1)
      return "node " + record.node.name + " is shared with an exclusive job";
    std::set<std::uint32_t> ports;
    for (const auto& id : index.attempts_on(record.node.id))
      for (const auto& claim : index.attempts().at(id).claims)
        if (claim.node == record.node.id)
          for (const std::uint32_t port : claim.ports)
            if (!ports.insert(port).second) return "a port is handed out twice";
  }
  for (std::uint32_t t = 0; t < state.config().tenants.size(); ++t) {
    const TenantConfig& tenant = state.config().tenants[t];
    for (std::size_t i = 0; i < tenant.quota.size(); ++i)
      if (index.tenants()[t].quota[i] > tenant.quota[i].count)
        return "tenant " + tenant.name + " is over its quota of " + tenant.quota[i].name;
    if (tenant.running_max > 0 && state.tenants()[t].running > tenant.running_max)
      return "tenant " + tenant.name + " runs too many units";
  }
  for (const auto& [id, record] : state.jobs())
    for (std::uint32_t g = 0; g < record.groups.size(); ++g)
      if (record.job.groups[g].parallel > 0 &&
          record.groups[g].live - record.groups[g].staged > record.job.groups[g].parallel)
        return "job " + std::to_string(id.value) + " runs more than its parallel";
  if (index != Index(state)) return "the index differs from Index(State)";
  return {};
}

}  // namespace busbar::core::testing
