// One try of a unit: what it claims, how it goes, how it ended.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/ids.hpp"
#include "model/resources.hpp"

namespace busbar {

// The words of Slurm. The first four are live; PENDING is a unit's or job's state only.
enum class RunState : std::uint8_t {
  pending,
  configuring,
  running,
  suspended,
  completing,
  completed,
  failed,
  timeout,
  cancelled,
  out_of_memory,
  node_fail,
  preempted,
};
template <>
struct EnumWords<RunState> {
  static constexpr std::string_view words[] = {
      "PENDING", "CONFIGURING", "RUNNING",   "SUSPENDED",     "COMPLETING", "COMPLETED",
      "FAILED",  "TIMEOUT",     "CANCELLED", "OUT_OF_MEMORY", "NODE_FAIL",  "PREEMPTED"};
};
constexpr bool is_live(RunState state) {
  return state >= RunState::configuring && state <= RunState::completing;
}
constexpr bool is_final(RunState state) { return state >= RunState::completed; }

enum class Binding : std::uint8_t { counted, bound };
template <>
struct EnumWords<Binding> {
  static constexpr std::string_view words[] = {"counted", "bound"};
};

struct DeviceShare {
  std::uint32_t ordinal = 0;  // position in Node::devices
  MilliDevices share{1000};
  friend bool operator==(const DeviceShare&, const DeviceShare&) = default;
};
template <class V>
void describe(V& visit, Like<DeviceShare> auto& share) {
  visit("ordinal", share.ordinal);
  visit("share", share.share);
}

// `tasks` tasks of one group on one node; quantities are totals of these tasks.
struct Claim {
  NodeId node;
  std::uint32_t group = 0;
  std::uint32_t alternative = 0;  // position in TaskGroup::any_of
  std::uint32_t tasks = 1;
  MilliCores cores;
  Bytes memory;
  Bytes scratch;
  std::vector<DeviceShare>
      devices;  // by ordinal; task t holds devices [t*k, (t+1)*k), k = per task
  List<NamedCount> named;
  std::vector<std::uint32_t> ports;  // numbers on that node
  bool exclusive = false;            // the whole node, whatever the quantities say
  Binding binding = Binding::counted;
  std::vector<std::uint32_t> core_ids;  // reported by the engine when it binds cores
  friend bool operator==(const Claim&, const Claim&) = default;
};
template <class V>
void describe(V& visit, Like<Claim> auto& claim) {
  visit("node", claim.node);
  visit("group", claim.group);
  visit("alternative", claim.alternative);
  visit("tasks", claim.tasks);
  visit("cores", claim.cores);
  visit("memory", claim.memory);
  visit("scratch", claim.scratch);
  visit("devices", claim.devices);
  visit("named", claim.named);
  visit("ports", claim.ports);
  visit("exclusive", claim.exclusive);
  visit("binding", claim.binding);
  visit("core_ids", claim.core_ids);
}

struct Allocation {
  std::vector<Claim> claims;  // ranks are dealt in this order
  friend bool operator==(const Allocation&, const Allocation&) = default;
};
template <class V>
void describe(V& visit, Like<Allocation> auto& allocation) {
  visit("claims", allocation.claims);
}

struct Usage {
  Span cpu_time;  // user + system of the whole tree
  Bytes memory_peak;
  Bytes read;
  Bytes written;
  Span wall_time;     // from first instruction to the end of the tree
  bool exact = true;  // false where sampled only
  friend bool operator==(const Usage&, const Usage&) = default;
};
template <class V>
void describe(V& visit, Like<Usage> auto& usage) {
  visit("cpu_time", usage.cpu_time);
  visit("memory_peak", usage.memory_peak);
  visit("read", usage.read);
  visit("written", usage.written);
  visit("wall_time", usage.wall_time);
  visit("exact", usage.exact);
}

// Why an engine says an attempt is over.
enum class EndCause : std::uint8_t {
  exited,     // exit code or signal as given
  timed_out,  // the lease ran out
  out_of_memory,
  stopped,        // ended because Busbar asked
  launch_failed,  // it never ran; `detail` says why
  node_lost,      // the engine confirms that it is gone without an exit record
};
template <>
struct EnumWords<EndCause> {
  static constexpr std::string_view words[] = {"exited",  "timed_out",     "out_of_memory",
                                               "stopped", "launch_failed", "node_lost"};
};

struct Exit {
  EndCause cause = EndCause::exited;
  std::int32_t code = 0;    // exit status; 128 + signal where a signal ended it
  std::int32_t signal = 0;  // 0: none
  std::string detail;       // a sentence, "" where the code says it all
  friend bool operator==(const Exit&, const Exit&) = default;
};
template <class V>
void describe(V& visit, Like<Exit> auto& exit) {
  visit("cause", exit.cause);
  visit("code", exit.code);
  visit("signal", exit.signal);
  visit("detail", exit.detail);
}

// Why Busbar ends an attempt.
enum class StopCause : std::uint8_t {
  none,
  cancel,
  preempt,
  requeue,
  deadline,
  revoke,  // a staged attempt is taken back; one that has started by then runs on
};
template <>
struct EnumWords<StopCause> {
  static constexpr std::string_view words[] = {"none",    "cancel",   "preempt",
                                               "requeue", "deadline", "revoke"};
};

}  // namespace busbar
