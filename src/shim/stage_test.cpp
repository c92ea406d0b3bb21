// Launch-ahead at the supervisor: what is staged starts when the tree of its predecessor is empty,
// once, and not before; nothing of it is left when either of them goes another way.
#include "base/text.hpp"
#include "shim/fixture_test.hpp"

namespace busbar::shim {
namespace {

class StageTest : public ShimTest, public testing::WithParamInterface<const char*> {
 protected:
  std::unique_ptr<Daemon> begin() { return ShimTest::begin(GetParam()); }

  // Writes when it began and ended to one file that all share.
  StartRequest timed(const std::string& name, const std::string& body) const {
    return script(name, "echo begin " + name + " >> " + root_ + "/order; " + body + "; echo end " +
                            name + " >> " + root_ + "/order");
  }
  std::string order() const { return slurp(root_ + "/order"); }
  static std::map<std::string, HeldState> held(Daemon& daemon) {
    daemon.send(List{});
    std::map<std::string, HeldState> states;
    while (const auto page = daemon.await<Held>()) {
      for (const HeldAttempt& item : page->items) states[item.name] = item.state;
      if (page->last) break;
    }
    return states;
  }
};

INSTANTIATE_TEST_SUITE_P(Modes, StageTest, testing::Values("auto", "none"),
                         [](const auto& mode) { return mode.param; });

TEST_P(StageTest, EachStartsWhenTheOneBeforeHasEnded) {
  auto daemon = begin();
  EXPECT_TRUE(hello_.stages);
  daemon->send(timed("a", "sleep 0.4"));
  daemon->send(Stage{"a", timed("b", "sleep 0.1")});
  daemon->send(Stage{"b", timed("c", "exit 7")});
  ASSERT_TRUE(daemon->await<Started>("a"));
  const std::map<std::string, HeldState> expected = {
      {"a", HeldState::running}, {"b", HeldState::staged}, {"c", HeldState::staged}};
  EXPECT_EQ(held(*daemon), expected);
  EXPECT_EQ(daemon->end_of("a").code, 0);
  EXPECT_EQ(daemon->end_of("b").code, 0);
  EXPECT_EQ(daemon->end_of("c").code, 7);
  EXPECT_EQ(order(), "begin a\nend a\nbegin b\nend b\nbegin c\n");
}

TEST_P(StageTest, ItWaitsForTheWholeTreeOfTheOneBefore) {
  auto daemon = begin();
  daemon->send(timed("a", "(trap '' TERM; touch trapped; sleep 1; echo child of a >> " + root_ +
                              "/order) & while [ ! -e trapped ]; do sleep 0.01; done"));
  daemon->send(Stage{"a", timed("b", "true")});
  daemon->end_of("b");
  EXPECT_EQ(order(), "begin a\nend a\nchild of a\nbegin b\nend b\n");
}

TEST_P(StageTest, TheEndOfTheOneBeforeIsToldFirst) {
  auto daemon = begin();
  daemon->send(timed("a", "sleep 0.2"));
  daemon->send(Stage{"a", timed("b", "sleep 0.2")});
  std::vector<std::string> told;
  while (const auto message = daemon->next()) {
    if (const auto* started = std::get_if<Started>(&*message)) told.push_back("+" + started->name);
    if (const auto* exited = std::get_if<Exited>(&*message)) told.push_back("-" + exited->name);
    if (told.size() == 4) break;
  }
  EXPECT_EQ(told, (std::vector<std::string>{"+a", "-a", "+b", "-b"}));
}

TEST_P(StageTest, AfterWhatIsOverItStartsAtOnceAndAfterTheUnknownNotAtAll) {
  auto daemon = begin();
  daemon->send(script("a", "true"));
  ASSERT_TRUE(daemon->await<Exited>("a"));
  daemon->send(Stage{"a", script("b", "exit 4")});
  EXPECT_EQ(daemon->end_of("b").code, 4);
  daemon->send(Acknowledge{"a"});
  for (const char* unknown : {"a", "never-was", "c"}) {
    daemon->send(Stage{unknown, script("c", "exit 5")});
    EXPECT_TRUE(daemon->await<Refused>("c")) << unknown;
  }
  EXPECT_EQ(output("c"), "");
}

TEST_P(StageTest, ItIsTakenBackUntilItRuns) {
  auto daemon = begin();
  daemon->send(script("a", "sleep 0.5"));
  daemon->send(Stage{"a", script("b", "true")});
  daemon->send(Stage{"b", script("c", "exit 6")});
  daemon->send(Revoke{"b"});
  EXPECT_TRUE(daemon->await<Revoked>("b"));
  EXPECT_FALSE(held(*daemon).contains("b"));
  EXPECT_EQ(daemon->end_of("c").code, 6) << "what followed it follows its predecessor";
  EXPECT_EQ(output("b"), "");
  daemon->send(script("d", "sleep 0.4; exit 3"));
  ASSERT_TRUE(daemon->await<Started>("d"));
  daemon->send(Revoke{"d"});
  EXPECT_TRUE(daemon->await<Started>("d")) << "it runs, and runs on";
  EXPECT_EQ(daemon->end_of("d").code, 3);
}

TEST_P(StageTest, AnEndTakesItBackToo) {
  auto daemon = begin();
  daemon->send(script("a", "sleep 0.3"));
  daemon->send(Stage{"a", timed("b", "true")});
  daemon->send(End{"b", 0, 0});
  EXPECT_TRUE(daemon->await<Revoked>("b"));
  daemon->end_of("a");
  usleep(300'000);
  EXPECT_EQ(order(), "");
}

TEST_P(StageTest, ANameIsStagedOnceAndStartedOnce) {
  auto daemon = begin();
  daemon->send(script("a", "sleep 0.3"));
  for (int i = 0; i < 3; ++i) daemon->send(Stage{"a", timed("b", "sleep 0.2")});
  daemon->end_of("a");
  daemon->send(Stage{"a", timed("b", "sleep 0.2")});
  EXPECT_EQ(daemon->await<Exited>("b")->code, 0);
  daemon->send(Stage{"a", timed("b", "sleep 0.2")});
  EXPECT_EQ(daemon->end_of("b").code, 0);
  EXPECT_EQ(order(), "begin b\nend b\n");
}

TEST_P(StageTest, ALaunchThatFailsPassesThePlaceOn) {
  auto daemon = begin();
  daemon->send(script("a", "sleep 0.2"));
  StartRequest broken = script("b", "true");
  broken.processes[0].working_directory = "/no/such/folder";
  daemon->send(Stage{"a", broken});
  daemon->send(Stage{"b", script("c", "exit 9")});
  EXPECT_EQ(daemon->end_of("b").cause, Cause::launch_failed);
  EXPECT_EQ(daemon->end_of("c").code, 9);
}

TEST_P(StageTest, ItGoesOnWithoutADaemon) {
  auto daemon = begin();
  daemon->send(script("a", "sleep 0.3"));
  daemon->send(Stage{"a", script("b", "exit 2")});
  ASSERT_TRUE(daemon->await<Started>("a"));
  daemon.reset();
  usleep(800'000);
  daemon = connect();
  daemon->greet(installation_);
  EXPECT_EQ(daemon->end_of("a").code, 0);
  EXPECT_EQ(daemon->end_of("b").code, 2);
}

TEST_P(StageTest, AnUpgradeForgetsItAndItIsStagedAgain) {
  auto daemon = begin();
  daemon->send(script("a", "sleep 1"));
  daemon->send(Stage{"a", timed("b", "exit 2")});
  ASSERT_TRUE(daemon->await<Started>("a"));
  daemon->send(Upgrade{shim_program});
  EXPECT_FALSE(daemon->next());
  daemon = connect();
  daemon->greet(installation_);
  EXPECT_FALSE(held(*daemon).contains("b"));
  daemon->send(Stage{"a", timed("b", "exit 2")});
  EXPECT_EQ(daemon->end_of("a").code, 0);
  EXPECT_EQ(daemon->end_of("b").code, 2);
  EXPECT_EQ(order(), "begin b\n");
}

TEST_P(StageTest, AKilledShimForgetsItAndNothingOfItRuns) {
  auto daemon = begin();
  daemon->send(timed("a", "sleep " + unique_sleep(77)));
  daemon->send(Stage{"a", timed("b", "true")});
  ASSERT_TRUE(daemon->await<Started>("a"));
  kill_shim();
  daemon = begin();
  EXPECT_EQ(daemon->end_of("a").cause, Cause::supervisor_lost);
  daemon->send(List{"b"});
  EXPECT_TRUE(daemon->await<Held>()->items.empty());
  EXPECT_EQ(order(), "begin a\n");
}

TEST_P(StageTest, OneKilledWhileItWaitsIsStartedAllTheSame) {
  auto daemon = begin();
  daemon->send(script("a", "exec sleep 0.5"));
  const auto first = daemon->await<Started>("a");
  ASSERT_TRUE(first);
  daemon->send(Stage{"a", script("b", "exit 3")});
  daemon->send(Stage{"b", script("c", "exit 4")});
  ASSERT_EQ(held(*daemon).size(), 3u);
  const std::string shim = "/proc/" + std::to_string(hello_.pid);
  const std::string children =
      read_file(shim + "/task/" + std::to_string(hello_.pid) + "/children");
  std::size_t killed = 0;
  for (const std::string_view child : split(children, ' '))
    if (const std::int64_t pid = to_number(child); pid > 0 && pid != first->pid)
      killed += kill(static_cast<pid_t>(pid), SIGKILL) == 0 ? 1 : 0;
  EXPECT_EQ(killed, hello_.cgroup_mode == CgroupMode::none ? 0u : 1u) << "only the next one";
  EXPECT_EQ(daemon->end_of("b").code, 3);
  EXPECT_EQ(daemon->end_of("c").code, 4);
}

TEST_P(StageTest, WhatMakesNoSenseIsRefused) {
  auto daemon = begin();
  daemon->send(script("a", "sleep 0.2"));
  StartRequest empty = script("b", "true");
  empty.processes.clear();
  daemon->send(Stage{"a", empty});
  EXPECT_TRUE(daemon->await<Refused>("b"));
  daemon->end_of("a");
}

}  // namespace
}  // namespace busbar::shim
