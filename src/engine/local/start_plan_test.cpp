#include "engine/local/start_plan.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace busbar::local {
namespace {

Device nvidia(std::uint32_t index, bool simulated = false) {
  Device device;
  device.vendor = "nvidia";
  device.uuid = "GPU-" + std::to_string(index);
  device.physical_index = index;
  device.simulated = simulated;
  return device;
}

NodeFacts facts_of(std::set<std::string> vendors = {}) {
  NodeFacts facts;
  facts.cluster = "local";
  facts.node = "n1";
  facts.vendors = std::move(vendors);
  facts.account = {"ada", "/home/ada", "/bin/bash", 1000, 1000};
  facts.scratch = "/scratch/bb-i-17-0x0-1";
  facts.api_socket = "/run/busbar/busbar.sock";
  facts.now_unix_ms = 1'000'000;
  return facts;
}

Payload payload_of(const std::string& run) {
  Payload payload;
  payload.run = run;
  payload.working_directory = "/home/ada/runs";
  payload.submit_directory = "/home/ada";
  return payload;
}

Launch launch_of(Launcher launcher, std::uint32_t tasks, std::vector<Device> devices = {}) {
  Launch launch;
  launch.name = "bb-i-17-0x0-1";
  launch.id = {{JobId(17), 0, 0}, 1};
  launch.job_name = "train";
  launch.unit_name = "17";
  launch.tenant = "physics";
  launch.coupling = tasks > 1 ? Coupling::tight : Coupling::loose;
  launch.groups.push_back({"", launcher, {}, {}});
  LaunchClaim claim;
  claim.node_name = "n1";
  claim.claim.tasks = tasks;
  claim.claim.cores = whole_cores(2 * tasks);
  claim.claim.memory = gibibytes(tasks);
  claim.devices = std::move(devices);
  for (std::uint32_t i = 0; i < claim.devices.size(); ++i)
    claim.claim.devices.push_back({i, MilliDevices(1000)});
  for (std::uint32_t i = 0; i < 2 * tasks; ++i) claim.claim.core_ids.push_back(i);
  launch.claims.push_back(claim);
  return launch;
}

std::vector<Claim> claims_of(const Launch& launch) {
  std::vector<Claim> claims;
  for (const LaunchClaim& claim : launch.claims) claims.push_back(claim.claim);
  return claims;
}

Environment environment_of(const Launch& launch, const Payload& payload, const NodeFacts& facts,
                           std::size_t process = 0) {
  const Placement placement = place(launch, claims_of(launch));
  return process_environment(launch, payload, facts, placement, placement.processes.at(process));
}

using Row = std::pair<std::string, std::string>;

void expect_rows(const Environment& environment, const std::vector<Row>& rows) {
  for (const auto& [name, value] : rows) {
    const auto at = environment.find(name);
    EXPECT_TRUE(at != environment.end() && at->second == value)
        << name << " is " << (at == environment.end() ? "absent" : at->second) << ", not " << value;
  }
}

TEST(Environment, the_programs_of_busbar_are_last_in_the_path) {
  const Launch launch = launch_of(Launcher::script, 1);
  NodeFacts facts = facts_of();
  const std::string base = environment_of(launch, payload_of("true"), facts).at("PATH");
  const std::pair<const char*, std::string> table[] = {{"/opt/busbar/bin", ":/opt/busbar/bin"},
                                                       {"/usr/local/bin", ""},
                                                       {"/bin", ""},
                                                       {"/odd:name", ""},
                                                       {"", ""}};
  for (const auto& [folder, added] : table) {
    facts.programs = folder;
    EXPECT_EQ(environment_of(launch, payload_of("true"), facts).at("PATH"), base + added);
  }
  Payload own = payload_of("true");
  own.environment = {{"PATH", "/mine"}};
  EXPECT_EQ(environment_of(launch, own, facts).at("PATH"), "/mine");
}

TEST(Environment, speaks_three_dialects) {
  Launch launch = launch_of(Launcher::script, 1);
  launch.is_array = true;
  launch.array_index = 4;
  launch.array_count = 40;
  launch.unit_name = "17_4";
  launch.restarts = 2;
  launch.time_limit = hours(1);
  launch.peers = {{"prep-data", "127.0.0.1:20001"}};
  launch.claims[0].claim.ports = {20005, 20006};
  Payload payload = payload_of("true");
  payload.checkpoint_directory = "ckpt/%j_%a";
  payload.environment = {{"LANG", "de_DE"}, {"BUSBAR_RANK", "9"}};
  expect_rows(environment_of(launch, payload, facts_of()),
              {{"HOME", "/home/ada"},
               {"USER", "ada"},
               {"SHELL", "/bin/bash"},
               {"LANG", "de_DE"},
               {"TMPDIR", "/scratch/bb-i-17-0x0-1"},
               {"BUSBAR_JOB_ID", "17"},
               {"BUSBAR_JOB_NAME", "train"},
               {"BUSBAR_UNIT", "17_4"},
               {"BUSBAR_ATTEMPT", "1"},
               {"BUSBAR_ARRAY_INDEX", "4"},
               {"BUSBAR_ARRAY_COUNT", "40"},
               {"BUSBAR_RESTARTS", "2"},
               {"BUSBAR_SOCKET", "/run/busbar/busbar.sock"},
               {"BUSBAR_RANK", "0"},
               {"BUSBAR_CORES", "2"},
               {"BUSBAR_MEMORY_BYTES", "1073741824"},
               {"BUSBAR_TIME_LIMIT", "3600"},
               {"BUSBAR_PORT_0", "20005"},
               {"BUSBAR_PORT_1", "20006"},
               {"BUSBAR_PREP_DATA_ADDRESS", "127.0.0.1:20001"},
               {"BUSBAR_CHECKPOINT_DIR", "/home/ada/runs/ckpt/17_4"},
               {"BUSBAR_OUTPUT", "/home/ada/runs/busbar-17_4.out"},
               {"SLURM_JOB_ID", "17"},
               {"SLURM_JOB_NODELIST", "n1"},
               {"SLURM_NNODES", "1"},
               {"SLURM_PROCID", "0"},
               {"SLURM_NTASKS", "1"},
               {"SLURM_CPUS_PER_TASK", "2"},
               {"SLURM_GPUS_ON_NODE", "0"},
               {"SLURM_ARRAY_TASK_ID", "4"},
               {"SLURM_RESTART_COUNT", "2"},
               {"SLURM_JOB_END_TIME", "4600"},
               {"SLURM_SUBMIT_DIR", "/home/ada"},
               {"RANK", "0"},
               {"WORLD_SIZE", "1"},
               {"MASTER_ADDR", "127.0.0.1"},
               {"MASTER_PORT", "20006"},
               {"OMP_NUM_THREADS", "2"}});
}

TEST(Environment, what_the_user_may_set_herself) {
  Payload payload = payload_of("true");
  payload.environment = {
      {"OMP_NUM_THREADS", "7"}, {"MASTER_PORT", "1234"}, {"PATH", "/opt/bin"}, {"bad=name", "x"}};
  expect_rows(environment_of(launch_of(Launcher::script, 1), payload, facts_of()),
              {{"OMP_NUM_THREADS", "7"}, {"MASTER_PORT", "1234"}, {"PATH", "/opt/bin"}});
}

TEST(Environment, each_task_sees_its_own_slice) {
  const Launch launch = launch_of(Launcher::tasks, 2, {nvidia(0), nvidia(1), nvidia(2), nvidia(3)});
  const auto first = environment_of(launch, payload_of("true"), facts_of({"nvidia"}), 0);
  const auto second = environment_of(launch, payload_of("true"), facts_of({"nvidia"}), 1);
  expect_rows(first, {{"CUDA_VISIBLE_DEVICES", "GPU-0,GPU-1"},
                      {"RANK", "0"},
                      {"WORLD_SIZE", "2"},
                      {"LOCAL_WORLD_SIZE", "2"},
                      {"BUSBAR_CORE_IDS", "0,1"},
                      {"SLURM_JOB_GPUS", "0,1"}});
  expect_rows(second, {{"CUDA_VISIBLE_DEVICES", "GPU-2,GPU-3"},
                       {"RANK", "1"},
                       {"LOCAL_RANK", "1"},
                       {"SLURM_PROCID", "1"},
                       {"BUSBAR_CORE_IDS", "2,3"},
                       {"BUSBAR_DEVICE_COUNT", "2"}});
}

TEST(Environment, visibility_is_empty_for_what_was_not_granted) {
  const NodeFacts all = facts_of({"nvidia", "amd", "intel", "huawei"});
  const auto none = environment_of(launch_of(Launcher::script, 1), payload_of("true"), all);
  expect_rows(none, {{"CUDA_VISIBLE_DEVICES", ""},
                     {"ROCR_VISIBLE_DEVICES", ""},
                     {"HIP_VISIBLE_DEVICES", ""},
                     {"ZE_AFFINITY_MASK", ""},
                     {"ASCEND_RT_VISIBLE_DEVICES", ""}});
  const auto plain = environment_of(launch_of(Launcher::script, 1), payload_of("true"), facts_of());
  EXPECT_FALSE(plain.contains("CUDA_VISIBLE_DEVICES"));

  Device amd;
  amd.vendor = "amd";
  amd.uuid = "GPU-18f8a2f1b2c3d401";
  amd.physical_index = 3;
  Device ascend = amd;
  ascend.vendor = "huawei";
  Device intel = amd;
  intel.vendor = "intel";
  const auto mixed =
      environment_of(launch_of(Launcher::script, 1, {amd, ascend, intel}), payload_of("true"), all);
  expect_rows(mixed, {{"CUDA_VISIBLE_DEVICES", ""},
                      {"ROCR_VISIBLE_DEVICES", "GPU-18f8a2f1b2c3d401"},
                      {"HIP_VISIBLE_DEVICES", "0"},
                      {"ZE_AFFINITY_MASK", "3"},
                      {"ASCEND_RT_VISIBLE_DEVICES", "3"}});
}

TEST(Environment, simulated_devices_have_a_variable_of_their_own) {
  const auto environment = environment_of(launch_of(Launcher::script, 1, {nvidia(5, true)}),
                                          payload_of("true"), facts_of({"nvidia"}));
  expect_rows(environment, {{"BUSBAR_SIMULATED_DEVICES", "GPU-5"}, {"CUDA_VISIBLE_DEVICES", ""}});
}

TEST(StartPlan, a_script_runs_once_per_node_and_a_task_once_each) {
  const auto script =
      plan_start(launch_of(Launcher::script, 4), claims_of(launch_of(Launcher::script, 4)),
                 {payload_of("#!/bin/bash\necho hi\n")}, facts_of(), {});
  ASSERT_TRUE(script.ok());
  EXPECT_EQ(script->request.processes.size(), 1U);
  EXPECT_EQ(script->request.processes[0].script, 1U);
  EXPECT_EQ(script->request.scripts[0], "#!/bin/bash\necho hi\n");
  EXPECT_EQ(script->request.memory_bytes, gibibytes(4).value);
  EXPECT_EQ(script->request.processes[0].cpus.size(), 8U);
  EXPECT_EQ(script->request.cpu_weight, 800U);

  const Launch launch = launch_of(Launcher::tasks, 3);
  Payload payload = payload_of("");
  payload.command = {"sleep", "1"};
  payload.output = "out-%j-%r";
  const auto tasks = plan_start(launch, claims_of(launch), {payload}, facts_of(), {});
  ASSERT_TRUE(tasks.ok());
  ASSERT_EQ(tasks->request.processes.size(), 3U);
  EXPECT_EQ(tasks->request.processes[2].arguments, (std::vector<std::string>{"sleep", "1"}));
  EXPECT_EQ(tasks->request.processes[2].output_path, "/home/ada/runs/out-17-2");
  EXPECT_EQ(tasks->request.processes[2].cpus, (std::vector<std::uint32_t>{4, 5}));
  EXPECT_TRUE(tasks->request.kill_on_first_failure);
  const auto& common = tasks->request.environment;
  EXPECT_NE(std::find(common.begin(), common.end(), "WORLD_SIZE=3"), common.end());
  const auto& own = tasks->request.processes[2].environment;
  EXPECT_NE(std::find(own.begin(), own.end(), "RANK=2"), own.end());
}

TEST(StartPlan, mpi_runs_the_script_below_mpirun) {
  const Launch launch = launch_of(Launcher::mpi, 2);
  const auto plan = plan_start(launch, claims_of(launch),
                               {payload_of("#!/usr/bin/env python3\nprint(1)\n")}, facts_of(), {});
  ASSERT_TRUE(plan.ok());
  EXPECT_TRUE(plan->needs_mpirun);
  ASSERT_EQ(plan->request.processes.size(), 1U);
  const auto& arguments = plan->request.processes[0].arguments;
  EXPECT_EQ(arguments[0], "2");
  EXPECT_EQ((std::vector<std::string>(arguments.end() - 3, arguments.end())),
            (std::vector<std::string>{"/usr/bin/env", "python3", "/scratch/bb-i-17-0x0-1/run"}));
  ASSERT_EQ(plan->files.size(), 1U);
  EXPECT_EQ(plan->files[0].name, "run");
}

TEST(StartPlan, a_gang_of_several_groups_deals_ranks_in_claim_order) {
  Launch launch = launch_of(Launcher::tasks, 2);
  launch.groups.push_back({"learner", Launcher::tasks, {}, {}});
  LaunchClaim second = launch.claims[0];
  second.claim.group = 1;
  second.claim.tasks = 1;
  launch.claims.push_back(second);
  Payload actor = payload_of("echo actor");
  actor.setup = "echo one";
  Payload learner = payload_of("echo learner");
  learner.setup = "echo 'two'";
  const auto plan = plan_start(launch, claims_of(launch), {actor, learner}, facts_of(), {});
  ASSERT_TRUE(plan.ok());
  ASSERT_EQ(plan->request.processes.size(), 3U);
  EXPECT_EQ(plan->request.processes[2].rank, 2U);
  const auto& own = plan->request.processes[2].environment;
  EXPECT_NE(std::find(own.begin(), own.end(), "BUSBAR_GROUP=learner"), own.end());
  EXPECT_NE(std::find(own.begin(), own.end(), "BUSBAR_GROUP_RANK=0"), own.end());
  ASSERT_EQ(plan->request.setup.size(), 1U);
  const std::string& driver = plan->request.scripts[plan->request.setup[0].script - 1];
  EXPECT_NE(driver.find("setup-0"), driver.npos);
  EXPECT_NE(driver.find("setup-1"), driver.npos);
}

TEST(StartPlan, groups_share_a_setup_unless_it_would_do_something_else) {
  Launch launch = launch_of(Launcher::tasks, 2);
  launch.groups.push_back({"learner", Launcher::tasks, {}, {}});
  LaunchClaim second = launch.claims[0];
  second.claim.group = 1;
  launch.claims.push_back(second);
  Payload inherited = payload_of("echo actor");
  inherited.setup = "module load gcc";
  Payload elsewhere = inherited;
  elsewhere.working_directory = "/tmp";
  Payload otherwise = inherited;
  otherwise.environment = {{"WHICH", "13"}};
  const std::pair<Payload, bool> table[] = {
      {inherited, false}, {elsewhere, true}, {otherwise, true}};
  for (const auto& [learner, several] : table) {
    const auto plan = plan_start(launch, claims_of(launch), {inherited, learner}, facts_of(), {});
    ASSERT_TRUE(plan.ok());
    ASSERT_EQ(plan->request.setup.size(), 1U);
    const std::string& text = plan->request.scripts[plan->request.setup[0].script - 1];
    EXPECT_EQ(text == inherited.setup, !several) << text;
  }
}

TEST(StartPlan, a_checkpoint_signal_comes_before_the_limit) {
  Launch launch = launch_of(Launcher::script, 1);
  launch.time_limit = minutes(10);
  launch.grace = seconds(20);
  launch.checkpoint = {true, 10, seconds(60), {}};
  const auto plan = plan_start(launch, claims_of(launch), {payload_of("true")}, facts_of(), {});
  ASSERT_TRUE(plan.ok());
  EXPECT_EQ(plan->request.time_limit_ms, 600'000);
  EXPECT_EQ(plan->request.grace_ms, 20'000);
  EXPECT_EQ(plan->request.warn_signal, 10);
  EXPECT_EQ(plan->request.warn_lead_ms, 60'000);
}

TEST(StartPlan, words_for_a_shell_and_interpreters) {
  EXPECT_EQ(shell_quoted("it's"), "'it'\\''s'");
  EXPECT_EQ(script_command("echo", "/x"), (std::vector<std::string>{"/bin/sh", "/x"}));
  EXPECT_EQ(script_command("#! /bin/bash -e \nx", "/x"),
            (std::vector<std::string>{"/bin/bash", "-e", "/x"}));
  EXPECT_EQ(script_command("#!\nx", "/x"), (std::vector<std::string>{"/bin/sh", "/x"}));
}

}  // namespace
}  // namespace busbar::local
