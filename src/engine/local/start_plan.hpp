// From a Launch to what the shim is asked to start: processes, scripts, files, limits.
//
// Shape    script: the `run` text or the argument vector once; tasks: once per task; mpi: mpirun
//          on the group's first node, which starts one rank per task and leaves binding to the
//          cores it was given. Scripts travel in the request and run by their #! line or /bin/sh;
//          what mpirun's ranks must open by a path lies in the attempt's scratch folder.
// Source   pure; the caller writes the files, checks the ports and sends the request.
// Errors   invalid: a sentence for the user; the attempt is then a failed launch.
#pragma once

#include <string>
#include <vector>

#include "engine/local/environment.hpp"
#include "shim/protocol.hpp"

namespace busbar::local {

// As the shim counts a time limit: 0 is none.
inline std::int64_t shim_limit_ms(Span limit) { return limit == span_unlimited ? 0 : limit.value; }

struct ScratchFile {
  std::string name;  // inside the attempt's scratch folder
  std::string text;
};

// What to try until the attempt is ready.
struct ProbePlan {
  ReadyProbe probe;
  std::string host;  // "" where the probe needs none
  std::uint32_t port = 0;
  std::vector<std::string> environment;  // for a command
  std::string working_directory;
};

struct StartPlan {
  shim::StartRequest request;
  std::vector<ScratchFile> files;
  std::vector<std::uint32_t> ports;  // must be free now
  std::vector<ProbePlan> probes;     // the attempt is ready when all have succeeded
  bool needs_mpirun = false;
  std::string path;  // the PATH of the processes
};

struct PlanLimits {
  std::uint32_t pids_max = 32'768;
  std::int64_t output_bytes_max = 0;  // 0: no limit
  bool bind_cores = true;
};

// `payloads` one per launch group; `bound` the claims with their core ids.
Result<StartPlan> plan_start(const Launch& launch, const std::vector<Claim>& bound,
                             const std::vector<Payload>& payloads, const NodeFacts& facts,
                             const PlanLimits& limits);

// The probes alone, for an attempt that runs already.
std::vector<ProbePlan> plan_probes(const Launch& launch, const std::vector<Claim>& bound,
                                   const std::vector<Payload>& payloads, const NodeFacts& facts);

// `text` as one word of a shell.
std::string shell_quoted(const std::string& text);
// How to run a script that lies at `path`: by its #! line, else by /bin/sh.
std::vector<std::string> script_command(const std::string& text, const std::string& path);

}  // namespace busbar::local
