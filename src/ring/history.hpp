// The rows that history keeps of an event, taken just before it is applied.
#pragma once

#include <vector>

#include "core/state/state.hpp"
#include "ports/journal.hpp"

namespace busbar::ring {

void add_history(const core::State& before, const Event& event, Batch& batch);

}  // namespace busbar::ring
