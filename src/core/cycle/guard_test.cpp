// promise_all: under an order that could starve it, every job holds a promised latest start.
#include <gtest/gtest.h>

#include "core/cycle/spec_testing.hpp"

namespace busbar::core {
namespace {

using testing::run_spec;

// Short ones keep coming; the wide one never fits beside them.
TEST(Guard, WithoutItTheShortStarveTheWide) {
  EXPECT_EQ(run_spec(R"(
    policy order=sjf heads=free promises=0
    nodes 2
    t=0   submit A limit=10           -> start
    t=0   submit W nodes=2 limit=50   -> hold Resources
    t=5   submit B limit=10           -> start
    t=10  finish A                    -> nothing
    t=10  submit C limit=10           -> start
    t=15  finish B                    -> nothing
    t=15  submit D limit=10           -> start
    t=20  finish C                    -> nothing
    t=20  submit E limit=10           -> start
  )"),
            "");
}

TEST(Guard, TheWideStartsWhenItWasPromised) {
  EXPECT_EQ(run_spec(R"(
    policy order=sjf heads=free promises=0 within=20
    nodes 2
    t=0   submit A limit=10           -> start
    t=0   submit W nodes=2 limit=50   -> hold Resources at=20 ; promise W 20
    t=5   submit B limit=10           -> start
    t=10  finish A                    -> nothing
    t=10  submit C limit=10           -> start
    t=15  finish B                    -> nothing
    t=15  submit D limit=10           -> hold Reserved
    t=15  submit F limit=4            -> start
    t=19  finish F                    -> nothing
    t=20  finish C                    -> start W
    t=70  finish W                    -> start D
  )"),
            "");
}

TEST(Guard, WhoIsWideIsPromisedAnEarlierStart) {
  EXPECT_EQ(run_spec(R"(
    policy order=sjf heads=free promises=0 within=40 less=10
    nodes 2
    t=0   submit A nodes=2 limit=10   -> start
    t=1   submit W nodes=2 limit=5    -> promise W 21
    t=1   submit N limit=50           -> promise N 31
  )"),
            "");
}

// The promise stood behind a limit; what ended before its limit makes room for an earlier one.
TEST(Guard, WhoIsPromisedLaterThanWantedIsPromisedBetterOnceThereIsRoom) {
  EXPECT_EQ(run_spec(R"(
    policy order=sjf heads=free promises=0 within=10
    nodes 2
    t=0   submit A limit=100          -> start
    t=0   submit B limit=30           -> start
    t=0   submit W nodes=2 limit=50   -> promise W 100
    t=5   finish A                    -> promise W 30
    t=6   submit C limit=24           -> start
    t=30  finish B                    -> nothing
    t=30  finish C                    -> start W
  )"),
            "");
}

// It may start before, as everybody may.
TEST(Guard, APromiseIsTheLatestStartNotTheEarliest) {
  EXPECT_EQ(run_spec(R"(
    policy order=sjf heads=free promises=0 within=500
    nodes 2
    t=0   submit A limit=10           -> start
    t=0   submit W nodes=2 limit=50   -> promise W 500
    t=10  finish A                    -> start W
  )"),
            "");
}

// Heads that hold no promise keep their place only while they are heads.
TEST(Guard, HeadsThatAreNotPromisedGiveWayToAnEarlierOne) {
  EXPECT_EQ(run_spec(R"(
    policy order=sjf heads=free
    nodes 2
    t=0   submit A limit=10           -> start
    t=0   submit W nodes=2 limit=50   -> hold Resources at=10
    t=1   submit V nodes=2 limit=20   -> hold Resources at=10 ; hold Resources W
    t=1   submit C limit=25           -> hold Reserved
  )"),
            "");
}

}  // namespace
}  // namespace busbar::core
