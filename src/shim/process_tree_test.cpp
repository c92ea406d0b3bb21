// Whose processes count as an attempt's where no cgroup holds them together.
#include "shim/process_tree.hpp"

#include <algorithm>

#include "shim/fixture_test.hpp"

namespace busbar::shim {
namespace {

constexpr uid_t stranger_uid = 65534;

// A sleep in a session of its own, as `uid`, with `mark` in its environment.
class Marked {
 public:
  Marked(const std::string& mark, uid_t uid, const std::string& seconds) {
    std::string variable = mark, time = seconds;
    char sleep_word[] = "sleep";
    char* words[] = {sleep_word, time.data(), nullptr};
    char* environment[] = {variable.data(), nullptr};
    pid_ = fork();
    if (pid_ == 0) {
      setsid();
      if (setresuid(uid, uid, uid) != 0) _exit(9);
      execve("/bin/sleep", words, environment);
      _exit(8);
    }
    EXPECT_TRUE(eventually([&] { return runs(seconds); }));
  }
  ~Marked() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  Marked(const Marked&) = delete;

  pid_t pid() const { return pid_; }
  bool lives() const { return waitpid(pid_, nullptr, WNOHANG) == 0; }

 private:
  pid_t pid_ = -1;
};

bool holds(const ProcessTree& tree, pid_t pid) {
  return std::any_of(tree.members.begin(), tree.members.end(),
                     [pid](const ProcessKey& key) { return key.first == pid; });
}

class ProcessTreeTest : public ShimTest {
 protected:
  void SetUp() override {
    ShimTest::SetUp();
    if (geteuid() != 0) GTEST_SKIP() << "needs a second user";
  }
  // An attempt of `uid` without cgroups that leaves a sleep to nobody; the mark of its processes.
  std::string leave_one(Daemon& daemon, uid_t uid) {
    StartRequest request =
        script("kept", "echo $BUSBAR_SHIM_ATTEMPT\n/bin/sh -c 'setsid sleep " + unique_sleep(1) +
                           " &'\nexec sleep " + unique_sleep(2));
    request.uid = uid;
    request.gid = uid;
    daemon.send(request);
    EXPECT_TRUE(daemon.await<Started>("kept"));
    EXPECT_TRUE(eventually([&] { return runs(unique_sleep(1)) && runs(unique_sleep(2)); }));
    return "BUSBAR_SHIM_ATTEMPT=" + output("kept").substr(0, output("kept").find('\n'));
  }
};

TEST_F(ProcessTreeTest, AMarkCountsOnlyWithItsUser) {
  const std::string mark = attempt_mark("busbar-test", installation_);
  const Marked own(mark, 0, unique_sleep(3)), strange(mark, stranger_uid, unique_sleep(4));
  struct Row {
    uid_t uid;
    bool own, strange;
  };
  for (const Row& row :
       {Row{0, true, false}, Row{stranger_uid, false, true}, Row{4321, false, false}}) {
    const ProcessTree tree = find_tree({}, {}, mark, row.uid);
    EXPECT_EQ(holds(tree, own.pid()), row.own) << row.uid;
    EXPECT_EQ(holds(tree, strange.pid()), row.strange) << row.uid;
  }
}

TEST_F(ProcessTreeTest, AForgedMarkNeitherEndsNorHoldsUpAnybody) {
  auto daemon = begin("none");
  const std::string mark = leave_one(*daemon, 0);
  const Marked forged(mark, stranger_uid, unique_sleep(3));
  daemon->send(End{"kept", 0, 0});
  EXPECT_EQ(daemon->end_of("kept").cause, Cause::stopped);
  EXPECT_FALSE(runs(unique_sleep(1)));
  EXPECT_TRUE(forged.lives());
}

TEST_F(ProcessTreeTest, ASuccessorKnowsTheUserOfWhatWasLeft) {
  auto daemon = begin("none");
  const std::string mark = leave_one(*daemon, stranger_uid);
  const Marked roots(mark, 0, unique_sleep(3));
  kill_shim();
  daemon = begin("none");
  EXPECT_EQ(daemon->end_of("kept").cause, Cause::supervisor_lost);
  EXPECT_FALSE(runs(unique_sleep(1))) << "only its mark tells whose it is";
  EXPECT_FALSE(runs(unique_sleep(2)));
  EXPECT_TRUE(roots.lives());
}

}  // namespace
}  // namespace busbar::shim
