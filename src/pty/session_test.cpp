// The real busbar-pty, with a test in the place of the person.
#include "pty/session.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <sstream>
#include <thread>

#include "pty/channel.hpp"

namespace busbar::pty {
namespace {

using Clock = std::chrono::steady_clock;
constexpr int patience_ms = 20'000;

std::string text_of(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return std::move(text).str();
}

pid_t start(const std::string& socket, const std::string& word, const std::string& log,
            const std::vector<std::string>& command) {
  std::vector<std::string> words = {BUSBAR_PTY_PROGRAM, socket, "--"};
  words.insert(words.end(), command.begin(), command.end());
  std::vector<char*> argv;
  for (auto& one : words) argv.push_back(one.data());
  argv.push_back(nullptr);
  const pid_t pid = fork();
  if (pid != 0) return pid;
  setenv(word_variable, word.c_str(), 1);
  const int out = open(log.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600);
  const int null = open("/dev/null", O_RDONLY);
  dup2(null, 0);
  dup2(out, 1);
  dup2(out, 2);
  setsid();
  execv(argv[0], argv.data());
  _exit(111);
}

int exit_code_of(pid_t pid) {
  const auto start = Clock::now();
  int status = 0;
  while (waitpid(pid, &status, WNOHANG) != pid) {
    if (Clock::now() - start > std::chrono::milliseconds(patience_ms)) {
      kill(pid, SIGKILL);
      waitpid(pid, &status, 0);
      return -1;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

class Session : public testing::Test {
 protected:
  void begin(const std::vector<std::string>& command) {
    auto door = Door::open();
    ASSERT_TRUE(door.ok());
    pid_ = start(door->path(), door->word(), log_, command);
    pollfd one = polled(door->fd(), true, false);
    ASSERT_EQ(poll(&one, 1, patience_ms), 1);
    channel_ = door->admit();
    ASSERT_TRUE(channel_);
    send(Kind::window, encode({33, 101}));
    shown_.clear();
  }
  void script(const std::string& text) { begin({"sh", "-c", text}); }

  void send(Kind kind, const std::string& content) {
    ASSERT_TRUE(channel_->send(kind, content));
    while (channel_->full()) {
      show(10);
      ASSERT_TRUE(channel_->flush());
    }
  }
  void type(const std::string& text) { send(Kind::bytes, text); }

  // Takes what was printed; false: nothing came, or it is over.
  bool show(int timeout_ms) {
    pollfd one = polled(channel_->fd(), true, false);
    Packet packet;
    if (poll(&one, 1, timeout_ms) != 1 || channel_->receive(packet) != Channel::Got::packet)
      return false;
    EXPECT_EQ(packet.kind, Kind::bytes);
    shown_ += packet.content;
    return true;
  }
  void await(const std::string& text) {
    while (shown_.find(text) == std::string::npos)
      ASSERT_TRUE(show(patience_ms)) << "no '" << text << "' in: " << shown_;
  }
  int end() {
    while (show(patience_ms)) continue;
    return exit_code_of(pid_);
  }

  const std::string log_ = testing::TempDir() + "busbar_pty_test." + std::to_string(getpid());
  std::optional<Channel> channel_;
  pid_t pid_ = -1;
  std::string shown_;
};

TEST_F(Session, the_command_has_a_terminal_of_the_persons_size) {
  script("test -t 0 && test -t 1 && test -t 2 && stty size && ps -o tty= -p $$");
  EXPECT_EQ(end(), 0);
  EXPECT_TRUE(shown_.starts_with("33 101\r\npts/")) << shown_;
}

TEST_F(Session, a_new_size_reaches_the_command) {
  script("trap 'stty size; exit 0' WINCH; echo ready; while :; do sleep 0.1; done");
  await("ready");
  send(Kind::window, encode({50, 132}));
  EXPECT_EQ(end(), 0);
  EXPECT_NE(shown_.find("50 132"), std::string::npos) << shown_;
}

TEST_F(Session, its_exit_code_is_the_commands) {
  const std::tuple<std::vector<std::string>, int, const char*> table[] = {
      {{"true"}, 0, ""},
      {{"sh", "-c", "echo bye; exit 7"}, 7, "bye\r\n"},
      {{"sh", "-c", "kill -KILL $$"}, 128 + SIGKILL, ""},
      {{"no-such-program-here"}, 127, "no-such-program-here"},
      {{"/etc/passwd"}, 126, "Permission denied"}};
  for (const auto& [command, code, said] : table) {
    begin(command);
    EXPECT_EQ(end(), code) << command.back();
    EXPECT_NE(shown_.find(said), std::string::npos) << shown_;
    EXPECT_EQ(text_of(log_), shown_) << "the log shows the same";
  }
}

TEST_F(Session, the_last_words_are_never_lost) {
  for (int i = 0; i < 100; ++i) {
    begin({"echo", "last words"});
    EXPECT_EQ(end(), 0);
    ASSERT_EQ(shown_, "last words\r\n");
  }
}

TEST_F(Session, what_is_typed_is_read_and_ctrl_c_interrupts_the_command_alone) {
  script(
      "trap 'echo caught; exit 5' INT; read line; echo \"<$line>\"; while :; do sleep 0.1; done");
  type("hello\r");
  await("<hello>");
  type("\x03");
  EXPECT_EQ(end(), 5);
  EXPECT_NE(shown_.find("caught"), std::string::npos);
}

TEST_F(Session, end_of_input_is_typed) {
  begin({"cat"});
  type("a\r\x04");
  EXPECT_EQ(end(), 0);
  EXPECT_EQ(shown_, "a\r\na\r\n");
}

TEST_F(Session, the_word_is_not_for_the_command) {
  begin({"env"});
  EXPECT_EQ(end(), 0);
  EXPECT_NE(shown_.find("PATH="), std::string::npos);
  EXPECT_EQ(shown_.find(word_variable), std::string::npos);
}

TEST_F(Session, the_person_goes_away_and_the_command_is_hung_up) {
  script("trap 'echo hung up; exit 3' HUP; echo ready; while :; do sleep 0.1; done");
  await("ready");
  channel_.reset();
  EXPECT_EQ(exit_code_of(pid_), 3);
  EXPECT_NE(text_of(log_).find("hung up"), std::string::npos);
}

TEST_F(Session, it_ends_even_if_the_command_ignores_the_hang_up_and_its_input) {
  script("trap '' HUP; stty raw; echo ready; sleep 11 & wait");
  await("ready");
  for (int i = 0; i < 10; ++i)
    ASSERT_TRUE(channel_->full() || channel_->send(Kind::bytes, std::string(4000, 'x')));
  const auto from = Clock::now();
  channel_.reset();
  EXPECT_EQ(exit_code_of(pid_), 128 + SIGHUP);
  EXPECT_GE(Clock::now() - from, std::chrono::milliseconds(hang_up_ms - 500));
  EXPECT_LE(Clock::now() - from, std::chrono::milliseconds(2 * hang_up_ms));
}

// The supervisor (here: this test, its parent) signals every process itself.
TEST_F(Session, a_sigterm_of_others_goes_on_to_the_command) {
  script("trap 'echo asked; exit 9' TERM; echo ready; while :; do sleep 0.1; done");
  await("ready");
  kill(pid_, SIGTERM);
  EXPECT_FALSE(show(500)) << shown_;
  EXPECT_EQ(std::system(("kill -TERM " + std::to_string(pid_)).c_str()), 0);
  EXPECT_EQ(end(), 9);
}

TEST_F(Session, a_shell_at_its_prompt_is_hung_up_by_sigterm_and_not_before) {
  begin({"sh", "-i"});
  type("trap 'echo bye' EXIT; sleep 0.7; echo slept\r");
  await("sleep 0.7; echo slept\r\n");
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  kill(pid_, SIGTERM);
  EXPECT_NE(end(), -1);
  EXPECT_NE(shown_.find("slept\r\n", shown_.find("echo slept\r\n") + 12), std::string::npos)
      << shown_;
}

TEST_F(Session, what_the_command_leaves_behind_does_not_hold_it) {
  script("trap '' HUP; yes & echo started; exit 4");
  EXPECT_EQ(end(), 4);
}

TEST_F(Session, a_slow_terminal_holds_up_the_command_and_nothing_grows) {
  constexpr std::size_t bytes = std::size_t{8} << 20;
  script("stty raw; head -c " + std::to_string(bytes) + " /dev/zero | tr '\\0' x");
  std::this_thread::sleep_for(std::chrono::milliseconds(500));
  EXPECT_LT(text_of(log_).size(), std::size_t{2} << 20)
      << "all that is read is in the log at once, and it is held up";
  EXPECT_EQ(end(), 0);
  EXPECT_EQ(shown_, std::string(bytes, 'x'));
  EXPECT_EQ(text_of(log_), shown_);
}

TEST_F(Session, much_both_ways_at_once) {
  constexpr std::size_t bytes = std::size_t{2} << 20;
  script("stty raw -echo; echo ready; head -c " + std::to_string(bytes));
  await("ready\n");
  shown_.clear();
  std::string sent;
  for (std::size_t i = 0; sent.size() < bytes; ++i) sent += static_cast<char>('a' + i % 23);
  for (std::size_t at = 0; at < bytes; at += content_bytes_max)
    type(sent.substr(at, content_bytes_max));
  EXPECT_EQ(end(), 0);
  EXPECT_EQ(shown_, sent);
}

TEST_F(Session, without_a_terminal_it_says_so_and_ends_with_125) {
  const pid_t gone = start("/nonexistent/terminal", "word", log_, {"true"});
  EXPECT_EQ(exit_code_of(gone), exit_no_terminal);
  EXPECT_NE(text_of(log_).find("is gone (/nonexistent/terminal"), std::string::npos);

  auto door = Door::open();
  ASSERT_TRUE(door.ok());
  const pid_t refused = start(door->path(), "wrong", log_, {"true"});
  pollfd one = polled(door->fd(), true, false);
  ASSERT_EQ(poll(&one, 1, patience_ms), 1);
  EXPECT_FALSE(door->admit());
  EXPECT_EQ(exit_code_of(refused), exit_no_terminal);
  EXPECT_NE(text_of(log_).find("did not let us in"), std::string::npos);
  EXPECT_EQ(std::remove(log_.c_str()), 0);
}

}  // namespace
}  // namespace busbar::pty
