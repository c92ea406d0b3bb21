// What could not start even on an idle cluster is refused at submit, with the nearest request.
#include "core/fit/idle_fit.hpp"

#include <gtest/gtest.h>

#include "core/state/testing.hpp"

namespace busbar::core {
namespace {

using testing::gang;
using testing::loose;
using testing::op;
using testing::resources;
using testing::World;

SubmitJobs submission(Job job) {
  SubmitJobs out;
  out.user = testing::user();
  out.jobs.push_back(std::move(job));
  return out;
}

// Two nodes of 8 cores in racks of their own; the tenant may hold `cores` thousandths of a core.
World cluster(std::int64_t cores_milli = 0) {
  World world;
  Config config;
  config.topology_levels = {"rack"};
  if (cores_milli > 0) config.tenants[0].quota = {{"cores", cores_milli}};
  world.apply(Configured{config, 1});
  for (const char* name : {"n1", "n2"}) {
    Node node = testing::node(name, 8);
    node.topology = {std::string("rack-of-") + name};
    world.add(node);
  }
  world.apply(ClusterSynchronised{"local"});
  return world;
}

TEST(IdleFit, AnExclusiveNodeCountsWholeAgainstTheQuota) {
  Job job = loose("a");
  EXPECT_EQ(cluster(4000).refusal(submission(job)), "");
  job.exclusive = true;
  EXPECT_NE(cluster(4000).refusal(submission(job)).find("even with nothing else running"),
            std::string::npos);
  EXPECT_EQ(cluster(8000).refusal(submission(job)), "");
}

TEST(IdleFit, AGangIsProvenInItsPartOfTheTopology) {
  Job job = gang("a", 12);
  EXPECT_EQ(cluster().refusal(submission(job)), "");
  job.topology = TopologyWish{"rack", true, ""};
  EXPECT_NE(cluster().refusal(submission(job)), "");
  job.groups[0].count = {8, 8};
  EXPECT_EQ(cluster().refusal(submission(job)), "");
}

TEST(IdleFit, WhatRunsAndWhatIsDrainedDoesNotCount) {
  World world = cluster();
  world.must(submission(gang("a", 16)));
  world.grant(testing::unit(1), Allocation{{testing::claim_on(NodeId(1), gang("a", 16), 0, 8),
                                            testing::claim_on(NodeId(2), gang("a", 16), 0, 8)}});
  world.must(DrainNode{"n1", "fans", op()});
  EXPECT_EQ(world.refusal(submission(gang("b", 16))), "");
}

TEST(IdleFit, NothingIsRefusedBeforeEveryEngineHasToldAll) {
  World world;
  Job job = gang("a", 500);
  EXPECT_EQ(world.refusal(submission(job)), "");
}

}  // namespace
}  // namespace busbar::core
