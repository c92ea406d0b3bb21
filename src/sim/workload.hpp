// What people ask of a simulated cluster: random but plausible requests, and some nonsense.
#pragma once

#include <cstdint>
#include <vector>

#include "base/rng.hpp"
#include "core/state/state.hpp"
#include "model/command.hpp"

namespace busbar::sim {

class Workload {
 public:
  explicit Workload(Rng rng) : rng_(rng), one_tenant_(rng_.chance(1, 3)) {}

  SubmitJobs submission(Tick now);
  // A cancel, hold, release, requeue, update, drain, resume, fence or reservation on something that
  // exists.
  Command meddling(const core::State& state, Tick now);

 private:
  Job job(std::uint32_t position, std::uint32_t documents);
  void give_tasks(Job& job);
  Resources resources();
  UnitSelector some_units(const core::State& state);

  Rng rng_;
  bool one_tenant_;  // nobody else waits: arrays are staged
  std::uint64_t made_ = 0;
  Tick now_;
};

}  // namespace busbar::sim
