// The person's side in a process of its own, in a real pseudo-terminal that the test looks at.
#include "pty/terminal.hpp"

#include <gtest/gtest.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>

namespace busbar::pty {
namespace {

constexpr int patience_ms = 20'000;

class Terminal : public testing::Test {
 protected:
  void SetUp() override {
    int ends[2];
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    winsize size{33, 101, 0, 0};
    int master = -1, slave = -1;
    ASSERT_EQ(openpty(&master, &slave, nullptr, nullptr, &size), 0);
    master_ = File(master);
    slave_ = File(slave);
    pid_ = fork();
    if (pid_ == 0) {
      close(ends[1]);
      setsid();
      ioctl(slave, TIOCSCTTY, 0);
      master_.reset();
      Signals signals;
      Channel channel{File(ends[0])};
      const int number = relay(channel, signals, slave, slave);
      _exit(number == 0 ? 0 : 128 + number);
    }
    close(ends[0]);
    channel_.emplace(File(ends[1]));
    const auto first = channel_->await(patience_ms);
    ASSERT_TRUE(first && first->kind == Kind::window);
    EXPECT_EQ(decode_window(first->content), (Window{33, 101}));
  }
  void TearDown() override {
    if (pid_ > 0 && waitpid(pid_, nullptr, WNOHANG) == 0) kill(pid_, SIGKILL);
  }

  bool is_raw() const {
    termios modes{};
    return tcgetattr(slave_.get(), &modes) == 0 && (modes.c_lflag & (ICANON | ECHO | ISIG)) == 0;
  }
  std::string on_screen() {
    pollfd one = polled(master_.get(), true, false);
    std::array<char, 4096> bytes;
    if (poll(&one, 1, patience_ms) != 1) return "";
    const ssize_t got = read(master_.get(), bytes.data(), bytes.size());
    return {bytes.data(), static_cast<std::size_t>(std::max<ssize_t>(got, 0))};
  }
  int exit_code() {
    int status = 0;
    waitpid(pid_, &status, 0);
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }

  File master_, slave_;
  pid_t pid_ = -1;
  std::optional<Channel> channel_;
};

TEST_F(Terminal, what_is_typed_goes_on_uninterpreted) {
  EXPECT_TRUE(is_raw());
  const std::string typed = "ls\r\x03\x04\x1a";
  ASSERT_EQ(write(master_.get(), typed.data(), typed.size()), static_cast<ssize_t>(typed.size()));
  std::string heard;
  while (heard.size() < typed.size()) {
    const auto packet = channel_->await(patience_ms);
    ASSERT_TRUE(packet);
    heard += packet->content;
  }
  EXPECT_EQ(heard, typed);
}

TEST_F(Terminal, what_is_printed_is_shown_and_the_end_gives_the_terminal_back) {
  EXPECT_TRUE(channel_->send(Kind::bytes, "a\r\n\x1b[1mb"));
  EXPECT_TRUE(channel_->send(Kind::bytes, "c"));
  channel_.reset();
  std::string shown;
  while (shown.size() < 9) {
    const std::string more = on_screen();
    ASSERT_NE(more, "");
    shown += more;
  }
  EXPECT_EQ(shown, "a\r\n\x1b[1mbc");
  EXPECT_EQ(exit_code(), 0);
  EXPECT_FALSE(is_raw());
}

TEST_F(Terminal, a_new_size_is_told) {
  const winsize size{50, 132, 0, 0};
  ASSERT_EQ(ioctl(master_.get(), TIOCSWINSZ, &size), 0);
  const auto packet = channel_->await(patience_ms);
  ASSERT_TRUE(packet && packet->kind == Kind::window);
  EXPECT_EQ(decode_window(packet->content), (Window{50, 132}));
}

TEST_F(Terminal, a_signal_gives_the_terminal_back) {
  for (const int number : {SIGTERM, SIGHUP, SIGINT, SIGQUIT}) {
    ASSERT_EQ(kill(pid_, number), 0);
    EXPECT_EQ(exit_code(), 128 + number);
    EXPECT_FALSE(is_raw());
    EXPECT_FALSE(channel_->await(patience_ms)) << "and hangs up";
    TearDown();
    SetUp();
  }
}

TEST_F(Terminal, a_screen_nobody_looks_at_holds_up_the_job_but_not_the_keyboard) {
  int sent = 0;
  const std::string page(content_bytes_max, 'x');
  for (int tries = 0; tries < 200 && !channel_->full(); ++tries, ++sent) {
    ASSERT_TRUE(channel_->send(Kind::bytes, page));
    usleep(2'000);
  }
  EXPECT_TRUE(channel_->full());
  EXPECT_LT(sent, 100);
  ASSERT_EQ(write(master_.get(), "\x03", 1), 1);
  const auto packet = channel_->await(patience_ms);
  ASSERT_TRUE(packet);
  EXPECT_EQ(packet->content, "\x03");
}

}  // namespace
}  // namespace busbar::pty
