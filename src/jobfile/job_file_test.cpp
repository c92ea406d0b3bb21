#include "jobfile/job_file.hpp"

#include <gtest/gtest.h>

#include "jobfile/fields.hpp"

namespace busbar::jobfile {
namespace {

constexpr std::int64_t now_ms = 1'793'491'200'000;  // 2026-11-01 00:00:00 UTC

JobFileContext context() { return {"runs/melt.yaml", "/data/ann", now_ms}; }

std::string error_of(const std::string& text) {
  const auto result = read_job_file(text, {"a.yaml", "/data/ann", now_ms});
  return result.ok() ? "accepted" : result.error().text;
}

Submission read_good(const std::string& text) {
  auto result = read_job_file(text, context());
  EXPECT_TRUE(result.ok()) << text << "\n" << (result.ok() ? "" : result.error().text);
  return result.ok() ? std::move(*result) : Submission{};
}

// A job with one group from fields, `run` added.
Job job_of(const std::string& fields) {
  Submission submission = read_good(fields + "\nrun: x\n");
  EXPECT_EQ(submission.jobs.size(), 1u);
  return submission.jobs.empty() ? Job{} : submission.jobs.front();
}

TaskGroup group_of(const std::string& fields) {
  const Job job = job_of(fields);
  return job.groups.empty() ? TaskGroup{} : job.groups.front();
}

Resources resources_of(const std::string& fields) {
  const TaskGroup group = group_of(fields);
  return group.any_of.empty() ? Resources{} : group.any_of.front().resources;
}

Payload payload_of(const std::string& text) {
  const Submission submission = read_good(text);
  if (submission.payloads.size() != 1) return {};
  return *decode_payload(submission.payloads.front().bytes);
}

DeviceRequest device(std::string model, std::uint32_t count, std::int64_t memory_g = 0,
                     std::int64_t share = 1000) {
  DeviceRequest out;
  out.model = std::move(model);
  out.count = count;
  out.memory_min_bytes = gibibytes(memory_g);
  out.share = MilliDevices(share);
  return out;
}

TEST(JobFile, TheSmallestJob) {
  const Submission got = read_good("run: hostname");
  ASSERT_EQ(got.jobs.size(), 1u);
  Job expected;
  expected.name = "melt";
  TaskGroup& group = expected.groups.emplace_back();
  group.any_of = {Alternative{}};
  ASSERT_EQ(got.payloads.size(), 1u);
  group.payload = got.payloads.front().hash;
  EXPECT_EQ(got.jobs.front(), expected);
  Payload payload;
  payload.run = "hostname";
  payload.working_directory = payload.submit_directory = "/data/ann";
  EXPECT_EQ(got.payloads.front(), encode_payload(payload));
}

TEST(JobFile, ResourcesInTheWordsOfUsers) {
  const Resources r = resources_of(
      "cores: 0.5\nmemory: 64G\nscratch: 1.5T\nports: 2\nresources: {matlab: 2, tokens: 0, a: 1}");
  EXPECT_EQ(r.cores, MilliCores(500));
  EXPECT_EQ(r.memory, gibibytes(64));
  EXPECT_EQ(r.scratch, gibibytes(1536));
  EXPECT_EQ(r.ports, 2u);
  EXPECT_EQ(r.named, (List<NamedCount>{{"a", 1}, {"matlab", 2}}));
}

TEST(JobFile, DevicesInTheWordsOfUsers) {
  const std::vector<std::pair<std::string, List<DeviceRequest>>> rows = {
      {"gpus: 2", {device("", 2)}},
      {"gpus: 0", {}},
      {"gpus: H100", {device("H100", 1)}},
      {"gpus: H100:2", {device("H100", 2)}},
      {"gpus: nvidia:1", {device("nvidia", 1)}},
      {"gpus: any:1", {device("", 1)}},
      {"gpus: RTX 4090:2", {device("RTX 4090", 2)}},
      {"gpus: {count: 1, memory: \">=40G\"}", {device("", 1, 40)}},
      {"gpus: {model: MI300X, count: 4, memory: 40G}", {device("MI300X", 4, 40)}},
      {"gpus: {model: H100, share: 0.5}", {device("H100", 1, 0, 500)}},
      {"gpus: [H100:2, {model: A100}]", {device("H100", 2), device("A100", 1)}},
      {"gpu: 0.25", {device("", 1, 0, 250)}},
      {"gpu: H100:0.5", {device("H100", 1, 0, 500)}},
      {"gpu: 1", {device("", 1)}},
  };
  for (const auto& [text, expected] : rows) EXPECT_EQ(resources_of(text).devices, expected) << text;
}

TEST(JobFile, AlternativesStateWhatDiffers) {
  const TaskGroup group = group_of(
      "memory: 8G\ngpus: H100:1\nconstraint: fast\nports: 1\n"
      "any_of:\n  - {speed: 2.5}\n  - {gpus: 0, cores: 16, constraint: avx512}\n  - {gpu: 0.5}");
  ASSERT_EQ(group.any_of.size(), 3u);
  EXPECT_EQ(group.any_of[0].speed_milli, 2500u);
  EXPECT_EQ(group.any_of[0].resources.devices, List<DeviceRequest>{device("H100", 1)});
  EXPECT_EQ(group.any_of[0].constraint, (List<FeatureClause>{{{"fast"}}}));
  EXPECT_EQ(group.any_of[1].resources.devices.size(), 0u);
  EXPECT_EQ(group.any_of[1].resources.cores, whole_cores(16));
  EXPECT_EQ(group.any_of[1].resources.memory, gibibytes(8));
  EXPECT_EQ(group.any_of[1].constraint, (List<FeatureClause>{{{"avx512"}}}));
  EXPECT_EQ(group.any_of[2].resources.devices, List<DeviceRequest>{device("", 1, 0, 500)});
  EXPECT_EQ(group.any_of[2].resources.ports, 1u);
}

TEST(JobFile, ConstraintsBecomeAnyOfAll) {
  using Clauses = List<FeatureClause>;
  const std::vector<std::pair<std::string, Clauses>> rows = {
      {"avx512", {{{"avx512"}}}},
      {"avx512 & !old | gpu", {{{"!old", "avx512"}}, {{"gpu"}}}},
      {"a & (b | c)", {{{"a", "b"}}, {{"a", "c"}}}},
      {"\"!(a & b)\"", {{{"!a"}}, {{"!b"}}}},
      {"\"!(a | !b)\"", {{{"!a", "b"}}}},
      {"a && a || a", {{{"a"}}}},
      {"(a | b) & !a", {{{"!a", "b"}}}},
      {"\"!!a\"", {{{"a"}}}},
      {"cpu=zen4 & os:linux", {{{"cpu=zen4", "os:linux"}}}},
  };
  for (const auto& [text, expected] : rows)
    EXPECT_EQ(group_of("constraint: " + text).any_of.front().constraint, expected) << text;
}

TEST(JobFile, ArraysAndTasks) {
  struct Row {
    std::string text;
    List<ArrayRange> ranges;
    std::uint32_t count, parallel;
  };
  const std::vector<Row> rows = {
      {"array: 1-100%10", {{1, 100, 1}}, 100, 10},
      {"array: 1,3,7-9", {{1, 1, 1}, {3, 3, 1}, {7, 9, 1}}, 5, 0},
      {"array: 0-100:5", {{0, 100, 5}}, 21, 0},
      {"array: 0-10:2,1-9:2", {{0, 10, 2}, {1, 9, 2}}, 11, 0},
      {"array: 1-1000000", {{1, 1'000'000, 1}}, 1'000'000, 0},
      {"array: 5-5\nparallel: 3", {{5, 5, 1}}, 1, 3},
      {"tasks: 7", {}, 7, 0},
      {"tasks: 1000000\nparallel: 64", {}, 1'000'000, 64},
  };
  for (const Row& row : rows) {
    const TaskGroup group = group_of(row.text);
    EXPECT_EQ(group.array, row.ranges) << row.text;
    EXPECT_EQ(group.count, (CountRange{row.count, row.count})) << row.text;
    EXPECT_EQ(group.parallel, row.parallel) << row.text;
  }
}

TEST(JobFile, GangsCountByTasksOrNodes) {
  struct Row {
    std::string text;
    CountRange count;
    std::uint32_t nodes, per_node;
  };
  const std::vector<Row> rows = {
      {"tasks: 4", {4, 4}, 0, 0},
      {"tasks: 4..16", {4, 16}, 0, 0},
      {"nodes: 2", {2, 2}, 2, 0},
      {"nodes: 2\ntasks_per_node: 8", {16, 16}, 2, 8},
      {"tasks_per_node: 8", {8, 8}, 0, 8},
      {"tasks: 12\nnodes: 2\ntasks_per_node: 8", {12, 12}, 2, 8},
  };
  for (const Row& row : rows) {
    const TaskGroup group = group_of("coupling: tight\nlauncher: mpi\n" + row.text);
    EXPECT_EQ(group.count, row.count) << row.text;
    EXPECT_EQ(group.nodes, row.nodes) << row.text;
    EXPECT_EQ(group.tasks_per_node, row.per_node) << row.text;
    EXPECT_EQ(group.launcher, Launcher::mpi);
  }
}

TEST(JobFile, JobFields) {
  const Job job = job_of(
      "name: train-7b\ntenant: physics\npriority: -5\ncoupling: extreme\ngpus: 8\n"
      "time: 2h30m\ngrace: 1m\nwithin: {level: rack, required: true}\nspread: psu\n"
      "exclude: [n2, n1, n2]\nexclusive: true\npreemptible: true\nhold: true\n"
      "labels: {project: melt, run: 7}\n"
      "checkpoint: {signal: USR1, grace: 2m, directory: ckpt/%j, interval: 10m}\n"
      "restart: {on: [oom, timeout, signal:SEGV, 75, 3], max: 5, backoff: 20m}\n");
  EXPECT_EQ(job.name, "train-7b");
  EXPECT_EQ(job.tenant, "physics");
  EXPECT_EQ(job.priority, -5);
  EXPECT_EQ(job.coupling, Coupling::extreme);
  EXPECT_EQ(job.time_limit, minutes(150));
  EXPECT_EQ(job.grace, minutes(1));
  EXPECT_EQ(job.topology, (TopologyWish{"rack", true, "psu"}));
  EXPECT_EQ(job.exclude, (List<std::string>{"n1", "n2"}));
  EXPECT_TRUE(job.exclusive && job.preemptible && job.hold);
  EXPECT_EQ(job.labels, (List<Label>{{"project", "melt"}, {"run", "7"}}));
  EXPECT_EQ(job.checkpoint, (CheckpointRule{true, 10, minutes(2), minutes(10)}));
  const RestartRule restart{false, true, true, false, {11}, {3, 75}, 5, minutes(20), minutes(20)};
  EXPECT_EQ(job.restart, restart);
}

TEST(JobFile, RestartInShort) {
  RestartRule never;
  never.on_node = false;
  never.max = 0;
  EXPECT_EQ(job_of("restart: never").restart, never);
  EXPECT_EQ(job_of("restart: node").restart, RestartRule{});
  EXPECT_EQ(job_of("restart: {max: 3}").restart, RestartRule{});
  EXPECT_TRUE(job_of("restart: [node, any]").restart->on_any);
  EXPECT_EQ(job_of("restart: 75").restart->exit_codes, std::vector<std::int32_t>{75});
  EXPECT_EQ(job_of("within: node\ncoupling: tight").topology, (TopologyWish{"node", false, ""}));
}

TEST(JobFile, Moments) {
  setenv("TZ", "UTC", 1);
  tzset();
  struct Row {
    std::string text;
    Span after;
    std::int64_t unix_s;
  };
  const std::vector<Row> rows = {
      {"now", Span(), 0},
      {"+10m", minutes(10), 0},
      {"now+1h", hours(1), 0},
      {"now + 1h30m", minutes(90), 0},
      {"2026-12-01T08:00:00Z", Span(), 1'796'112'000},
      {"2026-12-01T08:00:00+01:00", Span(), 1'796'108'400},
      {"2026-12-01 08:00", Span(), 1'796'112'000},
      {"2026-12-01", Span(), 1'796'083'200},
      {"08:00", Span(), now_ms / 1000 + 8 * 3600},
      {"00:00", Span(), now_ms / 1000 + 24 * 3600},
  };
  for (const Row& row : rows) {
    const Job job = job_of("begin: " + row.text);
    EXPECT_EQ(job.begin_after, row.after) << row.text;
    EXPECT_EQ(job.begin_unix_ms, row.unix_s * 1000) << row.text;
  }
  EXPECT_EQ(job_of("deadline: +2h").deadline_unix_ms, now_ms + 7'200'000);
  const Submission late = read_good("begin: 2026-01-01 08:00\nrun: x");
  EXPECT_EQ(late.jobs.front().begin_unix_ms, 0);
  EXPECT_EQ(late.warnings, std::vector<std::string>{
                               "runs/melt.yaml:1:8: begin: \"2026-01-01 08:00\" has passed; the "
                               "job may start at once"});
}

TEST(JobFile, WhatRuns) {
  const Payload payload = payload_of(
      "command: [python3, train.py, 7]\nsetup: module load gcc\ndirectory: runs/../a/\n"
      "environment: {OMP_NUM_THREADS: 4, A: \"\"}\noutput: logs/%x-%j.out\nerror: e%%\n"
      "umask: 027\nports: 2\nready: {http: /healthz, port: 1, interval: 2s, timeout: 1m}\n"
      "checkpoint: {directory: ckpt/%j}\n");
  Payload expected;
  expected.command = {"python3", "train.py", "7"};
  expected.setup = "module load gcc";
  expected.working_directory = "/data/ann/a";
  expected.submit_directory = "/data/ann";
  expected.environment = {{"A", ""}, {"OMP_NUM_THREADS", "4"}};
  expected.output = "logs/%x-%j.out";
  expected.error = "e%%";
  expected.umask = 027;
  expected.checkpoint_directory = "ckpt/%j";
  expected.ready = {ProbeKind::http, "/healthz", 1, seconds(2), minutes(1)};
  EXPECT_EQ(payload, expected);
  EXPECT_EQ(payload_of("run: x\nports: 1\nready: {tcp: 0}").ready.kind, ProbeKind::tcp);
  const Payload probed = payload_of("run: x\nready: {command: ./probe}");
  EXPECT_EQ(probed.ready.kind, ProbeKind::command);
  EXPECT_EQ(probed.ready.target, "./probe");
  EXPECT_EQ(payload_of("run: x\ndirectory: /data").working_directory, "/data");
}

TEST(JobFile, GroupsTakeWhatTheyLeaveOutFromTheJob) {
  const Submission got = read_good(
      "coupling: tight\nmemory: 4G\nrun: ./act\nenvironment: {A: 1, B: 2}\ngpus: 1\n"
      "groups:\n"
      "  - {name: learner, gpus: H100:2, command: [./learn], environment: {B: 3}}\n"
      "  - {name: actor, tasks: 8, gpu: 0.5}\n"
      "  - {name: critic}\n  - {name: critic2}\n");
  ASSERT_EQ(got.jobs.size(), 1u);
  const auto& groups = got.jobs.front().groups;
  ASSERT_EQ(groups.size(), 4u);
  EXPECT_EQ(groups[0].name, "learner");
  EXPECT_EQ(groups[0].any_of.front().resources.devices, List<DeviceRequest>{device("H100", 2)});
  EXPECT_EQ(groups[0].any_of.front().resources.memory, gibibytes(4));
  EXPECT_EQ(groups[1].count, (CountRange{8, 8}));
  EXPECT_EQ(groups[1].any_of.front().resources.devices, List<DeviceRequest>{device("", 1, 0, 500)});
  ASSERT_EQ(got.payloads.size(), 2u) << "equal payloads are stored once";
  EXPECT_EQ(groups[2].payload, groups[1].payload);
  const Payload learner = *decode_payload(got.payloads[0].bytes);
  EXPECT_EQ(learner.command, std::vector<std::string>{"./learn"});
  EXPECT_EQ(learner.run, "");
  EXPECT_EQ(learner.environment, (List<Label>{{"A", "1"}, {"B", "3"}}));
}

TEST(JobFile, DependenciesByNameAndNumber) {
  const Submission got = read_good(
      "name: serve\nports: 1\nready: {tcp: 0}\nrun: x\n---\n"
      "name: late\nafter: [prep, serve:ready, 1234, 1234:failed]\nrun: x\n---\n"
      "name: prep\nrun: x\n---\nafter: prep:any\nrun: x\n");
  ASSERT_EQ(got.jobs.size(), 4u);
  EXPECT_EQ(got.jobs[1].after,
            (List<Dependency>{{DependencyKind::ok, JobId(0), 2, "prep"},
                              {DependencyKind::ready, JobId(0), 0, "serve"},
                              {DependencyKind::ok, JobId(1234), 0, "1234"},
                              {DependencyKind::failed, JobId(1234), 0, "1234"}}));
  EXPECT_EQ(got.jobs[3].after.front().kind, DependencyKind::any);
  EXPECT_EQ(got.jobs[3].name, "melt");
}

TEST(JobFile, JsonIsYaml) {
  const Submission yaml =
      read_good("name: a\ngpus: {count: 2, memory: 40G}\ncommand: [x, \"y\"]\n");
  const Submission json =
      read_good(R"({"name":"a","gpus":{"count":2,"memory":"40G"},"command":["x","y"]})");
  const Submission list = read_good(R"([{"name":"a","gpus":{"count":2,"memory":"40G"},
                                         "command":["x","y"]}])");
  EXPECT_EQ(yaml.jobs, json.jobs);
  EXPECT_EQ(yaml.payloads, json.payloads);
  EXPECT_EQ(yaml.jobs, list.jobs);
}

TEST(JobFile, TasksThatShareAFileAreTold) {
  EXPECT_EQ(read_good("array: 1-9\noutput: log\nrun: x").warnings,
            std::vector<std::string>{"runs/melt.yaml:2:9: output: all 9 tasks write to the same "
                                     "file; add %a for one each"});
  EXPECT_TRUE(read_good("array: 1-9\noutput: log%a\nrun: x").warnings.empty());
  EXPECT_TRUE(read_good("array: 1-9\noutput: /dev/null\nrun: x").warnings.empty());
}

TEST(JobFile, BoundsOfAFile) {
  EXPECT_EQ(error_of(""),
            "a.yaml:1:1: the file holds no job; the smallest one is \"run: hostname\"");
  EXPECT_EQ(error_of("[]"),
            "a.yaml:1:1: the file holds no job; the smallest one is \"run: hostname\"");
  EXPECT_EQ(error_of("hello"),
            "a.yaml:1:1: found \"hello\"; write fields, each as \"name: value\"");
  EXPECT_EQ(error_of("run: " + std::string(1 << 20, 'x')),
            "a.yaml: 1048581 bytes are too many; at most 1048576 are read");
  const Submission big = read_good("run: |\n  " + std::string((1 << 20) - 20, 'x') + "\n");
  EXPECT_EQ(big.jobs.size(), 1u);
  std::string many;
  for (int i = 0; i < 1000; ++i) many += "run: x\n---\n";
  EXPECT_EQ(read_good(many).jobs.size(), 1000u);
  EXPECT_EQ(read_good(many).payloads.size(), 1u);
}

TEST(JobFile, DoubledIndicesAreFoundWithoutCountingThem) {
  const auto told = [](std::string_view array) {
    const std::string error = error_of("array: " + std::string(array) + "\nrun: x");
    const std::size_t at = error.find("has the index ");
    return at == std::string::npos ? error : error.substr(at + 14, error.find(" twice") - at - 14);
  };
  EXPECT_EQ(told("0-999998:2,1-999999:2"), "accepted");
  EXPECT_EQ(told("0-1000000:6,3-1000000:10"), "accepted");
  EXPECT_EQ(told("0-1000000:6,4-1000000:10"), "24");
  EXPECT_EQ(told("4-1000000:10,0-1000000:6"), "24");
  EXPECT_EQ(told("1-10,20-30,10-12"), "10");
  EXPECT_EQ(told("7-1000000000:999999,1000006-1000007"), "1000006");
}

TEST(JobFile, AFileCannotGrowBeyondItsBounds) {
  std::string groups = "run: |\n  " + std::string(700'000, 'x') + "\ngroups:\n";
  for (int i = 0; i < 60; ++i)
    groups += "  - {name: g" + std::to_string(i) + ", output: o" + std::to_string(i) + "}\n";
  EXPECT_EQ(error_of(groups),
            "a.yaml:1:1: the jobs up to here have 60 groups and 40M of scripts and "
            "variables; a file may have 4096 and 16M");
  std::string expression = "(a0|b0)";
  for (int i = 1; i < 40; ++i)
    expression += "&(a" + std::to_string(i) + "|b" + std::to_string(i) + ")";
  EXPECT_NE(error_of("constraint: " + expression + "\nrun: x").find("has too many combinations"),
            std::string::npos);
}

TEST(JobFile, ATenantIsOneOfThoseOfTheContext) {
  JobFileContext context;
  context.file_name = "a.yaml";
  context.submit_directory = "/tmp";
  const auto said = [&](const char* yaml) {
    const auto read = read_job_file(yaml, context);
    return read.ok() ? std::string() : read.error().text;
  };
  EXPECT_EQ(said("tenant: anybody\nrun: x"), "");
  context.tenants = {"default", "physics"};
  EXPECT_EQ(said("tenant: physics\nrun: x"), "");
  EXPECT_EQ(said("run: x\ntenant: phisics"),
            "a.yaml:2:9: tenant: there is no tenant \"phisics\"; did you mean \"physics\"?");
  EXPECT_EQ(said("tenant: chemistry\nrun: x"),
            "a.yaml:1:9: tenant: there is no tenant \"chemistry\"; known: default or physics");
}

TEST(JobFile, EveryFieldHasAnExampleThatIsRead) {
  for (const FieldInfo& field : all_fields()) {
    if ((field.scopes & in(Scope::job)) == 0 || field.name == "after") continue;
    std::string text = std::string(field.name) + ": " + std::string(field.example) + "\n";
    const auto any = [&](std::initializer_list<std::string_view> names) {
      return std::find(names.begin(), names.end(), field.name) != names.end();
    };
    if (any({"nodes", "tasks_per_node", "within", "launcher"})) text += "coupling: tight\n";
    if (any({"ready"})) text += "ports: 1\n";
    if (any({"name", "tenant"})) text += "hold: false\n";
    if (!any({"run", "command", "groups"})) text += "run: x\n";
    EXPECT_EQ(error_of(text), "accepted") << text;
  }
}

}  // namespace
}  // namespace busbar::jobfile
