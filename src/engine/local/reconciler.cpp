#include "engine/local/reconciler.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "engine/local/start_plan.hpp"
#include "model/names.hpp"

namespace busbar::local {
namespace {

Usage to_usage(const shim::Usage& from) {
  Usage usage;
  usage.cpu_time = Span(from.cpu_ms);
  usage.memory_peak = Bytes(from.memory_peak_bytes);
  usage.read = Bytes(from.read_bytes);
  usage.written = Bytes(from.written_bytes);
  usage.wall_time = Span(from.wall_ms);
  usage.exact = from.exact;
  return usage;
}

EndCause to_cause(shim::Cause cause) {
  switch (cause) {
    case shim::Cause::exited:
      return EndCause::exited;
    case shim::Cause::timed_out:
      return EndCause::timed_out;
    case shim::Cause::out_of_memory:
      return EndCause::out_of_memory;
    case shim::Cause::stopped:
      return EndCause::stopped;
    case shim::Cause::launch_failed:
      return EndCause::launch_failed;
    case shim::Cause::supervisor_lost:
      return EndCause::node_lost;
  }
  return EndCause::node_lost;
}

Launch bound_launch(Launch launch, const std::vector<Claim>& bound) {
  for (std::size_t i = 0; i < launch.claims.size() && i < bound.size(); ++i)
    launch.claims[i].claim = bound[i];
  return launch;
}

AttemptEnded failed_launch(const AttemptId& id, const std::string& sentence) {
  AttemptEnded ended;
  ended.attempt = id;
  ended.exit = {EndCause::launch_failed, 125, 0, sentence};
  return ended;
}

}  // namespace

Reconciler::Reconciler(ReconcilerOptions options, CoreBook book, Transport& transport,
                       Machine& machine, ReportSink report)
    : options_(std::move(options)),
      book_(std::move(book)),
      transport_(transport),
      machine_(machine),
      report_(std::move(report)) {}

// --- calls of the Engine

void Reconciler::open(const std::string& installation, const std::vector<Launch>& live, Tick now) {
  check(!opened_, "an engine is opened once");
  opened_ = true;
  opened_at_ = unlinked_since_ = now;
  installation_ = installation;
  for (const Launch& launch : live) {
    Entry entry;
    entry.launch = launch;
    entry.id = launch.id;
    entry.phase = Phase::adopting;
    for (const LaunchClaim& claim : launch.claims) entry.bound.push_back(claim.claim);
    if (launch.after.empty()) book_.adopt(launch);
    entries_.emplace(launch.name, std::move(entry));
  }
  if (connected_) connected(now);
}

void Reconciler::launch(const Launch& launch, Tick now) {
  if (const auto known = entries_.find(launch.name); known != entries_.end()) {
    Entry& entry = known->second;
    if (entry.phase == Phase::adopting) {
      entry.launch_asked = true;
      entry.launch = launch;
      entry.has_launch = true;
    }
    return report_state(entry);
  }
  Entry entry;
  entry.launch = launch;
  entry.id = launch.id;
  Entry& kept = entries_.emplace(launch.name, std::move(entry)).first->second;
  try_start(kept, now);
}

void Reconciler::end(const std::string& name, Span grace, Tick now) {
  if (!entries_.contains(name)) look_up(name, now);
  const auto at = entries_.find(name);
  if (at == entries_.end()) return;
  Entry& entry = at->second;
  if (entry.phase == Phase::ended || entry.phase == Phase::leaving) return report_state(entry);
  if (entry.phase == Phase::waiting) {
    AttemptEnded ended;
    ended.attempt = entry.id;
    ended.exit = {EndCause::stopped, 0, 0, "it was ended before it started"};
    return becomes_ended(entry, std::move(ended), false, now);
  }
  entry.end_grace = entry.end_grace ? std::min(*entry.end_grace, grace) : grace;
  if (entry.phase != Phase::starting) send_end(entry, now);
}

void Reconciler::revoke(const std::string& name, Tick now) {
  const auto at = entries_.find(name);
  if (at == entries_.end()) return look_up(name, now);
  Entry& entry = at->second;
  if (entry.phase == Phase::waiting) return end(name, Span(0), now);
  if (entry.phase == Phase::staged) send(shim::Revoke{name});
  entry.revoking = true;
  report_state(entry);
}

// Where the shim has it already, and did not hear this, its next list shows another limit.
void Reconciler::limit(const std::string& name, Span time_limit) {
  const auto at = entries_.find(name);
  if (at == entries_.end() || at->second.launch.time_limit == time_limit) return;
  Entry& entry = at->second;
  entry.launch.time_limit = time_limit;
  entry.start_request.time_limit_ms = shim_limit_ms(time_limit);
  const bool told = entry.phase == Phase::starting || entry.phase == Phase::staged ||
                    entry.phase == Phase::running;
  if (told && linked_ && shim_sets_limits_) send(shim::Limit{name, shim_limit_ms(time_limit)});
}

void Reconciler::check_limit(const shim::HeldAttempt& held) {
  const auto at = entries_.find(held.name);
  if (at == entries_.end() || !at->second.has_launch || held.time_limit_ms < 0) return;
  const std::int64_t wanted = shim_limit_ms(at->second.launch.time_limit);
  if (held.time_limit_ms != wanted) send(shim::Limit{held.name, wanted});
}

void Reconciler::look_up(const std::string& name, Tick now) {
  if (const auto known = entries_.find(name); known != entries_.end())
    return report_state(known->second);
  const auto id = parse_attempt_name(installation_, name);
  if (!id) return machine_.warn(id.error().text);
  Entry entry;
  entry.launch.name = name;
  entry.launch.id = entry.id = *id;
  entry.has_launch = false;
  entry.phase = Phase::adopting;
  Entry& kept = entries_.emplace(name, std::move(entry)).first->second;
  note_absent(kept, now);
}

void Reconciler::acknowledge(const std::string& name, Tick now) {
  const auto at = entries_.find(name);
  if (at == entries_.end()) return machine_.forgotten(name);
  Entry& entry = at->second;
  if (entry.phase == Phase::leaving) return;
  if (entry.phase != Phase::ended) {
    entry.closed = true;
    return;
  }
  entry.phase = Phase::leaving;
  machine_.forgotten(name);
  if (leave(entry, now)) entries_.erase(at);
}

// --- the connection

void Reconciler::connected(Tick now) {
  connected_ = true;
  greeted_ = linked_ = upgrade_sent_ = false;
  asked_at_ = now;
  if (!opened_) return;
  shim::DaemonHello hello;
  hello.installation = installation_;
  send(hello);
}

void Reconciler::disconnected(Tick now) {
  if (linked_ || !connected_) unlinked_since_ = now;
  connected_ = greeted_ = linked_ = list_open_ = false;
  unanswered_since_ = tick_never;
}

void Reconciler::frame(std::string_view bytes, Tick now) {
  if (!opened_) return;
  unanswered_since_ = tick_never;
  if (linked_) say_reachable();
  const auto message = shim::decode(bytes);
  if (!message) return machine_.warn("busbar-shim: " + message.error().text);
  std::visit([&](const auto& it) { on(it, now); }, *message);
  check_synchronised();
}

void Reconciler::ask_upgrade() {
  shim::Upgrade upgrade;
  upgrade.path = options_.shim_program;
  send(upgrade);
}

void Reconciler::on(const shim::ShimHello& hello, Tick now) {
  if (greeted_) return;
  if (hello.version != shim::protocol_version) {
    if (upgrade_sent_ || options_.shim_program.empty()) return;
    upgrade_sent_ = true;
    ask_upgrade();
    return;
  }
  greeted_ = true;
  shim_stages_ = hello.stages && options_.lateness_max == Span(0);
  shim_sets_limits_ = hello.sets_limits;
  list_open_ = true;  // the pages follow by themselves
  seen_.clear();
  asked_at_ = now;
  const bool other_build = !options_.build.empty() && hello.build != options_.build;
  if (!other_build || options_.shim_program.empty() || renewal_asked_) return;
  renewal_asked_ = true;  // refused or not: with the same version the old one serves as well
  ask_upgrade();
}

void Reconciler::ask_list(Tick now) {
  seen_.clear();
  list_open_ = true;
  asked_at_ = audited_at_ = now;
  awaits(now);
  send(shim::List{});
}

void Reconciler::on(const shim::Held& held, Tick now) {
  for (const shim::HeldAttempt& item : held.items) {
    seen_.insert(item.name);
    check_limit(item);
    if (item.state == shim::HeldState::staged) {
      sees_staged(item.name);
    } else if (item.state != shim::HeldState::ended) {
      sees_running(item.name, now);
    } else if (const auto at = entries_.find(item.name); at != entries_.end()) {
      at->second.absent_since = at->second.absence_asked = tick_never;  // its exit follows
    } else {
      sights(item.name, false);
    }
  }
  if (!held.asked.empty()) {
    const auto at = entries_.find(held.asked);
    if (!held.items.empty() || at == entries_.end()) return;
    if (at->second.absence_asked == tick_never) return note_absent(at->second, now);
    return conclude_absent(at, now);
  }
  if (held.last && list_open_) list_complete(now);
}

// Said at the first link too: a former daemon may have said the opposite.
void Reconciler::say_reachable() {
  if (!unreachable_reported_ && reachable_reported_) return;
  unreachable_reported_ = false;
  reachable_reported_ = true;
  report_(NodeReachable{options_.cluster, options_.node});
}

void Reconciler::list_complete(Tick now) {
  list_open_ = false;
  audited_at_ = now;
  const bool first = !linked_;
  linked_ = true;
  if (first) say_reachable();
  for (auto& [name, entry] : entries_) {
    const bool unseen = !seen_.contains(name);
    if (first && unseen && entry.phase == Phase::starting) entry.lost = true;
    if (first && unseen && entry.phase == Phase::staged && entry.has_launch)
      entry.phase = Phase::waiting;
    if (unseen) note_absent(entry, now);
  }
  if (!first) return;
  // What is staged is ended before its predecessor, or it would start in between.
  for (auto& [name, entry] : entries_) {
    if (entry.revoking) revoke(name, now);
    if (entry.end_grace && entry.phase == Phase::staged) send_end(entry, now);
  }
  for (auto& [name, entry] : entries_) {
    if (entry.phase == Phase::waiting || (entry.phase == Phase::starting && entry.lost))
      try_start(entry, now);
    const bool told = entry.phase == Phase::starting || entry.phase == Phase::staged;
    if (entry.end_grace && !told) send_end(entry, now);
  }
}

// Whether State has closed it, or is older than it, is not for an engine to say.
void Reconciler::sights(const std::string& name, bool running) {
  if (const auto id = parse_attempt_name(installation_, name))
    report_(AttemptSighted{options_.cluster, *id, running});
}

void Reconciler::sees_running(const std::string& name, Tick now) {
  const auto at = entries_.find(name);
  if (at == entries_.end()) return sights(name, true);
  Entry& entry = at->second;
  entry.absent_since = entry.absence_asked = tick_never;
  if (entry.phase == Phase::adopting || entry.phase == Phase::staged ||
      entry.phase == Phase::starting)
    becomes_running(entry, now);
}

void Reconciler::sees_staged(const std::string& name) {
  const auto at = entries_.find(name);
  if (at == entries_.end()) return sights(name, true);
  Entry& entry = at->second;
  entry.absent_since = entry.absence_asked = tick_never;
  if (entry.phase == Phase::adopting) entry.phase = Phase::staged;
}

void Reconciler::on(const shim::Revoked& revoked, Tick now) {
  const auto at = entries_.find(revoked.name);
  if (at == entries_.end()) return;
  AttemptEnded ended;
  ended.attempt = at->second.id;
  ended.exit = {EndCause::stopped, 0, 0, ""};
  if (at->second.phase == Phase::staged) becomes_ended(at->second, std::move(ended), false, now);
}

void Reconciler::on(const shim::Started& started, Tick now) {
  if (const auto at = entries_.find(started.name); at != entries_.end())
    for (const auto& [path, bytes] : started.output_begins)
      machine_.output_began(at->second.id, path, bytes);
  sees_running(started.name, now);
}

void Reconciler::on(const shim::Exited& exited, Tick now) {
  const auto at = entries_.find(exited.name);
  if (at == entries_.end()) return sights(exited.name, false);
  Entry& entry = at->second;
  if (entry.phase == Phase::ended || entry.phase == Phase::leaving) return;
  if (exited.cause == shim::Cause::supervisor_lost)
    machine_.warn("attempt " + exited.name + " is lost: " + exited.detail);
  AttemptEnded ended;
  ended.attempt = entry.id;
  ended.exit = {to_cause(exited.cause), exited.code, exited.signal, exited.detail};
  ended.usage = to_usage(exited.usage);
  if (!entry.failure.empty() && ended.exit.cause == EndCause::stopped) {
    ended.exit.cause = EndCause::exited;
    ended.exit.code = std::max(1, ended.exit.code);
    ended.exit.detail = entry.failure;
  }
  becomes_ended(entry, std::move(ended), true, now);
}

void Reconciler::on(const shim::Refused& refused, Tick now) {
  const auto at = entries_.find(refused.name);
  if (at == entries_.end())
    return machine_.warn("busbar-shim refused a request: " + refused.sentence);
  Entry& entry = at->second;
  if (entry.phase == Phase::starting || entry.phase == Phase::staged)
    becomes_ended(entry, failed_launch(entry.id, refused.sentence), false, now);
}

// --- one attempt

// Past those that are over: one that never ran has left its own predecessor in the place.
Reconciler::Entry* Reconciler::predecessor(const Entry& entry) {
  const Entry* from = &entry;
  for (std::size_t steps = 0; !from->launch.after.empty() && steps <= entries_.size(); ++steps) {
    const auto at = entries_.find(from->launch.after);
    if (at == entries_.end()) return nullptr;
    if (at->second.phase != Phase::ended && at->second.phase != Phase::leaving) return &at->second;
    from = &at->second;
  }
  return nullptr;
}

// Whether the shim has it, so that another may be staged after it.
bool Reconciler::shim_holds(const Entry& entry) {
  if (entry.phase == Phase::starting) return !entry.lost;
  if (entry.phase == Phase::staged) return !entry.revoking && !entry.end_grace;
  return entry.phase == Phase::running;
}

// A staged attempt is bound as its predecessor is, whose claims it takes.
void Reconciler::try_start(Entry& entry, Tick now) {
  const Entry* before = predecessor(entry);
  entry.launch.after = before != nullptr ? before->launch.name : "";
  if (!linked_) return;
  if (entry.phase == Phase::waiting && entry.end_grace)
    return end(entry.launch.name, *entry.end_grace, now);
  if (before != nullptr && (!shim_stages_ || !shim_holds(*before))) return;
  if (entry.start_request.name.empty()) {
    entry.bound = before != nullptr ? before->bound : book_.assign(entry.launch);
    auto prepared = machine_.prepare(entry.launch, entry.bound);
    if (!prepared)
      return becomes_ended(entry, failed_launch(entry.id, prepared.error().text), false, now);
    entry.start_request = std::move(*prepared);
  }
  if (before != nullptr) {
    if (send(shim::Stage{before->launch.name, entry.start_request})) entry.phase = Phase::staged;
    return;
  }
  book_.adopt(bound_launch(entry.launch, entry.bound));
  if (!send(entry.start_request)) return;
  entry.phase = Phase::starting;
  entry.lost = false;
  entry.start_sent = now;
  awaits(now);
}

void Reconciler::pass_on(const Entry& gone, Tick now) {
  const Entry* before = predecessor(gone);
  const std::string after = before != nullptr ? before->launch.name : "";
  for (auto& [name, entry] : entries_) {
    if (entry.launch.after != gone.launch.name || gone.launch.name.empty()) continue;
    entry.launch.after = after;
    if (entry.phase == Phase::waiting) try_start(entry, now);
    if (!after.empty()) continue;
    if (entry.phase == Phase::adopting || entry.phase == Phase::staged ||
        entry.phase == Phase::running)
      book_.adopt(bound_launch(entry.launch, entry.bound));
    if (entry.phase == Phase::running) report_state(entry);
  }
}

void Reconciler::becomes_running(Entry& entry, Tick now) {
  entry.phase = Phase::running;
  entry.start_request = {};
  if (entry.has_launch) machine_.started(entry.launch, entry.bound);
  report_state(entry);
  if (entry.end_grace) send_end(entry, now);
}

void Reconciler::becomes_ended(Entry& entry, AttemptEnded exit, bool shim_holds_exit, Tick now) {
  entry.phase = Phase::ended;
  entry.start_request = {};
  entry.exit = std::move(exit);
  entry.shim_holds_exit = shim_holds_exit;
  entry.absent_since = entry.absence_asked = tick_never;
  book_.release(entry.launch.name);
  machine_.ended(entry.launch.name);
  if (entry.closed) {
    entry.phase = Phase::leaving;  // the next tick tells the shim
    machine_.forgotten(entry.launch.name);
  } else {
    report_state(entry);
  }
  pass_on(entry, now);
}

// A grace beyond the job's own leaves the rest as the lead of its checkpoint signal.
void Reconciler::send_end(Entry& entry, Tick now) {
  entry.end_sent = now;
  if (!linked_ || !entry.end_grace) return;
  awaits(now);
  shim::End end;
  end.name = entry.launch.name;
  end.grace_ms = entry.end_grace->value;
  const bool warns = entry.has_launch && entry.launch.checkpoint.signal != 0;
  if (warns && *entry.end_grace > entry.launch.grace) {
    end.grace_ms = entry.launch.grace.value;
    end.warn_lead_ms = (*entry.end_grace - entry.launch.grace).value;
  }
  send(end);
}

bool Reconciler::leave(const Entry& entry, Tick now) {
  if (!entry.shim_holds_exit) return true;
  if (now < std::max(entry.start_sent, opened_at_) + options_.lateness_max) return false;
  shim::Acknowledge acknowledge;
  acknowledge.name = entry.launch.name;
  send(acknowledge);  // lost: its exit is said again at the next list, and acknowledged then
  return true;
}

void Reconciler::note_absent(Entry& entry, Tick now) {
  if (entry.phase != Phase::adopting && entry.phase != Phase::running &&
      entry.phase != Phase::staged)
    return;
  if (entry.absent_since == tick_never) entry.absent_since = now;
}

void Reconciler::conclude_absent(Entries::iterator at, Tick now) {
  Entry& entry = at->second;
  book_.release(entry.launch.name);
  machine_.ended(entry.launch.name);
  if (entry.launch_asked) {
    entry.phase = Phase::waiting;
    entry.absent_since = entry.absence_asked = tick_never;
    if (entry.end_grace) return end(at->first, *entry.end_grace, now);
    return try_start(entry, now);
  }
  if (entry.closed || !entry.has_launch) {
    if (!entry.closed) report_(AttemptAbsent{entry.id});
    pass_on(entry, now);
    entries_.erase(at);
    return;
  }
  // Until State has heard of this, it may name it again, or others that follow it.
  entry.phase = Phase::ended;
  entry.absent = true;
  report_state(entry);
  pass_on(entry, now);
}

void Reconciler::report_state(Entry& entry) {
  if (entry.phase == Phase::running && !entry.closed && predecessor(entry) == nullptr) {
    const bool bound = std::any_of(entry.bound.begin(), entry.bound.end(), [](const Claim& claim) {
      return claim.binding == Binding::bound;
    });
    report_(AttemptStarted{entry.id, bound ? entry.bound : std::vector<Claim>{}});
  }
  if (entry.phase != Phase::ended) return;
  if (entry.absent) return report_(AttemptAbsent{entry.id});
  report_(entry.exit);
}

void Reconciler::became_ready(const std::string& name, const std::string& address) {
  const auto at = entries_.find(name);
  if (at != entries_.end() && at->second.phase == Phase::running)
    report_(AttemptReady{at->second.id, address});
}

void Reconciler::probe_failed(const std::string& name, const std::string& sentence, Tick now) {
  const auto at = entries_.find(name);
  if (at == entries_.end() || at->second.phase != Phase::running) return;
  at->second.failure = sentence;
  end(name, at->second.launch.grace, now);
}

// --- time

void Reconciler::tick(Tick now) {
  if (!opened_) return;
  tick_link(now);
  if (linked_) {
    for (auto& [name, entry] : entries_) tick_entry(entry, now);
    std::erase_if(entries_, [&](const auto& item) {
      return item.second.phase == Phase::leaving && leave(item.second, now);
    });
  }
  check_synchronised();
}

void Reconciler::tick_link(Tick now) {
  if (connected_ && !greeted_ && overdue(asked_at_, now)) connected(now);
  if (greeted_ && list_open_ && overdue(asked_at_, now)) ask_list(now);
  const Span audit = synchronised_ ? options_.audit_interval : options_.answer_wait;
  if (linked_ && !list_open_ && now >= audited_at_ + audit) ask_list(now);
  // An End is answered by its effect, a Start by the program's: what tells a shim that lives from
  // one that does not is a question that is always answered. Nobody listened while we were away.
  const bool away = now >= ticked_at_ + options_.answer_wait;
  ticked_at_ = now;
  if (away && unanswered_since_ != tick_never) unanswered_since_ = now;
  if (linked_ && overdue(probed_at_, now)) {
    probed_at_ = now;
    awaits(now);
    send(shim::List{"alive"});
  }
  const Tick silent_since = linked_ ? unanswered_since_ : unlinked_since_;
  if (!unreachable_reported_ && now >= silent_since + options_.unreachable_after) {
    unreachable_reported_ = true;
    report_(NodeUnreachable{options_.cluster, options_.node});
  }
}

void Reconciler::tick_entry(Entry& entry, Tick now) {
  switch (entry.phase) {
    case Phase::waiting:
      return try_start(entry, now);
    case Phase::starting:
      if (overdue(entry.start_sent, now)) try_start(entry, now);
      return;
    case Phase::adopting:
    case Phase::staged:
    case Phase::running: {
      if (entry.end_grace && overdue(entry.end_sent, now)) send_end(entry, now);
      const bool due = entry.absent_since != tick_never && now >= entry.absent_since + settle();
      if (!due || (entry.absence_asked != tick_never && !overdue(entry.absence_asked, now))) return;
      entry.absence_asked = now;
      shim::List list;
      list.name = entry.launch.name;
      send(list);
      return;
    }
    case Phase::ended:
    case Phase::leaving:
      return;
  }
}

void Reconciler::check_synchronised() {
  if (synchronised_ || !linked_) return;
  const bool open = std::any_of(entries_.begin(), entries_.end(), [](const auto& item) {
    return item.second.phase == Phase::adopting && item.second.has_launch &&
           !item.second.launch_asked;
  });
  if (open) return;
  synchronised_ = true;
  report_(EngineSynchronised{options_.cluster});
}

}  // namespace busbar::local
