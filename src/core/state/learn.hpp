// Run times: what decide learns when an attempt ends, and what it expects of jobs that wait.
// Internal to core/state.
#pragma once

#include <optional>
#include <vector>

#include "core/state/state.hpp"

namespace busbar::core {

// Expectations of jobs as they are given; nothing where the policy does not predict.
std::optional<Learned> foresee(const PolicyConfig& policy, const State& state,
                               const std::vector<const Job*>& jobs);
// What the end of one of the job's attempts teaches, after so long a run.
std::optional<Learned> learn(const State& state, const Job& job, Span run_time);

}  // namespace busbar::core
