// What no registered capacity could ever run, busy or not, down or drained: judged by necessary
// conditions only, so that a job that could run is never refused.
#pragma once

#include <optional>

#include "base/result.hpp"
#include "core/state/state.hpp"

namespace busbar::core {

// True once refusing is safe: an engine has told all it knows, and so has every cluster of a
// registered node.
bool capacity_known(const State& state);

// unsatisfiable, with what was asked, what the best node has and the nearest possible request; or
// nothing when an alternative of every group fits some nodes, and fits its tenant's quota.
std::optional<Error> impossible(const State& state, const Job& job);

// Whether every registered device that the job could get is simulated, and there is one.
bool only_simulated(const State& state, const Job& job);
// Whether `resource`, as verdicts name it, is devices that the job asks for, and those are
// simulated.
bool wants_simulated(const State& state, const Job& job, std::string_view resource);

// The short name of a device model that a request may use: "H100" of "NVIDIA H100 80GB HBM3".
std::string short_model(const Device& device);

}  // namespace busbar::core
