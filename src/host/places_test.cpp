#include "host/places.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>

namespace busbar::host {
namespace {

TEST(ProgramBeside, is_found_by_its_whole_path_else_left_to_path) {
  const std::string own = program_beside("host_test");
  EXPECT_TRUE(own.starts_with("/") && own.ends_with("/host_test")) << own;
  EXPECT_EQ(program_beside("no-such-program-here"), "no-such-program-here");
}

void set(const char* name, const char* value) {
  if (value == nullptr)
    unsetenv(name);
  else
    setenv(name, value, 1);
}

TEST(DefaultStateDirectory, is_what_was_said_else_the_users_own) {
  struct Row {
    const char *said, *xdg, *home, *user, *root;
  };
  const Row table[] = {
      {"/here", "/x", "/home/ada", "/here", "/here"},
      {"", "/x", "/home/ada", "/x/busbar", "/var/lib/busbar"},
      {nullptr, "relative", "/home/ada", "/home/ada/.local/state/busbar", "/var/lib/busbar"},
      {nullptr, nullptr, nullptr, "/tmp/.local/state/busbar", "/var/lib/busbar"}};
  for (const auto& row : table) {
    set("BUSBAR_STATE", row.said);
    set("XDG_STATE_HOME", row.xdg);
    set("HOME", row.home);
    EXPECT_EQ(default_state_directory(), geteuid() == 0 ? row.root : row.user);
  }
}

}  // namespace
}  // namespace busbar::host
