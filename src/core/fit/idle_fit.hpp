// Whether a job would find a place if nothing else ran and no node were drained or away: the
// placement search itself, asked on an idle copy of the cluster, so that what is accepted can start
// one day.
//
// It costs a pass over all nodes; jobs whose single tasks fit alone need no such proof, only those
// that bind tasks together or to several alternatives do (needs_idle_proof).
#pragma once

#include <optional>

#include "base/result.hpp"
#include "core/state/state.hpp"

namespace busbar::core {

bool needs_idle_proof(const State& state, const Job& job);
// unsatisfiable, naming what was asked and, for a gang, the largest size that would fit; nothing
// when it fits or when the search gave up.
std::optional<Error> never_fits_idle(const State& state, const Job& job);

}  // namespace busbar::core
