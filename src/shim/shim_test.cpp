// What the shim promises, kept by the real program.
#include <grp.h>
#include <pwd.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include <algorithm>
#include <iterator>

#include "shim/fixture_test.hpp"

namespace busbar::shim {

const char* const shim_program = BUSBAR_SHIM_PROGRAM;

namespace {

// Each promise holds with cgroup v2 and v1 side by side as found, with v1 only, and without any.
class EveryMode : public ShimTest, public testing::WithParamInterface<const char*> {};
INSTANTIATE_TEST_SUITE_P(Modes, EveryMode, testing::Values("auto", "v1", "none"),
                         [](const auto& tested) { return std::string(tested.param); });

TEST_P(EveryMode, ReportsHowAnAttemptEnded) {
  auto daemon = begin(GetParam());
  struct Row {
    const char* script;
    int code, signal;
  };
  const Row rows[] = {{"exit 0", 0, 0},
                      {"exit 7", 7, 0},
                      {"kill -TERM $$", 143, 15},
                      {"kill -SEGV $$", 139, 11},
                      {"#!/bin/sh -e\nfalse\necho not reached", 1, 0}};
  int number = 0;
  for (const Row& row : rows) {
    const Exited exited = daemon->run(script("a" + std::to_string(number++), row.script));
    EXPECT_EQ(exited.cause, Cause::exited) << row.script;
    EXPECT_EQ(exited.code, row.code) << row.script << " " << exited.detail;
    EXPECT_EQ(exited.signal, row.signal) << row.script;
    ASSERT_EQ(exited.processes.size(), 1u);
    EXPECT_EQ(exited.processes[0].code, row.code);
    EXPECT_GT(exited.started_unix_ms, 0);
    EXPECT_GE(exited.ended_boot_ms, exited.started_boot_ms);
  }
  const std::string pid = std::to_string(hello_.pid);
  EXPECT_EQ(read_file("/proc/" + pid + "/task/" + pid + "/children"), "") << "no zombies";
}

// A shell that is told to end in the middle of a fork leaves a child that nobody has told.
TEST_P(EveryMode, EndsWhatIsBornWhileTheTreeIsToldToEnd) {
  auto daemon = begin(GetParam());
  for (int i = 0; i < 60 && !HasFailure(); ++i) {
    const std::string name = "born" + std::to_string(i);
    daemon->send(script(name, "sleep " + unique_sleep(1)));
    ASSERT_TRUE(daemon->await<Started>(name));
    usleep(static_cast<useconds_t>(i) * 25);
    daemon->send(End{name, 60'000, 0});
    ASSERT_LT(daemon->end_of(name).usage.wall_ms, 10'000) << "it waited for SIGKILL";
  }
}

TEST_P(EveryMode, EndsChildrenThatHideByForkingTwice) {
  auto daemon = begin(GetParam());
  StartRequest request = script("hide", "setsid sh -c 'trap \"\" TERM; sleep " + unique_sleep(1) +
                                            " & sleep " + unique_sleep(2) +
                                            "' &\nsleep 0.2\n"
                                            "exit 4");
  request.grace_ms = 200;
  const Exited exited = daemon->run(request);
  EXPECT_EQ(exited.code, 4);
  EXPECT_FALSE(runs(unique_sleep(1)));
  EXPECT_FALSE(runs(unique_sleep(2)));
}

TEST_P(EveryMode, HoldsTheMemoryLimit) {
  auto daemon = begin(GetParam());
  // Where memory is sampled, a program may meet the guard before a sample: then it fails by itself.
  StartRequest request = script(
      "memory", "head -c 900000000 /dev/zero | tail; code=$?\necho survived $code\nexit $code");
  request.memory_bytes = 50 << 20;
  const Exited exited = daemon->run(request);
  EXPECT_EQ(exited.cause, Cause::out_of_memory) << exited.code << exited.detail;
  EXPECT_NE(exited.detail.find("50M"), std::string::npos) << exited.detail;
  EXPECT_GT(exited.usage.memory_peak_bytes, 30 << 20);
  EXPECT_EQ(output("memory").find("survived 0"), std::string::npos);
}

TEST_P(EveryMode, MeasuresUsage) {
  auto daemon = begin(GetParam());
  StartRequest request = script("usage", "head -c 50000000 /dev/zero | sha256sum\nsleep 0.2");
  const Exited exited = daemon->run(request);
  EXPECT_EQ(exited.code, 0);
  EXPECT_GT(exited.usage.cpu_ms, 10);
  EXPECT_LT(exited.usage.cpu_ms, 2 * exited.usage.wall_ms + 100);
  EXPECT_GE(exited.usage.wall_ms, 200);
  EXPECT_GT(exited.usage.memory_peak_bytes, 500 << 10);
  EXPECT_EQ(exited.usage.exact, hello_.limits.find("memory: rlimit") == std::string::npos &&
                                    hello_.limits.find("CPU time: wait4") == std::string::npos)
      << hello_.limits;
}

TEST_P(EveryMode, EndsOnRequestAndSaysSo) {
  auto daemon = begin(GetParam());
  daemon->send(script("stop", "trap 'exit 9' TERM\necho set\nwhile :; do sleep 0.05; done"));
  ASSERT_TRUE(daemon->await<Started>("stop"));
  ASSERT_TRUE(eventually([&] { return output("stop") == "set\n"; }));
  daemon->send(End{"stop", 2000, 0});
  const Exited exited = daemon->end_of("stop");
  EXPECT_EQ(exited.cause, Cause::stopped);
  EXPECT_EQ(exited.code, 9);

  daemon->send(script("cut", "trap '' TERM\necho set\nwhile :; do sleep 0.05; done"));
  ASSERT_TRUE(daemon->await<Started>("cut"));
  ASSERT_TRUE(eventually([&] { return output("cut") == "set\n"; }));
  daemon->send(End{"cut", 60'000, 0});
  usleep(100'000);
  daemon->send(End{"cut", 0, 0});
  EXPECT_EQ(daemon->end_of("cut").code, 137) << "a later End shortens";
}

TEST_P(EveryMode, EndsAGangWithItsFirstFailureAndKeepsThatCode) {
  auto daemon = begin(GetParam());
  StartRequest request = gang("gang", "[ $RANK = 2 ] && sleep 0.2 && exit 5\nsleep 100", 4);
  request.kill_on_first_failure = true;
  const Exited exited = daemon->run(request);
  EXPECT_EQ(exited.cause, Cause::exited);
  EXPECT_EQ(exited.code, 5);
  EXPECT_EQ(exited.detail, "process 2 failed; the others were ended");
  ASSERT_EQ(exited.processes.size(), 4u);
  EXPECT_EQ(exited.processes[2].code, 5);
  EXPECT_EQ(exited.processes[3].signal, SIGTERM);
}

TEST_P(EveryMode, ASuccessorEndsWhatAKilledShimLeft) {
  auto daemon = begin(GetParam());
  daemon->send(script("left", "setsid sleep " + unique_sleep(1) + " &\nsleep " + unique_sleep(2)));
  ASSERT_TRUE(daemon->await<Started>("left"));
  ASSERT_TRUE(eventually([&] { return runs(unique_sleep(1)) && runs(unique_sleep(2)); }));
  kill_shim();
  EXPECT_TRUE(runs(unique_sleep(2))) << "it goes on without its shim";

  daemon = begin(GetParam());
  daemon->send(script("left", "exit 0"));  // never twice
  const Exited exited = daemon->end_of("left");
  EXPECT_EQ(exited.cause, Cause::supervisor_lost);
  EXPECT_NE(exited.detail.find("what was left of it was ended"), std::string::npos)
      << exited.detail;
  EXPECT_FALSE(runs(unique_sleep(1)));
  EXPECT_FALSE(runs(unique_sleep(2)));
  daemon->send(List{"left"});
  while (auto held = daemon->await<Held>())
    if (held->asked == "left") {
      EXPECT_TRUE(held->items.empty()) << "acknowledged";
      break;
    }
  EXPECT_FALSE(daemon->await<Exited>("left", 300)) << "and never said again";
}

TEST_P(EveryMode, AnUpgradeKeepsRunningAttempts) {
  auto daemon = begin(GetParam());
  daemon->send(script("kept", "sleep 0.8; exit 6"));
  ASSERT_TRUE(daemon->await<Started>("kept"));
  StartRequest limited = script("limited", "sleep 100");
  limited.time_limit_ms = 3000;
  daemon->send(limited);
  ASSERT_TRUE(daemon->await<Started>("limited"));
  daemon->send(Upgrade{shim_program});
  EXPECT_FALSE(daemon->await<Refused>()) << "the connection ends";

  daemon = connect();
  ASSERT_NE(daemon, nullptr);
  EXPECT_EQ(daemon->greet(installation_).pid, hello_.pid);
  EXPECT_EQ(daemon->end_of("kept").code, 6);
  const Exited exited = daemon->end_of("limited");
  EXPECT_EQ(exited.cause, Cause::timed_out);
  EXPECT_NEAR(static_cast<double>(exited.usage.wall_ms), 3000, 300 * patience());
}

TEST_F(ShimTest, NoChildEscapesACgroupByForgettingItsEnvironment) {
  auto daemon = begin();
  if (hello_.cgroup_mode == CgroupMode::none) GTEST_SKIP() << "no cgroups here";
  StartRequest request =
      script("forget", "env -i setsid setsid sleep " + unique_sleep(1) + " &\nsleep 0.2");
  request.grace_ms = 100;
  EXPECT_EQ(daemon->run(request).code, 0);
  EXPECT_FALSE(runs(unique_sleep(1)));
}

TEST_F(ShimTest, RefusesAnUpgradeToSomethingElse) {
  auto daemon = begin();
  for (const char* path : {"/bin/true", "/nonexistent", "relative", ""}) {
    daemon->send(Upgrade{path});
    const auto refused = daemon->await<Refused>();
    ASSERT_TRUE(refused) << path;
    EXPECT_FALSE(refused->sentence.empty());
  }
  EXPECT_EQ(daemon->run(script("a", "exit 3")).code, 3);
}

TEST_F(ShimTest, SaysWhyALaunchFailed) {
  auto daemon = begin();
  std::filesystem::create_symlink("/etc/passwd", root_ + "/link");
  std::ofstream(root_ + "/file") << "x";
  struct Row {
    std::function<void(StartRequest&)> change;
    const char* said;
  };
  const Row rows[] = {
      {[](auto& r) { r.processes[0].working_directory = "/no/such"; },
       "cannot enter the working directory /no/such: No such file"},
      {[this](auto& r) {
         r.processes[0].working_directory = root_ + "/typo";
         r.processes[0].output_path = root_ + "/typo/out";
       },
       "/typo: No such file"},
      {[this](auto& r) { r.processes[0].output_path = root_ + "/link"; }, "is a symbolic link"},
      {[this](auto& r) { r.processes[0].error_path = root_ + "/file/under/x"; }, "/file"},
      {[](auto& r) { r.processes[0].output_path = "/proc/nothing/x"; }, "/proc/nothing"},
      {[](auto& r) { r.processes[0].cpus = {1000}; }, "bound to its cores"},
  };
  int number = 0;
  for (const Row& row : rows) {
    StartRequest request = script("f" + std::to_string(number++), "exit 0");
    row.change(request);
    const Exited exited = daemon->run(request);
    EXPECT_EQ(exited.cause, Cause::launch_failed) << row.said;
    EXPECT_NE(exited.detail.find(row.said), std::string::npos) << exited.detail;
  }
  EXPECT_EQ(slurp("/etc/passwd").find("exit"), std::string::npos);
}

TEST_F(ShimTest, AProgramThatCannotBeRunEndsAsInAShell) {
  auto daemon = begin();
  struct Row {
    std::function<void(StartRequest&)> change;
    int code;
    const char* said;
  };
  const Row rows[] = {
      {[](auto& r) { r.processes[0].script = 0, r.processes[0].arguments = {"no-such-program"}; },
       127, "cannot run the program no-such-program: No such file"},
      {[](auto& r) { r.processes[0].script = 0, r.processes[0].arguments = {"/etc/passwd"}; }, 126,
       "cannot run the program /etc/passwd: Permission denied"},
      {[](auto& r) { r.scripts[0] = "#!/no/such/shell\n"; }, 127, "look at its #! line"}};
  int number = 0;
  for (const Row& row : rows) {
    StartRequest request = script("p" + std::to_string(number), "exit 0");
    request.processes[0].output_path = root_ + "/said" + std::to_string(number);
    row.change(request);
    const Exited exited = daemon->run(request);
    EXPECT_EQ(exited.cause, Cause::exited) << row.said;
    EXPECT_EQ(exited.code, row.code) << row.said;
    const std::string said = slurp(root_ + "/said" + std::to_string(number++));
    EXPECT_NE(said.find(row.said), std::string::npos) << said;
  }
}

TEST_F(ShimTest, RefusesRequestsThatMakeNoSense) {
  auto daemon = begin();
  const std::function<void(StartRequest&)> changes[] = {
      [](auto& r) { r.name = "../../etc/x"; },
      [](auto& r) { r.processes.clear(); },
      [](auto& r) { r.processes[0].script = 2; },
      [](auto& r) { r.processes[0].working_directory = "relative"; },
      [](auto& r) { r.processes[0].output_path = "relative"; },
      [](auto& r) { r.environment.push_back("no equals sign"); },
      [](auto& r) { r.time_limit_ms = -5; },
      [](auto& r) { r.warn_signal = 1000; },
      [](auto& r) { r.memory_bytes = -1; }};
  for (const auto& change : changes) {
    StartRequest request = script("bad", "exit 0");
    change(request);
    daemon->send(request);
    const auto refused = daemon->await<Refused>();
    ASSERT_TRUE(refused);
    EXPECT_NE(refused->sentence.find("not valid"), std::string::npos);
  }
  daemon->send(List{});
  EXPECT_TRUE(daemon->await<Held>()->items.empty());
}

TEST_F(ShimTest, NeverStartsANameTwice) {
  auto daemon = begin();
  const StartRequest request = script("once", "echo ran; sleep 0.5; exit 2");
  daemon->send(request);
  const auto first = daemon->await<Started>("once");
  daemon->send(request);
  const auto second = daemon->await<Started>("once");
  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->pid, second->pid);
  EXPECT_EQ(daemon->await<Exited>("once")->code, 2);
  daemon->send(request);
  EXPECT_EQ(daemon->await<Exited>("once")->code, 2) << "ended, not acknowledged";
  kill_shim();
  daemon = begin();
  daemon->send(request);
  EXPECT_EQ(daemon->end_of("once").code, 2) << "nor across shims";
  EXPECT_EQ(output("once"), "ran\n");
}

TEST_F(ShimTest, TellsEveryNewDaemonUntilItAcknowledges) {
  auto daemon = begin();
  daemon->send(script("told", "sleep 0.2; exit 8"));
  ASSERT_TRUE(daemon->await<Started>("told"));
  daemon.reset();  // the daemon dies; the attempt goes on and ends
  usleep(500'000);
  for (int connection = 0; connection < 3; ++connection) {
    daemon = connect();
    EXPECT_EQ(daemon->greet(installation_).held_count, 1u);
    const auto held = daemon->await<Held>();
    ASSERT_TRUE(held && held->items.size() == 1);
    EXPECT_EQ(held->items[0].state, HeldState::ended);
    EXPECT_EQ(daemon->await<Exited>("told")->code, 8);
  }
  daemon->send(Acknowledge{"told"});
  daemon->send(List{"told"});
  EXPECT_TRUE(daemon->await<Held>()->items.empty());
  EXPECT_TRUE(list_folder(directory_ + "/exits", Entries::others).empty());
  EXPECT_TRUE(list_folder(directory_ + "/running", Entries::others).empty());
}

TEST_F(ShimTest, FollowsNoDeadDaemonAfterGreetingTheNext) {
  auto daemon = begin();
  const auto pid = static_cast<pid_t>(hello_.pid);
  const auto held = [](Daemon& asker) {
    std::vector<std::string> names;
    while (const auto page = asker.await<Held>()) {
      for (const HeldAttempt& item : page->items) names.push_back(item.name);
      if (page->last) break;
    }
    std::sort(names.begin(), names.end());
    return names;
  };
  for (int round = 0; round < 3; ++round) {
    kill(pid, SIGSTOP);
    for (int i = 0; i < 20; ++i)
      daemon->send(script("q" + std::to_string(round) + "-" + std::to_string(i), "exit 0"));
    daemon.reset();
    daemon = connect();
    daemon->send(DaemonHello{protocol_version, installation_});
    kill(pid, SIGCONT);
    const std::vector<std::string> told = held(*daemon);
    EXPECT_LT(told.size(), 20u * static_cast<std::size_t>(round + 1)) << "nothing was left unread";
    usleep(200'000);
    daemon->send(List{});
    EXPECT_EQ(held(*daemon), told) << "nothing starts that the new daemon was not told of";
  }
}

TEST_F(ShimTest, AProbeLeavesTheDaemonItsConnection) {
  auto daemon = begin();
  auto probe = connect();
  probe->send(DaemonHello{0, installation_});  // as a second shim asks whether one lives
  EXPECT_TRUE(probe->await<ShimHello>());
  EXPECT_EQ(start_shim(), 0);
  EXPECT_EQ(daemon->run(script("on", "exit 3")).code, 3);
  auto next = connect();
  next->greet(installation_);
  EXPECT_FALSE(daemon->next(3000)) << "the next daemon takes its place";
}

TEST_F(ShimTest, AppendsOutputAndMakesItsFolders) {
  auto daemon = begin();
  StartRequest request = script("out", "echo to output; echo to error >&2");
  request.processes[0].output_path = root_ + "/deep/er/out";
  request.processes[0].error_path = root_ + "/deep/er/err";
  EXPECT_EQ(daemon->run(request).code, 0);
  EXPECT_EQ(daemon->run(request).code, 0);
  EXPECT_EQ(slurp(root_ + "/deep/er/out"), "to output\nto output\n");
  EXPECT_EQ(slurp(root_ + "/deep/er/err"), "to error\nto error\n");
  request.name = "joined";
  request.processes[0].output_path = request.processes[0].error_path = root_ + "/joined";
  EXPECT_EQ(daemon->run(request).code, 0);
  EXPECT_EQ(slurp(root_ + "/joined"), "to output\nto error\n");
}

TEST_F(ShimTest, BoundsTheOutput) {
  auto daemon = begin();
  std::ofstream(root_ + "/loud.out") << std::string(2'000'000, 'x');  // of an earlier attempt
  StartRequest request = script("loud", "while :; do head -c 100000 /dev/zero; done");
  request.output_bytes_max = 1'000'000;
  const Exited exited = daemon->run(request);
  EXPECT_EQ(exited.signal, SIGXFSZ);
  EXPECT_NE(exited.detail.find("output"), std::string::npos);
}

TEST_F(ShimTest, GivesAttemptsACleanPlace) {
  auto daemon = begin();
  StartRequest request = script(
      "clean",
      "umask; pwd; echo $A $B; readlink /proc/self/fd/0; ulimit -n; ps -o sid= -p $$; echo $$\n"
      "ls /proc/self/fd | wc -l; grep SigBlk /proc/self/status; echo $1 $2\n");
  request.umask = 027;
  request.environment.push_back("A=common");
  request.environment.push_back("B=common");
  request.processes[0].environment = {"B=own"};
  request.processes[0].arguments = {"one", "two words"};
  EXPECT_EQ(daemon->run(request).code, 0);
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  std::istringstream said(output("clean"));
  const auto line = [&said] {
    std::string text;
    std::getline(said, text);
    text.erase(0, text.find_first_not_of(' '));
    return text;
  };
  EXPECT_EQ(line(), "0027");
  EXPECT_EQ(line(), root_);
  EXPECT_EQ(line(), "common own");
  EXPECT_EQ(line(), "/dev/null");
  EXPECT_EQ(line(), std::to_string(files.rlim_cur));
  const std::string session = line();
  EXPECT_EQ(session, line()) << "a session of its own";
  EXPECT_LE(std::stoi(line()), 6) << "nothing of the shim's is open";
  EXPECT_NE(line().find("0000000000000000"), std::string::npos);
  EXPECT_EQ(line(), "one two words");
}

TEST_F(ShimTest, RunsAsAnotherUserWithTheirGroups) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can";
  auto daemon = begin();
  const passwd* user = getpwnam("nobody");
  ASSERT_NE(user, nullptr);
  StartRequest request = script("user", "id -u; id -g; id -G; touch /etc/x 2>/dev/null || echo no");
  request.uid = user->pw_uid;
  request.gid = user->pw_gid;
  request.groups = {user->pw_gid};
  request.processes[0].output_path = root_ + "/theirs/out";
  EXPECT_EQ(daemon->run(request).code, 0);
  const std::string id = std::to_string(user->pw_uid), group = std::to_string(user->pw_gid);
  EXPECT_EQ(slurp(root_ + "/theirs/out"), id + "\n" + group + "\n" + group + "\nno\n");
  struct stat status {};
  ASSERT_EQ(stat((root_ + "/theirs").c_str(), &status), 0);
  EXPECT_EQ(status.st_uid, user->pw_uid);
}

TEST_F(ShimTest, GivesSupplementaryGroups) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can";
  // Any user of this machine who is in more groups than their own.
  std::string member;
  setgrent();
  for (const ::group* entry = getgrent(); entry != nullptr; entry = getgrent())
    for (char** name = entry->gr_mem; *name != nullptr; ++name)
      if (const passwd* user = getpwnam(*name); user != nullptr && user->pw_gid != entry->gr_gid)
        member = *name;
  endgrent();
  if (member.empty()) GTEST_SKIP() << "nobody is in two groups here";
  const passwd* user = getpwnam(member.c_str());
  std::vector<gid_t> expected(256);
  int count = static_cast<int>(expected.size());
  getgrouplist(member.c_str(), user->pw_gid, expected.data(), &count);
  expected.resize(static_cast<std::size_t>(count));
  auto daemon = begin();
  StartRequest request = script("member", "id -G");
  request.uid = user->pw_uid;
  request.gid = user->pw_gid;
  request.groups.assign(expected.begin(), expected.end());
  EXPECT_EQ(daemon->run(request).code, 0);
  std::istringstream said(output("member"));
  std::vector<gid_t> groups{std::istream_iterator<gid_t>(said), {}};
  std::sort(groups.begin(), groups.end());
  std::sort(expected.begin(), expected.end());
  EXPECT_EQ(groups, expected);
}

TEST_F(ShimTest, ASetupRunsFirst) {
  auto daemon = begin();
  StartRequest request = gang("two", "cat $PWD/made; exit 0", 2);
  request.scripts.push_back("sleep 0.1; echo set up > made");
  request.setup = {request.processes[0]};
  request.setup[0].script = 2;
  const Exited exited = daemon->run(request);
  EXPECT_EQ(exited.code, 0) << exited.detail;
  EXPECT_EQ(exited.processes.size(), 2u);
  EXPECT_EQ(output("two"), "set up\nset up\n");
}

TEST_F(ShimTest, ASetupThatFailsIsTheEndOfItsAttempt) {
  auto daemon = begin();
  struct Row {
    const char* setup;
    std::int32_t code, signal;
    const char* said;
  };
  int number = 0;
  for (const Row& row : {Row{"exit 3", 3, 0, "its setup failed with code 3"},
                         Row{"kill -9 $$", 137, 9, "its setup was ended by signal 9"}}) {
    StartRequest request = script("s" + std::to_string(number++), "touch $PWD/ran");
    request.setup = {request.processes[0]};
    request.setup[0].script = 2;
    request.scripts.push_back(row.setup);
    const Exited exited = daemon->run(request);
    EXPECT_EQ(exited.cause, Cause::exited) << row.setup;
    EXPECT_EQ(exited.code, row.code) << row.setup;
    EXPECT_EQ(exited.signal, row.signal) << row.setup;
    EXPECT_EQ(exited.detail, row.said);
  }
  EXPECT_FALSE(std::filesystem::exists(root_ + "/ran")) << "the job itself must not run";
}

TEST_F(ShimTest, WarnsOnlyThoseWhoListen) {
  auto daemon = begin();
  StartRequest request = script(
      "warn",
      "sh -c 'trap \"echo saving; exit 0\" USR1; while :; do sleep 0.02; done'\necho went on");
  request.time_limit_ms = 5000;
  request.warn_signal = SIGUSR1;
  request.warn_lead_ms = 4700;
  const Exited exited = daemon->run(request);
  EXPECT_EQ(exited.cause, Cause::exited);
  EXPECT_EQ(output("warn"), "saving\nwent on\n") << "the outer shell does not die of the signal";
}

TEST_F(ShimTest, TheSameEndAgainChangesNothing) {
  auto daemon = begin();
  const auto prepare = [this](const std::string& name) {
    StartRequest request = script(name,
                                  "exec 2>/dev/null; trap 'echo warned' USR1; trap 'echo told' "
                                  "TERM\nwhile :; do sleep 0.02; done");
    request.warn_signal = SIGUSR1;
    return request;
  };
  daemon->send(prepare("again"));
  ASSERT_TRUE(daemon->await<Started>("again"));
  usleep(200'000);
  const std::int64_t asked_ms = clock_ms(CLOCK_MONOTONIC);
  for (int time = 0; time < 5; ++time, usleep(100'000)) daemon->send(End{"again", 1500, 1000});
  EXPECT_EQ(output("again"), "warned\n") << "the lead is kept";
  daemon->send(Upgrade{shim_program});
  EXPECT_FALSE(daemon->await<Refused>()) << "the connection ends";
  daemon = connect();
  ASSERT_NE(daemon, nullptr);
  daemon->greet(installation_);
  while (clock_ms(CLOCK_MONOTONIC) < asked_ms + 2000) {
    daemon->send(End{"again", 1500, 1000});
    usleep(100'000);
  }
  const Exited exited = daemon->end_of("again");
  EXPECT_EQ(exited.code, 137);
  EXPECT_NEAR(static_cast<double>(clock_ms(CLOCK_MONOTONIC) - asked_ms), 2500, 400);
  EXPECT_EQ(output("again"), "warned\ntold\n") << "each signal once";

  daemon->send(prepare("shorter"));
  ASSERT_TRUE(daemon->await<Started>("shorter"));
  usleep(200'000);
  daemon->send(End{"shorter", 60'000, 60'000});
  daemon->send(End{"shorter", 60'000, 100});
  EXPECT_TRUE(eventually([&] { return output("shorter") == "warned\ntold\n"; }));
  daemon->send(End{"shorter", 100, 60'000});
  EXPECT_EQ(daemon->end_of("shorter").code, 137) << "a shorter grace still counts";
}

TEST_F(ShimTest, SuspendsAndResumes) {
  auto daemon = begin();
  daemon->send(
      script("pause", "i=0; while [ $i -lt 20 ]; do i=$((i+1)); sleep 0.02; done; echo done"));
  ASSERT_TRUE(daemon->await<Started>("pause"));
  daemon->send(Signal{"pause", SIGSTOP, false});
  EXPECT_FALSE(daemon->await<Exited>("pause", 700));
  daemon->send(Signal{"pause", SIGCONT, false});
  EXPECT_EQ(daemon->end_of("pause").code, 0);
  daemon->send(Signal{"pause", SIGCONT, false});
  EXPECT_TRUE(daemon->await<Refused>("pause"));
}

TEST_F(ShimTest, TakesLargeRequests) {
  auto daemon = begin();
  StartRequest request =
      script("large", "#!/bin/sh\n" + std::string(600'000, '#') + "\necho ${#BIG1} $COUNT\n");
  for (int i = 0; i < 8; ++i)
    request.environment.push_back("BIG" + std::to_string(i) + "=" + std::string(100'000, 'x'));
  request.environment.push_back("COUNT=9");
  EXPECT_EQ(daemon->run(request).code, 0);
  EXPECT_EQ(output("large"), "100000 9\n");
}

TEST_F(ShimTest, DropsPeersThatBreakTheProtocol) {
  auto daemon = begin();
  for (const std::string& garbage :
       {std::string("garbage"), std::string(1, '\xff'), std::string(1, '\x7f'),
        std::string(60'000, 'x'), encode(Started{}), encode(ShimHello{})}) {
    auto stranger = connect();
    stranger->greet(installation_);
    stranger->await<Held>();
    ASSERT_GT(send(stranger->fd(), garbage.data(), garbage.size(), MSG_NOSIGNAL), 0);
    EXPECT_FALSE(stranger->next(3000)) << "hung up";
  }
  auto oversized = connect();
  const std::string large(frame_bytes_max + 5000, 'x');
  send(oversized->fd(), large.data(), large.size(), MSG_NOSIGNAL);
  EXPECT_FALSE(oversized->next(3000));
  auto impolite = connect();
  impolite->send(script("x", "exit 0"));
  EXPECT_FALSE(impolite->next(3000)) << "no hello";
  auto other = connect();
  other->send(DaemonHello{protocol_version, "another"});
  EXPECT_TRUE(other->await<Refused>());
  EXPECT_FALSE(other->next(3000));
  auto newer = connect();
  newer->send(DaemonHello{protocol_version + 1, installation_});
  EXPECT_TRUE(newer->await<ShimHello>());
  newer->send(script("x", "exit 0"));
  EXPECT_TRUE(newer->await<Refused>()) << "other versions may only upgrade";
  daemon = connect();
  daemon->greet(installation_);
  EXPECT_EQ(daemon->run(script("fine", "exit 1")).code, 1) << "the shim lives";
}

TEST_F(ShimTest, TurnsOtherUsersAway) {
  if (geteuid() != 0) GTEST_SKIP() << "needs a second user";
  auto daemon = begin();
  chmod(directory_.c_str(), 0755);  // even if the folder were open
  chmod((directory_ + "/shim.sock").c_str(), 0777);
  const pid_t pid = fork();
  if (pid == 0) {
    if (setresuid(65534, 65534, 65534) != 0) _exit(9);
    const int folder = open(directory_.c_str(), O_PATH | O_DIRECTORY);
    const int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);
    const sockaddr_un address = socket_address(folder);
    if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) _exit(8);
    const std::string hello = encode(DaemonHello{protocol_version, installation_});
    send(fd, hello.data(), hello.size(), MSG_NOSIGNAL);
    char byte;
    _exit(recv(fd, &byte, 1, 0) <= 0 ? 0 : 1);
  }
  int status = 0;
  waitpid(pid, &status, 0);
  chmod(directory_.c_str(), 0700);
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_EQ(daemon->run(script("fine", "exit 0")).code, 0);
}

TEST_F(ShimTest, SurvivesRunningOutOfDescriptors) {
  auto daemon = begin();
  const auto pid = static_cast<pid_t>(hello_.pid);
  rlimit before{};
  ASSERT_EQ(prlimit(pid, RLIMIT_NOFILE, nullptr, &before), 0);
  const rlimit none{4, before.rlim_max};
  ASSERT_EQ(prlimit(pid, RLIMIT_NOFILE, &none, nullptr), 0);
  const Exited failed = daemon->run(script("few", "exit 0"));
  EXPECT_EQ(failed.cause, Cause::launch_failed);
  EXPECT_NE(failed.detail.find("Too many open files"), std::string::npos);
  EXPECT_EQ(connect()->next(500), std::nullopt);
  ASSERT_EQ(prlimit(pid, RLIMIT_NOFILE, &before, nullptr), 0);
  EXPECT_EQ(daemon->run(script("few", "exit 2")).code, 2);
}

TEST_F(ShimTest, AFullDiskLosesNoEndAndStopsNoStart) {
  std::filesystem::create_directory(directory_);
  if (geteuid() != 0 ||
      mount("busbar-test", directory_.c_str(), "tmpfs", 0, "size=1200k,mode=0700") != 0)
    GTEST_SKIP() << "no small file system can be made here";
  auto daemon = begin();
  daemon->send(script("early", "sleep 0.3; exit 4"));
  ASSERT_TRUE(daemon->await<Started>("early"));
  std::ofstream(directory_ + "/full") << std::string(2 << 20, 'x') << std::flush;
  EXPECT_EQ(daemon->end_of("early").code, 4);
  EXPECT_EQ(daemon->run(script("late", "exit 5")).code, 5);
  kill_shim();
  daemon = begin();
  EXPECT_EQ(daemon->run(script("later", "exit 6")).code, 6) << "a successor finds its room too";
  kill(static_cast<pid_t>(hello_.pid), SIGTERM);
  EXPECT_TRUE(eventually([&] { return !alive(static_cast<pid_t>(hello_.pid)); }));
  EXPECT_EQ(umount2(directory_.c_str(), MNT_DETACH), 0);
}

TEST_F(ShimTest, TellsWhatOutputFilesHeldBefore) {
  auto daemon = begin();
  StartRequest request = script("first", "echo 12345");
  request.processes[0].output_path = root_ + "/shared.out";
  daemon->send(request);
  EXPECT_TRUE(daemon->await<Started>("first")->output_begins.empty());
  daemon->end_of("first");
  request.name = "second";
  request.processes.resize(2, request.processes[0]);  // the same file, told once
  daemon->send(request);
  const auto begins = daemon->await<Started>("second")->output_begins;
  ASSERT_EQ(begins.size(), 1u);
  EXPECT_EQ(begins[0].path, root_ + "/shared.out");
  EXPECT_EQ(begins[0].bytes, 6);
  daemon->end_of("second");
}

TEST_F(ShimTest, LeavesWhenNobodyNeedsIt) {
  auto daemon = begin("auto", "--idle-exit-ms 200");
  const auto pid = static_cast<pid_t>(hello_.pid);
  daemon->send(script("held", "sleep 1; exit 1"));
  ASSERT_TRUE(daemon->await<Started>("held"));
  daemon.reset();
  usleep(600'000);
  EXPECT_TRUE(alive(pid)) << "an attempt needs it";
  EXPECT_TRUE(eventually([&] { return !alive(pid); }));
  daemon = begin();
  EXPECT_EQ(daemon->end_of("held").code, 1) << "the record stayed";
}

TEST_F(ShimTest, EndsEverythingWhenItsFolderIsGone) {
  auto daemon = begin();
  daemon->send(script("orphan", "sleep " + unique_sleep(1)));
  ASSERT_TRUE(daemon->await<Started>("orphan"));
  std::filesystem::remove_all(directory_);
  EXPECT_TRUE(eventually([&] { return !alive(static_cast<pid_t>(hello_.pid)); }));
  EXPECT_FALSE(runs(unique_sleep(1)));
}

TEST_F(ShimTest, OneShimPerFolderAndOnlyInAPrivateOne) {
  auto daemon = begin();
  EXPECT_EQ(start_shim(), 0) << "there is one: all is well";
  EXPECT_EQ(connect()->greet(installation_).pid, hello_.pid);
  const std::string open_folder = root_ + "/open";
  std::filesystem::create_directory(open_folder);
  chmod(open_folder.c_str(), 0755);
  EXPECT_EQ(WEXITSTATUS(std::system((std::string(shim_program) + " --directory " + open_folder +
                                     " --installation x 2>/dev/null")
                                        .c_str())),
            1);
}

// Kills the shim at moments that a seed chooses while attempts start and end.
TEST_F(ShimTest, LosesAndDoublesNothingWhenKilledAtAnyMoment) {
  std::uint64_t moment = 12345;
  for (int round = 0; round < 8; ++round) {
    auto daemon = begin("auto");
    std::vector<std::string> names;
    for (int i = 0; i < 8; ++i) {
      names.push_back("r" + std::to_string(round) + "-" + std::to_string(i));
      StartRequest request = script(names.back(), "echo $$; sleep 0.0" + std::to_string(i));
      send_message(daemon->fd(), encode(request)).ok();
    }
    moment = moment * 6364136223846793005ULL + 1442695040888963407ULL;
    usleep(static_cast<useconds_t>((moment >> 33) % 60'000));
    kill_shim();
    daemon = begin("auto");
    for (const std::string& name : names) {
      daemon->send(script(name, "echo $$"));  // starts it only if nothing is known of it
      const Exited exited = daemon->end_of(name);
      EXPECT_TRUE(exited.cause == Cause::exited || exited.cause == Cause::supervisor_lost);
      const std::string said = output(name);
      EXPECT_LE(std::count(said.begin(), said.end(), '\n'), 1) << name << " ran twice";
      if (exited.cause == Cause::exited) {
        EXPECT_EQ(std::count(said.begin(), said.end(), '\n'), 1);
      }
    }
  }
}

TEST_F(ShimTest, RunsManyAtOnce) {
  auto daemon = begin();
  constexpr int count = 100;
  for (int i = 0; i < count; ++i)
    daemon->send(script("m" + std::to_string(i), "exit " + std::to_string(i)));
  int ended = 0;
  while (ended < count) {
    const auto exited = daemon->await<Exited>();
    ASSERT_TRUE(exited);
    EXPECT_EQ("m" + std::to_string(exited->code), exited->name);
    daemon->send(Acknowledge{exited->name});
    ++ended;
  }
}

}  // namespace
}  // namespace busbar::shim
