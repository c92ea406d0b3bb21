// How a dependency stands, from State alone.
#pragma once

#include "core/state/state.hpp"

namespace busbar::core {

enum class DependencyState : std::uint8_t { met, waits, never };
DependencyState dependency_state(const State& state, const Dependency& dependency);
// Every unit of the job has a ready attempt.
bool all_ready(const JobRecord& record);

}  // namespace busbar::core
