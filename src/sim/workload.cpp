#include "sim/workload.hpp"

#include <fmt/format.h>

#include <iterator>

namespace busbar::sim {
namespace {

UserRef user_of(std::uint64_t which) {
  return {fmt::format("user{}", which), static_cast<std::uint32_t>(1000 + which),
          static_cast<std::uint32_t>(1000 + which), false};
}

const UserRef root{"root", 0, 0, true};

}  // namespace

Resources Workload::resources() {
  Resources out;
  out.cores = MilliCores(static_cast<std::int64_t>(500 * (1 + rng_.below(8))));
  out.memory = gibibytes(static_cast<std::int64_t>(rng_.below(6)));
  if (rng_.chance(1, 8)) out.scratch = gibibytes(static_cast<std::int64_t>(rng_.below(60)));
  if (rng_.chance(1, 3)) {
    DeviceRequest device;
    device.model = rng_.chance(1, 3) ? "H100" : "";
    if (rng_.chance(1, 6)) device.memory_min_bytes = gibibytes(40);
    if (rng_.chance(1, 4)) {
      device.count = 1;
      device.share = MilliDevices(static_cast<std::int64_t>(250 * (1 + rng_.below(3))));
    } else {
      device.count = static_cast<std::uint32_t>(1 + rng_.below(4));
    }
    out.devices.push_back(device);
  }
  if (rng_.chance(1, 12)) out.named = {{"license", 1}};
  if (rng_.chance(1, 8)) out.ports = 1;
  return out;
}

void Workload::give_tasks(Job& job) {
  TaskGroup group;
  group.any_of.push_back({resources(), {}, 1000});
  if (rng_.chance(1, 6)) group.any_of.push_back({resources(), {}, 500});
  if (rng_.chance(1, 10)) group.any_of[0].constraint = {{{"avx512"}}};
  if (job.coupling == Coupling::loose) {
    const bool array = rng_.chance(1, 3);
    group.count.min = array ? static_cast<std::uint32_t>(2 + rng_.below(30)) : 1;
    group.count.max = group.count.min;
    if (array) group.array = {{1, group.count.min, 1}};
    if (array && rng_.chance(1, 2)) group.parallel = static_cast<std::uint32_t>(1 + rng_.below(6));
  } else {
    group.count.min = static_cast<std::uint32_t>(2 + rng_.below(6));
    group.count.max = group.count.min + static_cast<std::uint32_t>(rng_.chance(1, 4) ? 4 : 0);
    group.launcher = rng_.chance(1, 2) ? Launcher::tasks : Launcher::mpi;
    if (rng_.chance(1, 4)) group.tasks_per_node = 2;
    if (rng_.chance(1, 10)) group.nodes = static_cast<std::uint32_t>(1 + rng_.below(3));
  }
  group.has_ready_probe =
      group.any_of[0].resources.ports > 0 && group.any_of.back().resources.ports > 0;
  job.groups.push_back(group);
  if (rng_.chance(1, 10)) {
    job.groups[0].name = "learner";
    job.groups.push_back(group);
    job.groups[1].name = "actor";
    job.groups[1].array.clear();
    job.groups[0].array.clear();
  }
}

Job Workload::job(std::uint32_t position, std::uint32_t documents) {
  Job job;
  job.name = fmt::format("job{}", ++made_);
  const std::uint64_t tenant = one_tenant_ ? 2 : rng_.below(4);
  job.tenant = tenant == 0 ? "blue" : tenant == 1 ? "red" : "";
  job.priority = static_cast<std::int32_t>(rng_.chance(1, 6) ? 10 : 0);
  const std::uint64_t kind = rng_.below(10);
  job.coupling = kind < 7 ? Coupling::loose : kind < 9 ? Coupling::tight : Coupling::extreme;
  give_tasks(job);
  if (job.coupling == Coupling::extreme && job.groups[0].any_of[0].resources.devices.empty())
    job.coupling = Coupling::tight;
  if (job.coupling == Coupling::tight && rng_.chance(1, 3))
    job.topology = TopologyWish{"rack", rng_.chance(1, 2), ""};
  if (job.coupling == Coupling::tight && rng_.chance(1, 8)) job.topology.edit().spread = "rack";
  if (rng_.chance(9, 10))
    job.time_limit = Span(static_cast<std::int64_t>(20'000 + rng_.below(400'000)));
  else
    job.time_limit = hours(2);
  job.grace = Span(static_cast<std::int64_t>(rng_.below(20'000)));
  job.exclusive = rng_.chance(1, 15);
  job.hold = rng_.chance(1, 20);
  job.restart.edit().on_any = rng_.chance(1, 4);
  job.restart.edit().on_oom = rng_.chance(1, 8);
  job.restart.edit().max = static_cast<std::uint32_t>(rng_.below(4));
  job.restart.edit().backoff = seconds(2);
  if (rng_.chance(1, 20)) job.exclude = {"n1"};
  if (rng_.chance(1, 8)) job.checkpoint = CheckpointRule{true, 10, seconds(10), {}};
  if (rng_.chance(1, 12)) job.begin_at = now_ + seconds(static_cast<std::int64_t>(rng_.below(900)));
  if (rng_.chance(1, 25))
    job.deadline_at = now_ + minutes(static_cast<std::int64_t>(5 + rng_.below(60)));
  if (documents > 1 && position > 0 && rng_.chance(2, 3)) {
    Dependency after;
    after.kind = static_cast<DependencyKind>(rng_.below(4));
    after.document = static_cast<std::uint32_t>(rng_.below(position));
    after.name = fmt::format("doc{}", after.document);
    job.after.push_back(after);
  }
  return job;
}

SubmitJobs Workload::submission(Tick now) {
  now_ = now;
  SubmitJobs out;
  out.user = user_of(rng_.below(4));
  const auto documents = static_cast<std::uint32_t>(1 + (rng_.chance(1, 4) ? rng_.below(4) : 0));
  for (std::uint32_t i = 0; i < documents; ++i) {
    Payload payload;
    payload.run = fmt::format("work {}", made_);
    payload.working_directory = "/";
    auto blob = encode_payload(payload);
    Job next = job(i, documents);
    next.user = out.user;
    for (auto& group : next.groups) group.payload = blob.hash;
    out.payloads.push_back(std::move(blob));
    out.jobs.push_back(std::move(next));
  }
  if (rng_.chance(1, 3)) out.idempotency_key = fmt::format("key{}", made_);
  return out;
}

UnitSelector Workload::some_units(const core::State& state) {
  UnitSelector out;
  out.job = JobId(1 + rng_.below(state.next_job().value + 1));
  const auto* record = state.find(out.job);
  if (record != nullptr && rng_.chance(1, 3)) {
    out.all = false;
    out.group = 0;
    const std::uint64_t units = unit_count(record->job, 0);
    const auto first = static_cast<std::uint32_t>(rng_.below(units));
    out.indices = IndexSet(first, first + static_cast<std::uint32_t>(rng_.below(units - first)));
  }
  return out;
}

Command Workload::meddling(const core::State& state, Tick now) {
  const UserRef by = rng_.chance(2, 3) ? root : user_of(rng_.below(4));
  const std::string node = fmt::format("n{}", 1 + rng_.below(state.nodes().size() + 1));
  switch (rng_.below(11)) {
    case 0:
    case 1:
      return CancelUnits{some_units(state), by, "no longer wanted"};
    case 2:
      return HoldUnits{some_units(state), by};
    case 3:
      return ReleaseUnits{some_units(state), by};
    case 4:
      return RequeueUnits{some_units(state), by};
    case 5: {
      UpdateJob update;
      update.job = some_units(state).job;
      update.by = by;
      if (rng_.chance(1, 2)) update.priority = static_cast<std::int32_t>(rng_.below(20));
      if (rng_.chance(1, 3))
        update.time_limit = minutes(static_cast<std::int64_t>(1 + rng_.below(9)));
      if (rng_.chance(1, 5)) update.deadline_at = now + minutes(20);
      if (rng_.chance(1, 5)) update.begin_at = now + minutes(3);
      if (rng_.chance(1, 4)) update.parallel = static_cast<std::uint32_t>(rng_.below(5));
      return update;
    }
    case 6:
      return DrainNode{node, "to be looked at", by};
    case 7:
    case 8:
      return ResumeNode{node, by};
    case 9:
      if (rng_.chance(1, 3)) return FenceNode{node, "pulled the plug", by};
      return ResumeNode{node, by};
    default: {
      if (!state.reservations().empty() && rng_.chance(1, 3))
        return EndReservation{state.reservations().begin()->second.name, by};
      MakeReservation make;
      make.name = fmt::format("window{}", rng_.below(1000));
      make.nodes = {node};
      make.start = now + minutes(static_cast<std::int64_t>(1 + rng_.below(20)));
      make.end = make.start + minutes(5);
      make.by = by;
      return make;
    }
  }
}

}  // namespace busbar::sim
