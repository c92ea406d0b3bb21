// The `sim` commands of busbar-lab; docs/simulate.md shows them at work.
//
// Shape    as journal_tool.hpp: each returns an exit code; what was asked for goes to `out`,
//          sentences about trouble and progress on long work to `trouble`.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <string>
#include <vector>

namespace busbar::lab {

struct SimulationOrder {
  std::string cluster;  // files
  std::string workload;
  std::string policy;  // "": the default policy
  std::string format;  // of the workload; "": by the end of its name
  std::string mode = "replay";
  std::string seeds = "1";
  std::string until;       // from the beginning of the workload; "": to the end
  std::uint64_t jobs = 0;  // at most so many, the first ones; 0: all
  std::string out;         // folder
  bool json = false;       // summaries as lines of JSON, no table
  bool progress = false;   // tell how far it is
};

struct GenerateOrder {
  std::string model;
  std::uint64_t jobs = 1000;
  std::uint64_t seed = 1;
  double load = 0;  // 0: as the model has it
  std::uint32_t cores = 128;
  std::uint32_t devices = 64;
  std::uint32_t devices_per_node = 8;
  std::uint32_t cores_per_device = 8;
};

// Writes a trace of the model to `out`.
int generate_workload(const GenerateOrder& order, std::ostream& out, std::ostream& trouble);

// Prints figures of the runs in the folders side by side, with intervals and curves.
int compare_runs(const std::vector<std::string>& folders, bool json, std::ostream& out,
                 std::ostream& trouble);

// Writes summary.json, jobs.csv and cycles.csv into the folder, of several seeds into seed-N below
// it, and prints the summary as a table.
int run_simulation(const SimulationOrder& order, std::ostream& out, std::ostream& trouble);

}  // namespace busbar::lab
