// What really happens to an attempt. The scheduler never sees it, only reports of it.
#pragma once

#include "base/units.hpp"
#include "model/attempt.hpp"
#include "model/launch.hpp"

namespace busbar::sim {

struct Truth {
  Span run_time;
  Exit exit;          // how it ends when nobody stops it
  Span ready_after;   // when a probe would succeed
  Span launch_delay;  // from launch to the first instruction
};

class Truths {
 public:
  virtual ~Truths() = default;
  // A pure function: asking twice gives the same answer.
  virtual Truth truth_of(const Launch& launch) const = 0;
};

}  // namespace busbar::sim
