// busbar-sim: runs seeds of the deterministic simulation, each twice when asked, and compares
// hashes.
//   busbar-sim [--first-seed S] [--seeds N] [--crash C] [--twice] [--verbose] [--journal]
// --crash: how likely the loop dies at a step, in thousandths. --journal: prints the events of a
// seed that fails.
// Prints one line per failing seed and "N passed, N failed" last; exits 1 when any failed.

#include <fmt/format.h>

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/units.hpp"
#include "model/event.hpp"
#include "sim/simulation.hpp"

namespace {

struct Arguments {
  std::uint64_t first = 1;
  std::uint64_t seeds = 100;
  std::uint32_t crash = busbar::sim::SimulationOptions().crash;
  bool twice = false;
  bool verbose = false;
  bool journal = false;
};

std::uint64_t number(const char* text) {
  const auto value = busbar::parse_count(text == nullptr ? "" : text);
  if (value.ok()) return static_cast<std::uint64_t>(*value);
  fmt::print(stderr, "busbar-sim: {}\n", value.error().text);
  std::exit(2);
}

Arguments read_arguments(int count, char** words) {
  Arguments out;
  for (int i = 1; i < count; ++i) {
    const std::string_view word = words[i];
    if (word == "--first-seed") {
      out.first = number(words[++i]);
    } else if (word == "--seeds") {
      out.seeds = number(words[++i]);
    } else if (word == "--crash") {
      out.crash = static_cast<std::uint32_t>(number(words[++i]));
    } else if (word == "--journal") {
      out.journal = true;
    } else if (word == "--twice") {
      out.twice = true;
    } else if (word == "--verbose") {
      out.verbose = true;
    } else {
      fmt::print(stderr, "busbar-sim: unknown option {}\n", word);
      std::exit(2);
    }
  }
  return out;
}

// The failure of one seed, or "".
std::string run_seed(std::uint64_t seed, const Arguments& arguments) {
  busbar::sim::SimulationOptions options;
  options.seed = seed;
  options.crash = arguments.crash;
  options.keep_journal = arguments.journal;
  const auto first = busbar::sim::simulate(options);
  if (arguments.verbose)
    fmt::print(
        "seed {}: hash {:016x} events {} crashes {} jobs {} runs {} promises {} jumps {} "
        "restores {} end {}\n",
        seed, first.journal_hash, first.events, first.crashes, first.jobs, first.runs,
        first.promises, first.clock_jumps, first.restores, first.end.value);
  if (!first.violation.empty()) {
    for (const auto& bytes : first.journal) {
      const auto event = busbar::decode_event(bytes);
      if (event.ok()) fmt::print("{}\n", busbar::event_json(*event));
    }
    return first.violation;
  }
  if (!arguments.twice) return "";
  const auto second = busbar::sim::simulate(options);
  if (second.journal_hash != first.journal_hash)
    return fmt::format("two runs differ: {:016x} and {:016x}", first.journal_hash,
                       second.journal_hash);
  return "";
}

}  // namespace

int main(int count, char** words) {
  const Arguments arguments = read_arguments(count, words);
  std::uint64_t failed = 0;
  for (std::uint64_t seed = arguments.first; seed < arguments.first + arguments.seeds; ++seed) {
    const std::string failure = run_seed(seed, arguments);
    if (failure.empty()) continue;
    ++failed;
    fmt::print("seed {}: {}\n", seed, failure);
    std::fflush(stdout);
  }
  fmt::print("{} passed, {} failed\n", arguments.seeds - failed, failed);
  return failed == 0 ? 0 : 1;
}
