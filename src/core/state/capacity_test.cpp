// Jobs that nothing registered could ever run are refused with the nearest request that could.
#include "core/state/capacity.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "base/rng.hpp"
#include "base/text.hpp"
#include "core/state/testing.hpp"

namespace busbar::core {
namespace {

using namespace testing;

Resources needs(std::int64_t cores, Bytes memory, List<DeviceRequest> devices = {}) {
  Resources out = resources(cores, memory);
  out.devices = std::move(devices);
  return out;
}

DeviceRequest big(std::int64_t gib) {
  DeviceRequest out = gpus(1);
  out.memory_min_bytes = gibibytes(gib);
  return out;
}

DeviceRequest part(std::int64_t share) {
  DeviceRequest out = gpus(1);
  out.share = MilliDevices(share);
  return out;
}

// n1: 8 cores, 64G, 2 x A100.  n2: 32 cores, 128G, no accelerator, feature "fat", drained.
// n3: 8 cores, 64G, down.
World three_nodes() {
  World w;
  w.add(node("n1", 8, gibibytes(64), 2));
  Node fat = node("n2", 32, gibibytes(128));
  fat.features = {"fat"};
  fat.named = {{"licence", 3}};
  w.add(fat);
  w.add(node("n3", 8));
  w.apply(NodeDrained{NodeId(2), "", "root"});
  w.apply(NodeReachability{NodeId(3), false});
  w.apply(ClusterSynchronised{"local"});
  return w;
}

std::string why(const World& w, const Job& job) {
  const auto error = impossible(w.state, job);
  return error ? error->text : "";
}

TEST(Capacity, NamesWhatWasAskedWhatTheBestNodeHasAndTheNearestRequest) {
  const World w = three_nodes();
  const auto licences = [](std::int64_t count) {
    Resources out = resources();
    out.named = {{"licence", count}};
    return out;
  };
  const struct {
    Resources each;
    const char* sentence;
  } rows[] = {
      {needs(8, gibibytes(64), {gpus(2)}), ""},
      {needs(32, gibibytes(128)), ""},  // only the drained node
      {needs(1, {}, {part(250)}), ""},
      {needs(1, {}, {big(80)}), ""},
      {licences(3), ""},
      {needs(1, {}, {gpus(8, "H100")}),
       "job \"train\" asks for 8 x H100 per task, but no node has an H100; this cluster has 2 x "
       "A100 (simulated) on n1. Nearest: gpus: A100:2"},
      {needs(64, gibibytes(512), {gpus(8, "H100")}),
       "job \"train\" asks for 8 x H100, 64 cores and 512G of memory per task, but no node has an "
       "H100; this cluster has 2 x A100 (simulated) on n1; the best node, n1, has 8 cores and 64G "
       "of memory. "
       "Nearest: gpus: A100:2, cores: 8, memory: 64G"},
      {needs(1, {}, {gpus(4, "A100")}),
       "job \"train\" asks for 4 x A100 per task, but the best node, n1, has 2 x A100 (simulated). "
       "Nearest: "
       "gpus: A100:2"},
      {needs(1, {}, {gpus(4)}),
       "job \"train\" asks for 4 x accelerator per task, but the best node, n1, has 2 x A100 "
       "(simulated). "
       "Nearest: gpus: A100:2"},
      {needs(1, {}, {big(141)}),
       "job \"train\" asks for 1 x accelerator with 141G of memory per task, but no node has an "
       "accelerator with 141G of memory; this cluster has 2 x A100 (simulated) on n1. Nearest: "
       "gpus: A100:1"},
      {needs(64, {}),
       "job \"train\" asks for 64 cores per task, but the best node, n2, has 32 cores. Nearest: "
       "cores: 32"},
      {needs(1, gibibytes(256)),
       "job \"train\" asks for 256G of memory per task, but the best node, n2, has 128G of memory. "
       "Nearest: memory: 128G"},
      {needs(16, {}, {gpus(1)}),
       "job \"train\" asks for 16 cores per task, but the best node, n1, has 8 cores. Nearest: "
       "cores: 8"},
      {licences(5),
       "job \"train\" asks for 5 x licence per task, but the best node, n2, has 3 x licence. "
       "Nearest: licence: 3"},
  };
  for (const auto& row : rows) EXPECT_EQ(why(w, loose("train", 1, row.each)), row.sentence);
}

TEST(Capacity, WithoutAnyDeviceHereTheNearestRequestHasNone) {
  World w;
  w.add(node("n1", 2, gibibytes(8)));
  w.apply(ClusterSynchronised{"local"});
  const struct {
    Resources each;
    const char* sentence;
  } rows[] = {
      {needs(1, {}, {gpus(1)}),
       "job \"train\" asks for 1 x accelerator per task, but no node has an accelerator. Nearest: "
       "gpus: 0"},
      {needs(4, gibibytes(64), {gpus(8, "H100")}),
       "job \"train\" asks for 8 x H100, 4 cores and 64G of memory per task, but no node has an "
       "H100 or any other accelerator; the best node, n1, has 2 cores and 8G of memory. Nearest: "
       "gpus: 0, cores: 2, memory: 8G"},
  };
  for (const auto& row : rows) EXPECT_EQ(why(w, loose("train", 1, row.each)), row.sentence);
}

TEST(Capacity, TheNearestRequestMendsEveryGroup) {
  const World w = three_nodes();
  Job job = gang("pair", 1, needs(64, {}));
  job.groups.push_back(job.groups[0]);
  job.groups[0].name = "a";
  job.groups[1].name = "b";
  job.groups[1].any_of[0].resources = needs(1, {}, {gpus(3)});
  EXPECT_EQ(why(w, job),
            "job \"pair\", group \"a\", asks for 64 cores per task, but the best node, n2, has 32 "
            "cores. Nearest: cores: 32; in group \"b\" gpus: A100:2");
}

// The job with the change that was named, read as a person would write it into the job file.
Job changed(Job job, std::string_view nearest) {
  Alternative& alternative = job.groups[0].any_of[0];
  Resources& each = alternative.resources;
  const auto amount = [](std::string_view text) { return *parse_milli(text) / 1000; };
  std::string list(nearest);
  std::vector<std::string> parts;
  while (!list.empty()) {  // a comma inside brackets parts nothing
    std::size_t end = list.find(", ");
    if (const auto open = list.find('['); open < end) end = list.find(", ", list.find(']'));
    parts.push_back(list.substr(0, end));
    list = end == std::string::npos ? "" : list.substr(end + 2);
  }
  for (const std::string& part : parts) {
    const std::string key = part.substr(0, part.find(": "));
    std::string value = key == part ? "" : part.substr(key.size() + 2);
    if (part.starts_with("the same without ")) {
      alternative.constraint = {};
      job.exclude.clear();
    } else if (key == "gpus" || key == "gpu") {
      each.devices.clear();
      if (value.front() == '[') value = value.substr(1, value.size() - 2);
      for (const std::string_view raw : split(value, ',')) {
        const std::string_view one = trim(raw);
        const auto colon = one.rfind(':');
        DeviceRequest request = gpus(1, colon == one.npos ? "" : std::string(one.substr(0, colon)));
        const auto count = one.substr(colon == one.npos ? 0 : colon + 1);
        if (key == "gpu") request.share = MilliDevices(*parse_milli(count));
        if (key == "gpus") request.count = static_cast<std::uint32_t>(amount(count));
        if (request.count > 0) each.devices.push_back(request);
      }
    } else if (key == "cores") {
      each.cores = MilliCores(*parse_milli(value));
    } else if (key == "memory") {
      each.memory = *parse_bytes(value);
    } else if (key == "tasks") {
      job.groups[0].count.min = job.groups[0].count.max = static_cast<std::uint32_t>(amount(value));
    } else {
      for (auto& named : each.named)
        if (named.name == key) named.count = amount(value);
    }
  }
  return job;
}

RC_GTEST_PROP(Capacity, EveryNearestRequestIsPossible, (std::uint64_t seed)) {
  Rng rng(seed);
  const char* models[] = {"", "H100", "A100", "MI300X"};
  World w;
  for (std::uint64_t n = 1 + rng.below(4), i = 0; i < n; ++i) {
    Node machine = node("n" + std::to_string(i), 1 + static_cast<std::int64_t>(rng.below(16)),
                        Bytes(static_cast<std::int64_t>(rng.below(std::uint64_t{64} << 30)) + 1),
                        static_cast<std::uint32_t>(rng.below(5)), models[1 + rng.below(3)]);
    if (rng.below(2) == 0)
      for (auto& device : machine.devices) device.model = models[1 + rng.below(3)];
    if (rng.below(3) == 0) machine.features = {"fat"};
    if (rng.below(3) == 0) machine.named = {{"licence", 2}};
    w.add(machine);
  }
  w.apply(ClusterSynchronised{"local"});
  Resources each = needs(static_cast<std::int64_t>(rng.below(40)),
                         gibibytes(static_cast<std::int64_t>(rng.below(100))));
  for (std::uint64_t n = rng.below(3); n > 0; --n) {
    DeviceRequest request =
        gpus(1 + static_cast<std::uint32_t>(rng.below(8)), models[rng.below(4)]);
    if (rng.below(4) == 0) request.memory_min_bytes = gibibytes(141);
    each.devices.push_back(request);
  }
  if (each.devices.size() == 1 && rng.below(4) == 0)
    each.devices[0].count = 1, each.devices[0].share = MilliDevices(250);
  if (rng.below(4) == 0) each.named = {{"licence", 5}};
  Job job = rng.below(2) == 0 ? loose("j", 1, each)
                              : gang("j", 1 + static_cast<std::uint32_t>(rng.below(20)), each,
                                     static_cast<std::uint32_t>(rng.below(3)));
  if (rng.below(4) == 0) job.groups[0].any_of[0].constraint = {{{"fat"}}};
  if (rng.below(4) == 0) job.exclude = {"n0"};
  const std::string text = why(w, job);
  const auto at = text.find(". Nearest: ");
  RC_CLASSIFY(text.empty(), "possible");
  RC_CLASSIFY(!text.empty() && at == text.npos, "nothing near");
  if (at == text.npos) return;
  const std::string near = text.substr(at + 11);
  const std::string again = why(w, changed(job, near));
  if (!again.empty()) RC_FAIL(text + "\nwith " + near + ": " + again);
}

TEST(Capacity, AnyAlternativeWillDo) {
  const World w = three_nodes();
  Job job = loose("train", 1, needs(1, {}, {gpus(1, "H100")}));
  job.groups[0].any_of.push_back({needs(1, {}, {gpus(1, "A100")}), {}, 1000});
  EXPECT_EQ(why(w, job), "");
  job.groups[0].any_of[1] = {needs(1, {}, {gpus(1, "MI300X")}), {}, 1000};
  EXPECT_EQ(why(w, job),
            "job \"train\" asks for 1 x H100 per task, but no node has an H100; this cluster has 2 "
            "x A100 (simulated) on n1. Nearest: gpus: A100:1 (of its first alternative; the other "
            "1 cannot run "
            "either)");
}

TEST(Capacity, ConstraintsAndExclusionsCount) {
  const World w = three_nodes();
  Job job = loose("a", 1, needs(32, {}));
  job.exclude = {"n2"};
  EXPECT_EQ(why(w, job),
            "job \"a\" asks for 32 cores per task, but the best node, n1, has 8 cores. Nearest: "
            "cores: 8");
  job = loose("a");
  job.groups[0].any_of[0].constraint = {{{"fast"}}};
  EXPECT_EQ(why(w, job),
            "job \"a\" excludes, or constrains away, every node here; features here: fat. Nearest: "
            "the same without constraint");
  job.exclude = {"n1", "n2", "n3"};
  EXPECT_TRUE(why(w, job).ends_with("Nearest: the same without constraint and exclude"));
  job.groups[0].any_of[0].constraint = {};
  EXPECT_TRUE(why(w, job).ends_with("Nearest: the same without exclude"));
  job.exclude = {};
  job.groups[0].any_of[0].constraint = {{{"fat"}}};
  EXPECT_EQ(why(w, job), "");
}

TEST(Capacity, AGangMustFitTheNodesTogether) {
  const World w = three_nodes();  // 4-core tasks: 2 + 8 + 2
  const auto tasks_of_4 = [](std::uint32_t tasks, std::uint32_t per_node, std::uint32_t nodes) {
    Job job = gang("mpi", tasks, resources(4), per_node);
    job.groups[0].nodes = nodes;
    return job;
  };
  const struct {
    std::uint32_t tasks, per_node, nodes;
    const char* sentence;
  } rows[] = {
      {12, 0, 0, ""},
      {13, 0, 0,
       "job \"mpi\" asks for 13 tasks at once, but all nodes together hold 12. Nearest: tasks: "
       "12"},
      {6, 2, 0, ""},
      {7, 2, 0,
       "job \"mpi\" asks for 7 tasks, at most 2 a node at once, but all nodes together hold 6. "
       "Nearest: tasks: 6"},
      {10, 0, 2, ""},
      {11, 0, 2,
       "job \"mpi\" asks for 11 tasks on 2 nodes at once, but all nodes together hold 10. Nearest: "
       "tasks: 10"},
      {4, 0, 4,
       "job \"mpi\" asks for 4 tasks on 4 nodes at once, but only 3 nodes can hold a task of it"},
  };
  for (const auto& row : rows)
    EXPECT_EQ(why(w, tasks_of_4(row.tasks, row.per_node, row.nodes)), row.sentence);
}

TEST(Capacity, RequiredTopologyAndExtremeCouplingStayInOnePart) {
  World w;
  Config config;
  config.topology_levels = {"rack"};
  ASSERT_EQ(w.refusal(Configure{config}), "");
  for (const char* name : {"a1", "a2", "b1"}) {
    Node machine = node(name, 8, gibibytes(64), 4);
    machine.topology = {std::string("r") + name[0]};
    machine.devices[3].link_domain = 2;
    w.add(machine);
  }
  Job job = gang("mpi", 20, resources(1));
  EXPECT_EQ(why(w, job), "");
  job.topology = TopologyWish{"rack", true, ""};
  EXPECT_EQ(why(w, job),
            "job \"mpi\" asks for 20 tasks at once, but the largest part, rack ra, holds 16. "
            "Nearest: tasks: 16");
  job.topology.edit().required = false;
  EXPECT_EQ(why(w, job), "");

  Job fast = gang("train", 4, needs(1, {}, {gpus(1)}));
  EXPECT_EQ(why(w, fast), "");
  fast.coupling = Coupling::extreme;
  EXPECT_EQ(why(w, fast),
            "job \"train\" asks for 4 tasks at once, but the largest link domain, on node a1, "
            "holds 3. Nearest: tasks: 3");
  fast.groups[0].any_of[0].resources.cores = whole_cores(4);
  EXPECT_EQ(why(w, fast),
            "job \"train\" asks for 4 tasks at once, but the largest link domain, on node a1, "
            "has cores for 2. Nearest: tasks: 2");
}

TEST(Capacity, AQuotaThatOneUnitWouldExceedIsNever) {
  World w = three_nodes();
  Config config;
  config.tenants = {{.name = "default",
                     .quota = {{"A100", 1000}, {"cores", 16000}, {"licence", 2}},
                     .users = {}}};
  ASSERT_EQ(w.refusal(Configure{config}), "");
  Resources two_licences = resources();
  two_licences.named = {{"licence", 3}};
  const auto of = [](Job job) {
    job.tenant = "default";
    return job;
  };
  EXPECT_EQ(why(w, of(loose("a", 100, resources(16)))), "");
  EXPECT_EQ(why(w, of(gang("a", 17, resources(1)))),
            "job \"a\" asks for 17 cores at once, but the quota of tenant \"default\" is 16 cores; "
            "ask for less, or ask an operator for more");
  EXPECT_EQ(why(w, of(loose("a", 1, needs(1, {}, {gpus(2)})))),
            "job \"a\" asks for 2 A100 at once, but the quota of tenant \"default\" is 1 A100; ask "
            "for less, or ask an operator for more");
  EXPECT_EQ(why(w, of(loose("a", 1, two_licences))),
            "job \"a\" asks for 3 licence at once, but the quota of tenant \"default\" is 2 "
            "licence; ask for less, or ask an operator for more");
}

TEST(Capacity, IsJudgedOnlyOnceEveryEngineHasToldAll) {
  World w;
  SubmitJobs submit;
  submit.user = user();
  submit.jobs = {loose("a", 1, resources(64))};
  EXPECT_EQ(w.refusal(submit), "");
  w.add(node("n1", 8));
  EXPECT_EQ(w.refusal(submit), "");
  w.apply(ClusterSynchronised{"local"});
  EXPECT_NE(w.refusal(submit), "");
  Node other = node("n2", 64);
  other.cluster = "slurm";
  w.add(other);
  submit.jobs = {loose("a", 1, resources(640))};
  EXPECT_EQ(w.refusal(submit), "");
  w.apply(ClusterSynchronised{"slurm"});
  EXPECT_NE(w.refusal(submit), "");
}

TEST(Capacity, ModelsHaveShortNames) {
  const std::pair<const char*, const char*> rows[] = {{"NVIDIA H100 80GB HBM3", "H100"},
                                                      {"NVIDIA A100-SXM4-80GB", "A100"},
                                                      {"AMD Instinct MI300X", "MI300X"},
                                                      {"NVIDIA GeForce RTX 4090", "4090"},
                                                      {"Intel Data Center GPU Max 1550", "1550"},
                                                      {"Ascend 910B", "910B"},
                                                      {"Gaudi", "Gaudi"}};
  for (const auto& [model, name] : rows) EXPECT_EQ(short_model(device(model)), name);
}

}  // namespace
}  // namespace busbar::core
