#include "engine/local/scratch.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <thread>

#include "engine/local/testing/folder.hpp"

namespace busbar::local {
namespace {

namespace fs = std::filesystem;

Account account(uid_t uid) {
  Account out;
  out.facts.name = "ada";
  out.facts.uid = uid;
  out.facts.gid = geteuid() == 0 ? uid : getegid();
  return out;
}

bool eventually(const std::function<bool()>& holds) {
  for (int i = 0; i < 500 && !holds(); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  return holds();
}

// The folder `name`, made new or taken from another; its inode.
ino_t made(Scratch& scratch, uid_t uid, const std::string& name) {
  const Result<Ok> done = scratch.make(account(uid), {}, name);
  EXPECT_TRUE(done.ok()) << done.error().text;
  struct stat status {};
  EXPECT_EQ(stat(scratch.path_of(name).c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0700U);
  EXPECT_EQ(status.st_uid, uid);
  EXPECT_TRUE(fs::is_empty(scratch.path_of(name)));
  return status.st_ino;
}

TEST(Scratch, what_an_attempt_left_empty_serves_the_next_of_its_user) {
  const Folder folder;
  const std::string directory = folder.path + "/own";
  Scratch scratch(directory);
  const ino_t first = made(scratch, geteuid(), "a1");
  scratch.remove("a1");
  ino_t next = 0;
  for (int i = 2; i < 50 && next != first; ++i) {  // until its turn has come
    next = made(scratch, geteuid(), "a" + std::to_string(i));
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  EXPECT_EQ(next, first);
  EXPECT_FALSE(fs::exists(scratch.path_of("a1")));
}

TEST(Scratch, what_was_written_or_opened_to_others_is_never_seen_again) {
  const Folder folder;
  Scratch scratch(folder.path + "/own");
  made(scratch, geteuid(), "full");
  std::ofstream(scratch.path_of("full") + "/secret") << "x";
  made(scratch, geteuid(), "open");
  chmod(scratch.path_of("open").c_str(), 0777);
  scratch.remove("full");
  scratch.remove("open");
  EXPECT_TRUE(eventually([&] {
    return !fs::exists(scratch.path_of("full")) && !fs::exists(scratch.path_of("open"));
  }));
  made(scratch, geteuid(), "next");
}

TEST(Scratch, a_folder_goes_to_no_other_user) {
  if (geteuid() != 0) GTEST_SKIP() << "only root makes folders of others";
  const Folder folder;
  Scratch scratch(folder.path + "/own");
  for (int i = 0; i < 20; ++i) {
    const std::string name = "a" + std::to_string(i);
    made(scratch, i % 2 == 0 ? 1000 : 1001, name);  // which looks at the owner
    scratch.remove(name);
  }
}

TEST(Scratch, what_nobody_takes_is_removed_soon_and_at_the_end) {
  const Folder folder;
  const std::string directory = folder.path + "/own";
  {
    Scratch scratch(directory);
    made(scratch, geteuid(), "a");
    scratch.remove("a");
    EXPECT_TRUE(eventually([&] { return fs::is_empty(directory); }));
    made(scratch, geteuid(), "b");
    scratch.remove("b");
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  EXPECT_TRUE(fs::is_empty(directory));
}

TEST(Scratch, files_lie_in_a_new_folder_before_it_is_the_users) {
  const Folder folder;
  Scratch scratch(folder.path + "/own");
  made(scratch, geteuid(), "a");
  scratch.remove("a");
  const Result<Ok> done = scratch.make(account(geteuid()), {{"hosts", "n1\n"}}, "b");
  ASSERT_TRUE(done.ok()) << done.error().text;
  std::ifstream file(scratch.path_of("b") + "/hosts");
  std::string line;
  std::getline(file, line);
  EXPECT_EQ(line, "n1");
}

}  // namespace
}  // namespace busbar::local
