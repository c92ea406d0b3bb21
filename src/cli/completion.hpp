// Completion scripts for shells, made from the tree of commands.
#pragma once

#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace busbar::cli {

struct CommandWords {
  std::string path;  // "ps", "node fence"; "": the program itself
  std::string help;
  std::vector<std::string> options;  // "--limit", "-f"
  bool takes_job = false;
  bool takes_file = false;
  bool takes_node = false;
};

std::vector<CommandWords> describe_commands(const CLI::App& app);
// `shell` is bash, zsh or fish.
std::string completion_script(const std::string& shell, const std::vector<CommandWords>& commands);

}  // namespace busbar::cli
