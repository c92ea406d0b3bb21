// The request nearest to one that nothing registered could ever run. Internal to capacity.
#pragma once

#include <optional>
#include <string>

#include "core/state/state.hpp"

namespace busbar::core {

// What to change, spelt as in a job file: "gpus: A100:2, cores: 8". Of the alternatives it is the
// first that is changed. The job so changed is possible(); empty when no such change was found.
std::string nearest_request(const State& state, const Job& job);

// --- what it is found with (capacity.cpp)

// Whether the registered nodes, all empty, and the tenant's quota would do.
bool possible(const State& state, const Job& job);
// The first group of which no alternative could run.
std::optional<std::uint32_t> first_impossible_group(const State& state, const Job& job);
// Of the nodes the job may use, the one that lacks least for a task; null when it may use none.
const Node* best_node(const State& state, const Job& job, const Alternative& alternative);

}  // namespace busbar::core
