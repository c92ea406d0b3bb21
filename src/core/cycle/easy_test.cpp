// place, reserve and backfill as tables.
#include <gtest/gtest.h>

#include "core/cycle/spec_testing.hpp"

namespace busbar::core {
namespace {

using testing::run_spec;

TEST(Easy, AShortJobMayPassTheHeadOfTheQueueButNeverDelayIt) {
  EXPECT_EQ(run_spec(R"(
    nodes 4
    t=0   submit A nodes=3 limit=10   -> start
    t=0   submit B nodes=4 limit=10   -> hold Resources at=10
    t=0   submit C limit=11           -> hold Reserved     # a node is free, but 0 + 11 > 10
    t=0   submit D limit=10           -> start             # 0 + 10 <= 10: B is not delayed
    t=10  finish A D                  -> start B
    t=20  finish B                    -> start C
  )"),
            "");
}

// The limit counts from the first instruction, and the engine may take its bound (cleanup) to get
// there: a place is held for limit + grace + cleanup, and that bound once more until it runs.
TEST(Easy, GraceCleanupAndLaunchCountIntoTheLatestEnd) {
  EXPECT_EQ(run_spec(R"(
    policy grace=3 cleanup=2
    nodes 2
    t=0   submit A limit=10           -> start
    t=0   submit B nodes=2 limit=10   -> hold Resources at=17
    t=0   submit C limit=11           -> hold Reserved     # 11 + 3 + 2 + 2 > 17
    t=0   submit D limit=10           -> start
    t=2   ready A                     -> hold Resources B at=17
    t=2   ready D                     -> hold Resources B at=17
  )"),
            "");
}

TEST(Easy, WorkWithoutALimitIsNeverReleasedByAReservation) {
  EXPECT_EQ(run_spec(R"(
    nodes 2
    t=0   submit A                    -> start
    t=0   submit B nodes=2 limit=10   -> hold Resources
    t=0   submit C                    -> start             # no promise stands in its way
    t=5   finish A C                  -> start B
  )"),
            "");
}

TEST(Easy, AnEarlierEndImprovesThePromise) {
  EXPECT_EQ(run_spec(R"(
    nodes 3
    t=0   submit A limit=30           -> start
    t=0   submit B limit=20           -> start
    t=0   submit C nodes=3 limit=10   -> hold Resources at=30
    t=5   finish A                    -> promise C 20 ; void C improved
    t=20  finish B                    -> start C ; void C started
  )"),
            "");
}

TEST(Easy, APromiseIsKeptWhenItsUnitIsNoLongerTheHead) {
  EXPECT_EQ(run_spec(R"(
    nodes 2
    tenant ada
    tenant bob
    t=0   submit A tenant=ada limit=10           -> start
    t=0   submit B tenant=ada nodes=2 limit=10   -> hold Resources at=10
    t=1   submit C tenant=bob nodes=2 limit=50   -> hold Resources ; hold Resources B at=10
    t=10  finish A                               -> start B
    t=20  finish B                               -> start C
  )"),
            "");
}

TEST(Easy, AHigherBandBreaksThePromiseOfALowerOne) {
  EXPECT_EQ(run_spec(R"(
    nodes 2
    t=0   submit A limit=10                  -> start
    t=0   submit B nodes=2 limit=10          -> hold Resources at=10
    t=1   submit C prio=5 limit=50           -> start ; void B priority
  )"),
            "");
}

TEST(Easy, WithoutBackfillNothingPassesTheHead) {
  EXPECT_EQ(run_spec(R"(
    policy backfill=off
    nodes 2
    t=0   submit A limit=10           -> start
    t=0   submit B nodes=2 limit=10   -> hold Resources
    t=0   submit C limit=5            -> hold Priority
    t=10  finish A                    -> start B
  )"),
            "");
}

TEST(Easy, WithoutReservationsWorkFlowsPastTheHead) {
  EXPECT_EQ(run_spec(R"(
    policy reserve=off
    nodes 2
    t=0   submit A limit=10           -> start
    t=0   submit B nodes=2 limit=10   -> hold Resources
    t=0   submit C limit=50           -> start
  )"),
            "");
}

TEST(Easy, SeveralHeadsMayHoldPromises) {
  EXPECT_EQ(run_spec(R"(
    policy promises=2
    nodes 2
    t=0   submit A nodes=2 limit=10   -> start
    t=0   submit B nodes=2 limit=10   -> hold Resources at=10
    t=0   submit C nodes=2 limit=10   -> hold Resources at=20
    t=0   submit D nodes=2 limit=10   -> hold Resources
    t=10  finish A                    -> start B ; promise D 30
  )"),
            "");
}

TEST(Easy, ALateEngineVoidsThePromise) {
  EXPECT_EQ(run_spec(R"(
    policy cleanup=2
    nodes 1
    t=0   submit A limit=10   -> start
    t=0   submit B limit=10   -> hold Resources at=14
    t=14  pass                -> void B engine_late ; promise B 16
    t=15  finish A            -> start B
  )"),
            "");
}

TEST(Easy, DrainLossAndMaintenanceVoidThePromise) {
  EXPECT_EQ(run_spec(R"(
    nodes 2
    t=0   submit A limit=10                -> start
    t=0   submit B nodes=2 limit=10        -> hold Resources at=10
    t=1   drain n2                         -> void B drained ; hold Resources B
    t=2   resume n2                        -> promise B 10
    t=3   down n2                          -> void B node_lost
    t=4   up n2                            -> promise B 10
    t=5   close n2 from=15 to=18           -> void B reserved ; promise B 18
    t=10  finish A                         -> nothing
    t=18  pass                             -> start B
  )"),
            "");
}

}  // namespace
}  // namespace busbar::core
