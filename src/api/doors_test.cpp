// Who may come in: tokens, Host and Origin.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "api/guard.hpp"
#include "api/people.hpp"
#include "api/tokens.hpp"

namespace busbar::api {
namespace {

class TokenFiles : public ::testing::Test {
 protected:
  TokenFiles() {
    std::string pattern = ::testing::TempDir() + "/busbar_tokens_XXXXXX";
    folder_ = mkdtemp(pattern.data());
  }
  ~TokenFiles() override { std::filesystem::remove_all(folder_); }

  std::string folder_;
};

TEST_F(TokenFiles, AreMadeOnceKeptPrivateAndFound) {
  const std::string path = folder_ + "/ada.token";
  const auto made = load_or_make_token(path, geteuid());
  ASSERT_TRUE(made.ok());
  EXPECT_EQ(made->size(), 64U);
  EXPECT_EQ(load_or_make_token(path, geteuid()).value(), made.value());
  struct stat facts {};
  stat(path.c_str(), &facts);
  EXPECT_EQ(facts.st_mode & 0777, 0600U);
  api::Tokens table;
  TokenFacts holder;
  holder.uid = 1000;
  ASSERT_TRUE(table.add(made.value(), holder).ok());
  EXPECT_EQ(table.find(made.value(), 0)->uid, 1000U);
  EXPECT_FALSE(table.find(made.value() + "0", 0));
  EXPECT_FALSE(table.find("", 0));
  EXPECT_FALSE(table.add("short", holder).ok());
}

TEST_F(TokenFiles, AFileThatOthersMayReadIsRefused) {
  const std::string path = folder_ + "/ada.token";
  ASSERT_TRUE(load_or_make_token(path, geteuid()).ok());
  chmod(path.c_str(), 0644);
  const auto refused = load_or_make_token(path, geteuid());
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Errc::denied);
  EXPECT_NE(refused.error().text.find("chmod 600"), std::string::npos);
  symlink("/etc/hostname", (path + "2").c_str());
  EXPECT_FALSE(load_or_make_token(path + "2", geteuid()).ok());
}

TEST_F(TokenFiles, TheFolderGivesTheDaemonsOwnUserATokenAndSkipsStrangers) {
  const std::string folder = folder_ + "/tokens";
  api::Tokens tokens(folder);
  ASSERT_TRUE(tokens.load(true, 0).ok());
  std::ofstream(folder + "/nobody-like-this.token") << "x\n";
  std::ofstream(folder + "/broken.json") << "{";
  const auto left_out = tokens.load(true, 0);
  ASSERT_TRUE(left_out.ok());
  EXPECT_EQ(left_out->size(), 2U);
  EXPECT_EQ(tokens.size(), 1U);
}

TEST_F(TokenFiles, AMadeTokenIsKeptAsItsHashAndOutlivesTheDaemon) {
  TokenFacts facts;
  facts.uid = 1000;
  facts.user = "ada";
  facts.by = "root";
  facts.read_only = true;
  facts.expires_unix_ms = 5000;
  std::string token;
  {
    api::Tokens tokens(folder_ + "/tokens");
    const auto made = tokens.make(facts, 1000);
    ASSERT_TRUE(made.ok()) << made.error().text;
    token = *made;
    EXPECT_EQ(token.size(), 64U);
  }
  const std::string path = folder_ + "/tokens/" + facts.id + ".json";
  struct stat file {};
  ASSERT_EQ(stat(path.c_str(), &file), 0);
  EXPECT_EQ(file.st_mode & 0777, 0600U);
  std::ifstream in(path);
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  EXPECT_EQ(text.find(token), std::string::npos);

  api::Tokens again(folder_ + "/tokens");
  ASSERT_TRUE(again.load(false, 2000).ok());
  const auto found = again.find(token, 2000);
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->user, "ada");
  EXPECT_EQ(found->by, "root");
  EXPECT_TRUE(found->read_only);
  EXPECT_EQ(again.list().size(), 1U);
  EXPECT_FALSE(again.find(token, 5000)) << "it has expired";
  ASSERT_TRUE(again.revoke(facts.id).ok());
  EXPECT_FALSE(again.find(token, 2000));
  EXPECT_NE(stat(path.c_str(), &file), 0);
  EXPECT_EQ(again.revoke(facts.id).error().code, Errc::not_found);
}

TEST_F(TokenFiles, ExpiredOnesAreDeletedAndOneUserCannotMakeThemAll) {
  api::Tokens tokens(folder_ + "/tokens");
  TokenFacts old;
  old.expires_unix_ms = 10;
  ASSERT_TRUE(tokens.make(old, 1).ok());
  TokenFacts facts;
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(tokens.make(facts, 20).ok()) << i;
  EXPECT_EQ(tokens.size(), 100U);
  EXPECT_EQ(tokens.make(facts, 20).error().code, Errc::conflict);
  facts.uid = 7;
  EXPECT_TRUE(tokens.make(facts, 20).ok());
  EXPECT_FALSE(std::filesystem::exists(folder_ + "/tokens/" + old.id + ".json"));
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
