#include "jobfile/strict_yaml.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "jobfile/map_reader.hpp"

namespace busbar::jobfile {
namespace {

using yaml::Kind;
using yaml::read_documents;

std::string refusal(std::string_view text) {
  const auto result = read_documents(text, "a.yaml");
  return result.ok() ? "accepted" : result.error().text;
}

bool is_value_or_sentence(const Result<std::vector<yaml::Value>>& result) {
  return result.ok() || result.error().text.starts_with("g:");
}

TEST(StrictYaml, KeepsTextsAsWrittenWithPlaces) {
  const auto documents = read_documents("a: no\nb:\n  - 0x10\n  - \"7\"\n---\n{c: ~}\n", "f");
  ASSERT_TRUE(documents.ok()) << documents.error().text;
  ASSERT_EQ(documents->size(), 2u);
  const yaml::Value& first = (*documents)[0];
  EXPECT_EQ(first.find("a")->text, "no");
  const yaml::Value& list = *first.find("b");
  ASSERT_EQ(list.items.size(), 2u);
  EXPECT_EQ(list.items[0].text, "0x10");
  EXPECT_FALSE(list.items[0].quoted);
  EXPECT_TRUE(list.items[1].quoted);
  EXPECT_EQ(list.items[1].place, (yaml::Place{4, 5}));
  EXPECT_EQ(list.key_place, (yaml::Place{2, 1}));
  EXPECT_EQ((*documents)[1].find("c")->kind, Kind::null);
}

TEST(StrictYaml, EmptyDocumentsAreLeftOut) {
  EXPECT_EQ(read_documents("", "f")->size(), 0u);
  EXPECT_EQ(read_documents("# only words\n", "f")->size(), 0u);
  EXPECT_EQ(read_documents("---\n---\na: 1\n---\n", "f")->size(), 1u);
}

TEST(StrictYaml, ReadsJson) {
  const auto documents = read_documents(
      "{\n\t\"name\":\"a\\/b\",\"list\":[1,true,null],\"face\":\"\\ud83d\\ude00 \\\\ud83d\"}", "f");
  ASSERT_TRUE(documents.ok()) << documents.error().text;
  const yaml::Value& map = (*documents)[0];
  EXPECT_EQ(map.find("name")->text, "a/b");
  EXPECT_EQ(map.find("list")->items.size(), 3u);
  EXPECT_EQ(map.find("face")->text, "\xF0\x9F\x98\x80 \\ud83d");
}

TEST(StrictYaml, RefusesWithPlaceAndRemedy) {
  const std::string_view alias =
      "YAML anchors (&) and aliases (*) are not read; write the value out, or put a text that "
      "begins with & or * in quotes";
  const std::vector<std::pair<std::string, std::string>> rows = {
      {"a: &x 1\nb: *x\n", "a.yaml:1:4: " + std::string(alias)},
      {"a: 1\nb: *x\n", "a.yaml:2:4: " + std::string(alias)},
      {"a: 1\nb: 2\na: 3\n", "a.yaml:3:1: \"a\" is written twice; keep one of them"},
      {"a: !secret x\n",
       "a.yaml:1:4: YAML tags such as !secret are not read; remove it, or put a text that begins "
       "with ! in quotes"},
      {"a: \xff\n", "a.yaml:1:4: this line is not UTF-8; save the file as UTF-8"},
      {"ok: \xC3\xA4\nb: x\xE2\x82\n",
       "a.yaml:2:5: this line is not UTF-8; save the file as UTF-8"},
      {std::string("a: b\nc: \0\n", 10),
       "a.yaml:2:4: the control character 0x00 cannot stand in a text file"},
      {"a: \"\\0\"\n", "a.yaml:1:4: a text holds a zero byte; remove the \\0"},
      {"? [a]\n: b\n", "a.yaml:1:3: a key must be a text"},
      {"~: b\n", "a.yaml:1:1: a key is empty; write a name before the \":\""},
      {"a: b: c\n",
       "a.yaml:1:5: not valid YAML: illegal map value; a text that holds \": \" needs quotes, and "
       "a "
       "field needs a line of its own"},
      {"a: [1, 2\nb: 3\n", ""},
      {"a: \"x\n", "a.yaml:1:4: the text that begins here has no closing quote"},
      {"a: [\"b\", 'it''s, b]\n\n", "a.yaml:1:10: the text that begins here has no closing quote"},
      {"a:\n\tb: 1\n", "a.yaml:2:3: this line is indented by a tab; indent with spaces"},
  };
  for (const auto& [text, error] : rows) {
    const std::string got = refusal(text);
    if (error.empty()) {
      EXPECT_EQ(got.substr(0, 7), "a.yaml:") << text << got;
      EXPECT_NE(got.find("not valid YAML: "), std::string::npos) << got;
    } else {
      EXPECT_EQ(got, error) << text;
    }
  }
}

TEST(StrictYaml, BoundsHoldWhileParsing) {
  const std::string deep64 = std::string(64, '[') + std::string(64, ']');
  EXPECT_EQ(refusal(deep64), "accepted");
  EXPECT_EQ(refusal("[" + deep64 + "]"), "a.yaml:1:65: nested deeper than 64 levels");
  EXPECT_TRUE(refusal(std::string(1'000'000, '[')).starts_with("a.yaml:1:"));
  std::string stairs;
  for (int i = 0; i < 400; ++i) stairs += "- ";
  EXPECT_EQ(refusal(stairs + "x"), "a.yaml:1:129: nested deeper than 64 levels");
  std::string maps;
  for (int i = 0; i < 1000; ++i) maps += "{a: ";
  EXPECT_EQ(refusal(maps + "x" + std::string(1000, '}')),
            "a.yaml:1:257: nested deeper than 64 levels");

  EXPECT_EQ(refusal("a: " + std::string((1 << 20) - 3, 'x')), "accepted");
  EXPECT_EQ(refusal("a: " + std::string((1 << 20) - 2, 'x')),
            "a.yaml: 1048577 bytes are too many; at most 1048576 are read");
  EXPECT_EQ(refusal(std::string(10 << 20, 'x')),
            "a.yaml: 10485760 bytes are too many; at most 1048576 are read");

  std::string many = "[";
  for (int i = 0; i < 100'001; ++i) many += "1,";
  EXPECT_EQ(refusal(many + "]"), "a.yaml:1:200000: the file holds more than 100000 values");
  std::string documents;
  for (int i = 0; i < 1'001; ++i) documents += "--- 1\n";
  EXPECT_EQ(refusal(documents), "a.yaml:1001:5: the file holds more than 1000 documents");
}

TEST(MapReader, TellsEveryProblemOnceInTheOrderOfTheFile) {
  const auto documents = read_documents(
      "prot: 1\nport: 99999\nname: [a]\nmode: losse\nsize: 64 X\nflag: yes\nempty:\n", "c.yaml");
  ASSERT_TRUE(documents.ok());
  static constexpr std::string_view fields[] = {"port", "name",  "mode",  "size",
                                                "flag", "empty", "needed"};
  static constexpr std::string_view modes[] = {"loose", "tight"};
  Problems problems("c.yaml");
  MapReader map((*documents)[0], "", fields, problems);
  std::uint32_t port = 7;
  std::string name;
  Bytes size;
  bool flag = false;
  std::size_t mode = 0;
  map.get("port", port, 1, 65535);
  map.get("name", name);
  map.get("size", size);
  map.get("flag", flag);
  read_word(map.find("mode"), problems, modes, mode);
  map.get("port", port, 1, 65535);
  map.require("needed");
  EXPECT_EQ(port, 7u);
  EXPECT_EQ(
      problems.error().text,
      "c.yaml:1:1: unknown field \"prot\"; did you mean \"port\"?\n"
      "c.yaml:1:1: the field \"needed\" is missing\n"
      "c.yaml:2:7: port: 99999 is out of range; write a whole number from 1 to 65535\n"
      "c.yaml:3:7: name: found a list; write a text\n"
      "c.yaml:4:7: mode: \"losse\" is not known; did you mean \"loose\"? Allowed: loose or "
      "tight\n"
      "c.yaml:5:7: size: \"64 X\" is not a size; write a number with an optional unit k, M, G "
      "or T, such as 512M, 64G or 1.5T\n"
      "c.yaml:6:7: flag: \"yes\" is neither true nor false; write one of them\n"
      "c.yaml:7:1: empty: this field is empty; write a value or remove it");
}

RC_GTEST_PROP(StrictYamlProperty, GarbageIsAValueOrASentenceNeverACrash, (std::string text)) {
  const auto result = read_documents(text, "g");
  RC_ASSERT(is_value_or_sentence(result));
}

RC_GTEST_PROP(StrictYamlProperty, YamlLikeGarbageToo, ()) {
  static constexpr std::string_view pieces[] = {
      "a",     ": ",          "- ",  "\n",   "  ",   "[",  "]",  "{",   "}",  ",",
      "\"",    "'",           "|\n", ">-\n", "#",    "&x", "*x", "!t ", "? ", "---\n",
      "...\n", "%YAML 1.2\n", "\t",  "\\u",  "\\x0", "~",  "<<", "@",   "`"};
  std::string text;
  const auto picks = *rc::gen::container<std::vector<std::size_t>>(
      rc::gen::inRange<std::size_t>(0, std::size(pieces)));
  for (const std::size_t pick : picks) text += pieces[pick];
  const auto result = read_documents(text, "g");
  RC_ASSERT(is_value_or_sentence(result));
}

}  // namespace
}  // namespace busbar::jobfile
