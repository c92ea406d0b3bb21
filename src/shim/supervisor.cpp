#include "shim/supervisor.hpp"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstdio>
#include <set>

#include "base/text.hpp"
#include "base/units.hpp"

namespace busbar::shim {

namespace {

constexpr std::int64_t straggler_grace_ms = 2'000;  // for what outlives its attempt's processes
constexpr std::int64_t kill_again_ms = 20;
constexpr int terminate_rounds_max = 16;  // a tree that grows faster meets SIGKILL
constexpr std::int64_t retry_ms = 500;

std::int64_t mono_ms() { return clock_ms(CLOCK_MONOTONIC); }
std::int64_t after(std::int64_t now, std::int64_t ms) { return ms > 0 ? now + ms : now; }

// Each output file that is there and is not empty, once.
std::vector<OutputBegin> outputs_of(const StartRequest& request) {
  std::set<std::pair<dev_t, ino_t>> files;
  std::vector<OutputBegin> outputs;
  for (const auto* list : {&request.setup, &request.processes})
    for (const ProcessSpec& process : *list)
      for (const std::string* path : {&process.output_path, &process.error_path}) {
        struct stat status {};
        if (path->empty() || lstat(path->c_str(), &status) != 0 || !S_ISREG(status.st_mode))
          continue;
        if (status.st_size > 0 && files.emplace(status.st_dev, status.st_ino).second)
          outputs.push_back({*path, status.st_size});
      }
  return outputs;
}

std::int64_t sum_of(const std::vector<OutputBegin>& outputs) {
  std::int64_t bytes = 0;
  for (const OutputBegin& output : outputs) bytes += output.bytes;
  return bytes;
}

}  // namespace

void refuse(const Say& reply, const std::string& name, const std::string& sentence) {
  reply(encode(Refused{printable(name, 64), sentence}));
}

Started started_of(const Attempt& attempt) {
  return {attempt.request.name, attempt.leaders.empty() ? 0 : attempt.leaders.front().pid,
          attempt.started_unix_ms, attempt.started_boot_ms, attempt.output_begins};
}

Supervisor::Supervisor(Records records, Cgroups cgroups, std::string folder, int epoll_fd,
                       Say report)
    : records_(std::move(records)),
      cgroups_(std::move(cgroups)),
      folder_(std::move(folder)),
      epoll_fd_(epoll_fd),
      report_(std::move(report)) {
  // Many processes at once need many launch pipes; the attempts keep the limit found.
  getrlimit(RLIMIT_NOFILE, &files_);
  const rlimit raised{files_.rlim_max, files_.rlim_max};
  setrlimit(RLIMIT_NOFILE, &raised);
}

// ---- requests

void Supervisor::take(StartRequest& request, const Say& reply) {
  const std::string name = request.name;
  if (const auto held = attempts_.find(name); held != attempts_.end()) {
    // Before that it is on its way: everybody is told when it runs or ends.
    if (held->second.started_unix_ms != 0) reply(encode(started_of(held->second)));
    return;
  }
  if (const std::string* exited = records_.find_exit(name)) return reply(*exited);
  if (const std::string fault = fault_of(request); !fault.empty())
    return refuse(reply, name, "the start of " + printable(name, 64) + " is not valid: " + fault);
  RunningRecord record = record_of(request);
  if (!write_start(record, reply)) return;
  unstage(name);
  Attempt& attempt = attempts_[name];
  attempt.request = std::move(request);
  attempt.in_setup = !attempt.request.setup.empty();
  hold(attempt);
  const Result<Ok> made = cgroups_.create(attempt.request);
  if (!made.ok()) {
    begin_end(attempt, Cause::launch_failed, made.error().text, 0, 0);
    return settle(attempt);
  }
  begin_phase(attempt);
  if (cgroups_.tracks()) return;
  for (const Leader& leader : attempt.leaders) {
    record.leaders.push_back(leader.pid);
    record.leader_ticks.push_back(start_ticks(static_cast<pid_t>(leader.pid)));
  }
  records_.write_running(record);
}

RunningRecord Supervisor::record_of(const StartRequest& request) const {
  return {request.name,
          boot_id_,
          static_cast<std::uint32_t>(getpid()),
          clock_ms(CLOCK_REALTIME),
          clock_ms(CLOCK_BOOTTIME),
          {},
          {},
          request.uid,
          request.setup.size() + request.processes.size()};
}

bool Supervisor::write_start(const RunningRecord& record, const Say& reply) {
  const int error = records_.write_running(record);
  if (error == 0) return true;
  refuse(
      reply, record.name,
      std::string("the supervisor cannot write its record of the start: ") + std::strerror(error));
  return false;
}

void Supervisor::hold(Attempt& attempt) {
  attempt.output_begins = outputs_of(attempt.request);
  attempt.output_before_bytes = sum_of(attempt.output_begins);
  const std::int64_t now = mono_ms();
  // Holds also for a launch that hangs; counted anew from the first instruction.
  count_limit(attempt, now);
  if (const std::int64_t every = sample_interval(attempt); every > 0)
    attempt.sample_at = now + every;
}

// The checkpoint signal comes before the end of what runs.
void Supervisor::count_limit(Attempt& attempt, std::int64_t from_ms) {
  const StartRequest& request = attempt.request;
  attempt.limit_at = attempt.warn_at = never_ms;
  if (request.time_limit_ms == 0) return;
  attempt.limit_at = from_ms + request.time_limit_ms;
  if (attempt.started_unix_ms != 0 && request.warn_signal > 0 && request.warn_lead_ms > 0)
    attempt.warn_at = attempt.limit_at - std::min(request.warn_lead_ms, request.time_limit_ms);
}

void Supervisor::take(const Limit& limit) {
  if (limit.time_limit_ms < 0 || limit.time_limit_ms > time_max_ms) return;
  if (const auto staged = staged_.find(limit.name); staged != staged_.end())
    staged->second.attempt.request.time_limit_ms = limit.time_limit_ms;
  const auto held = attempts_.find(limit.name);
  if (held == attempts_.end() || held->second.exited || held->second.ending) return;
  Attempt& attempt = held->second;
  const bool over =
      attempt.kill_at != never_ms;  // its processes have ended; what they left has not
  if (over || attempt.request.time_limit_ms == limit.time_limit_ms) return;
  attempt.request.time_limit_ms = limit.time_limit_ms;
  count_limit(attempt, attempt.started_unix_ms == 0 ? mono_ms() : attempt.started_mono_ms);
}

void Supervisor::take(const End& end, const Say& reply) {
  if (unstage(end.name)) return reply(encode(Revoked{end.name}));
  const auto held = attempts_.find(end.name);
  if (held == attempts_.end()) {
    if (const std::string* exited = records_.find_exit(end.name)) return reply(*exited);
    return refuse(reply, end.name, "no attempt of that name is held here");
  }
  if (held->second.exited) return;  // said as soon as it is recorded
  begin_end(held->second, Cause::stopped, "", end.warn_lead_ms, end.grace_ms);
  follow_clock(held->second, mono_ms());
}

void Supervisor::take(const Signal& signal, const Say& reply) {
  const auto held = attempts_.find(signal.name);
  if (held == attempts_.end() || held->second.exited)
    return refuse(reply, signal.name, "no attempt of that name runs here");
  if (signal.number < 1 || signal.number >= NSIG)
    return refuse(reply, signal.name, "there is no signal " + std::to_string(signal.number));
  signal_tree(held->second, signal.number, signal.handlers_only);
}

void Supervisor::take(const Acknowledge& acknowledge, const Say& reply) {
  if (attempts_.contains(acknowledge.name))
    return refuse(reply, acknowledge.name, "it has not ended yet");
  if (records_.find_exit(acknowledge.name) != nullptr) records_.acknowledge(acknowledge.name);
}

void Supervisor::take(const List& list, const Say& reply) {
  std::vector<HeldAttempt> items;
  for (auto& [name, attempt] : attempts_) {
    if (attempt.unheard || (!list.name.empty() && name != list.name)) continue;
    const Started started = started_of(attempt);
    HeldAttempt item{name,
                     attempt.ending ? HeldState::ending : HeldState::running,
                     started.pid,
                     started.started_unix_ms,
                     started.started_boot_ms,
                     attempt.usage,
                     attempt.ending ? -1 : attempt.request.time_limit_ms};
    const CgroupReading reading = cgroups_.read(name);
    item.usage.cpu_ms = std::max(reading.cpu_us, attempt.cpu_us) / 1000;
    item.usage.memory_peak_bytes =
        std::max(reading.memory_peak_bytes, attempt.usage.memory_peak_bytes);
    if (started.started_unix_ms != 0) item.usage.wall_ms = mono_ms() - attempt.started_mono_ms;
    items.push_back(std::move(item));
  }
  for (const auto& [name, staged] : staged_)
    if (list.name.empty() || name == list.name)
      items.push_back(
          HeldAttempt{name, HeldState::staged, 0, 0, 0, {}, staged.attempt.request.time_limit_ms});
  for (const std::string& name : records_.exits())
    if (list.name.empty() || name == list.name)
      items.push_back(HeldAttempt{name, HeldState::ended, 0, 0, 0, {}});
  std::size_t at = 0;
  do {
    Held page;
    page.asked = list.name;
    for (; at < items.size() && page.items.size() < held_per_page; ++at)
      page.items.push_back(std::move(items[at]));
    page.last = at == items.size();
    reply(encode(page));
  } while (at < items.size());
  if (list.name.empty()) return;
  if (const std::string* exited = records_.find_exit(list.name)) reply(*exited);
}

void Supervisor::repeat_exits(const Say& reply) const {
  for (const std::string& name : records_.exits()) reply(*records_.find_exit(name));
}

void Supervisor::end_all(const std::string& why) {
  while (!staged_.empty()) unstage(std::string(staged_.begin()->first));
  for (auto& [name, attempt] : attempts_)
    if (!attempt.exited)
      begin_end(attempt, Cause::supervisor_lost, why, 0, attempt.request.grace_ms);
}

// ---- starting

void Supervisor::begin_phase(Attempt& attempt) {
  const Result<Ok> launched = launch_processes(attempt, -1);
  if (!launched.ok()) begin_end(attempt, Cause::launch_failed, launched.error().text, 0, 0);
  if (attempt.launch_fd < 0) return settle(attempt);
  watch_launch(attempt);
}

// Those that could be started are leaders, also where another could not.
Result<Ok> Supervisor::launch_processes(Attempt& attempt, int gate_fd) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0)
    return Error{Errc::unavailable,
                 std::string("the supervisor has no descriptor left: ") + std::strerror(errno)};
  LaunchPlace place;
  place.doors = cgroups_.doors(attempt.request);
  place.birthplace_fd = cgroups_.open_birthplace(attempt.request.name);
  place.mark = attempt_mark(folder_, attempt.request.name);
  place.files = files_;
  place.shim_pid = getpid();
  place.report_fd = ends[1];
  place.gate_fd = gate_fd;
  // A guard against a jump between two samples; the limit itself is held by the sampler.
  if (!cgroups_.limits_memory() && attempt.request.memory_bytes > 0)
    place.data_bytes_max = attempt.request.memory_bytes * 2 + (256 << 20);
  const auto& processes = attempt.in_setup ? attempt.request.setup : attempt.request.processes;
  Result<Ok> all = Ok{};
  for (const ProcessSpec& process : processes) {
    const Result<pid_t> pid = launch(attempt.request, process, place);
    if (!pid.ok()) {
      all = pid.error();
      break;
    }
    attempt.leaders.push_back(
        {process.rank, static_cast<std::uint32_t>(pid.value()), attempt.in_setup, true, 0, 0});
  }
  if (place.birthplace_fd >= 0) close(place.birthplace_fd);
  close(ends[1]);
  fcntl(ends[0], F_SETFL, O_NONBLOCK);
  attempt.launch_fd = ends[0];
  return all;
}

void Supervisor::watch_launch(const Attempt& attempt) {
  const std::string& name = attempt.request.name;
  for (const Leader& leader : attempt.leaders)
    if (leader.running) leader_of_[static_cast<pid_t>(leader.pid)] = name;
  launch_of_[attempt.launch_fd] = name;
  epoll_event event{EPOLLIN, {.fd = attempt.launch_fd}};
  epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, attempt.launch_fd, &event);
}

bool Supervisor::launch_readable(int fd) {
  const auto found = launch_of_.find(fd);
  if (found == launch_of_.end()) return false;
  Attempt& attempt = attempts_.at(found->second);
  char part[4096];
  ssize_t n;
  while ((n = read(fd, part, sizeof part)) > 0)
    if (attempt.launch_text.size() < sizeof part)
      attempt.launch_text.append(part, static_cast<std::size_t>(n));
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return true;
  close(fd);
  launch_of_.erase(found);
  attempt.launch_fd = -1;
  if (attempt.launch_text.empty()) {
    if (!attempt.ending || attempt.cause != Cause::launch_failed) phase_runs(attempt);
  } else {
    const std::string text = attempt.launch_text.substr(0, attempt.launch_text.find('\n'));
    begin_end(attempt, Cause::launch_failed, text, 0, 0);
  }
  settle(attempt);
  return true;
}

void Supervisor::phase_runs(Attempt& attempt) {
  StartRequest& request = attempt.request;
  if (attempt.started_unix_ms == 0 && !attempt.leaders.empty()) {
    attempt.started_mono_ms = mono_ms();
    attempt.started_unix_ms = clock_ms(CLOCK_REALTIME);
    attempt.started_boot_ms = clock_ms(CLOCK_BOOTTIME);
    count_limit(attempt, attempt.started_mono_ms);
    report_(encode(started_of(attempt)));
  }
  if (attempt.in_setup) return;
  request.environment = {};
  request.scripts = {};
  for (ProcessSpec& process : request.processes) process.arguments = process.environment = {};
}

// ---- ending

void Supervisor::begin_end(Attempt& attempt, Cause cause, const std::string& detail,
                           std::int64_t lead_ms, std::int64_t grace_ms) {
  if (!attempt.ending) {
    attempt.ending = true;
    attempt.cause = cause;
    attempt.detail = detail.substr(0, sentence_bytes_max);
  }
  // The same again changes nothing: each moment only ever moves closer, each signal is sent once.
  const std::int64_t now = mono_ms();
  const bool leads = lead_ms > 0 && attempt.request.warn_signal > 0;
  if (!attempt.termed) attempt.term_at = std::min(attempt.term_at, after(now, leads ? lead_ms : 0));
  if (leads && !attempt.warned && !attempt.termed && attempt.term_at > now) {
    attempt.warned = true;
    signal_tree(attempt, attempt.request.warn_signal, true);
  }
  const std::int64_t term_at = attempt.termed ? now : attempt.term_at;
  attempt.kill_at = std::min(attempt.kill_at, after(term_at, grace_ms));
}

Attempt* Supervisor::attempt_of_process(pid_t pid) {
  auto found = leader_of_.find(pid);
  if (found == leader_of_.end()) found = leader_of_.find(session_of(pid));
  return found == leader_of_.end() ? nullptr : &attempts_.at(found->second);
}

void Supervisor::reap() {
  while (true) {
    siginfo_t info{};
    if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0) break;
    Attempt* attempt = attempt_of_process(info.si_pid);  // while its session can still be seen
    int status = 0;
    rusage used{};
    if (wait4(info.si_pid, &status, 0, &used) != info.si_pid) continue;
    if (attempt != nullptr) account(*attempt, info.si_pid, status, used);
    if (attempt == nullptr) lost_at_gate(info.si_pid);
  }
  for (auto& [name, attempt] : attempts_) settle(attempt);
}

void Supervisor::account(Attempt& attempt, pid_t pid, int status, const rusage& used) {
  attempt.cpu_us += (used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1'000'000 +
                    used.ru_utime.tv_usec + used.ru_stime.tv_usec;
  attempt.usage.read_bytes += used.ru_inblock * 512;
  attempt.usage.written_bytes += used.ru_oublock * 512;
  attempt.usage.memory_peak_bytes =
      std::max<std::int64_t>(attempt.usage.memory_peak_bytes, used.ru_maxrss * 1024);
  for (Leader& leader : attempt.leaders) {
    if (!leader.running || static_cast<pid_t>(leader.pid) != pid) continue;
    leader.running = false;
    leader.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    leader.code = leader.signal != 0 ? 128 + leader.signal : WEXITSTATUS(status);
    if (leader.code == 0 || attempt.ending || leader.setup) break;
    if (leader.signal == SIGKILL && cgroups_.read(attempt.request.name).out_of_memory) {
      out_of_memory(attempt);
    } else if (attempt.request.kill_on_first_failure && !attempt.decided) {
      attempt.decided = true;  // settle() ends the others
      attempt.code = leader.code;
      attempt.signal = leader.signal;
      attempt.detail = "process " + std::to_string(leader.rank) + " failed; the others were ended";
    }
    break;
  }
}

void Supervisor::settle(Attempt& attempt) {
  if (attempt.exited || attempt.launch_fd >= 0) return;
  const bool running = std::any_of(attempt.leaders.begin(), attempt.leaders.end(),
                                   [](const Leader& leader) { return leader.running; });
  if (running && attempt.decided && !attempt.ending)
    begin_end(attempt, Cause::exited, attempt.detail, 0, attempt.request.grace_ms);
  if (running) return;
  if (!attempt.ending) attempt.detail.clear();
  if (attempt.in_setup && !attempt.ending && !attempt.leaders.empty()) {
    const Leader& setup = attempt.leaders.front();
    if (setup.code == 0) {
      attempt.in_setup = false;
      return begin_phase(attempt);
    }
    begin_end(attempt, Cause::exited,
              setup.signal != 0 ? "its setup was ended by signal " + std::to_string(setup.signal)
                                : "its setup failed with code " + std::to_string(setup.code),
              0, 0);
  }
  if (tree_is_empty(attempt)) return finish(attempt);
  if (attempt.kill_at != never_ms) {
    if (attempt.termed && !attempt.rest_termed) {
      attempt.rest_termed = true;
      terminate_tree(attempt);
    }
    return;
  }
  const std::int64_t now = mono_ms();
  attempt.term_at = now;
  attempt.kill_at = after(now, std::min(attempt.request.grace_ms, straggler_grace_ms));
}

void Supervisor::finish(Attempt& attempt) {
  const StartRequest& request = attempt.request;
  const CgroupReading reading = cgroups_.read(request.name);
  // Between two samples the guard of launch() stops it: then it fails by itself, having had more.
  const bool grew = !cgroups_.limits_memory() && request.memory_bytes > 0 &&
                    attempt.usage.memory_peak_bytes > request.memory_bytes &&
                    std::any_of(attempt.leaders.begin(), attempt.leaders.end(),
                                [](const Leader& leader) { return leader.code != 0; });
  if ((reading.out_of_memory || grew) &&
      (!attempt.ending || attempt.cause == Cause::exited || attempt.cause == Cause::launch_failed))
    attempt.ending = false, out_of_memory(attempt);
  for (const Leader& leader : attempt.leaders)
    if (!attempt.decided && leader.code > attempt.code) {
      attempt.code = leader.code;
      attempt.signal = leader.signal;
    }
  Exited exited{request.name,
                attempt.cause,
                attempt.code,
                attempt.signal,
                attempt.detail,
                {},
                attempt.usage,
                attempt.started_unix_ms,
                attempt.started_boot_ms,
                clock_ms(CLOCK_REALTIME),
                clock_ms(CLOCK_BOOTTIME)};
  for (const Leader& leader : attempt.leaders) {
    if (!leader.setup) exited.processes.push_back({leader.rank, leader.code, leader.signal});
    const auto led = leader_of_.find(static_cast<pid_t>(leader.pid));
    if (led != leader_of_.end() && led->second == request.name) leader_of_.erase(led);
  }
  Usage& usage = exited.usage;
  usage.exact = reading.cpu_us >= 0 && reading.memory_peak_bytes >= 0;
  usage.cpu_ms = (reading.cpu_us >= 0 ? reading.cpu_us : attempt.cpu_us) / 1000;
  if (reading.memory_peak_bytes >= 0) usage.memory_peak_bytes = reading.memory_peak_bytes;
  if (attempt.started_unix_ms != 0 && !attempt.lost)
    usage.wall_ms = mono_ms() - attempt.started_mono_ms;
  if (!cgroups_.remove(request.name)) unremoved_.push_back(request.name);
  attempt.exited = std::move(exited);
}

void Supervisor::flush() {
  std::vector<const Exited*> ended;
  for (auto& [name, attempt] : attempts_)
    if (attempt.exited && !attempt.unheard) ended.push_back(&*attempt.exited);
  std::erase_if(attempts_,
                [](const auto& entry) { return entry.second.exited && entry.second.unheard; });
  if (ended.empty()) return;
  const int error = records_.write_exits(ended);
  if (error != 0) {
    std::fprintf(stderr, "cannot record an end: %s\n", std::strerror(error));
    retry_at_ = mono_ms() + retry_ms;
    return;
  }
  for (const Exited* exited : ended) {
    report_(*records_.find_exit(exited->name));
    attempts_.erase(std::string(exited->name));
  }
}

bool Supervisor::all_over() const {
  return std::all_of(attempts_.begin(), attempts_.end(),
                     [](const auto& entry) { return entry.second.exited.has_value(); });
}

// ---- the clock

void Supervisor::tick() {
  const std::int64_t now = mono_ms();
  // An end that is already there comes before a limit that has passed.
  if (next_at() <= now) reap();
  for (auto& [name, attempt] : attempts_) follow_clock(attempt, now);
  std::erase_if(unremoved_, [this](const std::string& name) {
    return attempts_.contains(name) || cgroups_.remove(name);
  });
  if (retry_at_ <= now) retry_at_ = never_ms;
  if (retry_at_ == never_ms) flush();
  if (!staged_.empty()) start_followers();
}

void Supervisor::follow_clock(Attempt& attempt, std::int64_t now) {
  if (attempt.exited) return;
  if (attempt.warn_at <= now) {
    attempt.warn_at = never_ms;
    if (!attempt.ending) signal_tree(attempt, attempt.request.warn_signal, true);
  }
  if (attempt.limit_at <= now) {
    attempt.limit_at = never_ms;
    begin_end(attempt, Cause::timed_out, "", 0, attempt.request.grace_ms);
  }
  if (attempt.term_at <= now) {
    attempt.term_at = never_ms;
    attempt.termed = true;
    if (attempt.kill_at > now) terminate_tree(attempt);
  }
  if (attempt.sample_at <= now) {
    attempt.sample_at = now + sample_interval(attempt);
    sample(attempt);
  }
  if (attempt.kill_at <= now) {
    attempt.kill_at = now + kill_again_ms;
    kill_tree(attempt);
    settle(attempt);
  }
}

std::int64_t Supervisor::next_at() const {
  std::int64_t next = unremoved_.empty() ? retry_at_ : std::min(retry_at_, mono_ms() + retry_ms);
  for (const auto& [name, a] : attempts_)
    if (!a.exited)
      next = std::min({next, a.warn_at, a.limit_at, a.term_at, a.kill_at, a.sample_at});
  return next;
}

std::int64_t Supervisor::sample_interval(const Attempt& attempt) const {
  const StartRequest& request = attempt.request;
  const bool memory_by_hand = !cgroups_.limits_memory() && request.memory_bytes > 0;
  if (memory_by_hand || request.output_bytes_max > 0) return 200;
  return cgroups_.tracks() && cgroups_.limits_memory() && request.memory_bytes == 0 ? 0 : 1000;
}

void Supervisor::sample(Attempt& attempt) {
  const StartRequest& request = attempt.request;
  if (request.output_bytes_max > 0 && !attempt.ending &&
      sum_of(outputs_of(request)) - attempt.output_before_bytes > request.output_bytes_max) {
    attempt.decided = true;
    attempt.signal = SIGXFSZ;
    attempt.code = 128 + SIGXFSZ;
    begin_end(attempt, Cause::exited,
              "its output grew over the limit of " + format_bytes(Bytes(request.output_bytes_max)),
              0, 0);
  }
  if (cgroups_.limits_memory()) {
    attempt.usage.memory_peak_bytes =
        std::max(attempt.usage.memory_peak_bytes, cgroups_.memory_bytes(request.name));
    if (!attempt.ending && cgroups_.read(request.name).out_of_memory) out_of_memory(attempt);
    return;
  }
  const std::int64_t bytes = look(attempt).memory_bytes;
  attempt.usage.memory_peak_bytes = std::max(attempt.usage.memory_peak_bytes, bytes);
  if (request.memory_bytes > 0 && bytes > request.memory_bytes && !attempt.ending)
    out_of_memory(attempt);
}

void Supervisor::out_of_memory(Attempt& attempt) {
  begin_end(attempt, Cause::out_of_memory,
            "its processes reached the memory limit of " +
                format_bytes(Bytes(attempt.request.memory_bytes)),
            0, 0);
  attempt.cause = Cause::out_of_memory;
}

// ---- the tree

ProcessTree Supervisor::look(Attempt& attempt) const {
  std::vector<pid_t> sessions;
  for (const Leader& leader : attempt.leaders) sessions.push_back(static_cast<pid_t>(leader.pid));
  std::vector<ProcessKey> seen;
  for (std::size_t i = 0; i < attempt.seen_pids.size(); ++i)
    seen.emplace_back(static_cast<pid_t>(attempt.seen_pids[i]), attempt.seen_ticks[i]);
  ProcessTree tree =
      find_tree(sessions, seen, attempt_mark(folder_, attempt.request.name), attempt.request.uid);
  attempt.seen_pids.clear();
  attempt.seen_ticks.clear();
  for (const auto& [pid, ticks] : tree.members) {
    attempt.seen_pids.push_back(static_cast<std::uint64_t>(pid));
    attempt.seen_ticks.push_back(ticks);
  }
  return tree;
}

std::vector<pid_t> Supervisor::members(Attempt& attempt) const {
  std::vector<pid_t> pids;
  if (cgroups_.tracks()) {
    pids = cgroups_.members(attempt.request.name);
  } else {
    for (const auto& [pid, ticks] : look(attempt).members) pids.push_back(pid);
  }
  for (const Leader& leader : attempt.leaders) {  // one may not have entered its cgroup yet
    const auto pid = static_cast<pid_t>(leader.pid);
    if (leader.running && !attempt.lost && std::find(pids.begin(), pids.end(), pid) == pids.end())
      pids.push_back(pid);
  }
  return pids;
}

bool Supervisor::tree_is_empty(Attempt& attempt) const {
  if (cgroups_.tracks()) return cgroups_.is_empty(attempt.request.name);
  // What outlived its parent is a child of ours: without such children nothing is left.
  const std::string path = "/proc/self/task/" + std::to_string(getpid()) + "/children";
  if (!attempt.lost && exists(path)) {
    const std::string children = read_file(path);
    bool strange = false;
    for (const std::string_view child : split(children, ' '))
      if (const std::int64_t pid = to_number(child); pid > 0)
        strange = strange || !leader_of_.contains(static_cast<pid_t>(pid));
    if (!strange) return true;
  }
  return look(attempt).members.empty();
}

void Supervisor::signal_tree(Attempt& attempt, int number, bool handlers_only) const {
  for (const pid_t pid : members(attempt))
    if (!handlers_only || catches(pid, number)) kill(pid, number);
}

// Who is born while it is sent gets it too, and nobody gets it twice.
void Supervisor::terminate_tree(Attempt& attempt) const {
  std::vector<std::uint32_t>& termed = attempt.termed_pids;
  bool found = true;
  for (int round = 0; found && round < terminate_rounds_max; ++round) {
    found = false;
    for (const pid_t pid : members(attempt)) {
      const auto number = static_cast<std::uint32_t>(pid);
      const auto at = std::lower_bound(termed.begin(), termed.end(), number);
      if (at != termed.end() && *at == number) continue;
      termed.insert(at, number);
      kill(pid, SIGTERM);
      kill(pid, SIGCONT);
      found = true;
    }
  }
}

void Supervisor::kill_tree(Attempt& attempt) const {
  if (cgroups_.tracks()) cgroups_.kill_members(attempt.request.name);
  for (const pid_t pid : members(attempt)) kill(pid, SIGKILL);
}

// ---- predecessors

void Supervisor::recover() {
  for (const RunningRecord& record : records_.running()) {
    const std::string& name = record.name;
    Attempt& attempt = attempts_[name];
    attempt.request.name = name;
    attempt.request.uid = record.uid;
    attempt.lost = true;
    attempt.started_unix_ms = record.started_unix_ms;
    attempt.started_boot_ms = record.started_boot_ms;
    if (!record.boot_id.empty() && record.boot_id != boot_id_) {
      begin_end(attempt, Cause::supervisor_lost, "the machine was restarted while it ran", 0, 0);
      finish(attempt);
      continue;
    }
    for (std::size_t i = 0; i < record.leaders.size(); ++i)
      if (start_ticks(static_cast<pid_t>(record.leaders[i])) == record.leader_ticks[i])
        attempt.seen_pids.push_back(record.leaders[i]),
            attempt.seen_ticks.push_back(record.leader_ticks[i]);
    begin_end(attempt, Cause::supervisor_lost,
              tree_is_empty(attempt)
                  ? "the supervisor was killed while it ran; nothing of it was left"
                  : "the supervisor was killed while it ran; what was left of it was ended",
              0, 0);
  }
  for (const std::string& name : cgroups_.names()) {
    if (!valid_name(name) || attempts_.contains(name)) continue;
    Attempt& attempt = attempts_[name];
    attempt.request.name = name;
    attempt.lost = attempt.unheard = true;
    begin_end(attempt, Cause::supervisor_lost, "", 0, 0);
  }
}

Result<std::vector<Attempt>> Supervisor::state() {
  while (!staged_.empty()) unstage(std::string(staged_.begin()->first));
  flush();
  std::vector<Attempt> attempts;
  for (const auto& [name, attempt] : attempts_) {
    if (attempt.exited)
      return Error{Errc::unavailable, "the end of " + name + " could not be written down yet"};
    attempts.push_back(attempt);
  }
  return attempts;
}

void Supervisor::resume(std::vector<Attempt> attempts) {
  for (Attempt& saved : attempts) {
    const std::string name = saved.request.name;
    Attempt& attempt = attempts_[name] = std::move(saved);
    for (const Leader& leader : attempt.leaders) leader_of_[static_cast<pid_t>(leader.pid)] = name;
    if (attempt.launch_fd < 0) continue;
    fcntl(attempt.launch_fd, F_SETFD, FD_CLOEXEC);
    launch_of_[attempt.launch_fd] = name;
    epoll_event event{EPOLLIN, {.fd = attempt.launch_fd}};
    epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, attempt.launch_fd, &event);
  }
}

}  // namespace busbar::shim
