// What a command line means before CLI11 sees it, and what to say when it means nothing.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace CLI {
class App;
class Error;
}  // namespace CLI

namespace busbar::cli {

// journal and sim: busbar-lab's. They take names of files, which may be any bytes.
bool is_offline(std::string_view command);

// CLI11 must not touch the command of `run` and the arguments of offline commands: it would read
// their options as ours, and "[a,b]" as a list.
struct Line {
  std::vector<std::string> parsed;
  std::vector<std::string> verbatim;
  bool offline = false;
};
// `words` without the program's name.
Line split_line(const CLI::App& app, const std::vector<std::string>& words);

// What is wrong when a word is not UTF-8: it would reach the cluster as something else. "" else.
std::string not_text(const std::vector<std::string>& words);

// `busbar help ps` in the words of `busbar ps --help`; other words as they are.
std::vector<std::string> asking_help(const CLI::App& app, std::vector<std::string> words);

// A sentence, and where to find help.
std::string usage_sentence(const CLI::App& app, const std::vector<std::string>& words,
                           const CLI::Error& error);

}  // namespace busbar::cli
