// One seeded run of the whole: workload, faults, crashes, and then calm until all work has ended.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/units.hpp"

namespace busbar::sim {

struct SimulationOptions {
  std::uint64_t seed = 1;
  std::uint32_t submissions = 40;
  Span rough = minutes(40);   // work arrives and faults strike
  Span calm_max = hours(72);  // then all acknowledged work must have ended
  bool faults = true;
  std::uint32_t crash = 4;    // in thousandths, at each step
  std::int64_t stretch = 1;   // run times: only the truth changes, nothing the scheduler is told
  bool keep_journal = false;  // in the result
};

struct SimulationResult {
  std::uint64_t journal_hash = 0;
  std::string violation;  // "" when every promise was kept
  std::uint64_t events = 0;
  std::uint64_t crashes = 0;
  std::map<std::string, std::uint64_t> crashes_at;  // by the step they struck
  std::uint64_t jobs = 0;                           // acknowledged
  std::uint64_t runs = 0;                           // attempts that reached their first instruction
  std::uint64_t staged_runs = 0;                    // of these, started by their predecessor's end
  std::uint64_t promises = 0;
  std::uint64_t clock_jumps = 0;  // absences and sleeps of hours
  std::uint64_t restores = 0;     // of a journal that is older than what the engines run
  Tick end;
  std::vector<std::string> journal;  // encoded events, where kept
};

SimulationResult simulate(const SimulationOptions& options);

}  // namespace busbar::sim
