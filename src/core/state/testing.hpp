// For tests of core: short builders of nodes and jobs, and a World that folds commands and events
// into a State as the ring does, checking after each event that State's invariants hold.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "core/state/decide.hpp"
#include "core/state/state.hpp"

namespace busbar::core::testing {

// --- who

inline UserRef user(std::string name = "ada", std::uint32_t uid = 1000) {
  return {.name = std::move(name), .uid = uid, .gid = uid, .is_operator = false};
}
inline UserRef op() { return {.name = "root", .uid = 0, .gid = 0, .is_operator = true}; }

// --- nodes

inline Device device(std::string model = "NVIDIA A100-SXM4-80GB", std::uint32_t index = 0,
                     std::string vendor = "nvidia", Bytes memory = gibibytes(80)) {
  Device out;
  out.vendor = std::move(vendor);
  out.model = std::move(model);
  out.uuid = "uuid-" + std::to_string(index);
  out.memory = memory;
  out.physical_index = index;
  out.link_domain = 1;
  out.simulated = true;
  return out;
}

// A machine of cluster "local" with `gpus` devices of one model in one link domain.
inline Node node(std::string name, std::int64_t cores, Bytes memory = gibibytes(64),
                 std::uint32_t gpus = 0, const std::string& gpu_model = "NVIDIA A100-SXM4-80GB") {
  Node out;
  out.cluster = "local";
  out.machine_id = "machine-" + name;
  out.boot_id = "boot-1";
  out.name = std::move(name);
  out.cores = whole_cores(cores);
  out.memory = memory;
  out.scratch = gibibytes(100);
  out.port_first = 20000;
  out.port_count = 100;
  for (std::uint32_t i = 0; i < gpus; ++i) out.devices.push_back(device(gpu_model, i));
  return out;
}

// --- jobs

inline Resources resources(std::int64_t cores = 1, Bytes memory = {}) {
  Resources out;
  out.cores = whole_cores(cores);
  out.memory = memory;
  return out;
}

inline DeviceRequest gpus(std::uint32_t count, std::string model = {}) {
  DeviceRequest out;
  out.model = std::move(model);
  out.count = count;
  return out;
}

inline TaskGroup task_group(std::uint32_t tasks, Resources per_task = resources()) {
  TaskGroup out;
  out.count = {tasks, tasks};
  Alternative alternative;
  alternative.resources = std::move(per_task);
  out.any_of.push_back(std::move(alternative));
  return out;
}

inline Job job_of(std::string name, Coupling coupling, List<TaskGroup> groups) {
  Job out;
  out.name = std::move(name);
  out.user = user();
  out.coupling = coupling;
  out.groups = std::move(groups);
  return out;
}

// `tasks` units that start independently.
inline Job loose(std::string name, std::uint32_t tasks = 1, Resources per_task = resources()) {
  return job_of(std::move(name), Coupling::loose, {task_group(tasks, std::move(per_task))});
}
// One unit of `tasks` tasks, all or nothing.
inline Job gang(std::string name, std::uint32_t tasks, Resources per_task = resources(),
                std::uint32_t tasks_per_node = 0) {
  TaskGroup group = task_group(tasks, std::move(per_task));
  group.tasks_per_node = tasks_per_node;
  return job_of(std::move(name), Coupling::tight, {std::move(group)});
}
inline Job array(std::string name, ArrayRange range, std::uint32_t parallel = 0) {
  Job out = loose(std::move(name), (range.last - range.first) / range.step + 1);
  out.groups[0].array.push_back(range);
  out.groups[0].parallel = parallel;
  return out;
}

inline UnitId unit(std::uint64_t job, std::uint32_t index = 0, std::uint32_t group = 0) {
  return {JobId(job), group, index};
}
inline AttemptId attempt(std::uint64_t job, std::uint32_t index = 0, std::uint32_t number = 1) {
  return {unit(job, index), number};
}
inline UnitSelector all_of(std::uint64_t job) {
  UnitSelector out;
  out.job = JobId(job);
  return out;
}
inline UnitSelector some_of(std::uint64_t job, IndexRange range, std::uint32_t group = 0) {
  UnitSelector out = all_of(job);
  out.all = false;
  out.group = group;
  out.indices.insert(range);
  return out;
}

// What `tasks` tasks of the group's first alternative claim on a node; devices from `first_device`.
inline Claim claim_on(NodeId node, const Job& job, std::uint32_t group = 0, std::uint32_t tasks = 1,
                      std::uint32_t first_device = 0) {
  const Resources& each = job.groups[group].any_of[0].resources;
  Claim out;
  out.node = node;
  out.group = group;
  out.tasks = tasks;
  out.cores = each.cores * tasks;
  out.memory = each.memory * tasks;
  out.scratch = each.scratch * tasks;
  out.named = each.named;
  for (auto& named : out.named) named.count *= tasks;
  for (const auto& request : each.devices)
    for (std::uint32_t i = 0; i < request.count * tasks; ++i)
      out.devices.push_back({first_device++, request.share});
  out.exclusive = job.exclusive;
  return out;
}

// Folds what happens into a State. `broken` keeps the first invariant that failed.
struct World {
  State state;
  Tick now{1000};
  Events events;
  std::string broken;
  bool check_invariants = true;

  void apply(EventBody body) {
    Event event;
    event.revision = Revision(state.revision().value + 1);
    event.tick = now;
    event.body = std::move(body);
    state.apply(event);
    events.push_back(std::move(event));
    if (!check_invariants || !broken.empty()) return;
    if (const auto found = state.invariants())
      broken = *found + " after " + std::string(event_words[events.back().body.index()]);
  }
  void apply_all(std::vector<EventBody> bodies) {
    for (auto& body : bodies) apply(std::move(body));
  }

  // Decides, and applies what was decided.
  Result<Decision> tell(const Command& command) {
    auto decision = decide(state, command, now);
    if (decision.ok()) apply_all(decision->events);
    return decision;
  }
  // Tells what cannot be refused in this test.
  void must(const Command& command) {
    const auto decision = tell(command);
    check(decision.ok(), decision.ok() ? "" : decision.error().text);
  }
  // The sentence of a refusal; "" when the command was accepted.
  std::string refusal(const Command& command) {
    const auto decision = tell(command);
    return decision.ok() ? std::string() : decision.error().text;
  }
  void advance(Span by) { now = now + by; }

  // --- short forms, without decide

  NodeId add(Node node) {
    node.id = state.next_node();
    apply(NodeRegistered{node});
    return node.id;
  }
  // Submits as the ring would after decide: ids given, default tenant.
  JobId add(Job job) {
    job.id = state.next_job();
    if (job.tenant.empty()) job.tenant = state.config().default_tenant;
    const JobId id = job.id;
    apply(Submitted{{std::move(job)}, {}});
    return id;
  }
  AttemptId grant(const UnitId& unit, Allocation allocation) {
    const JobRecord* record = state.find(unit.job);
    Granted event{state.next_attempt(unit), std::move(allocation), record->job.time_limit,
                  state.latest_end(record->job, record->job.time_limit, now)};
    const AttemptId id = event.attempt;
    apply(std::move(event));
    return id;
  }
  // Grants one task of the unit's group on the node.
  AttemptId grant(const UnitId& unit, NodeId node, std::uint32_t first_device = 0) {
    const Job& job = state.find(unit.job)->job;
    const std::uint32_t tasks = job.coupling == Coupling::loose ? 1 : job.groups[0].count.min;
    return grant(unit, Allocation{{claim_on(node, job, unit.group, tasks, first_device)}});
  }
  void run(const AttemptId& attempt) {
    apply(Running{attempt, {}, state.find(attempt)->latest_end});
  }
  void end(const AttemptId& attempt, RunState end_state = RunState::completed,
           std::int32_t code = 0) {
    Ended event;
    event.attempt = attempt;
    event.state = end_state;
    event.exit.code = code;
    apply(std::move(event));
  }
};

}  // namespace busbar::core::testing
