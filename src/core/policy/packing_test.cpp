// Where each rule of packing puts tasks, as tables.
#include "core/policy/packing.hpp"

#include <gtest/gtest.h>

#include <map>

#include "core/cycle/spec_testing.hpp"
#include "core/state/testing.hpp"

namespace busbar::core {
namespace {

using testing::run_spec;

TEST(Packing, BestFitLeavesTheLeastOver) {
  EXPECT_EQ(run_spec(R"(
    policy pack=best_fit
    nodes 1 cores=16 gpus=4
    nodes 1 cores=8 gpus=2
    nodes 1 cores=8
    t=0  submit A cores=2             -> on A n3
    t=0  submit B gpus=1              -> on B n2:0
    t=0  submit C gpus=2              -> on C n1:0+1
    t=0  submit D gpus=1              -> on D n2:1
  )"),
            "");
}

TEST(Packing, DotProductAvoidsWhereTheSameIsPlenty) {
  EXPECT_EQ(run_spec(R"(
    policy pack=dot_product
    nodes 1 cores=16 gpus=4
    nodes 1 cores=8 gpus=2
    t=0  submit A gpus=1              -> on A n2:0
    t=0  submit B gpus=1              -> on B n2:1
    t=0  submit C gpus=1              -> on C n1:0
  )"),
            "");
}

TEST(Packing, GpuPackingTakesSharedDevicesThenUsedNodesThenSmallOnes) {
  EXPECT_EQ(run_spec(R"(
    policy pack=gpu_packing
    nodes 2 cores=8 gpus=2
    nodes 1 cores=8 gpus=1
    t=0  submit A gpus=1@0.5          -> on A n3:0
    t=0  submit B gpus=1@0.25         -> on B n3:0
    t=0  submit C gpus=1              -> on C n1:0
    t=0  submit D gpus=1              -> on D n1:1
    t=0  submit E gpus=1@0.5          -> on E n2:0
  )"),
            "");
}

TEST(Packing, GpuClusteringPutsLikeToLike) {
  EXPECT_EQ(run_spec(R"(
    policy pack=gpu_clustering
    nodes 2 cores=8 gpus=4
    t=0  submit A gpus=1@0.5          -> on A n1:0
    t=1  submit B gpus=1              -> on B n2:0
    t=2  submit C gpus=1@0.5          -> on C n1:0
    t=3  submit D gpus=1              -> on D n2:1
  )"),
            "");
}

TEST(Packing, RandomIsAnyNodeAlike) {
  testing::World world;
  for (int i = 1; i <= 4; ++i) world.add(testing::node("n" + std::to_string(i), 4));
  const Index index(world.state);
  PolicyConfig config;
  config.pack = PackRule::random;
  const auto packing = make_packing(config);
  const HardwareFit fit;
  const Resources wanted = testing::resources();
  Memory memory;
  std::map<std::size_t, int> chosen;
  for (std::uint32_t unit = 0; unit < 4000; ++unit) {
    std::size_t best = 0;
    Score highest{};
    for (std::size_t n = 0; n < 4; ++n) {
      const Score score = packing->score({.state = world.state,
                                          .index = index,
                                          .node = world.state.nodes()[n].node,
                                          .free = index.nodes()[n],
                                          .fit = fit,
                                          .wanted = wanted,
                                          .unit = testing::unit(7, unit),
                                          .memory_of = memory});
      if (n > 0 && score <= highest) continue;
      best = n;
      highest = score;
    }
    chosen[best] += 1;
  }
  for (std::size_t n = 0; n < 4; ++n) {
    EXPECT_GT(chosen[n], 850);
    EXPECT_LT(chosen[n], 1150);
  }
}

// Whoever wants one device takes it where nobody could have used a pair.
constexpr const char* pairs = R"(
    typical weight=1 gpus=1@0.5
    typical weight=1 gpus=2
    policy pack=RULE
    nodes 1 cores=8 gpus=2
    nodes 1 cores=8 gpus=1
    t=0  submit A gpus=1              -> on A n2:0
    t=0  submit B gpus=2              -> on B n1:0+1
  )";
// What is too small for what comes is taken before it is made smaller elsewhere.
constexpr const char* scraps = R"(
    typical weight=1 gpus=1@0.75
    policy pack=RULE
    nodes 1 cores=8 gpus=2
    nodes 1 cores=8 gpus=2
    t=0  submit A gpus=1@0.25         -> on A n1:0
    t=0  submit B gpus=1@0.75         -> on B n1:0
    t=0  submit C gpus=1@0.5          -> on C n1:1
    t=0  submit D gpus=1@0.5          -> on D n1:1
  )";

std::string with(std::string spec, const std::string& rule) {
  return spec.replace(spec.find("RULE"), 4, rule);
}

TEST(Packing, FragmentationAndPotentialKeepWhatTypicallyComesPlaceable) {
  for (const char* rule : {"fragmentation", "potential"})
    for (const char* spec : {pairs, scraps}) EXPECT_EQ(run_spec(with(spec, rule)), "") << rule;
}

TEST(Packing, PotentialLeavesAModelToThoseWhoNameIt) {
  EXPECT_EQ(run_spec(R"(
    typical weight=1 gpus=1:T4
    typical weight=1 gpus=1
    policy pack=potential
    nodes 1 cores=8 gpus=1:T4
    nodes 1 cores=8 gpus=1:A100
    t=0  submit A gpus=1              -> on A n2:0
    t=0  submit B gpus=1:T4           -> on B n1:0
  )"),
            "");
}

// Demands far heavier than a node: to break up the first costs all of it, the second a third.
TEST(Packing, HeavyDemandsDoNotOverflow) {
  std::string spec;
  for (int i = 0; i < 360; ++i)
    spec += std::string("    typical weight=100000 gpus=") + (i < 120 ? "1000\n" : "2\n");
  spec += R"(
    policy pack=RULE
    nodes 1 cores=1000 gpus=1000
    nodes 1 cores=8 gpus=2
    t=0  submit A gpus=1              -> on A n2:0
  )";
  for (const char* rule : {"fragmentation", "potential"})
    EXPECT_EQ(run_spec(with(spec, rule)), "") << rule;
}

TEST(Packing, PotentialCountsCoresAndMemory) {
  EXPECT_EQ(run_spec(R"(
    typical weight=1 gpus=1 cores=4
    policy pack=potential
    nodes 1 cores=8 gpus=2
    nodes 1 cores=5 gpus=2
    t=0  submit A gpus=1 cores=1      -> on A n2:0   # of two of four cores one was lost already
    t=0  submit B gpus=1 cores=4      -> on B n2:1   # least idle among equals
    t=0  submit C gpus=1 cores=4      -> on C n1:0
  )"),
            "");
}

}  // namespace
}  // namespace busbar::core
