// Whether a concrete allocation could be taken as it is: what accept and kept promises ask.
#pragma once

#include "core/fit/scratch.hpp"

namespace busbar::core {

// Every claim fits its open node during the whole interval of the ask, all claims together. Quota
// and limits are other questions.
bool fits(const Scratch& scratch, const Ask& ask, const Allocation& allocation);

}  // namespace busbar::core
