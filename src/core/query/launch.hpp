// What an engine needs to start an attempt, as a pure function of State; and the rows that history
// keeps.
#pragma once

#include <string>

#include "core/state/state.hpp"
#include "model/launch.hpp"

namespace busbar::core {

// The Launch of a live attempt. `installation` goes into its name.
Launch make_launch(const State& state, const AttemptRecord& attempt,
                   const std::string& installation);

}  // namespace busbar::core
