#include "pty/channel.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <utility>

namespace busbar::pty {
namespace {

std::pair<Channel, Channel> both_ends() {
  int ends[2];
  EXPECT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
  return {Channel(File(ends[0])), Channel(File(ends[1]))};
}

RC_GTEST_PROP(Window, is_read_as_it_was_written, (std::uint16_t rows, std::uint16_t columns)) {
  const Window window{rows, columns};
  RC_ASSERT(decode_window(encode(window)) == window);
}

TEST(Window, of_another_length_is_none) {
  for (const char* content : {"", "abc", "abcde"}) EXPECT_FALSE(decode_window(content)) << content;
}

TEST(Channel, packets_arrive_whole_and_in_order) {
  auto [one, other] = both_ends();
  const std::string large(content_bytes_max, 'x');
  EXPECT_TRUE(one.send(Kind::window, encode({33, 101})));
  EXPECT_TRUE(one.send(Kind::bytes, large));
  Packet packet;
  ASSERT_EQ(other.receive(packet), Channel::Got::packet);
  EXPECT_EQ(packet.kind, Kind::window);
  ASSERT_EQ(other.receive(packet), Channel::Got::packet);
  EXPECT_EQ(packet.content, large);
  EXPECT_EQ(other.receive(packet), Channel::Got::nothing);
}

TEST(Channel, one_packet_waits_where_nobody_reads) {
  auto [one, other] = both_ends();
  int sent = 0;
  while (!one.full() && sent < 10'000) {
    EXPECT_TRUE(one.send(Kind::bytes, std::to_string(sent)));
    ++sent;
  }
  ASSERT_TRUE(one.full());
  Packet packet;
  for (int i = 0; i < sent; ++i) {
    ASSERT_EQ(other.receive(packet), Channel::Got::packet);
    EXPECT_EQ(packet.content, std::to_string(i));
    EXPECT_TRUE(one.flush());
  }
}

TEST(Channel, what_was_said_before_the_end_is_heard) {
  auto [one, other] = both_ends();
  EXPECT_TRUE(one.send(Kind::bytes, "nobody reads this"));
  EXPECT_TRUE(other.send(Kind::bytes, "last words"));
  { const Channel gone = std::move(other); }
  Packet packet;
  ASSERT_EQ(one.receive(packet), Channel::Got::packet);
  EXPECT_EQ(packet.content, "last words");
  EXPECT_EQ(one.receive(packet), Channel::Got::gone);
  EXPECT_FALSE(one.send(Kind::bytes, "x"));
}

TEST(Door, is_for_its_user_alone_and_goes_when_somebody_is_in) {
  auto door = Door::open();
  ASSERT_TRUE(door.ok()) << door.error().text;
  const std::string path = door->path(), folder = path.substr(0, path.rfind('/'));
  struct stat seen {};
  ASSERT_EQ(stat(folder.c_str(), &seen), 0);
  EXPECT_EQ(seen.st_mode & 0777, 0700U);
  EXPECT_FALSE(door->admit()) << "nobody is outside";

  EXPECT_TRUE(knock(path, std::string(32, '0')).ok()) << "a word, but not the right one";
  EXPECT_FALSE(door->admit());
  EXPECT_EQ(stat(path.c_str(), &seen), 0) << "it goes on to wait";

  auto guest = knock(path, door->word());
  ASSERT_TRUE(guest.ok());
  EXPECT_TRUE(door->admit());
  EXPECT_NE(stat(folder.c_str(), &seen), 0);
  EXPECT_FALSE(knock(path, std::string(32, '0')).ok());
}

}  // namespace
}  // namespace busbar::pty
