// Rows of the native trace format (docs/trace-format.md), as workload models write them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sim/models/chance.hpp"

namespace busbar::sim {

struct ModelRow {
  double gap_s = 0;  // to the submission before, in hours of mean traffic
  double run_s = 0;
  double size = 1;  // of what is scarce, times run_s the work
  std::string user;
  std::int32_t exit_code = 0;
  std::string job;  // the fields of the job in JSON, without its braces
};

// Few users ask for most: user k of `count` by weight 1 / k (Zipf).
std::string draw_user(Chance& chance, std::size_t count);
// A limit as users give it: the run time by a factor between 1 and 4 (the f-model of Mu'alem and
// Feitelson, 2001, with f = 3), up to the next of the values that most people write (Tsafrir,
// Etsion and Feitelson, 2005). In seconds.
std::uint64_t draw_limit_s(Chance& chance, double run_s);
// The trace. Traffic follows `weights`, of equal parts of `cycle_s` seconds, which begins with the
// first job's day or week and repeats. With `load` above 0 all gaps are squeezed or stretched until
// the work of all is about that part of what `capacity` offers from the first to the last
// submission; the cycle stays as it is.
std::string native_text(const std::vector<ModelRow>& rows, const std::vector<double>& weights,
                        double cycle_s, double capacity, double load);

}  // namespace busbar::sim
