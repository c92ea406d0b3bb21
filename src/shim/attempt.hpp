// One attempt as the shim holds it while anything of it lives.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "shim/process_tree.hpp"
#include "shim/protocol.hpp"
#include "shim/system.hpp"

namespace busbar::shim {

// A process that the shim started; its pid is its session too.
struct Leader {
  std::uint32_t rank = 0;
  std::uint32_t pid = 0;
  bool setup = false;
  bool running = true;
  std::int32_t code = 0;
  std::int32_t signal = 0;
};

// Moments are CLOCK_MONOTONIC; never_ms where nothing is planned.
struct Attempt {
  StartRequest request;  // without environment and scripts once everything runs
  std::vector<Leader> leaders;
  bool in_setup = false;
  std::int32_t launch_fd = -1;  // open until every process has passed exec
  std::string launch_text;      // what processes said that could not

  bool lost = false;     // a leftover of a predecessor: its processes are not our children
  bool unheard = false;  // a leftover without a record: nobody is told
  bool ending = false;   // cause and detail stand
  Cause cause = Cause::exited;
  std::string detail;
  bool decided = false;  // code and signal stand
  std::int32_t code = 0;
  std::int32_t signal = 0;

  std::int64_t started_mono_ms = 0;
  std::int64_t started_unix_ms = 0;  // 0: not yet
  std::int64_t started_boot_ms = 0;
  std::int64_t warn_at = never_ms, limit_at = never_ms, term_at = never_ms, kill_at = never_ms;
  std::int64_t sample_at = never_ms;
  bool warned = false;       // the ending's warn signal was sent
  bool termed = false;       // its SIGTERM was sent, or left out because SIGKILL was due
  bool rest_termed = false;  // and again, to those left when the last leader ended
  std::vector<std::uint32_t> termed_pids;  // who has had it; ascending

  Usage usage;              // what was sampled or came with reaped processes
  std::int64_t cpu_us = 0;  // of reaped processes
  std::int64_t output_before_bytes = 0;
  std::vector<OutputBegin> output_begins;
  std::vector<std::uint64_t> seen_pids, seen_ticks;  // ProcessKeys, in two columns
  std::optional<Exited> exited;                      // over; its record is still to be written
};

void fields(auto& v, wire::Like<Leader> auto& x) {
  v(x.rank), v(x.pid), v(x.setup), v(x.running), v(x.code), v(x.signal);
}
// For an upgrade; an attempt with an `exited` is written out before.
void fields(auto& v, wire::Like<Attempt> auto& x) {
  v(x.request), v(x.leaders), v(x.in_setup), v(x.launch_fd), v(x.launch_text), v(x.lost);
  v(x.unheard), v(x.ending), v(x.cause), v(x.detail), v(x.decided), v(x.code), v(x.signal);
  v(x.started_mono_ms), v(x.started_unix_ms), v(x.started_boot_ms), v(x.warn_at), v(x.limit_at);
  v(x.term_at), v(x.kill_at), v(x.sample_at), v(x.usage), v(x.cpu_us), v(x.output_before_bytes);
  v(x.seen_pids), v(x.seen_ticks), v(x.warned), v(x.termed);
  v(x.rest_termed), v(x.termed_pids), v(x.output_begins);
}

}  // namespace busbar::shim
