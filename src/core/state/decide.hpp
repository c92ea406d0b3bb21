// decide: a Command becomes Events, or a refusal that tells the user what to do. Pure: State is
// read only.
//
// Events come without revision and tick; the loop numbers and stamps them. An empty list means that
// the command changed nothing (a repeated report, a cancel of what has ended). Refusals: invalid
// (correct it), unsatisfiable (nothing registered could ever run it: names the nearest possible
// request), denied (not the owner), not_found, conflict (also to everything
// while an engine shows attempts newer than the journal), unavailable (engines not synchronised).
#pragma once

#include <vector>

#include "base/result.hpp"
#include "core/state/state.hpp"
#include "model/command.hpp"

namespace busbar::core {

struct Decision {
  std::vector<EventBody> events;
  std::vector<JobId> jobs;  // a submission's jobs, in document order (also for a repeated key)
};

// Whether a person asks for it; else it is a report of an engine, the clock or the configuration.
bool is_request(const Command& command);

Result<Decision> decide(const State& state, const Command& command, Tick now);

}  // namespace busbar::core
