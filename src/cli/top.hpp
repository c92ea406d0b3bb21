// `busbar top`: the cluster and its jobs, redrawn every second.
#pragma once

#include <string>
#include <vector>

#include "cli/context.hpp"

namespace busbar::cli {

// One frame as lines, from the answers of /v1/status, /v1/nodes and /v1/jobs; pure, for tests.
struct TopAnswers {
  Json status;
  Json nodes;
  Json jobs;
};
std::vector<std::string> top_frame(const TopAnswers& answers, const Screen& screen,
                                   std::size_t height, std::size_t scrolled, std::int64_t now);

// Live until q; with `once` a single frame to stdout.
int top(const Context& context, bool once);

}  // namespace busbar::cli
