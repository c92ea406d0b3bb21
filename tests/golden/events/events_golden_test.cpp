// Every event that a release wrote reads the same for ever; see README.md.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "hex.hpp"
#include "model/event.hpp"

namespace {

using namespace busbar;

std::vector<std::string> lines_of(const std::filesystem::path& path) {
  std::ifstream in(path);
  std::vector<std::string> out;
  for (std::string line; std::getline(in, line);) out.push_back(line);
  return out;
}

// The releases with golden events, oldest first.
std::vector<std::filesystem::path> releases() {
  std::vector<std::filesystem::path> out;
  for (const auto& entry : std::filesystem::directory_iterator(GOLDEN_EVENTS_FOLDER))
    if (entry.path().extension() == ".hex") out.push_back(entry.path());
  std::sort(out.begin(), out.end());
  return out;
}

struct Golden {
  std::vector<std::string> encoded;
  std::vector<std::string> text;
};

Golden read_golden(std::filesystem::path hex) {
  Golden out;
  for (const auto& line : lines_of(hex)) out.encoded.push_back(golden::from_hex(line));
  out.text = lines_of(hex.replace_extension(".jsonl"));
  return out;
}

// Where `now` lacks something of `then` or says otherwise; "" nowhere. Fields may have come since.
std::string lost(const nlohmann::json& then, const nlohmann::json& now, const std::string& path) {
  if (then.type() != now.type()) return path;
  if (then.is_object()) {
    for (const auto& [key, value] : then.items()) {
      const std::string inner = path + "/" + key;
      if (!now.contains(key)) return inner;
      if (auto found = lost(value, now[key], inner); !found.empty()) return found;
    }
    return {};
  }
  if (then.is_array()) {
    if (then.size() != now.size()) return path;
    for (std::size_t i = 0; i < then.size(); ++i)
      if (auto found = lost(then[i], now[i], path + "/" + std::to_string(i)); !found.empty())
        return found;
    return {};
  }
  return then == now ? std::string() : path;
}

TEST(GoldenEvents, EveryReleaseStillReadsWithTheSameFieldsAndValues) {
  ASSERT_FALSE(releases().empty());
  for (const auto& release : releases()) {
    const Golden golden = read_golden(release);
    ASSERT_EQ(golden.encoded.size(), golden.text.size()) << release;
    for (std::size_t i = 0; i < golden.encoded.size(); ++i) {
      const auto event = decode_event(golden.encoded[i]);
      ASSERT_TRUE(event.ok()) << release << " line " << i + 1 << ": " << event.error().text;
      const auto then = nlohmann::json::parse(golden.text[i]);
      const auto now = nlohmann::json::parse(event_json(*event));
      EXPECT_EQ(lost(then, now, ""), "") << release << " line " << i + 1;
    }
  }
}

TEST(GoldenEvents, TheNewestIsByteForByteWhatThisBuildWrites) {
  const Golden golden = read_golden(releases().back());
  std::set<std::size_t> kinds;
  for (std::size_t i = 0; i < golden.encoded.size(); ++i) {
    const auto event = decode_event(golden.encoded[i]);
    ASSERT_TRUE(event.ok()) << event.error().text;
    kinds.insert(event->body.index());
    EXPECT_EQ(event_json(*event), golden.text[i])
        << "line " << i + 1 << ": the form grew; add golden events as README.md says";
    EXPECT_EQ(golden::to_hex(encode_event(*event)), golden::to_hex(golden.encoded[i]))
        << "line " << i + 1 << ": the form grew; add golden events as README.md says";
  }
  EXPECT_EQ(kinds.size(), std::variant_size_v<EventBody>) << "a kind without a golden event";
}

}  // namespace
