// What an engine is told of an attempt.
#include "core/query/launch.hpp"

#include <gtest/gtest.h>

#include "core/state/testing.hpp"

namespace busbar::core {
namespace {

using namespace testing;

TEST(Launch, OfAnArrayElementWithADeviceAndAPeer) {
  World w;
  const NodeId n1 = w.add(node("n1", 8, gibibytes(64), 2));
  Job server = loose("serve");
  server.groups[0].has_ready_probe = true;
  w.add(server);
  w.run(w.grant(unit(1), n1));
  w.apply(BecameReady{attempt(1), "n1:8000"});

  Job client = array("client", {10, 30, 10});
  client.groups[0].any_of[0].resources.devices = {gpus(1)};
  client.groups[0].launcher = Launcher::tasks;
  client.time_limit = hours(1);
  client.after = {{DependencyKind::ready, JobId(1), 0, "serve"},
                  {DependencyKind::any, JobId(1), 0, "1"}};
  w.add(client);
  w.end(w.grant(unit(2, 1), n1), RunState::failed, 1);
  w.apply(UnitsRequeued{JobId(2), 0, IndexSet(1, 1), "ada"});
  const AttemptId id = w.grant(unit(2, 1), n1, 1);

  const Launch launch = make_launch(w.state, *w.state.find(id), "abc123");
  EXPECT_EQ(launch.name, "bb-abc123-2-0x1-2");
  EXPECT_EQ(launch.unit_name, "2_20");
  EXPECT_EQ(launch.job_name, "client");
  EXPECT_EQ(launch.tenant, "default");
  EXPECT_EQ(launch.user.name, "ada");
  EXPECT_TRUE(launch.is_array);
  EXPECT_EQ(launch.array_index, 20u);
  EXPECT_EQ(launch.array_count, 3u);
  EXPECT_EQ(launch.restarts, 1u);
  EXPECT_EQ(launch.time_limit, hours(1));
  ASSERT_EQ(launch.groups.size(), 1u);
  EXPECT_EQ(launch.groups[0].launcher, Launcher::tasks);
  ASSERT_EQ(launch.claims.size(), 1u);
  EXPECT_EQ(launch.claims[0].node_name, "n1");
  ASSERT_EQ(launch.claims[0].devices.size(), 1u);
  EXPECT_EQ(launch.claims[0].devices[0].uuid, "uuid-1");
  ASSERT_EQ(launch.peers.size(), 2u);
  EXPECT_EQ(launch.peers[0], (PeerAddress{"serve", "n1:8000"}));
  EXPECT_EQ(launch.peers[1], (PeerAddress{"serve", "n1:8000"}));  // named by id: the job's name
}

TEST(Launch, OnlyAttemptsThatRanCountAsRestarts) {
  World w;
  const NodeId n1 = w.add(node("n1", 8));
  w.add(loose("a"));
  const auto restarts = [&](const AttemptId& id) {
    return make_launch(w.state, *w.state.find(id), "abc123").restarts;
  };
  const auto again = [&](const AttemptId& id, EndCause cause) {
    Ended event;
    event.attempt = id;
    event.state = RunState::failed;
    event.exit.cause = cause;
    event.next = UnitNext::waits;
    w.apply(event);
    return w.grant(unit(1), n1);
  };
  AttemptId id = w.grant(unit(1), n1);
  EXPECT_EQ(restarts(id), 0u);
  id = again(id, EndCause::launch_failed);
  EXPECT_EQ(restarts(id), 0u);
  id = again(id, EndCause::node_lost);
  EXPECT_EQ(restarts(id), 0u) << "it was lost before it started";
  w.run(id);
  id = again(id, EndCause::node_lost);
  EXPECT_EQ(restarts(id), 1u);
  id = again(id, EndCause::exited);
  EXPECT_EQ(restarts(id), 2u);
}

TEST(Launch, AGangNamesEveryGroupAndTheAlternativeItGot) {
  World w;
  const NodeId n1 = w.add(node("n1", 8));
  Job job = gang("rl", 2, resources(2));
  job.groups[0].name = "actor";
  TaskGroup learner = task_group(1, resources(1));
  learner.name = "learner";
  learner.any_of.push_back({resources(4), {}, 1000});
  job.groups.push_back(learner);
  w.add(job);
  Claim second = claim_on(n1, job, 1);
  second.alternative = 1;
  const AttemptId id = w.grant(unit(1), Allocation{{claim_on(n1, job, 0, 2), second}});
  const Launch launch = make_launch(w.state, *w.state.find(id), "abc123");
  EXPECT_EQ(launch.unit_name, "1");
  EXPECT_EQ(launch.coupling, Coupling::tight);
  ASSERT_EQ(launch.groups.size(), 2u);
  EXPECT_EQ(launch.groups[0].per_task.cores, whole_cores(2));
  EXPECT_EQ(launch.groups[1].name, "learner");
  EXPECT_EQ(launch.groups[1].per_task.cores, whole_cores(4));
  EXPECT_EQ(launch.claims.size(), 2u);
}

}  // namespace
}  // namespace busbar::core
