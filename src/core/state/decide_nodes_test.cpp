// Nodes come, change, go silent, are drained, fenced and reserved; and configuration.
#include <gtest/gtest.h>

#include "core/state/testing.hpp"

namespace busbar::core {
namespace {

using namespace testing;

template <class E>
std::size_t count_of(const Result<Decision>& decision) {
  std::size_t n = 0;
  for (const auto& body : decision->events) n += std::holds_alternative<E>(body) ? 1 : 0;
  return n;
}

// n1 with 4 devices; job 1 unit 0 runs on device 2; unit 1 is promised device 3.
struct Busy : World {
  Busy() {
    must(NodeReport{node("n1", 8, gibibytes(64), 4)});
    Job job = loose("a", 2);
    job.groups[0].any_of[0].resources.devices = {gpus(1)};
    add(job);
    run(grant(unit(1, 0), NodeId(1), 2));
    apply(Promised{unit(1, 1), now, {{claim_on(NodeId(1), job, 0, 1, 3)}}});
  }
  const NodeRecord& n1() const { return *state.find(NodeId(1)); }
};

TEST(Nodes, AReportRegistersOnceAndAgainWhenItsInventoryChanges) {
  World w;
  EXPECT_EQ(count_of<NodeRegistered>(w.tell(NodeReport{node("n1", 8)})), 1u);
  EXPECT_TRUE(w.tell(NodeReport{node("n1", 8)})->events.empty());
  EXPECT_EQ(count_of<NodeRegistered>(w.tell(NodeReport{node("n1", 16)})), 1u);
  EXPECT_EQ(w.state.nodes().size(), 1u);
  EXPECT_EQ(w.state.find_node("n1")->node.cores, whole_cores(16));
  w.must(NodeUnreachable{"local", "n1"});
  EXPECT_FALSE(w.state.nodes()[0].schedulable());
  EXPECT_EQ(count_of<NodeReachability>(w.tell(NodeReport{node("n1", 12)})), 0u);
  EXPECT_FALSE(w.state.nodes()[0].schedulable());  // an inventory is no sign of its supervisor
  Node again = node("n1", 12);
  again.boot_id = "boot-2";
  EXPECT_EQ(count_of<NodeReachability>(w.tell(NodeReport{again})), 1u);  // a new boot is
  EXPECT_TRUE(w.state.nodes()[0].schedulable());
  w.must(NodeUnreachable{"local", "n1"});
  EXPECT_EQ(count_of<NodeReachability>(w.tell(NodeReachable{"local", "n1"})), 1u);
  EXPECT_TRUE(w.state.nodes()[0].schedulable());
  Node twin = node("n1", 8);
  twin.cluster = "slurm";
  EXPECT_EQ(w.refusal(NodeReport{twin}),
            "cluster slurm reports a node n1, but cluster local has one of that name; node names "
            "must be unique");
  EXPECT_EQ(w.broken, "");
}

TEST(Nodes, ANewBootEndsWhatRanBefore) {
  Busy w;
  Node again = node("n1", 8, gibibytes(64), 4);
  again.boot_id = "boot-2";
  const auto decision = w.tell(NodeReport{again});
  ASSERT_EQ(count_of<Ended>(decision), 1u);
  const Ended& ended = std::get<Ended>(decision->events[0]);
  EXPECT_EQ(ended.state, RunState::node_fail);
  EXPECT_EQ(ended.exit.detail, "node n1 was restarted while it ran");
  EXPECT_EQ(ended.next, UnitNext::waits);
  EXPECT_TRUE(w.state.attempts().empty());
  EXPECT_EQ(w.broken, "");
}

TEST(Nodes, OrdinalsStandStillWhileSomethingRuns) {
  Busy w;
  Node fewer = node("n1", 8, gibibytes(64), 4);
  fewer.devices.erase(fewer.devices.begin());         // uuid-0 is gone: ordinals would shift
  fewer.devices.push_back(device("NVIDIA H100", 7));  // and a new one came
  const auto decision = w.tell(NodeReport{fewer});
  EXPECT_EQ(count_of<PromiseVoided>(decision), 1u);
  ASSERT_EQ(w.n1().node.devices.size(), 5u);
  EXPECT_EQ(w.n1().node.devices[0].health, DeviceHealth::failed);
  EXPECT_EQ(w.n1().node.devices[2].uuid, "uuid-2");
  EXPECT_EQ(w.n1().node.devices[4].uuid, "uuid-7");
  EXPECT_TRUE(w.tell(NodeReport{fewer})->events.empty());
  w.end(attempt(1, 0));
  w.must(NodeReport{fewer});
  EXPECT_EQ(w.n1().node.devices.size(), 4u);
  EXPECT_EQ(w.broken, "");
}

TEST(Nodes, UnreachableIsNotFailed) {
  Busy w;
  EXPECT_EQ(count_of<PromiseVoided>(w.tell(NodeUnreachable{"local", "n1"})), 1u);
  EXPECT_EQ(w.state.attempts().size(), 1u);
  EXPECT_TRUE(w.tell(NodeUnreachable{"local", "n1"})->events.empty());
  EXPECT_TRUE(w.tell(NodeUnreachable{"local", "n9"})->events.empty());
  EXPECT_EQ(count_of<NodeReachability>(w.tell(NodeReachable{"local", "n1"})), 1u);
  EXPECT_TRUE(w.tell(NodeReachable{"local", "n1"})->events.empty());
}

TEST(Nodes, DrainKeepsWhatRunsAndTakesNothingNew) {
  Busy w;
  EXPECT_EQ(w.refusal(DrainNode{"n1", "fan", user()}),
            "draining a node needs an operator, and ada is not one; ask an operator");
  EXPECT_EQ(w.refusal(DrainNode{"m1", "fan", op()}),
            "there is no node \"m1\"; did you mean \"n1\"?");
  EXPECT_EQ(count_of<PromiseVoided>(w.tell(DrainNode{"n1", "fan", op()})), 1u);
  EXPECT_TRUE(w.n1().drained);
  EXPECT_EQ(w.state.attempts().size(), 1u);
  EXPECT_TRUE(w.tell(DrainNode{"n1", "fan", op()})->events.empty());
  EXPECT_EQ(count_of<NodeDrained>(w.tell(DrainNode{"n1", "disk", op()})), 1u);
  EXPECT_EQ(w.n1().drain_reason, "disk");
  EXPECT_EQ(count_of<NodeResumed>(w.tell(ResumeNode{"n1", op()})), 1u);
  EXPECT_TRUE(w.tell(ResumeNode{"n1", op()})->events.empty());
}

TEST(Nodes, FenceEndsWhatRanByTheOperatorsWord) {
  Busy w;
  EXPECT_EQ(w.refusal(FenceNode{"n1", "", user()}),
            "fencing a node needs an operator, and ada is not one; ask an operator");
  const auto decision = w.tell(FenceNode{"n1", "dead board", op()});
  EXPECT_EQ(count_of<NodeFenced>(decision), 1u);
  ASSERT_EQ(count_of<Ended>(decision), 1u);
  const Ended& ended = std::get<Ended>(decision->events.back());
  EXPECT_EQ(ended.state, RunState::node_fail);
  EXPECT_EQ(ended.exit.detail, "node n1 was fenced: dead board");
  EXPECT_EQ(w.n1().drain_reason, "fenced: dead board");
  EXPECT_EQ(ended.next, UnitNext::waits);
  EXPECT_TRUE(w.n1().drained);
  EXPECT_EQ(w.broken, "");
}

TEST(Reservations, AreMadeByOperatorsForNodesAndATime) {
  Busy w;
  const auto make = [&](const char* name, std::int64_t start, std::int64_t end,
                        std::vector<std::string> nodes = {}) {
    return MakeReservation{name, std::move(nodes), Tick(w.now.value + start),
                           Tick(w.now.value + end), op()};
  };
  MakeReservation mine = make("x", 0, 9);
  mine.by = user();
  const std::pair<MakeReservation, const char*> rows[] = {
      {mine, "reserving nodes needs an operator, and ada is not one; ask an operator"},
      {make("", 0, 9), "a reservation needs a name"},
      {make("x", 9, 9), "reservation \"x\" must start before it ends"},
      {make("x", -9, 0), "reservation \"x\" lies in the past"},
      {make("x", 0, 9, {"n7"}), "there is no node \"n7\"; did you mean \"n1\"?"},
  };
  for (const auto& [command, sentence] : rows) EXPECT_EQ(w.refusal(command), sentence);
  const auto decision = w.tell(make("disks", 0, 9000));
  EXPECT_EQ(count_of<PromiseVoided>(decision), 1u);
  EXPECT_EQ(w.state.reservations().at(ReservationId(1)).nodes, std::vector<NodeId>{NodeId(1)});
  EXPECT_EQ(w.refusal(make("disks", 0, 9)),
            "there is already a reservation \"disks\"; end it first or choose another name");
  EXPECT_EQ(w.refusal(EndReservation{"disk", op()}),
            "there is no reservation \"disk\"; did you mean \"disks\"?");
  EXPECT_EQ(w.refusal(EndReservation{"disks", op()}), "");
  EXPECT_TRUE(w.state.reservations().empty());
  EXPECT_EQ(w.broken, "");
}

TEST(Configuration, IsRefusedWhenItMakesNoSense) {
  World w;
  const auto with = [](auto change) {
    Config config;
    change(config);
    return Configure{config};
  };
  const std::pair<Configure, const char*> rows[] = {
      {with([](Config& c) { c.tenants.clear(); }),
       "the configuration lists no tenant; at least one is needed"},
      {with([](Config& c) { c.tenants.push_back(c.tenants[0]); }),
       "tenant \"default\" is configured twice"},
      {with([](Config& c) { c.tenants[0].weight = 0; }),
       "the weight of tenant \"default\" must be above zero"},
      {with([](Config& c) {
         c.tenants[0].quota = {{"gpu", -1}};
       }),
       "the quota \"gpu\" of tenant \"default\" must be a name and a number from 0"},
      {with([](Config& c) { c.default_tenant = "defualt"; }),
       "default_tenant: there is no tenant \"defualt\"; did you mean \"default\"?"},
      {with([](Config& c) { c.usage_half_life = Span(0); }), "usage_half_life must be above zero"},
      {with([](Config& c) { c.units_per_job_max = 1ULL << 32; }),
       "units_per_job_max must be at most 4294967295"},
      {with([](Config& c) { c.policy.name = "defalt"; }),
       "there is no policy \"defalt\"; did you mean \"default\"?"},
  };
  for (const auto& [command, sentence] : rows) EXPECT_EQ(w.refusal(command), sentence);
  EXPECT_TRUE(w.tell(Configure{Config{}})->events.empty());  // as it is already
  EXPECT_EQ(w.tell(with([](Config& c) { c.usage_epoch = seconds(1); }))->events.size(), 1u);
  EXPECT_EQ(w.state.config_version(), 1u);
}

TEST(Configuration, ATenantWithJobsIsClosedAndLeavesWithItsLastJob) {
  World w;
  const NodeId n1 = w.add(node("n1", 8));
  Config both;
  both.tenants = {{.name = "zoo", .quota = {}, .users = {}},
                  {.name = "default", .quota = {}, .users = {}}};
  ASSERT_EQ(w.refusal(Configure{both}), "");
  EXPECT_EQ(w.state.config().tenants[0].name, "default");  // sorted
  Job job = loose("a");
  job.tenant = "zoo";
  w.add(job);
  w.run(w.grant(unit(1), n1));
  ASSERT_EQ(w.refusal(Configure{Config{}}), "");
  ASSERT_EQ(w.state.config().tenants.size(), 2u);
  EXPECT_TRUE(w.state.config().tenants[1].closed);
  EXPECT_TRUE(w.tell(Configure{Config{}})->events.empty());
  w.end(attempt(1));
  w.apply(JobRetired{JobId(1)});
  ASSERT_EQ(w.refusal(Configure{Config{}}), "");
  EXPECT_EQ(w.state.config().tenants.size(), 1u);
  EXPECT_EQ(w.broken, "");
}

TEST(Engines, AreSynchronisedOnce) {
  World w;
  EXPECT_EQ(w.tell(EngineSynchronised{"local"})->events.size(), 1u);
  EXPECT_TRUE(w.tell(EngineSynchronised{"local"})->events.empty());
}

}  // namespace
}  // namespace busbar::core
