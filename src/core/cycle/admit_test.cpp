// expire and admit as tables.
#include <gtest/gtest.h>

#include "core/cycle/spec_testing.hpp"

namespace busbar::core {
namespace {

using testing::run_spec;

TEST(Admit, DependenciesWaitAndThenStart) {
  EXPECT_EQ(run_spec(R"(
    nodes 4
    t=0  submit A                     -> start
    t=0  submit B after=A             -> hold Dependency
    t=0  submit C after=A:any         -> hold Dependency
    t=0  submit D after=A:failed      -> hold Dependency
    t=1  finish A                     -> start B C ; close D
  )"),
            "");
  EXPECT_EQ(run_spec(R"(
    nodes 4
    t=0  submit A                     -> start
    t=0  submit B after=A             -> hold Dependency
    t=0  submit C after=A:any         -> hold Dependency
    t=0  submit D after=A:failed      -> hold Dependency
    t=0  submit E after=B             -> hold Dependency
    t=1  fail A                       -> start C D ; close B ; close E
  )"),
            "");
}

TEST(Admit, ReadyNeedsAReadyAttemptOfEveryUnit) {
  EXPECT_EQ(run_spec(R"(
    nodes 2
    t=0  submit A                     -> start
    t=0  submit B after=A:ready       -> hold Dependency
    t=1  ready A                      -> start B
  )"),
            "");
  EXPECT_EQ(run_spec(R"(
    nodes 2
    t=0  submit A                     -> start
    t=0  submit B after=A:ready       -> hold Dependency
    t=1  finish A                     -> close B
  )"),
            "");
}

TEST(Admit, BeginTimesAndBackOffAreWaitedFor) {
  EXPECT_EQ(run_spec(R"(
    nodes 1
    t=0   submit A begin=10           -> hold BeginTime at=10
    t=9   pass                        -> nothing
    t=10  pass                        -> start A
    t=12  retry A 20                  -> hold Backoff at=20
    t=19  pass                        -> nothing
    t=20  pass                        -> start A
  )"),
            "");
}

// Nothing happens but that the moment comes.
TEST(Admit, ABeginTimeComesInEveryBandAndTheHigherBandGoesFirst) {
  EXPECT_EQ(run_spec(R"(
    nodes 1
    t=0   submit A begin=10 prio=5    -> hold BeginTime at=10
    t=10  pass                        -> start A
  )"),
            "");
  EXPECT_EQ(run_spec(R"(
    nodes 1
    t=0   submit A begin=10           -> hold BeginTime at=10
    t=0   submit B begin=10 prio=5    -> hold BeginTime at=10
    t=10  pass                        -> start B ; hold Resources A
  )"),
            "");
}

TEST(Admit, DeadlinesCloseWaitingUnitsAndStopRunningOnes) {
  EXPECT_EQ(run_spec(R"(
    nodes 1
    t=0   submit A deadline=10        -> start
    t=0   submit B deadline=10        -> hold Resources
    t=9   pass                        -> nothing
    t=10  pass                        -> close B ; stop A
    t=11  pass                        -> nothing
  )"),
            "");
}

TEST(Admit, ArraysRunAtMostTheirParallelInIndexOrder) {
  EXPECT_EQ(run_spec(R"(
    nodes 8
    t=0   submit A array=5%2          -> start A*2 ; hold ArrayLimit
    t=1   end1 A 0                    -> start A*1
    t=2   end1 A 1                    -> start A*1
  )"),
            "");
}

TEST(Admit, TenantLimitsAndQuotasHold) {
  EXPECT_EQ(run_spec(R"(
    tenant ada running=2
    tenant bob quota=cores:3
    nodes 8
    t=0   submit A tenant=ada array=4           -> start A*2 ; hold TenantLimit
    t=0   submit B tenant=bob array=4           -> start B*3 ; hold Quota
    t=1   end1 B 0                              -> start B*1
    t=2   end1 A 0                              -> start A*1
  )"),
            "");
}

TEST(Admit, HeldJobsWaitForTheirRelease) {
  EXPECT_EQ(run_spec(R"(
    nodes 1
    t=0   submit A held               -> hold Held ; nothing
    t=1   release A                   -> start
    t=1   submit B                    -> hold Resources
    t=2   hold B                      -> hold Held
    t=3   finish A                    -> nothing
    t=4   release B                   -> start
  )"),
            "");
}

TEST(Admit, OldJobsRetireWhenNobodyWaitsForThem) {
  EXPECT_EQ(run_spec(R"(
    policy keep=100
    nodes 1
    t=0    submit A                   -> start
    t=1    finish A                   -> nothing
    t=2    submit B after=A begin=200 -> hold BeginTime
    t=101  pass                       -> nothing              # B still looks at A
    t=200  pass                       -> start B
    t=210  finish B                   -> retire A
  )"),
            "");
}

TEST(Admit, NodesThatAreNotSynchronisedOrNotThereAreNotUsed) {
  EXPECT_EQ(run_spec(R"(
    nodes 1 cluster=far
    t=0   submit A                    -> hold EngineNotSynchronised
    t=1   sync far                    -> start A
    t=2   finish A                    -> nothing
    t=2   drain n1
    t=3   submit B                    -> hold NodesDrained
    t=4   resume n1                   -> start B
  )"),
            "");
}

TEST(Order, BandsThenTenantsThenSubmission) {
  EXPECT_EQ(run_spec(R"(
    nodes 1
    t=0   submit A                    -> start
    t=1   submit B                    -> hold Resources
    t=2   submit C                    -> hold Resources
    t=3   submit D prio=1             -> hold Resources
    t=4   finish A                    -> start D
    t=5   finish D                    -> start B
    t=6   finish B                    -> start C
  )"),
            "");
}

TEST(Order, TenantsOfEqualClaimTakeTurnsAndWeightCounts) {
  EXPECT_EQ(run_spec(R"(
    tenant ada weight=100
    tenant bob weight=100
    nodes 1 cores=4
    t=0   submit X cores=4 limit=10             -> start
    t=0   submit A tenant=ada array=4           -> hold Resources
    t=0   submit B tenant=bob array=4           -> hold Resources
    t=10  finish X                              -> start A*2 B*2
  )"),
            "");
  EXPECT_EQ(run_spec(R"(
    tenant ada weight=300
    tenant bob weight=100
    nodes 1 cores=4
    t=0   submit X cores=4 limit=10             -> start
    t=0   submit A tenant=ada array=4           -> hold Resources
    t=0   submit B tenant=bob array=4           -> hold Resources
    t=10  finish X                              -> start A*3 B*1
  )"),
            "");
}

}  // namespace
}  // namespace busbar::core
