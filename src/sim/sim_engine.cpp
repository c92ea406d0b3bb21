#include "sim/sim_engine.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "model/names.hpp"

namespace busbar::sim {

SimEngine::SimEngine(std::string cluster, std::vector<Node> nodes, const Truths& truths,
                     Agenda& agenda, Faults& faults, Rng rng, SimEngineOptions options)
    : cluster_(std::move(cluster)),
      nodes_(std::move(nodes)),
      up_(nodes_.size(), true),
      truths_(truths),
      agenda_(agenda),
      faults_(faults),
      rng_(rng),
      options_(options) {
  for (std::size_t i = 0; i < nodes_.size(); ++i) places_.emplace(nodes_[i].name, i);
}

void SimEngine::open(std::string installation, std::vector<Launch> live, ReportSink sink) {
  check(installation_.empty() || installation_ == installation, "another installation");
  installation_ = std::move(installation);
  ++epoch_;
  sink_ = std::move(sink);
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    if (up_[i]) {
      deliver(NodeReport{nodes_[i]}, Span(10));
    } else {
      deliver(NodeUnreachable{cluster_, nodes_[i].name}, Span(10));
    }
  }
  std::set<std::string> wanted;
  for (const auto& launch : live) {
    wanted.insert(launch.name);
    if (const auto known = processes_.find(launch.name); known != processes_.end()) {
      set_limit(known->second, launch.time_limit);
      tell(launch.name);
    } else if (std::all_of(launch.claims.begin(), launch.claims.end(),
                           [&](const LaunchClaim& c) { return node_up(c.node_name); })) {
      deliver(AttemptAbsent{launch.id}, Span(15));
    }
  }
  for (const auto& [name, process] : processes_)
    if (!wanted.contains(name))
      deliver(AttemptSighted{cluster_, process.launch.id, process.phase != Phase::exited},
              Span(20));
  deliver(EngineSynchronised{cluster_}, Span(30));
  plan_resync();
}

void SimEngine::plan_resync() {
  if (options_.resync_interval == span_unlimited) return;
  agenda_.add(agenda_.now() + options_.resync_interval, [this, epoch = epoch_] { resync(epoch); });
}

void SimEngine::launch(const Launch& launch) {
  maybe_crash("before launch");
  if (processes_.contains(launch.name)) return;
  for (const auto& claim : launch.claims)
    if (!node_up(claim.node_name)) return;  // lost on the way to a dead machine
  Process process;
  process.launch = launch;
  process.version = ++versions_;
  Process& kept = processes_.emplace(launch.name, std::move(process)).first->second;
  const auto before = processes_.find(launch.after);
  if (before != processes_.end() && before->second.phase != Phase::exited) {
    kept.phase = Phase::staged;
    ++staged_;
  } else {
    kept.launch.after.clear();
    start(kept);
  }
  maybe_crash("after launch");
}

void SimEngine::start(Process& process) {
  process.phase = Phase::starting;
  const Truth truth = truths_.truth_of(process.launch);
  agenda_.add(agenda_.now() + truth.launch_delay,
              [this, name = process.launch.name] { begin(name); });
}

// What was staged after it starts, or stays staged after the one before.
void SimEngine::pass_on(const Process& gone) {
  if (staged_ == 0) return;
  for (auto& [name, process] : processes_) {
    if (process.phase != Phase::staged || process.launch.after != gone.launch.name) continue;
    process.launch.after = gone.launch.after;
    if (!process.launch.after.empty()) continue;
    ++staged_runs_;
    --staged_;
    start(process);
  }
}

void SimEngine::begin(const std::string& name) {
  const auto found = processes_.find(name);
  if (found == processes_.end() || found->second.phase != Phase::starting) return;
  Process& process = found->second;
  const Truth truth = truths_.truth_of(process.launch);
  if (process.stopping) return finish(name, {EndCause::stopped, 143, 15, ""});
  if (truth.exit.cause == EndCause::launch_failed) return finish(name, truth.exit);
  process.phase = Phase::running;
  process.started = agenda_.now();
  if (!begun_.insert(name).second) violation_ = fmt::format("{} ran twice", name);
  ++runs_;
  check_alone(process);
  tell(name);
  foresee_end(process);
}

void SimEngine::foresee_end(const Process& process) {
  const Truth truth = truths_.truth_of(process.launch);
  const Tick limit = std::max(process.started + process.launch.time_limit, agenda_.now());
  const Tick end = process.started + truth.run_time;
  if (end <= limit) {
    plan_end(process.launch.name, end, truth.exit);
  } else {
    plan_end(process.launch.name, limit + seconds(1), {EndCause::timed_out, 143, 15, ""});
  }
}

void SimEngine::check_alone(const Process& process) {
  const auto [other, alone] = running_.emplace(process.launch.id.unit, process.launch.name);
  if (!alone) violation_ = fmt::format("{} and {} run at once", other->second, process.launch.name);
}

void SimEngine::stops_running(const Process& process) {
  const auto found = running_.find(process.launch.id.unit);
  if (found != running_.end() && found->second == process.launch.name) running_.erase(found);
}

void SimEngine::plan_end(const std::string& name, Tick at, Exit exit) {
  Process& process = processes_.at(name);
  process.version = ++versions_;
  agenda_.add(at, [this, name, exit, version = process.version] {
    const auto found = processes_.find(name);
    if (found == processes_.end() || found->second.version != version) return;
    finish(name, exit);
  });
}

void SimEngine::finish(const std::string& name, Exit exit) {
  Process& process = processes_.at(name);
  if (process.phase == Phase::exited) return;
  if (process.phase == Phase::running) process.usage.wall_time = agenda_.now() - process.started;
  if (process.phase == Phase::staged) --staged_;
  stops_running(process);
  process.phase = Phase::exited;
  process.exit = std::move(exit);
  tell(name);
  pass_on(process);
}

void SimEngine::end(const std::string& attempt_name, Span grace) {
  maybe_crash("end");
  const auto found = processes_.find(attempt_name);
  if (found == processes_.end() || found->second.phase == Phase::exited) return;
  if (found->second.phase == Phase::staged)
    return finish(attempt_name, {EndCause::stopped, 143, 15, ""});
  if (std::exchange(found->second.stopping, true)) return;
  if (found->second.phase == Phase::starting) return;
  const Span taken(static_cast<std::int64_t>(
      rng_.below(static_cast<std::uint64_t>(std::max<std::int64_t>(grace.value, 1)))));
  plan_end(attempt_name, agenda_.now() + taken, {EndCause::stopped, 143, 15, ""});
}

void SimEngine::revoke(const std::string& attempt_name) {
  maybe_crash("revoke");
  const auto found = processes_.find(attempt_name);
  if (found == processes_.end()) return;
  if (found->second.phase == Phase::staged)
    finish(attempt_name, {EndCause::stopped, 0, 0, ""});
  else
    tell(attempt_name);
}

void SimEngine::limit(const std::string& attempt_name, Span time_limit) {
  maybe_crash("limit");
  const auto found = processes_.find(attempt_name);
  if (found != processes_.end()) set_limit(found->second, time_limit);
}

void SimEngine::set_limit(Process& process, Span time_limit) {
  if (process.stopping || process.launch.time_limit == time_limit) return;
  process.launch.time_limit = time_limit;
  if (process.phase == Phase::running) foresee_end(process);
}

void SimEngine::look_up(const std::string& attempt_name) {
  maybe_crash("look up");
  if (processes_.contains(attempt_name)) return tell(attempt_name);
  // With a machine down nobody can be certain that it does not run there.
  if (std::find(up_.begin(), up_.end(), false) != up_.end()) return;
  const auto id = parse_attempt_name(installation_, attempt_name);
  check(id.ok(), "a name that is not ours");
  report(AttemptAbsent{*id});
}

void SimEngine::acknowledge(const std::string& attempt_name) {
  maybe_crash("acknowledge");
  const auto found = processes_.find(attempt_name);
  if (found != processes_.end() && found->second.phase == Phase::exited) processes_.erase(found);
}

void SimEngine::read_log(const LogRequest&, LogSink sink) {
  sink(Error{Errc::not_found, "simulated attempts write nothing"});
}

void SimEngine::forget_history() {
  begun_.clear();
  for (const auto& [name, process] : processes_)
    if (process.phase == Phase::running || process.phase == Phase::exited) begun_.insert(name);
}

void SimEngine::close() {
  ++epoch_;
  sink_ = nullptr;
}

// Says what is known of one attempt.
void SimEngine::tell(const std::string& name) {
  const Process& process = processes_.at(name);
  if (process.phase == Phase::exited) {
    report(AttemptEnded{process.launch.id, process.exit, process.usage});
    if (faults_.on && rng_.below(1000) < faults_.backward)
      deliver(AttemptStarted{process.launch.id, {}}, faults_.late_max + seconds(1));
    return;
  }
  if (process.phase != Phase::running) return;
  report(AttemptStarted{process.launch.id, {}});
  if (std::any_of(process.launch.groups.begin(), process.launch.groups.end(),
                  [](const LaunchGroup& group) { return group.per_task.ports > 0; }))
    report(AttemptReady{process.launch.id, "127.0.0.1:20000"});
}

void SimEngine::report(Command command) {
  if (!faults_.on) return deliver(std::move(command), options_.report_delay);
  if (rng_.below(1000) < faults_.lost) return;
  const bool late = rng_.below(1000) < faults_.late;
  const auto span = static_cast<std::uint64_t>(late ? faults_.late_max.value : 50);
  if (rng_.below(1000) < faults_.doubled)
    deliver(command, Span(static_cast<std::int64_t>(rng_.below(span) + 1)));
  deliver(std::move(command), Span(static_cast<std::int64_t>(rng_.below(span) + 1)));
}

void SimEngine::deliver(Command command, Span delay) {
  agenda_.add(agenda_.now() + delay, [this, epoch = epoch_, command = std::move(command)] {
    if (epoch == epoch_ && sink_) sink_(command);
  });
}

// As a supervisor's reconnect does: everything it holds is told again. Once in a while it has
// forgotten an exit: then nobody will ever know more than that the attempt is gone.
void SimEngine::resync(std::uint64_t epoch) {
  if (epoch != epoch_) return;
  std::erase_if(processes_, [&](const auto& entry) {
    return faults_.on && entry.second.phase == Phase::exited && rng_.below(1000) < faults_.forget;
  });
  for (const auto& [name, process] : processes_) tell(name);
  plan_resync();
}

void SimEngine::lose_node(std::size_t which, Span down) {
  if (!up_[which]) return;
  up_[which] = false;
  const std::string& lost = nodes_[which].name;
  for (auto it = processes_.begin(); it != processes_.end();) {
    const auto& claims = it->second.launch.claims;
    const bool there = std::any_of(claims.begin(), claims.end(), [&](const LaunchClaim& claim) {
      return claim.node_name == lost;
    });
    if (there && it->second.phase == Phase::staged) --staged_;
    if (there) stops_running(it->second);
    it = there ? processes_.erase(it) : std::next(it);
  }
  deliver(NodeUnreachable{cluster_, lost}, seconds(2));
  agenda_.add(agenda_.now() + down, [this, which] {
    up_[which] = true;
    nodes_[which].boot_id += "+";
    deliver(NodeReport{nodes_[which]}, Span(10));
  });
}

void SimEngine::lose_node(const std::string& name, Span down) {
  const auto found = places_.find(name);
  if (found != places_.end()) lose_node(found->second, down);
}

void SimEngine::maybe_crash(const char* where) {
  if (faults_.on && rng_.below(1000) < faults_.crash) throw Crash{where};
}

bool SimEngine::node_up(const std::string& name) const {
  const auto found = places_.find(name);
  return found != places_.end() && up_[found->second];
}

}  // namespace busbar::sim
