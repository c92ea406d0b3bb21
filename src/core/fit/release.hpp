// The earliest start of a unit that does not fit now: what runs is released in the order of its
// latest end until the unit fits. Work without a limit is never released.
#pragma once

#include "core/fit/find.hpp"

namespace busbar::core {

struct EarliestStart {
  Tick at;
  Allocation allocation;
  std::vector<JobId>
      blockers;  // whose ends free it, the last to end first; at most Verdict::blockers_max
};

// Nothing when no release helps, or when more than `steps_max` steps would be needed. Exact while
// at most 32 moments lie before it; beyond, and between bookings, an earlier start may be missed.
// Leaves the scratch as it was. Not before `from`, at which everything that ends by then is gone;
// behind that, moment by moment: the gaps between bookings are many and none is passed.
std::optional<EarliestStart> earliest_start(Scratch& scratch, const Policy& policy, Ask ask,
                                            Steps& steps, std::uint32_t steps_max,
                                            Tick from = Tick(0));

}  // namespace busbar::core
