#include "cli/commands.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <sstream>

namespace busbar::cli {
namespace {

std::string page() {
  std::ifstream file(CLI_DOCUMENT);
  std::ostringstream text;
  text << file.rdbuf();
  return std::move(text).str();
}

// The part of docs/cli.md about a command, by its first word.
std::string section_of(const std::string& text, const std::string& path) {
  const std::string head = "\n### " + path.substr(0, path.find(' ')) + "\n";
  const std::size_t at = text.find(head);
  if (at == std::string::npos) return "";
  return text.substr(at, text.find("\n### ", at + 1) - at);
}

bool names(const std::string& text, const std::string& word) {
  for (std::size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) {
    const char after = at + word.size() < text.size() ? text[at + word.size()] : ' ';
    if (std::isalnum(static_cast<unsigned char>(after)) == 0 && after != '-') return true;
  }
  return false;
}

TEST(Documentation, HasEveryCommandAndOption) {
  const std::string text = page();
  ASSERT_FALSE(text.empty()) << CLI_DOCUMENT;
  const std::size_t commands = text.find("\n## Every command\n");
  ASSERT_NE(commands, std::string::npos);
  for (const auto& command : all_commands()) {
    const bool of_program = command.path.empty();
    std::string section = of_program ? text.substr(0, commands) : section_of(text, command.path);
    EXPECT_FALSE(section.empty()) << "docs/cli.md has no section for " << command.path;
    const bool shown = of_program || names(section, "busbar " + command.path) ||
                       names(section, "`" + command.path);
    EXPECT_TRUE(shown) << "docs/cli.md shows no example of " << command.path;
    if (command.path == "run") section += section_of(text, "submit");
    for (const auto& option : command.options) {
      const bool said = option == "--help" || option == "-h" || names(section, option);
      EXPECT_TRUE(said) << "docs/cli.md: " << command.path << " " << option;
    }
  }
}

TEST(Documentation, NamesNoCommandThatIsNotThere) {
  const std::string text = page();
  const auto commands = all_commands();
  for (std::size_t at = text.find("\n### "); at != std::string::npos;
       at = text.find("\n### ", at + 1)) {
    const std::string name = text.substr(at + 5, text.find('\n', at + 1) - at - 5);
    const bool known = std::any_of(commands.begin(), commands.end(),
                                   [&](const auto& command) { return command.path == name; });
    EXPECT_TRUE(known) << name;
  }
}

TEST(Completion, HasEveryCommandAndOption) {
  for (const char* shell : {"bash", "zsh", "fish"}) {
    const std::string script = completion_script(shell, all_commands());
    for (const auto& command : all_commands()) {
      const std::string last = command.path.substr(command.path.rfind(' ') + 1);
      EXPECT_TRUE(names(script, last)) << shell << " " << command.path;
      for (const auto& option : command.options) {
        const std::string word = std::string_view(shell) == "fish"
                                     ? "'" + option.substr(option.find_first_not_of('-')) + "'"
                                     : option;
        EXPECT_NE(script.find(word), std::string::npos) << shell << " " << command.path << option;
      }
    }
  }
}

std::string answer_of_bash(const std::string& script) {
  FILE* pipe = popen(("bash -c '" + script + "' 2>&1").c_str(), "r");
  std::string out;
  char bytes[256];
  while (pipe != nullptr && std::fgets(bytes, sizeof bytes, pipe) != nullptr) out += bytes;
  return pipe != nullptr && pclose(pipe) == 0 ? out : "failed: " + out;
}

// What bash offers after these words.
std::string offered(const std::string& script, const std::string& words, int position) {
  return answer_of_bash("source " + script + "; COMP_WORDS=(" + words + "); COMP_CWORD=" +
                        std::to_string(position) + "; _busbar; echo ${COMPREPLY[*]}");
}

TEST(Completion, BashOffersWhatFits) {
  const std::string file = testing::TempDir() + "busbar_completion_test.bash";
  std::ofstream(file) << completion_script("bash", all_commands());
  EXPECT_EQ(answer_of_bash("bash -n " + file), "");
  EXPECT_EQ(offered(file, "busbar expl", 1), "explain\n");
  EXPECT_EQ(offered(file, "busbar ps --lim", 2), "--limit\n");
  EXPECT_EQ(offered(file, "busbar --socket /x ps --lim", 4), "--limit\n");
  EXPECT_EQ(offered(file, "busbar node fence --y", 3), "--yes\n");
  EXPECT_EQ(offered(file, "busbar node f", 2), "fence\n");
  EXPECT_EQ(offered(file, "busbar config re", 2), "reload\n");
  EXPECT_EQ(offered(file, "busbar explain --js", 2), "--json\n");
  EXPECT_EQ(std::remove(file.c_str()), 0);
}

TEST(SplitLine, WhatBelongsToTheCommandIsNotOurs) {
  struct Row {
    std::vector<std::string> words, parsed, verbatim;
  };
  const std::vector<Row> table = {
      {{"run", "--", "ls", "-l"}, {"run"}, {"ls", "-l"}},
      {{"run", "ls", "--json", "--", "x"}, {"run"}, {"ls", "--json", "--", "x"}},
      {{"run", "--cores", "2", "make", "-j2"}, {"run", "--cores", "2"}, {"make", "-j2"}},
      {{"run", "--cores=2", "--hold", "x"}, {"run", "--cores=2", "--hold"}, {"x"}},
      {{"run", "--env", "A=1", "--env", "B=[1,2]", "sh"},
       {"run", "--env", "A=1", "--env", "B=[1,2]"},
       {"sh"}},
      {{"--socket", "run", "-q", "run", "run"}, {"--socket", "run", "-q", "run"}, {"run"}},
      {{"run", "--json", "echo"}, {"run", "--json"}, {"echo"}},
      {{"run"}, {"run"}, {}},
      {{"run", "--cores"}, {"run", "--cores"}, {}},
      {{"journal", "verify", "--help"}, {"journal"}, {"verify", "--help"}},
      {{"sim", "run", "--help"}, {"sim"}, {"run", "--help"}},
      {{"ps", "--", "x"}, {"ps", "--", "x"}, {}},
      {{}, {}, {}}};
  for (const auto& row : table) {
    const Line line = split_for_tests(row.words);
    EXPECT_EQ(line.parsed, row.parsed);
    EXPECT_EQ(line.verbatim, row.verbatim);
  }
}

int exit_of(std::vector<std::string> words) {
  words.insert(words.begin(), "busbar");
  std::vector<char*> argv;
  for (auto& word : words) argv.push_back(word.data());
  return main_of(static_cast<int>(argv.size()), argv.data());
}

TEST(Usage, ASentenceWithTheNearestNameAndCode2) {
  const std::pair<std::vector<std::string>, const char*> table[] = {
      {{}, "say what to do"},
      {{"psx"}, "there is no command psx; did you mean ps? "},
      {{"--socket", "/x", "canel", "3"}, "there is no command canel; did you mean cancel? "},
      {{"--jsn"}, "there is no option --jsn; did you mean --json? "},
      {{"ps", "--limt", "3"}, "`busbar ps` has no option --limt; did you mean --limit? "},
      {{"ps", "--limit", "0"}, "--limit: Value 0 not in range 1 to 1000; `busbar ps --help`"},
      {{"node"}, "`busbar node` needs one of these after it: fence"},
      {{"node", "fence"}, "node is required; `busbar node fence --help`"},
      {{"run"}, "say what to run"},
      {{"help", "psx"}, "there is no command psx; did you mean ps? "},
      {{"run", "--corse", "2", "ls"},
       "`busbar run` has no option --corse; did you mean --cores? "}};
  for (const auto& [words, sentence] : table) {
    testing::internal::CaptureStderr();
    EXPECT_EQ(exit_of(words), 2);
    const std::string said = testing::internal::GetCapturedStderr();
    EXPECT_TRUE(said.starts_with(std::string("busbar: ") + sentence)) << said;
  }
}

TEST(Help, OfEveryCommandAsItsOwnOptionSaysIt) {
  const std::pair<std::vector<std::string>, std::vector<std::string>> table[] = {
      {{"help"}, {"--help"}},
      {{"help", "ps"}, {"ps", "--help"}},
      {{"help", "run"}, {"run", "--help"}},
      {{"help", "token", "create"}, {"token", "create", "--help"}},
      {{"--no-color", "help", "ps"}, {"--no-color", "ps", "--help"}}};
  for (const auto& [asked, option] : table) {
    testing::internal::CaptureStdout();
    EXPECT_EQ(exit_of(asked), 0);
    const std::string said = testing::internal::GetCapturedStdout();
    testing::internal::CaptureStdout();
    EXPECT_EQ(exit_of(option), 0);
    EXPECT_EQ(said, testing::internal::GetCapturedStdout());
    EXPECT_NE(said.find("Usage: busbar"), std::string::npos) << said;
  }
}

// A file of this text; its path.
std::string file_of(const std::string& name, const std::string& text) {
  const std::string path = testing::TempDir() + "busbar_commands_test_" + name;
  std::ofstream(path) << text;
  return path;
}

TEST(Exit, WrongUseIs2AndSaidBeforeAnythingIsAsked) {
  const std::string job = file_of("job.yaml", "run: true\n");
  const std::string script = file_of("s.sh", "#!/bin/sh\n");
  struct Row {
    std::vector<std::string> words;
    int code;
    std::vector<std::string> says;
  };
  const Row table[] = {
      {{"node", "fence", "n1"}, 2, {"--yes"}},
      {{"reservation", "make", "r", "--start", "now"}, 2, {"--end", "--duration"}},
      {{"submit", "--array", "1-3", job}, 2, {"job file", "--array (`array:`)"}},
      {{"update", "17"}, 2, {"say what to change"}},
      {{"logs", "--rank", "x", "17"}, 2, {"--rank"}},
      {{"submit", job, "/nonexistent.yaml"}, 3, {"/nonexistent.yaml"}},
      {{"submit", testing::TempDir()}, 3, {"is a folder"}},
      {{"submit", script, "a", "b"}, 3, {"a cannot be read", "not its arguments", "busbar run --"}},
      {{"submit", file_of("empty.yaml", "")}, 4, {"busbar up"}},
      {{"--url", "http://127.0.0.1:1", "ps"}, 4, {"no daemon answers at http://127.0.0.1:1"}}};
  for (const Row& row : table) {
    auto words = row.words;
    if (words[0] != "--url") words.insert(words.begin(), {"--socket", "/nonexistent/busbar.sock"});
    testing::internal::CaptureStderr();
    EXPECT_EQ(exit_of(words), row.code) << row.words[0];
    const std::string said = testing::internal::GetCapturedStderr();
    for (const auto& part : row.says) EXPECT_NE(said.find(part), std::string::npos) << said;
    if (words[0] == "--url") {
      EXPECT_EQ(said.find("busbar up"), std::string::npos) << said;
    }
  }
}

TEST(Exit, NobodyAnswers) {
  testing::internal::CaptureStderr();
  EXPECT_EQ(exit_of({"--socket", "/nonexistent/busbar.sock", "ps"}), 4);
  EXPECT_NE(testing::internal::GetCapturedStderr().find("busbar up"), std::string::npos);
}

TEST(Exit, AFileThatCannotBeRead) {
  testing::internal::CaptureStderr();
  EXPECT_EQ(exit_of({"submit", "/nonexistent.yaml"}), 3);
  EXPECT_NE(testing::internal::GetCapturedStderr().find("/nonexistent.yaml"), std::string::npos);
}

}  // namespace
}  // namespace busbar::cli
