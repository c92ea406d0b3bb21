// Where units are put, as tables.
#include "core/fit/find.hpp"

#include <gtest/gtest.h>

#include "core/cycle/spec_testing.hpp"

namespace busbar::core {
namespace {

using testing::run_spec;

TEST(Find, PacksAndKeepsCpuWorkOffAccelerators) {
  EXPECT_EQ(run_spec(R"(
    nodes 1 cores=8 gpus=4
    nodes 1 cores=8
    nodes 1 cores=4
    t=0  submit A cores=2             -> on A n3       # best fit on cores, no devices there
    t=0  submit B cores=4             -> on B n2
    t=0  submit C gpus=1              -> on C n1:0
    t=0  submit D gpus=2              -> on D n1:1+2
    t=0  submit E cores=4             -> on E n2
    t=0  submit F cores=4             -> on F n1       # only when nothing else is left
  )"),
            "");
}

TEST(Find, SharesGoToSharedDevicesFirst) {
  EXPECT_EQ(run_spec(R"(
    nodes 2 cores=8 gpus=2
    t=0  submit A gpus=1@0.5          -> on A n1:0
    t=0  submit B gpus=1@0.25         -> on B n1:0
    t=0  submit C gpus=1@0.5          -> on C n1:1     # 0.25 is left of the first
    t=0  submit D gpus=1@0.5          -> on D n1:1
    t=0  submit E gpus=2              -> on E n2:0+1
    t=0  submit F gpus=1@0.25         -> on F n1:0
    t=0  submit G gpus=1@0.25         -> hold Resources
  )"),
            "");
}

TEST(Find, WholeDevicesComeFromOneLinkDomain) {
  EXPECT_EQ(run_spec(R"(
    nodes 1 cores=16 gpus=8 link=4
    t=0  submit A gpus=3              -> on A n1:0+1+2
    t=0  submit B gpus=4              -> on B n1:4+5+6+7
    t=0  submit C gpus=1              -> on C n1:3
  )"),
            "");
}

TEST(Find, ModelsFeaturesExclusionsAndNamedCountables) {
  EXPECT_EQ(run_spec(R"(
    nodes 1 cores=4 gpus=2:H100 feature=ib
    nodes 1 cores=4 gpus=2:A100 licence=1
    t=0  submit A gpus=1:A100         -> on A n2:0
    t=0  submit B gpus=1:H100         -> on B n1:0
    t=0  submit C need=ib             -> on C n1
    t=0  submit D need=!ib            -> on D n2
    t=0  submit E licence=1           -> on E n2
    t=0  submit F licence=1           -> hold Resources
    t=0  submit G exclude=n2          -> on G n1
  )"),
            "");
}

TEST(Find, AlternativesInTheOrderOfPreference) {
  EXPECT_EQ(run_spec(R"(
    nodes 1 cores=8 gpus=1:H100
    nodes 1 cores=8 gpus=4:A100
    t=0  submit A gpus=1:H100 or=2:A100   -> on A n1:0
    t=0  submit B gpus=1:H100 or=2:A100   -> on B n2:0+1
  )"),
            "");
}

// The first group would fit best on the three small nodes, and leave one task of the second out.
TEST(Find, GroupsOfOneGangLeaveEachOtherRoom) {
  EXPECT_EQ(run_spec(R"(
    nodes 3 cores=4
    nodes 1 cores=8
    nodes 1 cores=16
    nodes 1 cores=32
    t=0  submit A tasks=7 per=2 cores=1.5 twice=yes -> start
  )"),
            "");
}

TEST(Find, QuotaIsCheckedPerAlternativeAndGpuCoversModels) {
  EXPECT_EQ(run_spec(R"(
    tenant ada quota=H100:1
    tenant bob quota=gpu:2
    nodes 1 cores=8 gpus=4:H100
    nodes 1 cores=8 gpus=4:A100
    t=0  submit A tenant=ada gpus=1:H100 or=1:A100   -> on A n1:0
    t=0  submit B tenant=ada gpus=1:H100 or=1:A100   -> on B n2:0
    t=0  submit C tenant=ada gpus=1:H100             -> hold Quota
    t=0  submit D tenant=bob gpus=2:A100             -> start
    t=0  submit E tenant=bob gpus=1:H100             -> hold Quota
  )"),
            "");
}

// A gang at its quota is not searched for: it says so whether or not there is room, unless it is
// known that no gang like it finds any.
TEST(Gang, ItsQuotaComesBeforeASearch) {
  EXPECT_EQ(run_spec(R"(
    tenant ada quota=cores:6
    tenant bob quota=gpu:2
    nodes 3 cores=4 gpus=2:H100
    t=0  submit A tenant=ada tasks=4 cores=1               -> on A n1
    t=0  submit B tenant=ada tasks=4 cores=1               -> hold Quota
    t=0  submit C tenant=bob tasks=3 gpus=1                -> hold Quota
    t=0  submit D tenant=bob tasks=2 gpus=1:H100           -> start
    t=0  submit E tasks=8 cores=1                          -> hold Resources
    t=0  submit F tenant=ada tasks=9 cores=1               -> hold Quota  # nor is there room
    t=0  submit G tenant=ada tasks=2..8 cores=1            -> start       # elastic: its least size
    t=1  finish A                                          -> start E
  )"),
            "");
}

TEST(Find, ExclusiveNodesAreShared) {
  EXPECT_EQ(run_spec(R"(
    nodes 2 cores=4
    t=0  submit A                     -> on A n1
    t=0  submit B exclusive           -> on B n2
    t=0  submit C cores=3             -> on C n1
    t=0  submit D                     -> hold Resources
    t=1  finish B                     -> on D n2
  )"),
            "");
}

TEST(Gang, AllOrNothingInTheSmallestPartThatHoldsIt) {
  EXPECT_EQ(run_spec(R"(
    levels rack
    nodes 2 cores=2 rack=r1
    nodes 3 cores=2 rack=r2
    t=0  submit A tasks=2             -> on A n1           # one node holds it
    t=0  submit B tasks=6             -> on B n3,n4,n5     # one rack holds it
    t=0  submit C tasks=3             -> hold Resources
    t=1  finish A                     -> start C
  )"),
            "");
}

TEST(Gang, NodesAndTasksPerNodeAreExact) {
  EXPECT_EQ(run_spec(R"(
    nodes 4 cores=4
    t=0  submit A nodes=2 tasks=6          -> on A n1,n2     # three on each
    t=0  submit B tasks=4 per=2            -> on B n3,n4
    t=0  submit C tasks=4 per=2            -> on C n3,n4
    t=0  submit D nodes=3                  -> hold Resources
  )"),
            "");
}

TEST(Gang, ARequiredLevelIsNeverLeft) {
  EXPECT_EQ(run_spec(R"(
    levels rack
    nodes 2 cores=2 rack=r1
    nodes 2 cores=2 rack=r2
    t=0  submit A tasks=3 required=rack       -> on A n1,n2
    t=0  submit B tasks=1                     -> on B n2
    t=0  submit C cores=2                     -> start
    t=0  submit D tasks=3 required=rack       -> hold Resources
    t=0  submit E tasks=2 within=rack         -> start
  )"),
            "");
}

TEST(Gang, AnElasticJobTakesTheLargestSizeThatFits) {
  EXPECT_EQ(run_spec(R"(
    nodes 2 cores=3
    t=0  submit A cores=2             -> start
    t=0  submit B tasks=2..8          -> on B n2,n1
    t=0  submit C tasks=2..8          -> hold Resources
  )"),
            "");
}

TEST(Gang, ExtremeStaysInOneLinkDomainOfOneModel) {
  EXPECT_EQ(run_spec(R"(
    nodes 1 cores=16 gpus=4 link=2
    nodes 1 cores=16 gpus=4 link=4
    t=0  submit A tasks=4 gpus=1 extreme  -> on A n2:0+1+2+3
    t=0  submit B tasks=3 gpus=1 extreme  -> hold Resources
    t=0  submit C tasks=2 gpus=1 extreme  -> on C n1:0+1
  )"),
            "");
}

TEST(Gang, SpreadUsesDifferentParts) {
  EXPECT_EQ(run_spec(R"(
    levels rack
    nodes 2 cores=4 rack=r1
    nodes 2 cores=4 rack=r2
    t=0  submit A tasks=2 spread=rack     -> on A n1,n3
    t=0  submit B array=2 spread=node     -> start B*2 ; on B n1 ; on B n3
  )"),
            "");
}

TEST(Gang, AllGroupsOrNone) {
  EXPECT_EQ(run_spec(R"(
    nodes 2 cores=2
    t=0  submit A tasks=2 and=2       -> on A n1,n2
    t=0  submit B tasks=1 and=1       -> hold Resources
    t=1  finish A                     -> on B n1,n1
  )"),
            "");
}

}  // namespace
}  // namespace busbar::core
