#include "engine/local/scratch.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <set>
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

// Folders made one after the other, until those that were removed could have served.
std::set<ino_t> made_later(Scratch& scratch, const Account& who) {
  std::set<ino_t> inodes;
  for (int i = 0; i < 50; ++i) {
    const std::string name = "later" + std::to_string(i);
    const Result<Ok> done = scratch.make(who, {}, name);
    EXPECT_TRUE(done.ok()) << done.error().text;
    struct stat status {};
    EXPECT_EQ(stat(scratch.path_of(name).c_str(), &status), 0);
    EXPECT_EQ(status.st_uid, who.facts.uid);
    EXPECT_EQ(status.st_mode & 07777, 0700U);
    EXPECT_TRUE(fs::is_empty(scratch.path_of(name)));
    inodes.insert(status.st_ino);
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return inodes;
}

TEST(Scratch, what_was_written_or_opened_to_others_is_never_seen_again) {
  const std::pair<const char*, std::function<void(const std::string&)>> rows[] = {
      {"full", [](const std::string& path) { std::ofstream(path + "/secret") << "x"; }},
      {"open", [](const std::string& path) { chmod(path.c_str(), 0777); }},
      {"empty", [](const std::string&) {}}};
  for (const auto& [name, change] : rows) {
    const Folder folder;
    Scratch scratch(folder.path + "/own");
    const ino_t inode = made(scratch, geteuid(), name);
    const std::string path = scratch.path_of(name);
    const int held = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);  // keeps the inode
    change(path);
    scratch.remove(name);
    const bool served = made_later(scratch, account(geteuid())).contains(inode);
    EXPECT_EQ(served, std::string(name) == "empty") << name;
    close(held);
  }
}

TEST(Scratch, what_is_changed_while_nobody_has_it_serves_nobody) {
  const Folder folder;
  Scratch scratch(folder.path + "/own");
  const ino_t inode = made(scratch, geteuid(), "a");
  const int held = open(scratch.path_of("a").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  scratch.remove("a");
  std::this_thread::sleep_for(std::chrono::milliseconds(100));  // it was found as new
  fchmod(held, 0777);
  EXPECT_FALSE(made_later(scratch, account(geteuid())).contains(inode));
  close(held);
}

TEST(Scratch, a_folder_goes_to_no_other_user) {
  if (geteuid() != 0) GTEST_SKIP() << "only root makes folders of others";
  const Folder folder;
  Scratch scratch(folder.path + "/own");
  Account other = account(1001);
  other.facts.gid = 1000;
  const ino_t inode = made(scratch, 1000, "a");
  const int held = open(scratch.path_of("a").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  scratch.remove("a");
  EXPECT_FALSE(made_later(scratch, other).contains(inode));
  close(held);
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
    std::this_thread::sleep_for(std::chrono::milliseconds(500));  // it is kept by now
  }
  EXPECT_TRUE(fs::is_empty(directory));
}

TEST(Scratch, files_lie_in_a_new_folder) {
  const Folder folder;
  Scratch scratch(folder.path + "/own");
  const ino_t inode = made(scratch, geteuid(), "a");
  const int held = open(scratch.path_of("a").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  scratch.remove("a");
  std::this_thread::sleep_for(std::chrono::milliseconds(100));  // it could serve
  const Result<Ok> done = scratch.make(account(geteuid()), {{"hosts", "n1\n"}}, "b");
  ASSERT_TRUE(done.ok()) << done.error().text;
  struct stat status {};
  ASSERT_EQ(stat(scratch.path_of("b").c_str(), &status), 0);
  EXPECT_NE(status.st_ino, inode);
  std::ifstream file(scratch.path_of("b") + "/hosts");
  std::string line;
  std::getline(file, line);
  EXPECT_EQ(line, "n1");
  close(held);
}

}  // namespace
}  // namespace busbar::local
