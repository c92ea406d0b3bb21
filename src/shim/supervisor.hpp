// The attempts of this machine from start to recorded end. It is driven from outside: requests,
// readable launch pipes, SIGCHLD and the clock.
//
// Holds    an attempt is in attempts_ until its exit record is on disk; only then is it reported.
// Errors   a request that cannot be followed is answered by Refused; an attempt that cannot be
//          started ends as launch_failed. Nothing here stops the process.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "shim/attempt.hpp"
#include "shim/cgroups.hpp"
#include "shim/launch.hpp"
#include "shim/records.hpp"

namespace busbar::shim {

using Say = std::function<void(std::string encoded)>;

void refuse(const Say& reply, const std::string& name, const std::string& sentence);
Started started_of(const Attempt& attempt);

class Supervisor {
 public:
  // `folder` marks our cgroups and processes; `report` tells every daemon; launch pipes are added
  // to `epoll_fd` for reading.
  Supervisor(Records records, Cgroups cgroups, std::string folder, int epoll_fd, Say report);

  // Takes up what a killed predecessor left: ends it and will report it.
  void recover();
  // What an upgrade hands over, and taking it up again. What is staged is not: the daemon that
  // asked for the upgrade finds it missing, and stages it again.
  //   unavailable: an exit record cannot be written now.
  Result<std::vector<Attempt>> state();
  void resume(std::vector<Attempt> attempts);

  void take(StartRequest& request, const Say& reply);
  void take(Stage& stage, const Say& reply);
  void take(const Revoke& revoke, const Say& reply);
  void take(const Limit& limit);
  void take(const End& end, const Say& reply);
  void take(const Signal& signal, const Say& reply);
  void take(const Acknowledge& acknowledge, const Say& reply);
  void take(const List& list, const Say& reply);
  void repeat_exits(const Say& reply) const;
  void end_all(const std::string& why);

  bool launch_readable(int fd);  // false: not one of ours
  void reap();
  // Does what is due, writes exit records, reports them.
  void tick();
  std::int64_t next_at() const;

  std::size_t count() const { return attempts_.size(); }
  std::size_t held_count() const { return attempts_.size() + records_.exits().size(); }
  bool all_over() const;
  Cgroups& cgroups() { return cgroups_; }

 private:
  RunningRecord record_of(const StartRequest& request) const;
  bool write_start(const RunningRecord& record, const Say& reply);  // false: refused
  void hold(Attempt& attempt);
  void begin_phase(Attempt& attempt);
  void count_limit(Attempt& attempt, std::int64_t from_ms);
  Result<Ok> launch_processes(Attempt& attempt, int gate_fd);
  void watch_launch(const Attempt& attempt);
  void begin_end(Attempt& attempt, Cause cause, const std::string& detail, std::int64_t lead_ms,
                 std::int64_t grace_ms);
  void phase_runs(Attempt& attempt);
  void account(Attempt& attempt, pid_t pid, int status, const rusage& used);
  void settle(Attempt& attempt);
  void finish(Attempt& attempt);

  // What waits for its predecessor. Where cgroups are, its processes stand in them already, at a
  // gate: to make a folder and to enter it may take the kernel longer than a short task runs.
  struct Staged {
    std::string after;
    Attempt attempt;
    int gate_fd = -1;
  };
  void prepare(Staged& staged);
  void unprepare(Staged& staged);
  void lost_at_gate(pid_t pid);
  bool unstage(const std::string& name);
  void start_followers();
  void open_gate(Staged staged);

  void flush();
  void follow_clock(Attempt& attempt, std::int64_t now);
  void sample(Attempt& attempt);
  std::int64_t sample_interval(const Attempt& attempt) const;
  void out_of_memory(Attempt& attempt);

  ProcessTree look(Attempt& attempt) const;
  bool tree_is_empty(Attempt& attempt) const;
  std::vector<pid_t> members(Attempt& attempt) const;
  void signal_tree(Attempt& attempt, int number, bool handlers_only) const;
  void terminate_tree(Attempt& attempt) const;
  void kill_tree(Attempt& attempt) const;
  Attempt* attempt_of_process(pid_t pid);

  Records records_;
  Cgroups cgroups_;
  std::string folder_;
  std::string boot_id_ = boot_id();
  int epoll_fd_;
  Say report_;
  rlimit files_{};
  std::map<std::string, Attempt> attempts_;
  std::map<std::string, Staged> staged_;    // by name; what is staged after one not there starts
  std::map<pid_t, std::string> leader_of_;  // pid, and so session, to attempt
  std::map<int, std::string> launch_of_;    // launch pipe to attempt
  std::vector<std::string> unremoved_;      // cgroups that were still busy
  std::int64_t retry_at_ = never_ms;        // of what could not be written or removed
};

}  // namespace busbar::shim
