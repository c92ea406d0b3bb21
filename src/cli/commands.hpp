// The tree of commands: names, options, help; what each does is in jobs, cluster, top and
// daemon_control.
#pragma once

#include <string>

namespace busbar::cli {

// Parses, acts, and gives the exit code.
int main_of(int count, char** words);
// What `busbar completion SHELL` prints.
std::string completion_for_tests(const std::string& shell);

}  // namespace busbar::cli
