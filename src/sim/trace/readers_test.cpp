// Traces in the words of others, and in our own: what a row means, and what is refused where.
#include <gtest/gtest.h>

#include "sim/trace/native.hpp"
#include "sim/trace/openb.hpp"
#include "sim/trace/sacct.hpp"

namespace busbar::sim {
namespace {

// --- sacct

constexpr const char* heading =
    "JobID|User|Account|Submit|Start|State|ElapsedRaw|TimelimitRaw|AllocCPUS|AllocNodes|"
    "AllocTRES\n";

TEST(Sacct, AJobOfSeveralNodesIsAsManyTasks) {
  const auto trace = read_sacct(
      std::string(heading) +
          "12|ada|phys|2026-10-01T08:00:10|2026-10-01T08:01:00|COMPLETED|3600|120|64|2|"
          "cpu=64,mem=256G,node=2,billing=64,gres/gpu=8,gres/gpu:h100=8\n"
          "12.batch|||2026-10-01T08:01:00|2026-10-01T08:01:00|COMPLETED|3600||32|1|\n"
          "13|bob||2026-10-01T08:00:00|2026-10-01T08:00:00|TIMEOUT|90|1|4|1|cpu=4,mem=4G,node=1\n",
      "log");
  ASSERT_TRUE(trace.ok()) << trace.error().text;
  ASSERT_EQ(trace->jobs.size(), 2U);
  EXPECT_EQ(trace->jobs[0].job.name, "13") << "by submission";
  EXPECT_EQ(trace->jobs[0].submit, Span(0)) << "the first submission is the beginning";
  EXPECT_EQ(trace->jobs[0].run_time, seconds(60)) << "at most the limit";
  EXPECT_EQ(trace->jobs[0].job.coupling, Coupling::loose);
  const TraceJob& wide = trace->jobs[1];
  EXPECT_EQ(wide.submit, seconds(10));
  EXPECT_EQ(wide.run_time, hours(1));
  EXPECT_EQ(wide.job.time_limit, hours(2));
  EXPECT_EQ(wide.job.user.name, "ada");
  EXPECT_EQ(wide.job.tenant, "phys");
  EXPECT_EQ(wide.job.coupling, Coupling::tight);
  const TaskGroup& group = wide.job.groups[0];
  EXPECT_EQ(group.count.min, 2U);
  EXPECT_EQ(group.tasks_per_node, 1U);
  const Resources& each = group.any_of[0].resources;
  EXPECT_EQ(each.cores, whole_cores(32));
  EXPECT_EQ(each.memory, gibibytes(128));
  ASSERT_EQ(each.devices.size(), 1U);
  EXPECT_EQ(each.devices[0].model, "h100");
  EXPECT_EQ(each.devices[0].count, 4U);
  ASSERT_EQ(trace->remarks.size(), 1U);
  EXPECT_EQ(trace->remarks[0], "1 job steps are left out: their jobs count");
}

TEST(Sacct, WhatNeverStartedOrStillRunsIsLeftOutAndCounted) {
  const auto trace = read_sacct(
      "JobID|Submit|Start|State|ElapsedRaw|AllocCPUS\n"
      "1|2026-10-01T08:00:00|Unknown|PENDING|0|4\n"
      "2|2026-10-01T08:00:00|None|CANCELLED by 5|0|0\n"
      "3|2026-10-01T08:00:00|2026-10-01T08:00:00|RUNNING|50|4\n"
      "4|2026-10-01T08:00:00|2026-10-01T08:00:00|COMPLETED|50|4\n",
      "log");
  ASSERT_TRUE(trace.ok()) << trace.error().text;
  EXPECT_EQ(trace->jobs.size(), 1U);
  EXPECT_EQ(trace->jobs[0].job.time_limit, span_unlimited) << "no limit is told";
  ASSERT_EQ(trace->remarks.size(), 2U);
  EXPECT_EQ(trace->remarks[0], "2 jobs are left out: they never started");
}

TEST(Sacct, AWrongRowIsRefusedWithItsPlace) {
  const std::string good = "JobID|Submit|Start|ElapsedRaw|AllocCPUS\n";
  const struct {
    std::string text;
    const char* sentence;
  } rows[] = {
      {"JobID|Submit\n",
       "log:1: the heading has no column Start; wanted are: JobID, Submit, Start, "
       "ElapsedRaw, AllocCPUS"},
      {good + "1|2026-10-01T08:00:00|x\n", "log:2: 3 words where the heading has 5"},
      {good + "1|yesterday|x|5|4\n",
       "log:2: Submit: \"yesterday\" is no moment such as 2026-11-30T16:25:43"},
      {good + "1|2026-10-01T08:00:00|x|-5|4\n", "log:2: ElapsedRaw: \"-5\" is no number from 0 on"},
      {good + "\n1|2026-10-01T08:00:00|x|5|0\n",
       "log:3: AllocCPUS: \"0\" is too small; a job that ran had cores"},
  };
  for (const auto& row : rows) {
    const auto trace = read_sacct(row.text, "log");
    ASSERT_FALSE(trace.ok()) << row.text;
    EXPECT_EQ(trace.error().text, row.sentence);
  }
}

// --- openb

TEST(Openb, NodesAndPodsBecomeMachinesAndJobs) {
  const auto cluster = read_openb_nodes(
      "sn,cpu_milli,memory_mib,gpu,model\nn0,64000,262144,2,P100\nn1,96000,1024,0,\n", "nodes");
  ASSERT_TRUE(cluster.ok()) << cluster.error().text;
  ASSERT_EQ(cluster->nodes.size(), 2U);
  EXPECT_EQ(cluster->nodes[0].cores, whole_cores(64));
  EXPECT_EQ(cluster->nodes[0].memory, gibibytes(256));
  ASSERT_EQ(cluster->nodes[0].devices.size(), 2U);
  EXPECT_EQ(cluster->nodes[0].devices[1].model, "P100");
  EXPECT_TRUE(cluster->nodes[1].devices.empty());

  const auto trace = read_openb_pods(
      "name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec,qos,pod_phase,creation_time,"
      "deletion_time,scheduled_time\n"
      "p0,12000,16384,1,460,V100M16|V100M32,LS,Running,10,70,20\n"
      "p1,2000,1024,0,0,,BE,Pending,5,,\n"
      "p2,8000,1024,8,1000,,LS,Running,30,40,\n",
      "pods");
  ASSERT_TRUE(trace.ok()) << trace.error().text;
  ASSERT_EQ(trace->jobs.size(), 3U);
  EXPECT_EQ(trace->jobs[0].job.name, "p1");
  EXPECT_EQ(trace->jobs[0].run_time, century);
  const TraceJob& part = trace->jobs[1];
  EXPECT_EQ(part.submit, seconds(10));
  EXPECT_EQ(part.run_time, seconds(50)) << "from when it was scheduled";
  const Alternative& asked = part.job.groups[0].any_of[0];
  ASSERT_EQ(asked.constraint.size(), 2U) << "any of the models will do alike";
  EXPECT_EQ(asked.constraint[1].terms, std::vector<std::string>{"V100M32"});
  EXPECT_EQ(asked.resources.devices[0].share, MilliDevices(460));
  EXPECT_EQ(asked.resources.cores, whole_cores(12));
  EXPECT_EQ(trace->jobs[2].job.groups[0].any_of[0].resources.devices[0].count, 8U);
  ASSERT_EQ(trace->remarks.size(), 1U);
}

TEST(Openb, WhatContradictsItselfIsRefusedWithItsPlace) {
  const std::string good =
      "name,cpu_milli,memory_mib,num_gpu,gpu_milli,creation_time,deletion_time,scheduled_time\n";
  const struct {
    const char* row;
    const char* sentence;
  } rows[] = {
      {"p,1,1,2,500,0,1,0",
       "pods:2: gpu_milli: \"500\" is less than a whole GPU, of which num_gpu wants several"},
      {"p,1,1,1,0,0,1,0", "pods:2: gpu_milli: \"0\" is too small for a pod with GPUs"},
      {"p,1,1,1,1001,0,1,0", "pods:2: gpu_milli: \"1001\" is more than 1000"},
      {"p,1,1,1,1000,9,20,5", "pods:2: scheduled_time: \"5\" is before creation_time"},
      {"p,1,1,1,1000,9,7,9", "pods:2: deletion_time: \"7\" is before the pod ran"},
      {"p,1,1,1", "pods:2: 4 words where the heading has 8"},
  };
  for (const auto& row : rows) {
    const auto trace = read_openb_pods(good + row.row, "pods");
    ASSERT_FALSE(trace.ok()) << row.row;
    EXPECT_EQ(trace.error().text, row.sentence);
  }
}

// --- our own

TEST(Native, JobsAreInTheWordsOfTheJobFile) {
  const auto trace = read_native(
      "{\"busbar_trace\": 1}\n"
      "{\"submit\": 60, \"run\": 12.5, \"user\": \"ada\", \"exit\": 3, \"job\": {\"name\": "
      "\"train\","
      " \"tenant\": \"physics\", \"priority\": 2, \"preemptible\": true, \"coupling\": \"tight\","
      " \"within\": \"rack\", \"tasks\": \"2..4\", \"cores\": 8, \"gpus\": \"H100:2\","
      " \"time\": \"1h\", \"deadline\": \"+2h\", \"begin\": \"+10m\"}}\n"
      "\n"
      "{\"submit\": 0, \"run\": 1, \"job\": {\"gpu\": 0.5, \"any_of\": [{\"gpu\": \"A100:0.5\"},"
      " {\"gpu\": \"T4:0.5\"}]}}\n",
      "t.jsonl");
  ASSERT_TRUE(trace.ok()) << trace.error().text;
  ASSERT_EQ(trace->jobs.size(), 2U);
  EXPECT_EQ(trace->jobs[0].job.groups[0].any_of.size(), 2U);
  const TraceJob& train = trace->jobs[1];
  EXPECT_EQ(train.submit, seconds(60));
  EXPECT_EQ(train.run_time, Span(12'500));
  EXPECT_EQ(train.exit_code, 3);
  EXPECT_EQ(train.job.user.name, "ada");
  EXPECT_EQ(train.job.tenant, "physics");
  EXPECT_EQ(train.job.priority, 2);
  EXPECT_TRUE(train.job.preemptible);
  EXPECT_EQ(train.job.topology->within, "rack");
  EXPECT_EQ(train.job.groups[0].count.max, 4U);
  EXPECT_EQ(train.job.time_limit, hours(1));
  EXPECT_EQ(train.job.deadline_at, Tick(60'000 + 7'200'000));
  EXPECT_EQ(train.job.begin_at, Tick(60'000 + 600'000));
}

TEST(Native, AWrongRowIsRefusedWithItsPlaceAndField) {
  const std::string good = "{\"busbar_trace\": 1}\n";
  const struct {
    std::string text;
    const char* sentence;
  } rows[] = {
      {"", "t.jsonl:1: a trace begins with the line {\"busbar_trace\": 1}"},
      {"{\"busbar_trace\": 2}\n", "t.jsonl:1: a trace begins with the line {\"busbar_trace\": 1}"},
      {good + "nonsense", "t.jsonl:2: is no JSON object"},
      {good + "{\"submit\": 1}", "t.jsonl:2: run: must be there: seconds, such as 12.5"},
      {good + "{\"submit\": -1, \"run\": 1}",
       "t.jsonl:2: submit: -1 is no number of seconds from 0"},
      {good + "{\"submit\": \"1\", \"run\": 1}", "t.jsonl:2: submit: \"1\" is no number"},
      {good + "{\"submit\": 1, \"rnu\": 1}", "t.jsonl:2: rnu: is no field; did you mean run?"},
      {good + "{\"submit\": 1, \"run\": 1, \"exit\": 900}",
       "t.jsonl:2: exit: must be a whole number from 0 to 255"},
      {good + "{\"submit\": 1, \"run\": 1, \"job\": {\"cores\": \"many\"}}", "t.jsonl:2: job:1:"},
      {good + "{\"submit\": 1, \"run\": 1, \"job\": {\"after\": [7]}}", "t.jsonl:2: job: after:"},
  };
  for (const auto& row : rows) {
    const auto trace = read_native(row.text, "t.jsonl");
    ASSERT_FALSE(trace.ok()) << row.text;
    EXPECT_TRUE(trace.error().text.starts_with(row.sentence)) << trace.error().text;
  }
}

}  // namespace
}  // namespace busbar::sim
