// Launch-ahead: what is staged, and how it takes its predecessor's place.
#include <signal.h>

#include <algorithm>

#include "base/text.hpp"
#include "shim/supervisor.hpp"

namespace busbar::shim {

namespace {

constexpr std::ptrdiff_t gates_max = 512;

}  // namespace

void Supervisor::take(Stage& stage, const Say& reply) {
  const std::string name = stage.start.name;
  const bool started = attempts_.contains(name) || records_.find_exit(name) != nullptr;
  if (started || records_.find_exit(stage.after) != nullptr) return take(stage.start, reply);
  if (const std::string fault = fault_of(stage.start); !fault.empty())
    return refuse(reply, name, "the start of " + printable(name, 64) + " is not valid: " + fault);
  if (stage.after == name || (!attempts_.contains(stage.after) && !staged_.contains(stage.after)))
    return refuse(reply, name,
                  "nothing is held here that " + printable(name, 64) + " could follow");
  unstage(name);
  Staged& staged = staged_[name];
  staged.after = stage.after;
  staged.attempt.request = std::move(stage.start);
  staged.attempt.in_setup = !staged.attempt.request.setup.empty();
  prepare(staged);
}

void Supervisor::take(const Revoke& revoke, const Say& reply) {
  if (unstage(revoke.name)) return reply(encode(Revoked{revoke.name}));
  const auto held = attempts_.find(revoke.name);
  if (held != attempts_.end() && held->second.started_unix_ms != 0)
    return reply(encode(started_of(held->second)));
  if (const std::string* exited = records_.find_exit(revoke.name)) reply(*exited);
}

// Only the next in its line stands at a gate, and no more of them than leave descriptors to others.
// A failure is none yet: it is tried again when its turn has come.
void Supervisor::prepare(Staged& staged) {
  const auto gates = std::count_if(staged_.begin(), staged_.end(),
                                   [](const auto& item) { return item.second.gate_fd >= 0; });
  int gate[2];
  if (!cgroups_.tracks() || !attempts_.contains(staged.after) || gates >= gates_max ||
      pipe2(gate, O_CLOEXEC) != 0)
    return;
  staged.gate_fd = gate[1];
  std::erase(unremoved_, staged.attempt.request.name);  // its folders are in use again
  const bool ready = cgroups_.create(staged.attempt.request).ok() &&
                     launch_processes(staged.attempt, gate[0]).ok();
  close(gate[0]);
  if (!ready) unprepare(staged);
}

void Supervisor::unprepare(Staged& staged) {
  if (staged.gate_fd < 0) return;
  for (const Leader& leader : staged.attempt.leaders) kill(static_cast<pid_t>(leader.pid), SIGKILL);
  if (staged.attempt.launch_fd >= 0) close(staged.attempt.launch_fd);
  close(staged.gate_fd);
  staged.attempt.leaders.clear();
  staged.attempt.launch_fd = staged.gate_fd = -1;
  unremoved_.push_back(staged.attempt.request.name);
}

bool Supervisor::unstage(const std::string& name) {
  const auto found = staged_.find(name);
  if (found == staged_.end()) return false;
  for (auto& [other, staged] : staged_)
    if (staged.after == name) staged.after = found->second.after;
  unprepare(found->second);
  staged_.erase(found);
  return true;
}

void Supervisor::start_followers() {
  std::vector<Staged> due;
  for (auto& [name, staged] : staged_)
    if (!attempts_.contains(staged.after) && !staged_.contains(staged.after))
      due.push_back(std::move(staged));
  for (Staged& staged : due) {
    const std::string name = staged.attempt.request.name;
    staged_.erase(name);
    open_gate(std::move(staged));
    for (auto& [other, next] : staged_)
      if (next.after == name) prepare(next);
  }
}

void Supervisor::open_gate(Staged staged) {
  if (staged.gate_fd < 0) return take(staged.attempt.request, report_);
  if (!write_start(record_of(staged.attempt.request), report_)) return unprepare(staged);
  Attempt& attempt = attempts_[staged.attempt.request.name] = std::move(staged.attempt);
  hold(attempt);
  watch_launch(attempt);
  const std::string go(attempt.leaders.size(), 'g');
  if (write(staged.gate_fd, go.data(), go.size()) < 0)
    begin_end(attempt, Cause::launch_failed, "it was killed while it waited to start", 0, 0);
  close(staged.gate_fd);
}

// A process that ended at its gate: the others of its attempt are no use either.
void Supervisor::lost_at_gate(pid_t pid) {
  for (auto& [name, staged] : staged_)
    for (const Leader& leader : staged.attempt.leaders)
      if (static_cast<pid_t>(leader.pid) == pid) return unprepare(staged);
}

}  // namespace busbar::shim
