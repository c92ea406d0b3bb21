// The workload of a machine for parallel batch jobs: how big jobs are, how long they run, at what
// times of day they come.
//
// Source   Uri Lublin and Dror G. Feitelson, "The workload on parallel supercomputers: modeling the
//          characteristics of rigid jobs", Journal of Parallel and Distributed Computing 63 (2003),
//          with the parameters of all jobs together (no division into batch and interactive).
//          Users and their limits are no part of it: see draw_user and draw_limit_s.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.hpp"

namespace busbar::sim {

struct LublinOptions {
  std::uint64_t jobs = 1000;
  std::uint64_t seed = 1;
  std::uint32_t cores = 128;  // of the whole machine, 8 or more; the biggest job asks for all
  double load = 0;            // of what the machine offers; 0: as the model has it
};

// A trace in the native format, one task a core.
std::string lublin_trace(const LublinOptions& options);

}  // namespace busbar::sim
