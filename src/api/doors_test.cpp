// Who may come in: tokens, Host and Origin.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "api/guard.hpp"
#include "api/people.hpp"
#include "api/tokens.hpp"

namespace busbar::api {
namespace {

std::string fresh_folder() {
  std::string pattern = ::testing::TempDir() + "/busbar_tokens_XXXXXX";
  return mkdtemp(pattern.data());
}

TEST(Tokens, AreMadeOnceKeptPrivateAndFound) {
  const std::string path = fresh_folder() + "/ada.token";
  const auto made = load_or_make_token(path, geteuid());
  ASSERT_TRUE(made.ok());
  EXPECT_EQ(made->size(), 64U);
  EXPECT_EQ(load_or_make_token(path, geteuid()).value(), made.value());
  struct stat facts {};
  stat(path.c_str(), &facts);
  EXPECT_EQ(facts.st_mode & 0777, 0600U);
  TokenTable table;
  ASSERT_TRUE(table.add(made.value(), 1000).ok());
  EXPECT_EQ(table.find(made.value()), 1000U);
  EXPECT_FALSE(table.find(made.value() + "0"));
  EXPECT_FALSE(table.find(""));
  EXPECT_FALSE(table.add("short", 1).ok());
}

TEST(Tokens, AFileThatOthersMayReadIsRefused) {
  const std::string path = fresh_folder() + "/ada.token";
  ASSERT_TRUE(load_or_make_token(path, geteuid()).ok());
  chmod(path.c_str(), 0644);
  const auto refused = load_or_make_token(path, geteuid());
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Errc::denied);
  EXPECT_NE(refused.error().text.find("chmod 600"), std::string::npos);
  symlink("/etc/hostname", (path + "2").c_str());
  EXPECT_FALSE(load_or_make_token(path + "2", geteuid()).ok());
}

TEST(Tokens, TheFolderGivesTheDaemonsOwnUserATokenAndSkipsStrangers) {
  const std::string folder = fresh_folder() + "/tokens";
  ASSERT_TRUE(load_tokens(folder).ok());
  std::ofstream(folder + "/nobody-like-this.token") << "x\n";
  const auto table = load_tokens(folder);
  ASSERT_TRUE(table.ok());
  EXPECT_EQ(table->size(), 1U);
}

TEST(Guard, OnlyPagesOfThisServerGetThrough) {
  const GuardRule rule{true, false, {"127.0.0.1", "localhost", "::1"}, 7770};
  struct Row {
    const char* host;
    const char* origin;
    const char* site;
    bool passes;
  };
  for (const Row& row : {
           Row{"localhost:7770", "", "", true},
           Row{"127.0.0.1:7770", "", "", true},
           Row{"[::1]:7770", "", "", true},
           Row{"LOCALHOST:8080", "", "", true},      // a forwarded port
           Row{"evil.example:7770", "", "", false},  // rebinding
           Row{"localhost.evil.example", "", "", false},
           Row{"", "", "", false},
           Row{"localhost:7770", "http://localhost:7770", "same-origin", true},
           Row{"localhost:7770", "http://evil.example", "", false},
           Row{"localhost:7770", "http://localhost:8080", "", false},  // another local server
           Row{"localhost:7770", "https://localhost:7770", "", false},
           Row{"localhost:7770", "null", "", false},
           Row{"localhost:7770", "", "cross-site", false},
           Row{"localhost:7770", "", "none", true},
       }) {
    Request request;
    request.headers = {{"host", row.host}};
    if (*row.origin != 0) request.headers["origin"] = row.origin;
    if (*row.site != 0) request.headers["sec-fetch-site"] = row.site;
    EXPECT_EQ(check_sender(request, rule).ok(), row.passes)
        << row.host << " " << row.origin << " " << row.site;
  }
}

TEST(People, TheDaemonsUserAndRootAreOperators) {
  People people({});
  EXPECT_TRUE(people.by_uid(0, 0).is_operator);
  EXPECT_TRUE(people.by_uid(geteuid(), getegid()).is_operator);
  const UserRef unknown = people.by_uid(3'999'999'999U, 12);
  EXPECT_FALSE(unknown.is_operator);
  EXPECT_EQ(unknown.name, "3999999999");
  EXPECT_EQ(unknown.gid, 12U);
}

}  // namespace
}  // namespace busbar::api
