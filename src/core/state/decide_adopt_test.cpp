// What is newer than the journal, what becomes of it, and that no number is given out twice.
#include <gtest/gtest.h>

#include "core/state/testing.hpp"

namespace busbar::core {
namespace {

using namespace testing;

// Job 1: unit 0 runs as #1, unit 1 waits, unit 2 ended after #1, unit 3 waits after #2.
// Job 2 is held.
struct Behind : World {
  Behind() {
    must(NodeReport{node("n1", 8)});
    Job first = loose("a", 4);
    first.restart.edit().on_any = true;
    first.restart.edit().max = 9;
    first.restart.edit().backoff = Span(0);
    add(first);
    run(grant(unit(1, 0), NodeId(1)));
    for (const std::uint32_t index : {2U, 3U, 3U}) {
      const AttemptId id = grant(unit(1, index), NodeId(1));
      run(id);
      Exit exit;
      exit.code = index == 2 ? 0 : 1;
      must(AttemptEnded{id, exit, {}});
    }
    Job second = loose("b");
    second.hold = true;
    add(second);
  }
};

TEST(Adopt, WhichAttemptsAreNewerThanTheJournal) {
  const Behind w;
  const struct {
    const char* what;
    AttemptId id;
    bool newer;
  } rows[] = {
      {"a job after the last", attempt(3), true},
      {"a job long after the last", attempt(999, 7, 2), true},
      {"the live attempt", attempt(1, 0, 1), false},
      {"the live unit's next", attempt(1, 0, 2), true},
      {"of a unit that never started", attempt(1, 1, 1), true},
      {"of a held unit", attempt(2, 0, 1), true},
      {"the ended attempt of an ended unit", attempt(1, 2, 1), false},
      {"the next of an ended unit", attempt(1, 2, 2), true},
      {"an ended attempt of a waiting unit", attempt(1, 3, 2), false},
      {"the next of a waiting unit", attempt(1, 3, 3), true},
      {"no unit of the job", attempt(1, 4, 1), false},
      {"no group of the job", {unit(1, 0, 1), 1}, false},
  };
  for (const auto& row : rows) EXPECT_EQ(w.state.is_newer(row.id), row.newer) << row.what;
}

TEST(Adopt, ASightingIsRecordedOnceAndWhenItChanges) {
  Behind w;
  EXPECT_TRUE(w.tell(AttemptSighted{"local", attempt(1, 2, 1), true})->events.empty());
  EXPECT_EQ(w.tell(AttemptSighted{"local", attempt(7), true})->events.size(), 1u);
  EXPECT_TRUE(w.tell(AttemptSighted{"local", attempt(7), true})->events.empty());
  EXPECT_EQ(w.tell(AttemptSighted{"local", attempt(7), false})->events.size(), 1u);
  EXPECT_FALSE(w.state.sighted().at(attempt(7)).running);
  EXPECT_TRUE(w.state.behind_engines());
  const auto read = decode_state(encode_state(w.state));
  ASSERT_TRUE(read.ok());
  EXPECT_TRUE(*read == w.state);
}

TEST(Adopt, BehindTheEnginesEveryRequestIsRefusedButThatOfTheOperator) {
  Behind w;
  w.must(AttemptSighted{"local", attempt(7), true});
  const std::string sentence =
      "cluster local shows attempts that this journal does not know (job 7 attempt 1), as after a "
      "restored backup. Until an operator says \"busbar adopt\", nothing is changed, started or "
      "ended";
  SubmitJobs submit;
  submit.user = user();
  submit.jobs.push_back(loose("c"));
  EXPECT_EQ(w.refusal(submit), sentence);
  EXPECT_EQ(w.refusal(CancelUnits{all_of(1), op(), ""}), sentence);
  EXPECT_EQ(w.refusal(FenceNode{"n1", "", op()}), sentence);
  EXPECT_EQ(w.refusal(AdoptCluster{"", false, user()}),
            "adopting what a cluster runs needs an operator, and ada is not one; ask an operator");
  EXPECT_EQ(w.refusal(AdoptCluster{"slurm", false, op()}),
            "cluster slurm agrees with the journal; there is nothing to adopt");
}

TEST(Adopt, NumbersCountOnBehindWhatWasSighted) {
  Behind w;
  for (const AttemptId& id : {attempt(9), attempt(1, 0, 3), attempt(1, 1, 1), attempt(1, 2, 4),
                              attempt(1, 3, 5), attempt(2)})
    w.must(AttemptSighted{"local", id, true});
  const auto decision = w.tell(AdoptCluster{"", false, op()});
  ASSERT_EQ(decision->events.size(), 2u);
  const Ended& ended = std::get<Ended>(decision->events[0]);
  EXPECT_EQ(ended.attempt, attempt(1, 0, 1)) << "a newer attempt ran, so this one has ended";
  EXPECT_EQ(ended.exit.cause, EndCause::node_lost);
  EXPECT_EQ(ended.next, UnitNext::waits);
  EXPECT_FALSE(w.state.behind_engines());
  EXPECT_EQ(w.state.sighted().size(), 6u);
  EXPECT_EQ(w.state.next_job(), JobId(10));
  EXPECT_EQ(w.state.next_attempt(unit(1, 0)), attempt(1, 0, 4));
  EXPECT_EQ(w.state.next_attempt(unit(1, 1)), attempt(1, 1, 2));
  EXPECT_EQ(w.state.next_attempt(unit(1, 3)), attempt(1, 3, 6));
  EXPECT_EQ(w.state.next_attempt(unit(2)), attempt(2, 0, 2)) << "held";
  w.must(RequeueUnits{some_of(1, {2, 2}), op()});
  EXPECT_EQ(w.state.next_attempt(unit(1, 2)), attempt(1, 2, 5)) << "requeued";
  EXPECT_EQ(w.broken, "");
}

TEST(Adopt, ALeftoverGoesWithItsEndAndMayStillBeEndedByHand) {
  Behind w;
  w.must(AttemptSighted{"local", attempt(7), true});
  w.must(AttemptSighted{"local", attempt(8), false});
  EXPECT_TRUE(w.tell(AttemptEnded{attempt(7), {}, {}})->events.empty()) << "not adopted yet";
  w.must(AdoptCluster{"local", true, op()});
  EXPECT_EQ(w.refusal(AdoptCluster{"", true, op()}),
            "every engine agrees with the journal; there is nothing to adopt");
  Exit exit;
  exit.code = 5;
  const auto ended = w.tell(AttemptEnded{attempt(8), exit, {}});
  ASSERT_EQ(ended->events.size(), 1u);
  EXPECT_EQ(std::get<LeftoverEnded>(ended->events[0]).exit.code, 5);
  EXPECT_TRUE(w.tell(AttemptStarted{attempt(7), {}})->events.empty());
  w.must(AdoptCluster{"", false, op()});
  EXPECT_FALSE(w.state.sighted().at(attempt(7)).keep);
  w.must(AttemptAbsent{attempt(7)});
  EXPECT_TRUE(w.state.sighted().empty());
  EXPECT_TRUE(w.tell(AttemptEnded{attempt(7), {}, {}})->events.empty()) << "told again";
  EXPECT_EQ(w.broken, "");
}

}  // namespace
}  // namespace busbar::core
