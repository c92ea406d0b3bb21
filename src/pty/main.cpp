// busbar-pty SOCKET -- COMMAND...: runs as an interactive job; see session.hpp.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "pty/channel.hpp"
#include "pty/session.hpp"

int main(int count, char** words) {
  using namespace busbar;
  if (count < 4 || std::strcmp(words[2], "--") != 0) {
    std::fprintf(stderr,
                 "usage: busbar-pty SOCKET -- COMMAND...\n"
                 "It is started by busbar run --pty.\n");
    return 2;
  }
  const char* word = std::getenv(pty::word_variable);
  pty::SessionRequest request{words[1], word == nullptr ? "" : word, {words + 3, words + count}};
  unsetenv(pty::word_variable);
  const auto code = pty::run_session(request);
  if (code.ok()) return *code;
  std::fprintf(stderr, "busbar-pty: %s\n", code.error().text.c_str());
  return pty::exit_no_terminal;
}
