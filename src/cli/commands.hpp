// The tree of commands: names, options, help; what each does is in jobs, cluster, top and
// daemon_control.
#pragma once

#include <string>
#include <vector>

#include "cli/completion.hpp"
#include "cli/usage.hpp"

namespace busbar::cli {

// Parses, acts, and gives the exit code.
int main_of(int count, char** words);
// Every command and option there is; the program's own options have the path "".
std::vector<CommandWords> all_commands();
// split_line over the whole tree.
Line split_for_tests(const std::vector<std::string>& words);

}  // namespace busbar::cli
