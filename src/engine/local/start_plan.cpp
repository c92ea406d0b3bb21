#include "engine/local/start_plan.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "model/output_path.hpp"

namespace busbar::local {
namespace {

// $1 is the number of ranks; then the program. Which mpirun it is, it says itself; asked here, as
// the user, because the user's PATH decides which program that is.
constexpr std::string_view mpi_driver = R"(#!/bin/sh
ranks=$1
shift
case $(mpirun --version 2>&1) in
  *"Open MPI"*|*OpenRTE*|*PRRTE*|*prterun*)
    exec mpirun -np "$ranks" --host "localhost:$ranks" --oversubscribe --bind-to none "$@" ;;
  *"Intel(R) MPI"*)
    I_MPI_PIN=off exec mpirun -n "$ranks" "$@" ;;
  *)
    exec mpirun -n "$ranks" -bind-to none "$@" ;;
esac
)";

// What every rank runs first: its place in the three dialects. $0 is the first rank of the world.
constexpr std::string_view mpi_rank = R"(r=${OMPI_COMM_WORLD_RANK:-${PMIX_RANK:-${PMI_RANK:-0}}}
l=${OMPI_COMM_WORLD_LOCAL_RANK:-${MPI_LOCALRANKID:-$r}}
export RANK="$r" LOCAL_RANK="$l" SLURM_PROCID="$r" SLURM_LOCALID="$l"
export BUSBAR_RANK=$(($0 + r)) BUSBAR_GROUP_RANK="$r" BUSBAR_LOCAL_RANK="$l"
exec "$@")";

constexpr std::int64_t cores_per_weight = 10;  // milli-cores: one core is the default weight of 100

std::string scratch_path(const NodeFacts& facts, const std::string& name) {
  return facts.scratch + "/" + name;
}

// Runs the group's `run` text or argument vector.
void put_command(const Launch& launch, const Payload& payload, const NodeFacts& facts,
                 const ProcessPlace& place, StartPlan& plan, shim::ProcessSpec& process) {
  const auto script_of = [&](std::string text) {
    auto& scripts = plan.request.scripts;
    const auto at = std::find(scripts.begin(), scripts.end(), text);
    const auto position = at - scripts.begin();
    if (at == scripts.end()) scripts.push_back(std::move(text));
    return static_cast<std::uint32_t>(position + 1);
  };
  if (place.launcher != Launcher::mpi) {
    if (payload.run.empty())
      process.arguments = payload.command;
    else
      process.script = script_of(payload.run);
    return;
  }
  plan.needs_mpirun = true;
  process.script = script_of(std::string(mpi_driver));
  process.arguments = {fmt::format("{}", place.ranks), "/bin/sh", "-c", std::string(mpi_rank),
                       fmt::format("{}", place.rank)};
  std::vector<std::string> program = payload.command;
  if (!payload.run.empty()) {
    const std::string name = launch.groups.size() == 1 ? "run" : fmt::format("run-{}", place.group);
    plan.files.push_back({name, payload.run});
    program = script_command(payload.run, scratch_path(facts, name));
  }
  process.arguments.insert(process.arguments.end(), program.begin(), program.end());
}

shim::ProcessSpec describe_process(const Launch& launch, const Payload& payload,
                                   const ProcessPlace& place, const PlanLimits& limits) {
  shim::ProcessSpec process;
  process.rank = place.rank;
  process.working_directory = payload.working_directory;
  const PatternNames names = pattern_names(launch);
  process.output_path = output_path(payload, names, Stream::output, place.rank);
  if (!payload.error.empty())
    process.error_path = output_path(payload, names, Stream::error, place.rank);
  if (process.error_path == process.output_path) process.error_path.clear();
  if (limits.bind_cores) process.cpus = place.core_ids;
  return process;
}

// Groups that inherit one setup share it; one that would run elsewhere or with other variables is
// another.
bool same_setup(const Payload& a, const Payload& b) {
  return a.setup == b.setup && a.working_directory == b.working_directory &&
         a.environment == b.environment;
}

// One setup process does the setups of all groups, one after the other and each once.
void put_setup(const Launch& launch, const std::vector<Payload>& payloads, const NodeFacts& facts,
               const std::vector<Environment>& environments,
               const std::vector<const ProcessPlace*>& here, const PlanLimits& limits,
               StartPlan& plan) {
  std::vector<std::size_t> firsts;  // positions in `here` of the first process of each setup
  for (std::size_t i = 0; i < here.size(); ++i) {
    const Payload& own = payloads[here[i]->group];
    const bool seen = std::any_of(firsts.begin(), firsts.end(), [&](std::size_t f) {
      return here[f]->group == here[i]->group || same_setup(payloads[here[f]->group], own);
    });
    if (!seen && !own.setup.empty()) firsts.push_back(i);
  }
  if (firsts.empty()) return;
  const Payload& first_payload = payloads[here[firsts[0]]->group];
  shim::ProcessSpec setup = describe_process(launch, first_payload, *here[firsts[0]], limits);
  setup.cpus.clear();
  setup.environment = written(environments[firsts[0]]);
  std::string text = first_payload.setup;
  if (firsts.size() > 1) {
    text = "#!/bin/sh\n";
    for (const std::size_t i : firsts) {
      const std::uint32_t group = here[i]->group;
      const std::string name = fmt::format("setup-{}", group);
      plan.files.push_back({name, payloads[group].setup});
      text += "(\n";
      for (const std::string& item : written(environments[i])) {
        const std::size_t equals = item.find('=');
        text += fmt::format("export {}={}\n", item.substr(0, equals),
                            shell_quoted(item.substr(equals + 1)));
      }
      text += fmt::format("cd {} || exit\n", shell_quoted(payloads[group].working_directory));
      for (const std::string& word :
           script_command(payloads[group].setup, scratch_path(facts, name)))
        text += shell_quoted(word) + " ";
      text += "\n) || exit $?\n";
    }
  }
  plan.request.scripts.push_back(std::move(text));
  setup.script = static_cast<std::uint32_t>(plan.request.scripts.size());
  plan.request.setup.push_back(std::move(setup));
}

void put_limits(const Launch& launch, const std::vector<Claim>& bound, const NodeFacts& facts,
                const PlanLimits& limits, StartPlan& plan) {
  shim::StartRequest& request = plan.request;
  std::int64_t cores = 0;
  for (std::size_t c = 0; c < bound.size(); ++c) {
    if (launch.claims[c].node_name != facts.node) continue;
    request.memory_bytes += bound[c].memory.value;
    cores += bound[c].cores.value;
    plan.ports.insert(plan.ports.end(), bound[c].ports.begin(), bound[c].ports.end());
  }
  request.cpu_weight =
      static_cast<std::uint32_t>(std::clamp<std::int64_t>(cores / cores_per_weight, 1, 10'000));
  request.pids_max = limits.pids_max;
  request.output_bytes_max = limits.output_bytes_max;
  request.time_limit_ms = shim_limit_ms(launch.time_limit);
  request.grace_ms = launch.grace.value;
  if (launch.checkpoint.present && launch.checkpoint.signal != 0) {
    request.warn_signal = launch.checkpoint.signal;
    request.warn_lead_ms = launch.checkpoint.grace.value;
  }
  request.kill_on_first_failure = launch.coupling != Coupling::loose;
}

Result<Ok> check_payloads(const Launch& launch, const std::vector<Payload>& payloads) {
  if (payloads.size() != launch.groups.size())
    return {Errc::invalid, "the job's payload does not match its task groups; submit it again"};
  for (const Payload& payload : payloads) {
    if (payload.run.empty() && payload.command.empty())
      return {Errc::invalid, "the job has neither `run` nor `command`"};
    if (!payload.working_directory.starts_with("/"))
      return {Errc::invalid, fmt::format("the working directory \"{}\" is not absolute",
                                         printable(payload.working_directory))};
  }
  return Ok{};
}

std::vector<ProbePlan> probes_of(const std::vector<Payload>& payloads,
                                 const std::vector<const ProcessPlace*>& here,
                                 const std::vector<Environment>& environments) {
  std::vector<ProbePlan> probes;
  std::vector<std::uint32_t> groups;
  for (std::size_t i = 0; i < here.size(); ++i) {
    const Payload& payload = payloads[here[i]->group];
    if (payload.ready.kind == ProbeKind::none) continue;
    if (std::find(groups.begin(), groups.end(), here[i]->group) != groups.end()) continue;
    groups.push_back(here[i]->group);
    ProbePlan plan;
    plan.probe = payload.ready;
    plan.host = "127.0.0.1";
    const auto& ports = here[i]->ports;
    if (payload.ready.port < ports.size()) plan.port = ports[payload.ready.port];
    if (payload.ready.kind == ProbeKind::command) plan.environment = written(environments[i]);
    plan.working_directory = payload.working_directory;
    probes.push_back(std::move(plan));
  }
  return probes;
}

// The processes of this node and the complete environment of each.
struct Here {
  Placement placement;
  std::vector<const ProcessPlace*> processes;
  std::vector<Environment> environments;

  Here(const Launch& launch, const std::vector<Claim>& bound, const std::vector<Payload>& payloads,
       const NodeFacts& facts)
      : placement(place(launch, bound)) {
    for (const ProcessPlace& process : placement.processes) {
      if (process.node != facts.node || process.group >= payloads.size()) continue;
      processes.push_back(&process);
      environments.push_back(
          process_environment(launch, payloads[process.group], facts, placement, process));
    }
  }
  Here(const Here&) = delete;
  Here& operator=(const Here&) = delete;
};

}  // namespace

std::string shell_quoted(const std::string& text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'')
      out += "'\\''";
    else
      out += c;
  }
  return out + "'";
}

std::vector<std::string> script_command(const std::string& text, const std::string& path) {
  std::vector<std::string> command;
  if (text.starts_with("#!")) {
    const std::string_view line = trim(std::string_view(text).substr(2, text.find('\n') - 2));
    const std::size_t gap = line.find_first_of(" \t");
    command.emplace_back(line.substr(0, gap));
    if (gap != line.npos) command.emplace_back(trim(line.substr(gap)));
  }
  if (command.empty() || command[0].empty()) command = {"/bin/sh"};
  command.push_back(path);
  return command;
}

Result<StartPlan> plan_start(const Launch& launch, const std::vector<Claim>& bound,
                             const std::vector<Payload>& payloads, const NodeFacts& facts,
                             const PlanLimits& limits) {
  BUSBAR_TRY_OK(check_payloads(launch, payloads));
  Here here(launch, bound, payloads, facts);
  if (here.processes.empty())
    return {Errc::invalid, fmt::format("the attempt has no claim on node {}", facts.node)};
  if (here.processes.size() > shim::processes_max)
    return {Errc::invalid, fmt::format("at most {} tasks can run on one machine in one attempt",
                                       shim::processes_max)};
  StartPlan plan;
  plan.path = here.environments[0]["PATH"];
  plan.request.name = launch.name;
  plan.request.uid = facts.account.uid;
  plan.request.gid = facts.account.gid;
  plan.request.user_name = facts.account.name;
  plan.request.umask = payloads[here.processes[0]->group].umask;
  put_limits(launch, bound, facts, limits, plan);
  plan.probes = probes_of(payloads, here.processes, here.environments);
  for (const ProcessPlace* place : here.processes) {
    const Payload& payload = payloads[place->group];
    shim::ProcessSpec process = describe_process(launch, payload, *place, limits);
    put_command(launch, payload, facts, *place, plan, process);
    plan.request.processes.push_back(std::move(process));
  }
  put_setup(launch, payloads, facts, here.environments, here.processes, limits, plan);
  plan.request.environment = written(take_common(here.environments));
  for (std::size_t i = 0; i < here.processes.size(); ++i)
    plan.request.processes[i].environment = written(here.environments[i]);
  return plan;
}

std::vector<ProbePlan> plan_probes(const Launch& launch, const std::vector<Claim>& bound,
                                   const std::vector<Payload>& payloads, const NodeFacts& facts) {
  if (!check_payloads(launch, payloads)) return {};
  const Here here(launch, bound, payloads, facts);
  return probes_of(payloads, here.processes, here.environments);
}

}  // namespace busbar::local
