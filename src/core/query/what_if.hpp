// What a submission would get, without submitting: `busbar plan`.
#pragma once

#include <optional>
#include <vector>

#include "core/cycle/plan.hpp"

namespace busbar::core {

struct PlannedJob {
  JobId job;                       // the id it would get
  Tick start = tick_never;         // of its first unit; tick_never: unknown
  std::uint64_t units = 0;         // all of them
  std::uint64_t units_now = 0;     // that would start at once
  Allocation allocation;           // of the first unit, where a place is known
  std::optional<Verdict> verdict;  // why units would wait, when some would
};

// `events` is what decide answered to the submission. The copy of State takes them, runs one whole
// cycle at `now` and is thrown away; starts later than now are estimates (explain/estimate.hpp).
std::vector<PlannedJob> plan_submission(State state, const std::vector<EventBody>& events,
                                        Tick now);

}  // namespace busbar::core
