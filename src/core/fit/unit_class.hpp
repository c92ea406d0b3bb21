// The class of a unit: a digest of all that decides where it may stand. Units of one class fail
// and fit alike; their time limit and their tenant are not part of it.
#pragma once

#include <cstdint>

#include "model/job.hpp"

namespace busbar::core {

std::uint64_t unit_class(const Job& job, std::uint32_t group);

}  // namespace busbar::core
