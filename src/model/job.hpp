// A job as the scheduler sees it: scheduling facts only. What it runs is a Payload, named by its
// hash.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/boxed.hpp"
#include "base/list.hpp"
#include "model/ids.hpp"
#include "model/index_set.hpp"
#include "model/resources.hpp"

namespace busbar {

enum class Coupling : std::uint8_t {
  loose,    // tasks start independently; each is a unit
  tight,    // all or nothing, near each other; one unit
  extreme,  // all or nothing inside one link domain, homogeneous; one unit
};
template <>
struct EnumWords<Coupling> {
  static constexpr std::string_view words[] = {"loose", "tight", "extreme"};
};

enum class Launcher : std::uint8_t {
  script,  // once per node
  tasks,   // once per task
  mpi,     // mpirun on the first node, one rank per task
};
template <>
struct EnumWords<Launcher> {
  static constexpr std::string_view words[] = {"script", "tasks", "mpi"};
};

struct CountRange {  // min == max unless elastic
  std::uint32_t min = 1;
  std::uint32_t max = 1;
  friend bool operator==(const CountRange&, const CountRange&) = default;
};
template <class V>
void describe(V& visit, Like<CountRange> auto& range) {
  visit("min", range.min);
  visit("max", range.max);
}

// The user's array indices first, first + step, ..., <= last.
struct ArrayRange {
  std::uint32_t first = 0;
  std::uint32_t last = 0;
  std::uint32_t step = 1;
  friend bool operator==(const ArrayRange&, const ArrayRange&) = default;
};
template <class V>
void describe(V& visit, Like<ArrayRange> auto& range) {
  visit("first", range.first);
  visit("last", range.last);
  visit("step", range.step);
}

struct TaskGroup {
  std::string name;                  // "" when the job has one unnamed group
  CountRange count;                  // tasks; in a loose job min == max and each task is a unit
  std::uint32_t tasks_per_node = 0;  // 0: as many as fit
  std::uint32_t nodes = 0;           // exact number of nodes; 0: free
  std::uint32_t parallel = 0;        // loose: units running at once; 0: no limit
  List<ArrayRange> array;            // loose only; empty: the tasks are not an array
  List<Alternative> any_of;          // at least one
  Launcher launcher = Launcher::script;
  PayloadHash payload;
  bool has_ready_probe = false;
  friend bool operator==(const TaskGroup&, const TaskGroup&) = default;
};
template <class V>
void describe(V& visit, Like<TaskGroup> auto& group) {
  visit("name", group.name);
  visit("count", group.count);
  visit("tasks_per_node", group.tasks_per_node);
  visit("nodes", group.nodes);
  visit("parallel", group.parallel);
  visit("array", group.array);
  visit("any_of", group.any_of);
  visit("launcher", group.launcher);
  visit("payload", group.payload);
  visit("has_ready_probe", group.has_ready_probe);
}

enum class DependencyKind : std::uint8_t {
  ok,      // every unit COMPLETED
  any,     // every unit ended, however
  failed,  // ended, and not all COMPLETED
  ready,   // every unit has a ready attempt
};
template <>
struct EnumWords<DependencyKind> {
  static constexpr std::string_view words[] = {"ok", "any", "failed", "ready"};
};

// On a job by id, or inside one submission by the document's position.
struct Dependency {
  DependencyKind kind = DependencyKind::ok;
  JobId job;                   // 0 until `document` has been resolved by decide
  std::uint32_t document = 0;  // position in the submission, when job is 0
  std::string name;            // as the user wrote it: names the BUSBAR_<NAME>_ADDRESS variable
  friend bool operator==(const Dependency&, const Dependency&) = default;
};
template <class V>
void describe(V& visit, Like<Dependency> auto& dependency) {
  visit("kind", dependency.kind);
  visit("job", dependency.job);
  visit("document", dependency.document);
  visit("name", dependency.name);
}

struct TopologyWish {
  std::string within;     // a level's name; "" for no wish
  bool required = false;  // else preferred
  std::string spread;     // a level's name; tasks go to different ones where possible
  friend bool operator==(const TopologyWish&, const TopologyWish&) = default;
};
template <class V>
void describe(V& visit, Like<TopologyWish> auto& wish) {
  visit("within", wish.within);
  visit("required", wish.required);
  visit("spread", wish.spread);
}

struct RestartRule {
  bool on_node = true;
  bool on_oom = false;
  bool on_timeout = false;
  bool on_any = false;
  std::vector<std::int32_t> signals;
  std::vector<std::int32_t> exit_codes;
  std::uint32_t max = 3;
  Span backoff = seconds(10);
  Span backoff_max = minutes(10);
  friend bool operator==(const RestartRule&, const RestartRule&) = default;
};
template <class V>
void describe(V& visit, Like<RestartRule> auto& rule) {
  visit("on_node", rule.on_node);
  visit("on_oom", rule.on_oom);
  visit("on_timeout", rule.on_timeout);
  visit("on_any", rule.on_any);
  visit("signals", rule.signals);
  visit("exit_codes", rule.exit_codes);
  visit("max", rule.max);
  visit("backoff", rule.backoff);
  visit("backoff_max", rule.backoff_max);
}

// How the job may be asked to save itself. signal 0: it is not told, it checkpoints by itself.
struct CheckpointRule {
  bool present = false;
  std::int32_t signal = 0;
  Span grace = seconds(30);
  Span interval;  // zero: not stated
  friend bool operator==(const CheckpointRule&, const CheckpointRule&) = default;
};
template <class V>
void describe(V& visit, Like<CheckpointRule> auto& rule) {
  visit("present", rule.present);
  visit("signal", rule.signal);
  visit("grace", rule.grace);
  visit("interval", rule.interval);
}

struct Label {
  std::string key;
  std::string value;
  friend bool operator==(const Label&, const Label&) = default;
};
template <class V>
void describe(V& visit, Like<Label> auto& label) {
  visit("key", label.key);
  visit("value", label.value);
}

// Who asked. The name is for people; the numbers are what the engine switches to.
struct UserRef {
  std::string name;
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  bool is_operator = false;  // may act on other users' jobs and on nodes
  friend bool operator==(const UserRef&, const UserRef&) = default;
};
template <class V>
void describe(V& visit, Like<UserRef> auto& user) {
  visit("name", user.name);
  visit("uid", user.uid);
  visit("gid", user.gid);
  visit("is_operator", user.is_operator);
}

constexpr bool is_time_limit(Span limit) { return limit <= century || limit == span_unlimited; }

struct Job {
  JobId id;  // 0 until submitted
  std::string name;
  UserRef user;
  std::string tenant;         // "" until decide puts the default in
  std::int32_t priority = 0;  // band; higher goes first
  Coupling coupling = Coupling::loose;
  Boxed<TopologyWish> topology;
  Span time_limit = span_unlimited;
  Span grace = seconds(30);           // from SIGTERM to SIGKILL
  Span begin_after;                   // relative wish "begin: +10m"; zero: none
  std::int64_t begin_unix_ms = 0;     // absolute wish; 0: none. The edge turns it into begin_at
  std::int64_t deadline_unix_ms = 0;  // absolute; 0: none. The edge turns it into deadline_at
  Tick begin_at;                      // 0: at once
  Tick deadline_at = tick_never;
  List<Dependency> after;
  List<std::string> exclude;  // node names
  bool exclusive = false;     // whole nodes
  bool preemptible = false;
  bool hold = false;  // submitted held
  Boxed<RestartRule> restart;
  Boxed<CheckpointRule> checkpoint;
  List<TaskGroup> groups;  // at least one
  List<Label> labels;
  friend bool operator==(const Job&, const Job&) = default;
};
template <class V>
void describe(V& visit, Like<Job> auto& job) {
  visit("id", job.id);
  visit("name", job.name);
  visit("user", job.user);
  visit("tenant", job.tenant);
  visit("priority", job.priority);
  visit("coupling", job.coupling);
  visit("topology", job.topology);
  visit("time_limit", job.time_limit);
  visit("grace", job.grace);
  visit("begin_after", job.begin_after);
  visit("begin_unix_ms", job.begin_unix_ms);
  visit("deadline_unix_ms", job.deadline_unix_ms);
  visit("begin_at", job.begin_at);
  visit("deadline_at", job.deadline_at);
  visit("after", job.after);
  visit("exclude", job.exclude);
  visit("exclusive", job.exclusive);
  visit("preemptible", job.preemptible);
  visit("hold", job.hold);
  visit("restart", job.restart);
  visit("checkpoint", job.checkpoint);
  visit("groups", job.groups);
  visit("labels", job.labels);
}

// Units of group `g`: its tasks in a loose job; a tight or extreme job has one unit, in group 0.
inline std::uint32_t unit_count(const Job& job, std::uint32_t g) {
  if (job.coupling == Coupling::loose) return job.groups[g].count.min;
  return g == 0 ? 1 : 0;
}

// The user's array index of unit `index`, or `index` itself where the group is no array.
std::uint32_t array_index(const TaskGroup& group, std::uint32_t index);

}  // namespace busbar
