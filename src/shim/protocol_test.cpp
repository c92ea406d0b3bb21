// The bytes of the protocol: what is encoded is decoded, and nothing else is believed.
#include "shim/protocol.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "shim/attempt.hpp"

namespace busbar::shim {

// The first form in which an attempt was handed over to an upgraded supervisor; it only grows at
// its end, or the upgrade of a running one fails.
struct FirstAttempt {
  Attempt of;
};
void fields(auto& v, wire::Like<FirstAttempt> auto& x) {
  auto& a = x.of;
  v(a.request), v(a.leaders), v(a.in_setup), v(a.launch_fd), v(a.launch_text), v(a.lost);
  v(a.unheard), v(a.ending), v(a.cause), v(a.detail), v(a.decided), v(a.code), v(a.signal);
  v(a.started_mono_ms), v(a.started_unix_ms), v(a.started_boot_ms), v(a.warn_at), v(a.limit_at);
  v(a.term_at), v(a.kill_at), v(a.sample_at), v(a.usage), v(a.cpu_us), v(a.output_before_bytes);
  v(a.seen_pids), v(a.seen_ticks), v(a.warned), v(a.termed);
}

namespace {

StartRequest some_request() {
  StartRequest request;
  request.name = "bb-0a1b2c-17-0x4-1";
  request.uid = 1000;
  request.groups = {100, 27};
  request.environment = {"A=1", "PATH=/bin"};
  request.scripts = {"#!/bin/sh\nexit 3\n"};
  request.processes.resize(2);
  request.processes[1].rank = 1;
  request.processes[1].script = 1;
  request.processes[1].cpus = {0, 130};
  request.memory_bytes = std::int64_t{64} << 30;
  request.time_limit_ms = -1;
  request.kill_on_first_failure = true;
  return request;
}

TEST(Protocol, GivesBackWhatWasEncoded) {
  const Result<Message> message = decode(encode(some_request()));
  ASSERT_TRUE(message.ok()) << message.error().text;
  const auto& request = std::get<StartRequest>(message.value());
  EXPECT_EQ(encode(request), encode(some_request()));
  EXPECT_EQ(request.processes[1].cpus[1], 130u);
  EXPECT_EQ(request.time_limit_ms, -1);
  EXPECT_TRUE(request.kill_on_first_failure);
}

TEST(Protocol, AnAttemptIsTakenOverFromTheFirstSupervisorsOn) {
  FirstAttempt first;
  first.of.request = some_request();
  first.of.leaders = {{0, 4711, false, true, 0, 0}};
  first.of.output_before_bytes = 12'345;
  first.of.seen_pids = {4711};
  first.of.seen_ticks = {99};
  first.of.termed = true;
  Encoder out;
  wire::Writer writer{out};
  writer(first);
  const std::string bytes = out.take();
  std::size_t items_left = items_max;
  wire::Reader reader{Decoder(bytes), items_left};
  Attempt taken;
  reader(taken);
  ASSERT_TRUE(reader.in.ok());
  EXPECT_EQ(taken.request.name, first.of.request.name);
  EXPECT_EQ(taken.leaders.at(0).pid, 4711u);
  EXPECT_EQ(taken.output_before_bytes, 12'345);
  EXPECT_EQ(taken.seen_ticks, first.of.seen_ticks);
  EXPECT_TRUE(taken.termed);
  EXPECT_TRUE(taken.termed_pids.empty() && taken.output_begins.empty());
}

TEST(Protocol, SkipsFieldsOfANewerWriterAndDefaultsThoseOfAnOlder) {
  Encoder newer;
  newer.put_unsigned(static_cast<std::uint64_t>(Kind::end));
  const std::size_t mark = newer.open_record();
  newer.put_text("a");
  newer.put_signed(5);
  newer.put_signed(6);
  newer.put_text("a field of next year");
  newer.close_record(mark);
  const Result<Message> read = decode(newer.bytes());
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(std::get<End>(read.value()).warn_lead_ms, 6);

  Encoder older;
  older.put_unsigned(static_cast<std::uint64_t>(Kind::end));
  const std::size_t start = older.open_record();
  older.put_text("a");
  older.close_record(start);
  const Result<Message> defaulted = decode(older.bytes());
  ASSERT_TRUE(defaulted.ok());
  EXPECT_EQ(std::get<End>(defaulted.value()).grace_ms, 30'000);
}

TEST(Protocol, RefusesDamage) {
  const std::string bytes = encode(some_request());
  EXPECT_FALSE(decode("").ok());
  EXPECT_FALSE(decode("\x3f").ok());
  EXPECT_FALSE(decode(bytes + "x").ok());
  for (std::size_t length = 0; length < bytes.size(); ++length)
    EXPECT_FALSE(decode(bytes.substr(0, length)).ok()) << length;
}

TEST(Protocol, BoundsWhatAListMayClaim) {
  Encoder claims;
  claims.put_unsigned(static_cast<std::uint64_t>(Kind::held));
  const std::size_t mark = claims.open_record();
  claims.put_unsigned(std::uint64_t{1} << 60);
  claims.put_text(std::string(3'000'000, '\0'));
  claims.close_record(mark);
  EXPECT_FALSE(decode(claims.bytes()).ok());
}

RC_GTEST_PROP(Protocol, SurvivesAnyBytes, (const std::string& bytes)) {
  RC_SUCCEED_IF(!decode(bytes).ok());
}

RC_GTEST_PROP(Protocol, SurvivesAnyChangedByte, ()) {
  std::string bytes = encode(some_request());
  const auto at = *rc::gen::inRange<std::size_t>(0, bytes.size());
  bytes[at] = *rc::gen::arbitrary<char>();
  const Result<Message> message = decode(bytes);
  RC_SUCCEED_IF(!message.ok() || message.ok());
}

TEST(Protocol, CarriesLargeMessagesInASealedFile) {
  int ends[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
  for (const std::size_t size :
       {std::size_t{10}, frame_bytes_max, frame_bytes_max + 1, std::size_t{5'000'000}}) {
    ASSERT_TRUE(send_message(ends[0], std::string(size, 'x')).ok());
    const Result<Received> received = receive_message(ends[1]);
    ASSERT_TRUE(received.ok());
    EXPECT_EQ(received.value().bytes.size(), size);
  }
  EXPECT_EQ(send_message(ends[0], std::string(message_bytes_max + 1, 'x')).error().code,
            Errc::invalid);
  close(ends[0]);
  EXPECT_TRUE(receive_message(ends[1]).value().closed);
  close(ends[1]);
}

TEST(Protocol, NamesAreSafeAsFileNames) {
  EXPECT_TRUE(valid_name("bb-0a1b2c-17-0x4-1"));
  for (const char* bad : {"", "..", "a/b", "-a", "A", "a b", "a.b", "\xff"})
    EXPECT_FALSE(valid_name(bad)) << bad;
  EXPECT_FALSE(valid_name(std::string(65, 'a')));
}

}  // namespace
}  // namespace busbar::shim
