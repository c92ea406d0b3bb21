// The admit pass: what keeps a cohort from asking for a place at all.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/explain/verdict.hpp"
#include "core/fit/scratch.hpp"
#include "core/state/dependency.hpp"

namespace busbar::core {

// "dependency 12 failed" when one of the job's dependencies can never be met.
std::optional<std::string> never_admitted(const State& state, const Job& job);

// Why no unit of this job may start at `now` (dependencies, begin time), without units; nothing
// when they may.
std::optional<Verdict> job_waits(const State& state, const Job& job, std::uint32_t group, Tick now);

// How many more units the group's `parallel` and the tenant's running_max allow on this scratch.
std::uint64_t array_room(const Scratch& scratch, const JobRecord& record, std::uint32_t group);
std::uint64_t tenant_room(const Scratch& scratch, TenantId tenant);

// Waiting units of the group that retry later than `now`, in index order.
std::vector<std::uint32_t> backing_off(const GroupRecord& group, Tick now);

}  // namespace busbar::core
