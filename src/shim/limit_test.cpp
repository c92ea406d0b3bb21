// The time limit: what it ends and how, and what a new one changes.
#include <sys/resource.h>

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

class SpareTest : public ShimTest, public testing::WithParamInterface<const char*> {
 protected:
  // What its folders are set to, and a v1 folder's inode, which a new name does not change.
  struct Folders {
    std::string limits;
    ino_t inode = 0;
  };
  Folders folders_of(const std::string& name) const {
    Folders found;
    for (const std::string& base : cgroups())
      for (const char* file : {"memory.limit_in_bytes", "memory.memsw.limit_in_bytes", "cpu.shares",
                               "pids.max", "memory.max", "cpu.weight"}) {
        const std::string path = base + "/" + name;
        struct stat facts {};
        if (exists(path + "/memory.limit_in_bytes") && stat(path.c_str(), &facts) == 0)
          found.inode = facts.st_ino;
        const std::string text = read_file(path + "/" + file);
        if (!text.empty()) found.limits += std::string(file) + " " + text;
      }
    return found;
  }
  struct Ran {
    Folders folders;
    Exited exited;
  };
  Ran run(Daemon& daemon, const StartRequest& request) {
    Ran ran;
    daemon.send(request);
    EXPECT_TRUE(daemon.await<Started>(request.name));
    ran.folders = folders_of(request.name);
    std::ofstream(root_ + "/go-" + request.name) << "now";
    ran.exited = daemon.end_of(request.name);
    EXPECT_EQ(ran.exited.code, 0);
    return ran;
  }
  StartRequest waiting(const std::string& name, const std::string& then) const {
    StartRequest request =
        script(name, "while [ ! -e go-" + name + " ]; do sleep 0.01; done\n" + then);
    request.cpu_weight = 100;  // as every attempt of a daemon has
    request.pids_max = 1000;
    return request;
  }
};
INSTANTIATE_TEST_SUITE_P(Modes, SpareTest, testing::Values("auto", "v1"),
                         [](const auto& tested) { return std::string(tested.param); });

TEST_P(SpareTest, AFolderThatServesAgainIsAsANewOne) {
  auto daemon = begin(GetParam());
  if (hello_.cgroup_mode == CgroupMode::none) GTEST_SKIP() << "no cgroups here";
  const Ran first = run(*daemon, waiting("first", "true"));
  StartRequest limited =
      waiting("limited", "head -c 60000000 /dev/zero | tail | sha256sum >/dev/null");
  limited.memory_bytes = 200 << 20;
  limited.cpu_weight = 50;
  limited.pids_max = 64;
  const Ran second = run(*daemon, limited);
  const Ran third = run(*daemon, waiting("third", "true"));
  EXPECT_EQ(first.folders.limits, third.folders.limits);
  if (first.folders.inode != 0) {
    EXPECT_NE(first.folders.limits, second.folders.limits);
    EXPECT_EQ(first.folders.inode, third.folders.inode);
    EXPECT_GT(second.exited.usage.memory_peak_bytes, 50'000'000);
    EXPECT_LT(third.exited.usage.memory_peak_bytes, 30'000'000);
  }
  EXPECT_LT(third.exited.usage.cpu_ms, second.exited.usage.cpu_ms + 100);
  // What a killed one kept for reuse, the next one removes.
  kill_shim();
  daemon = begin(GetParam());
  run(*daemon, waiting("fourth", "true"));
}

TEST_P(SpareTest, AFolderWhoseLimitsCouldNotBeSetServesNobodyElse) {
  auto daemon = begin(GetParam());
  if (hello_.cgroup_mode == CgroupMode::none) GTEST_SKIP() << "no cgroups here";
  const auto request = [&](const char* name) {
    StartRequest limited = waiting(name, "true");
    limited.memory_bytes = 100 << 20;
    return limited;
  };
  const Ran good = run(*daemon, request("good"));
  StartRequest other = waiting("other", "true");
  other.cpu_weight = 6400;
  other.pids_max = 64;
  run(*daemon, other);
  const auto pid = static_cast<pid_t>(hello_.pid);
  rlimit before{};
  ASSERT_EQ(prlimit(pid, RLIMIT_NOFILE, nullptr, &before), 0);
  const rlimit none{4, before.rlim_max};
  ASSERT_EQ(prlimit(pid, RLIMIT_NOFILE, &none, nullptr), 0);
  EXPECT_EQ(daemon->run(request("fails")).cause, Cause::launch_failed);
  ASSERT_EQ(prlimit(pid, RLIMIT_NOFILE, &before, nullptr), 0);
  EXPECT_EQ(run(*daemon, request("again")).folders.limits, good.folders.limits);
  EXPECT_EQ(run(*daemon, request("once-more")).folders.limits, good.folders.limits);
}

TEST_P(SpareTest, AFolderWithFoldersOfItsOwnIsRemovedWithThem) {
  auto daemon = begin(GetParam());
  if (hello_.cgroup_mode == CgroupMode::none || geteuid() != 0) GTEST_SKIP() << "no cgroups here";
  daemon->send(waiting("nests", "true"));
  ASSERT_TRUE(daemon->await<Started>("nests"));
  for (const std::string& base : cgroups()) mkdir((base + "/nests/below").c_str(), 0755);
  std::ofstream(root_ + "/go-nests") << "now";
  EXPECT_EQ(daemon->end_of("nests").code, 0);
  for (const std::string& base : cgroups())
    EXPECT_TRUE(eventually([&] { return list_folder(base, Entries::folders).empty(); }));
}

}  // namespace
}  // namespace busbar::shim
