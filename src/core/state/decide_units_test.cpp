// Cancel, hold, release, requeue and update: who may, what happens, what is refused.
#include <gtest/gtest.h>

#include "core/state/testing.hpp"

namespace busbar::core {
namespace {

using namespace testing;

// Job 1: four units; 0 finished with code 3, 1 runs, 2 is held, 3 waits.
struct Four : World {
  NodeId n1;
  Four() {
    n1 = add(node("n1", 8));
    add(loose("sweep", 4));
    end(grant(unit(1, 0), n1), RunState::failed, 3);
    run(grant(unit(1, 1), n1));
    apply(UnitsHeld{JobId(1), 0, IndexSet(2, 2), "", "ada"});
  }
  const JobRecord& job() const { return *state.find(JobId(1)); }
  std::size_t happened(const Command& command) {
    const auto decision = tell(command);
    EXPECT_TRUE(decision.ok()) << decision.error().text;
    EXPECT_EQ(broken, "");
    return decision.ok() ? decision->events.size() : 0;
  }
};

TEST(Units, CancelClosesWhatWaitsAndStopsWhatRuns) {
  Four w;
  EXPECT_EQ(w.happened(CancelUnits{all_of(1), user(), "wrong input"}), 2u);
  EXPECT_EQ(w.job().waiting + w.job().held, 0u);
  EXPECT_EQ(find_finished(w.job().groups[0], 3)->state, RunState::cancelled);
  EXPECT_EQ(*w.job().close_reason, "wrong input");
  const AttemptRecord* running = w.state.live_attempt(unit(1, 1));
  EXPECT_EQ(running->state, RunState::completing);
  EXPECT_EQ(running->stop, StopCause::cancel);
  EXPECT_EQ(w.happened(CancelUnits{all_of(1), user(), ""}), 0u);  // repeated: nothing new
}

TEST(Units, CancelOfAFewTouchesOnlyThese) {
  Four w;
  EXPECT_EQ(w.happened(CancelUnits{some_of(1, {2, 3}), user(), ""}), 1u);
  EXPECT_EQ(w.job().live, 1u);
  EXPECT_EQ(*w.job().close_reason, "cancelled by ada");
}

TEST(Units, AJobsReasonIsThatOfItsWorstUnit) {
  World w;
  const NodeId n1 = w.add(node("n1", 8));
  w.add(loose("sweep", 3));
  for (const auto& [index, code] : {std::pair{0u, 2}, {1u, 7}, {2u, 3}})
    w.end(w.grant(unit(1, index), n1), RunState::failed, code);
  EXPECT_EQ(w.state.find(JobId(1))->exit_code, 7);
  EXPECT_EQ(ended_reason(*w.state.find(JobId(1))), "exit code 7");
}

TEST(Units, HoldAndReleaseMoveWaitingUnitsOnly) {
  Four w;
  EXPECT_EQ(w.happened(HoldUnits{all_of(1), user()}), 1u);
  EXPECT_EQ(w.job().held, 2u);
  EXPECT_EQ(w.job().live, 1u);
  EXPECT_EQ(w.happened(HoldUnits{all_of(1), user()}), 0u);
  EXPECT_EQ(w.happened(ReleaseUnits{some_of(1, {2, 2}), op()}), 1u);
  EXPECT_EQ(w.job().waiting, 1u);
  EXPECT_EQ(w.happened(ReleaseUnits{some_of(1, {2, 2}), op()}), 0u);
}

TEST(Units, RequeueStopsWhatRunsAndRevivesWhatFinished) {
  Four w;
  EXPECT_EQ(w.happened(RequeueUnits{all_of(1), user()}), 2u);
  EXPECT_TRUE(w.job().groups[0].waiting.contains(0));
  EXPECT_EQ(w.state.live_attempt(unit(1, 1))->stop, StopCause::requeue);
  EXPECT_EQ(w.happened(RequeueUnits{all_of(1), user()}), 0u);
  // A cancel overrules the requeue.
  EXPECT_EQ(w.happened(CancelUnits{some_of(1, {1, 1}), user(), ""}), 1u);
  EXPECT_EQ(w.state.live_attempt(unit(1, 1))->stop, StopCause::cancel);
}

TEST(Units, APromiseIsVoidWhenItsUnitChanges) {
  const Command commands[] = {CancelUnits{all_of(1), user(), ""}, HoldUnits{all_of(1), user()}};
  for (const auto& command : commands) {
    Four w;
    w.apply(Promised{unit(1, 3), w.now, {{claim_on(w.n1, w.job().job)}}});
    const auto decision = w.tell(command);
    ASSERT_TRUE(std::holds_alternative<PromiseVoided>(decision->events[0]));
    EXPECT_EQ(std::get<PromiseVoided>(decision->events[0]).cause, VoidCause::unit_changed);
    EXPECT_EQ(w.broken, "");
  }
}

TEST(Units, OnlyTheOwnerOrAnOperatorMay) {
  Four w;
  const UserRef bob = user("bob", 1001);
  const Command commands[] = {CancelUnits{all_of(1), bob, ""}, HoldUnits{all_of(1), bob},
                              ReleaseUnits{all_of(1), bob}, RequeueUnits{all_of(1), bob}};
  for (const auto& command : commands) {
    const auto decision = w.tell(command);
    ASSERT_FALSE(decision.ok());
    EXPECT_EQ(decision.error().code, Errc::denied);
    EXPECT_EQ(decision.error().text,
              "job 1 belongs to ada; only its owner or an operator may do this");
  }
  EXPECT_EQ(w.refusal(HoldUnits{all_of(1), op()}), "");
}

TEST(Units, SelectorsOutsideTheJobNameTheValidRange) {
  Four w;
  w.add(gang("mpi", 4));
  Job sweep = array("arr", {10, 30, 10});
  sweep.groups[0].name = "runs";
  w.add(sweep);
  UnitSelector none = some_of(1, {0, 0});
  none.indices = {};
  const std::pair<UnitSelector, const char*> rows[] = {
      {all_of(9), "there is no job 9; the newest is 3"},
      {some_of(1, {2, 4}), "job 1 has no unit 4; valid are 0 to 3"},
      {some_of(1, {0, 0}, 1), "job 1 has no group 1; it has 1"},
      {some_of(2, {1, 1}), "job 2 is tight and starts and ends as one; name the whole job: 2"},
      {some_of(3, {3, 3}),
       "job 3 has no unit 3 in group \"runs\"; valid are 0 to 2 (array 10 to 30)"},
      {none, "no unit is named"},
  };
  for (const auto& [selector, sentence] : rows)
    EXPECT_EQ(w.refusal(CancelUnits{selector, user(), ""}), sentence);
  World empty;
  EXPECT_EQ(empty.refusal(HoldUnits{all_of(1), user()}),
            "there is no job 1; none has been submitted yet");
}

TEST(Units, UpdateChangesTheJobWithinItsRules) {
  Four w;
  UpdateJob update;
  update.job = JobId(1);
  update.by = user();
  EXPECT_EQ(w.happened(update), 0u);  // nothing to change
  update.priority = 5;
  update.parallel = 2;
  update.name = "renamed";
  update.begin_at = Tick(5000);
  update.deadline_at = Tick(9000);
  update.time_limit = hours(1);  // lower than unlimited
  EXPECT_EQ(w.happened(update), 1u);
  EXPECT_EQ(w.job().job.priority, 5);
  EXPECT_EQ(w.job().job.groups[0].parallel, 2u);
  EXPECT_EQ(w.job().job.name, "renamed");
  EXPECT_EQ(w.job().job.time_limit, hours(1));

  update = {};
  update.job = JobId(1);
  update.by = user();
  update.time_limit = hours(2);
  EXPECT_EQ(w.refusal(update),
            "raising the time limit of job 1 from 1h to 2h needs an operator now that it runs; ask "
            "one");
  update.by = op();
  EXPECT_EQ(w.happened(update), 1u);
  update.time_limit.reset();
  update.begin_at = Tick(9000);
  EXPECT_EQ(w.refusal(update), "job 1 would begin after its deadline; move one of them");
  update.begin_at.reset();
  update.deadline_at = w.now;
  EXPECT_EQ(w.refusal(update), "the new deadline of job 1 has already passed");
  w.happened(CancelUnits{all_of(1), user(), ""});
  w.end(attempt(1, 1), RunState::cancelled);
  EXPECT_EQ(w.refusal(update),
            "job 1 has ended; requeue it or submit it again with what you want changed");
}

TEST(Units, ANewTimeLimitCountsForWhatRunsFromItsStart) {
  Four w;
  const Span after = w.job().job.grace + w.state.config().cleanup_bound;
  const auto running = [&]() -> const AttemptRecord& { return *w.state.live_attempt(unit(1, 1)); };
  const Tick started = running().started;
  const auto limit = [&](Span time_limit) {
    UpdateJob update;
    update.job = JobId(1);
    update.by = op();
    update.time_limit = time_limit;
    w.happened(update);
    EXPECT_EQ(running().time_limit, time_limit);
    return running().latest_end;
  };
  EXPECT_EQ(running().latest_end, tick_never);
  EXPECT_EQ(limit(hours(1)), started + hours(1) + after);
  EXPECT_EQ(limit(hours(2)), started + hours(2) + after);
  w.now = started + minutes(30);
  EXPECT_EQ(limit(minutes(10)), w.now + after) << "it has run longer: it ends now";
  EXPECT_EQ(limit(span_unlimited), tick_never);
  w.happened(CancelUnits{all_of(1), user(), ""});
  UpdateJob update;
  update.job = JobId(1);
  update.by = op();
  update.time_limit = hours(1);
  w.happened(update);
  EXPECT_EQ(running().time_limit, span_unlimited) << "what is being ended is left alone";
}

}  // namespace
}  // namespace busbar::core
