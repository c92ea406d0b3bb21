// The journal's form of events: what was written reads back, and nothing that was not written does
// harm.
#include "model/event.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <nlohmann/json.hpp>

#include "base/rng.hpp"
#include "model/payload.hpp"
#include "model/testing.hpp"

namespace busbar {
namespace {

using testing::event_kinds;
using testing::random_event;

TEST(EventForm, EveryKindReadsBackAsItWasWritten) {
  Rng rng(1);
  for (std::size_t kind = 0; kind < event_kinds; ++kind) {
    for (int round = 0; round < 40; ++round) {
      const Event event = random_event(rng, kind);
      ASSERT_EQ(event.body.index(), kind);
      const auto read = decode_event(encode_event(event));
      ASSERT_TRUE(read.ok()) << event_words[kind] << ": " << read.error().text;
      ASSERT_TRUE(*read == event) << event_json(event) << "\n" << event_json(*read);
    }
  }
}

RC_GTEST_PROP(EventForm, AnyEventReadsBack, (std::uint64_t seed)) {
  Rng rng(seed);
  const Event event = random_event(rng, rng.below(event_kinds));
  const auto read = decode_event(encode_event(event));
  RC_ASSERT(read.ok());
  RC_ASSERT(*read == event);
}

TEST(EventForm, EveryTruncationIsCorrupt) {
  Rng rng(2);
  for (std::size_t kind = 0; kind < event_kinds; ++kind) {
    const std::string bytes = encode_event(random_event(rng, kind, 2));
    for (std::size_t length = 0; length < bytes.size(); ++length) {
      const auto read = decode_event(std::string_view(bytes).substr(0, length));
      ASSERT_FALSE(read.ok()) << event_words[kind] << " cut to " << length;
      ASSERT_EQ(read.error().code, Errc::corrupt);
    }
  }
}

TEST(EventForm, BytesBehindAnEventAreCorrupt) {
  Rng rng(3);
  for (std::size_t kind = 0; kind < event_kinds; ++kind)
    EXPECT_FALSE(decode_event(encode_event(random_event(rng, kind)) + '\0').ok());
}

// What a damaged event reads as can be written and read again: it is a value like any other.
TEST(EventForm, DamagedBytesAreCorruptOrAnotherEvent) {
  Rng rng(4);
  for (std::size_t kind = 0; kind < event_kinds; ++kind) {
    for (int round = 0; round < 60; ++round) {
      std::string bytes = encode_event(random_event(rng, kind, 2));
      for (std::uint64_t flips = 1 + rng.below(4); flips > 0; --flips)
        bytes[rng.below(bytes.size())] ^= static_cast<char>(1U << rng.below(8));
      const auto read = decode_event(bytes);
      if (!read.ok()) {
        ASSERT_EQ(read.error().code, Errc::corrupt);
        continue;
      }
      const auto again = decode_event(encode_event(*read));
      ASSERT_TRUE(again.ok() && *again == *read) << event_words[kind];
    }
  }
}

RC_GTEST_PROP(EventForm, AnyBytesAreReadWithoutHarm, (const std::string& bytes)) {
  const auto read = decode_event(bytes);
  if (!read.ok()) RC_ASSERT(read.error().code == Errc::corrupt);
}

TEST(EventForm, ANewerKindOrVersionIsRefusedWithItsRemedy) {
  Event event;
  event.body = JobRetired{JobId(7)};
  std::string bytes = encode_event(event);
  ASSERT_EQ(bytes[0], 1);
  bytes[0] = 2;
  EXPECT_NE(decode_event(bytes).error().text.find("newer Busbar"), std::string::npos);
  bytes[0] = 1;
  bytes[3] = static_cast<char>(event_kinds);
  EXPECT_NE(decode_event(bytes).error().text.find("does not know"), std::string::npos);
}

TEST(EventJson, EveryKindIsOneLineOfValidJson) {
  Rng rng(5);
  for (std::size_t kind = 0; kind < event_kinds; ++kind) {
    for (int round = 0; round < 10; ++round) {
      const Event event = random_event(rng, kind);
      const std::string line = event_json(event);
      ASSERT_EQ(line.find('\n'), std::string::npos);
      const auto read = nlohmann::json::parse(line, nullptr, false);
      ASSERT_TRUE(read.is_object()) << line;
      EXPECT_EQ(read["kind"], std::string(event_words[kind]));
      EXPECT_EQ(read["revision"].get<std::uint64_t>(), event.revision.value);
      EXPECT_EQ(read["tick"].get<std::int64_t>(), event.tick.value);
      EXPECT_TRUE(read["event"].is_object());
    }
  }
}

TEST(EventJson, TextThatIsNotUtf8IsMadeSo) {
  Event event;
  event.body = ClusterSynchronised{"\xff\xfe cluster"};
  const auto read = nlohmann::json::parse(event_json(event), nullptr, false);
  ASSERT_TRUE(read.is_object());
  EXPECT_NE(read["event"]["cluster"].get<std::string>().find(" cluster"), std::string::npos);
}

// --- growth: a field appended to a noun

struct ItemOfYesterday {
  std::uint32_t a = 1;
  std::string b = "default";
};
template <class V>
void describe(V& visit, Like<ItemOfYesterday> auto& item) {
  visit("a", item.a);
  visit("b", item.b);
}
struct ItemOfToday {
  std::uint32_t a = 1;
  std::string b = "default";
  List<NamedCount> c = {{"kept", 7}};
  Span d = seconds(3);
};
template <class V>
void describe(V& visit, Like<ItemOfToday> auto& item) {
  visit("a", item.a);
  visit("b", item.b);
  visit("c", item.c);
  visit("d", item.d);
}
template <class Item>
struct Bag {
  std::vector<Item> items;
  bool last = false;
};
template <class V>
void describe(V& visit, Like<Bag<ItemOfYesterday>> auto& bag) {
  visit("items", bag.items);
  visit("last", bag.last);
}
template <class V>
void describe(V& visit, Like<Bag<ItemOfToday>> auto& bag) {
  visit("items", bag.items);
  visit("last", bag.last);
}

TEST(Growth, AnOldReaderSkipsWhatANewerWriterAppended) {
  const Bag<ItemOfToday> written{
      {{5, "five", {{"x", 1}, {"y", 2}}, seconds(9)}, {6, "six", {}, {}}}, true};
  Bag<ItemOfYesterday> read;
  ASSERT_TRUE(decode(encode(written), read));
  ASSERT_EQ(read.items.size(), 2U);
  EXPECT_EQ(read.items[0].a, 5U);
  EXPECT_EQ(read.items[0].b, "five");
  EXPECT_EQ(read.items[1].b, "six");
  EXPECT_TRUE(read.last);
}

TEST(Growth, ANewReaderLeavesWhatAnOlderWriterDidNotKnowAtItsDefault) {
  const Bag<ItemOfYesterday> written{{{5, "five"}, {6, "six"}}, true};
  Bag<ItemOfToday> read;
  ASSERT_TRUE(decode(encode(written), read));
  ASSERT_EQ(read.items.size(), 2U);
  EXPECT_EQ(read.items[1].a, 6U);
  EXPECT_EQ(read.items[1].b, "six");
  ASSERT_EQ(read.items[1].c.size(), 1U);
  EXPECT_EQ(read.items[1].c[0].count, 7);
  EXPECT_EQ(read.items[1].d, seconds(3));
  EXPECT_TRUE(read.last);
}

TEST(PayloadForm, TheHashNamesTheContent) {
  Rng rng(6);
  for (int round = 0; round < 50; ++round) {
    Payload payload;
    testing::RandomFill(rng).fill(payload);
    const PayloadBlob blob = encode_payload(payload);
    const auto read = decode_payload(blob.bytes);
    ASSERT_TRUE(read.ok());
    EXPECT_TRUE(*read == payload);
    EXPECT_TRUE(encode_payload(*read).hash == blob.hash);
    payload.run += "x";
    EXPECT_FALSE(encode_payload(payload).hash == blob.hash);
    EXPECT_FALSE(decode_payload(std::string_view(blob.bytes).substr(1)).ok());
  }
}

}  // namespace
}  // namespace busbar
