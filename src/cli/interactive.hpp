// `busbar run --pty`: a job whose command is shown in this terminal.
#pragma once

#include <string>
#include <vector>

#include "cli/jobs.hpp"

namespace busbar::cli {

// The exit code of the job; 2 where this terminal or the options do not allow it.
int run_in_terminal(const Context& context, const std::vector<std::string>& command,
                    const JobOptions& options);
// What of the options an interactive job cannot have, as a sentence; "" where all is well.
std::string fault_for_terminal(const JobOptions& options, const std::string& url);
// The job of a command behind the program `wrapper`, which knocks at `socket` with `word`.
Json job_in_terminal(const std::vector<std::string>& command, const JobOptions& options,
                     const std::string& wrapper, const std::string& socket,
                     const std::string& word);

}  // namespace busbar::cli
