// Reports about attempts: what each end means for its unit, by table.
#include <gtest/gtest.h>

#include "core/state/testing.hpp"

namespace busbar::core {
namespace {

using namespace testing;

Exit exit_of(EndCause cause, std::int32_t code = 0, std::int32_t signal = 0) {
  Exit out;
  out.cause = cause;
  out.code = code;
  out.signal = signal;
  return out;
}

// One unit that runs on n1 and was asked to stop by `stop`.
struct One : World {
  explicit One(RestartRule restart = {}, StopCause stop = StopCause::none) {
    const NodeId n1 = add(node("n1", 8, gibibytes(64), 4));
    Job job = loose("a");
    job.restart = std::move(restart);
    job.groups[0].any_of[0].resources.devices = {gpus(1)};
    add(job);
    grant(unit(1), n1);
    must(AttemptStarted{attempt(1), {}});
    if (stop != StopCause::none) apply(Stopping{attempt(1), stop, "eve", ""});
    advance(seconds(60));
  }
  Ended end_with(Exit exit) {
    const auto decision = tell(AttemptEnded{attempt(1), std::move(exit), {}});
    EXPECT_EQ(decision->events.size(), 1u);
    EXPECT_EQ(broken, "");
    return std::get<Ended>(decision->events.at(0));
  }
};

TEST(Ends, TheCauseGivesTheState) {
  using enum RunState;
  const RestartRule never{.on_node = false, .signals = {}, .exit_codes = {}};
  const struct {
    StopCause stop;
    Exit exit;
    RunState state;
    UnitNext next;
  } rows[] = {
      {StopCause::none, exit_of(EndCause::exited, 0), completed, UnitNext::closed},
      {StopCause::none, exit_of(EndCause::exited, 3), failed, UnitNext::closed},
      {StopCause::none, exit_of(EndCause::exited, 137, 9), failed, UnitNext::closed},
      {StopCause::none, exit_of(EndCause::timed_out, 143, 15), timeout, UnitNext::closed},
      {StopCause::none, exit_of(EndCause::out_of_memory, 137, 9), out_of_memory, UnitNext::closed},
      {StopCause::none, exit_of(EndCause::stopped, 143, 15), cancelled, UnitNext::closed},
      {StopCause::none, exit_of(EndCause::node_lost), node_fail, UnitNext::closed},
      {StopCause::cancel, exit_of(EndCause::stopped, 143, 15), cancelled, UnitNext::closed},
      {StopCause::cancel, exit_of(EndCause::exited, 0), cancelled, UnitNext::closed},
      {StopCause::cancel, exit_of(EndCause::node_lost), cancelled, UnitNext::closed},
      {StopCause::preempt, exit_of(EndCause::stopped, 0), preempted, UnitNext::waits},
      {StopCause::preempt, exit_of(EndCause::exited, 1), preempted, UnitNext::waits},
      {StopCause::preempt, exit_of(EndCause::exited, 0), completed, UnitNext::closed},
      {StopCause::requeue, exit_of(EndCause::stopped, 143, 15), cancelled, UnitNext::waits},
      {StopCause::requeue, exit_of(EndCause::exited, 0), completed, UnitNext::closed},
      {StopCause::deadline, exit_of(EndCause::stopped, 143, 15), timeout, UnitNext::closed},
      {StopCause::deadline, exit_of(EndCause::exited, 0), completed, UnitNext::closed},
  };
  for (const auto& row : rows) {
    One w(never, row.stop);
    const Ended ended = w.end_with(row.exit);
    const auto what = std::string(to_string(row.stop)) + " " +
                      std::string(to_string(row.exit.cause)) + std::to_string(row.exit.code);
    EXPECT_EQ(ended.state, row.state) << what;
    EXPECT_EQ(ended.next, row.next) << what;
    EXPECT_EQ(ended.restarts, 0u) << what;  // preemption and requeue never count
    EXPECT_EQ(ended.not_before, row.next == UnitNext::waits ? w.now : Tick(0)) << what;
  }
}

TEST(Ends, TheRestartRuleSaysWhatWaitsAgain) {
  const auto rule = [](auto change) {
    RestartRule out{.on_node = false, .signals = {}, .exit_codes = {}};
    change(out);
    return out;
  };
  const RestartRule node_rule;
  const auto oom = rule([](RestartRule& r) { r.on_oom = true; });
  const auto timeout = rule([](RestartRule& r) { r.on_timeout = true; });
  const auto any = rule([](RestartRule& r) { r.on_any = true; });
  const auto signals = rule([](RestartRule& r) { r.signals = {9}; });
  const auto codes = rule([](RestartRule& r) { r.exit_codes = {75, 137}; });
  const auto spent = rule([](RestartRule& r) { r.on_any = true, r.max = 0; });
  const struct {
    const char* what;
    RestartRule restart;
    Exit exit;
    bool waits;
  } rows[] = {
      {"node on node", node_rule, exit_of(EndCause::node_lost), true},
      {"code on node", node_rule, exit_of(EndCause::exited, 1), false},
      {"oom on oom", oom, exit_of(EndCause::out_of_memory, 137, 9), true},
      {"timeout on oom", oom, exit_of(EndCause::timed_out), false},
      {"timeout on timeout", timeout, exit_of(EndCause::timed_out), true},
      {"code on any", any, exit_of(EndCause::exited, 1), true},
      {"oom on any", any, exit_of(EndCause::out_of_memory), true},
      {"node on any", any, exit_of(EndCause::node_lost), true},
      {"success on any", any, exit_of(EndCause::exited, 0), false},
      {"SIGKILL on 9", signals, exit_of(EndCause::exited, 137, 9), true},
      {"SIGTERM on 9", signals, exit_of(EndCause::exited, 143, 15), false},
      {"75 on 75", codes, exit_of(EndCause::exited, 75), true},
      {"137 by signal", codes, exit_of(EndCause::exited, 137, 9), true},
      {"1 on 75", codes, exit_of(EndCause::exited, 1), false},
      {"max 0", spent, exit_of(EndCause::exited, 1), false},
  };
  for (const auto& row : rows) {
    One w(row.restart);
    const Ended ended = w.end_with(row.exit);
    EXPECT_EQ(ended.next == UnitNext::waits, row.waits) << row.what;
    if (!row.waits) continue;
    EXPECT_EQ(ended.restarts, 1u) << row.what;
    EXPECT_EQ(ended.not_before, w.now + seconds(10)) << row.what;
  }
}

TEST(Ends, BackoffDoublesUpToItsBoundAndMaxCounts) {
  RestartRule rule;
  rule.max = 4;
  rule.backoff = seconds(10);
  rule.backoff_max = seconds(30);
  One w(rule);
  const Span waits[] = {seconds(10), seconds(20), seconds(30), seconds(30)};
  for (std::uint32_t n = 1; n <= 5; ++n) {
    const auto decision = w.tell(AttemptEnded{attempt(1, 0, n), exit_of(EndCause::node_lost), {}});
    const Ended& ended = std::get<Ended>(decision->events.at(0));
    if (n == 5) {
      EXPECT_EQ(ended.next, UnitNext::closed);
      EXPECT_EQ(ended.state, RunState::node_fail);
      break;
    }
    EXPECT_EQ(ended.not_before, w.now + waits[n - 1]);
    w.grant(unit(1), NodeId(1));
  }
  EXPECT_EQ(w.broken, "");
}

TEST(Ends, ThreeFailedLaunchesInARowHoldTheUnit) {
  One w;
  Exit bad = exit_of(EndCause::launch_failed);
  bad.detail = "no such user";
  for (std::uint32_t n = 1; n <= 3; ++n) {
    if (n > 1) w.grant(unit(1), NodeId(1));
    const auto decision = w.tell(AttemptEnded{attempt(1, 0, n), bad, {}});
    const Ended& ended = std::get<Ended>(decision->events.at(0));
    EXPECT_EQ(ended.launch_failures, n);
    EXPECT_EQ(ended.restarts, 0u);
    EXPECT_EQ(ended.next, n < 3 ? UnitNext::waits : UnitNext::held);
  }
  EXPECT_EQ(*w.state.find(JobId(1))->hold_reason,
            "held after 3 failed launches in a row: no such user; release it once this is mended");
  w.must(ReleaseUnits{all_of(1), user()});
  EXPECT_EQ(w.state.find(unit(1))->launch_failures, 0u);
  EXPECT_EQ(w.broken, "");
}

TEST(Reports, StartedGivesTheLatestEndOnceAndLateReportsChangeNothing) {
  World w;
  const NodeId n1 = w.add(node("n1", 8));
  Job job = loose("a", 2);
  job.time_limit = minutes(10);
  w.add(job);
  w.grant(unit(1), n1);
  w.advance(seconds(3));
  EXPECT_EQ(w.tell(AttemptStarted{attempt(1), {}})->events.size(), 1u);
  // limit 10 min, grace 30 s, cleanup 10 s
  EXPECT_EQ(w.state.find(attempt(1))->latest_end, w.now + seconds(640));
  EXPECT_EQ(w.state.find(attempt(1))->started, w.now);
  const Command late[] = {AttemptStarted{attempt(1), {}},    AttemptStarted{attempt(1, 0, 2), {}},
                          AttemptStarted{attempt(9), {}},    AttemptReady{attempt(1, 1), "x:1"},
                          AttemptProgress{attempt(9), 1, 1}, AttemptEnded{attempt(1, 1), {}, {}},
                          AttemptAbsent{attempt(9)}};
  for (const auto& command : late) EXPECT_TRUE(w.tell(command)->events.empty());
}

TEST(Reports, ReadinessAndProgressImplyThatItRuns) {
  World w;
  const NodeId n1 = w.add(node("n1", 8));
  w.add(loose("a", 2));
  w.grant(unit(1, 0), n1);
  w.grant(unit(1, 1), n1);
  EXPECT_EQ(w.tell(AttemptReady{attempt(1, 0), "n1:80"})->events.size(), 2u);
  EXPECT_EQ(w.tell(AttemptReady{attempt(1, 0), "n1:80"})->events.size(), 0u);
  EXPECT_EQ(w.state.find(JobId(1))->ready, 1u);
  EXPECT_EQ(w.tell(AttemptProgress{attempt(1, 1), 40, 7})->events.size(), 2u);
  EXPECT_EQ(w.tell(AttemptProgress{attempt(1, 1), 40, 7})->events.size(), 0u);
  EXPECT_EQ(w.tell(AttemptProgress{attempt(1, 1), 40, 7, 100})->events.size(), 1u);
  EXPECT_EQ(w.state.find(attempt(1, 1))->work_total, 100);
  EXPECT_EQ(w.state.find(attempt(1, 1))->progressed, w.now);
  EXPECT_EQ(w.state.find(attempt(1, 1))->state, RunState::running);
  EXPECT_EQ(w.broken, "");
}

TEST(Reports, BoundClaimsCorrectTheGrantWithinCapacity) {
  const auto bound = [](const World& w, std::uint32_t ordinal, std::int64_t cores) {
    Claim claim = w.state.find(attempt(2))->allocation.claims[0];
    claim.binding = Binding::bound;
    claim.devices[0].ordinal = ordinal;
    claim.cores = whole_cores(cores);
    return std::vector<Claim>{claim};
  };
  const struct {
    const char* what;
    std::uint32_t ordinal;
    std::int64_t cores;
    std::uint32_t held;  // afterwards
    Binding binding;
  } rows[] = {{"as granted", 1, 1, 1, Binding::bound},
              {"another free device", 3, 1, 3, Binding::bound},
              {"a device of someone else", 0, 1, 1, Binding::counted},
              {"no such device", 4, 1, 1, Binding::counted},
              {"more cores than granted", 1, 2, 1, Binding::counted}};
  for (const auto& row : rows) {
    One w;
    w.add(w.state.find(JobId(1))->job);
    w.grant(unit(2), NodeId(1), 1);
    w.must(AttemptStarted{attempt(2), bound(w, row.ordinal, row.cores)});
    const Claim& claim = w.state.find(attempt(2))->allocation.claims[0];
    EXPECT_EQ(claim.devices[0].ordinal, row.held) << row.what;
    EXPECT_EQ(claim.binding, row.binding) << row.what;
    EXPECT_EQ(w.state.find(attempt(2))->state, RunState::running) << row.what;
    EXPECT_EQ(w.broken, "") << row.what;
  }
}

TEST(Reports, AnAbsentAttemptThatNeverRanWaitsAgainAtOnce) {
  World w;
  const NodeId n1 = w.add(node("n1", 8));
  w.add(loose("a", 2));
  w.grant(unit(1, 0), n1);
  w.must(AttemptAbsent{attempt(1, 0)});
  const UnitRecord* record = w.state.find(unit(1, 0));
  EXPECT_EQ(record->not_before, w.now);
  EXPECT_EQ(record->restarts, 0u);
  EXPECT_EQ(record->launch_failures, 0u);
  EXPECT_TRUE(w.state.find(JobId(1))->groups[0].waiting.contains(0));
  // One that ran is lost with its node; one to be cancelled is cancelled.
  w.run(w.grant(unit(1, 0), n1));
  w.must(AttemptAbsent{attempt(1, 0, 2)});
  EXPECT_EQ(w.state.find(unit(1, 0))->restarts, 1u);
  w.grant(unit(1, 1), n1);
  w.must(CancelUnits{some_of(1, {1, 1}), user(), ""});
  w.must(AttemptAbsent{attempt(1, 1)});
  EXPECT_EQ(find_finished(w.state.find(JobId(1))->groups[0], 1)->state, RunState::cancelled);
  EXPECT_EQ(w.broken, "");
}

TEST(Reports, TheEndChargesWhatWasHeldForAsLongAsItWasHeld) {
  One w;  // one of 8 cores, one of 4 devices: a quarter, for 60 s
  EXPECT_EQ(w.end_with(exit_of(EndCause::exited)).charge, 60'000LL << 18);
  EXPECT_EQ(w.state.tenants()[0].charge, 60'000LL << 18);
}

}  // namespace
}  // namespace busbar::core
