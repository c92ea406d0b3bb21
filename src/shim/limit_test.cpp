// The time limit: what it ends and how, and what a new one changes.
#include "shim/fixture_test.hpp"

namespace busbar::shim {
namespace {

class LimitTest : public ShimTest, public testing::WithParamInterface<const char*> {};

TEST_P(LimitTest, KillsAtTheTimeLimitWhatIgnoresSigterm) {
  auto daemon = begin(GetParam());
  StartRequest request =
      script("limit", "trap 'echo TERM' TERM\nwhile :; do sleep " + unique_sleep(1) + "; done");
  request.time_limit_ms = 300;
  request.grace_ms = 300;
  const Exited exited = daemon->run(request);
  EXPECT_EQ(exited.cause, Cause::timed_out);
  EXPECT_EQ(exited.code, 137);
  EXPECT_GE(exited.usage.wall_ms, 590);
  EXPECT_LT(exited.usage.wall_ms, 1500);
  EXPECT_NE(output("limit").find("TERM\n"), std::string::npos);
  EXPECT_FALSE(runs(unique_sleep(1)));
}

TEST_P(LimitTest, AnEndBeforeTheLimitCountsEvenWhereTheShimLearnsOfItLater) {
  auto daemon = begin(GetParam());
  StartRequest request = script("frozen", "sleep 0.3");
  request.time_limit_ms = 900;
  request.grace_ms = 300;
  daemon->send(request);
  ASSERT_TRUE(daemon->await<Started>("frozen"));
  kill(shim_pid(), SIGSTOP);
  std::this_thread::sleep_for(std::chrono::milliseconds(1200));
  kill(shim_pid(), SIGCONT);
  const Exited exited = daemon->end_of("frozen");
  EXPECT_EQ(exited.cause, Cause::exited);
  EXPECT_EQ(exited.code, 0);
}

TEST_P(LimitTest, ANewLimitCountsFromTheStart) {
  auto daemon = begin(GetParam());
  struct Row {
    std::int64_t first_ms, second_ms;
    const char* run;
    Cause cause;
  };
  const Row rows[] = {{60'000, 300, "sleep 30", Cause::timed_out},
                      {0, 300, "sleep 30", Cause::timed_out},
                      {60'000, 1, "sleep 30", Cause::timed_out},
                      {400, 60'000, "sleep 0.8", Cause::exited},
                      {400, 0, "sleep 0.8", Cause::exited}};
  int number = 0;
  for (const Row& row : rows) {
    const std::string name = "limit" + std::to_string(number++);
    StartRequest request = script(name, row.run);
    request.time_limit_ms = row.first_ms;
    request.grace_ms = 200;
    daemon->send(request);
    ASSERT_TRUE(daemon->await<Started>(name));
    daemon->send(Limit{name, row.second_ms});
    daemon->send(List{name});
    const auto held = daemon->await<Held>();
    ASSERT_TRUE(held && held->items.size() == 1);
    if (row.second_ms != 1) {  // which ends at once
      EXPECT_EQ(held->items[0].time_limit_ms, row.second_ms);
    }
    const Exited exited = daemon->end_of(name);
    EXPECT_EQ(exited.cause, row.cause) << row.first_ms << " to " << row.second_ms;
    EXPECT_LT(exited.usage.wall_ms, 5'000);
  }
  daemon->send(Limit{"nobody", 1});
  daemon->send(Limit{"limit0", -1});
  EXPECT_EQ(daemon->run(script("after", "exit 0")).cause, Cause::exited) << "it is still there";
}

INSTANTIATE_TEST_SUITE_P(Modes, LimitTest, testing::Values("auto", "v1", "none"),
                         [](const auto& mode) { return std::string(mode.param); });

}  // namespace
}  // namespace busbar::shim
