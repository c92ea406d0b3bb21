// The ring's promises: nothing leaves before it is durable, what leaves keeps its order, engines
// are told again what they may have missed, and recovery equals replay.
#include "ring/ring.hpp"

#include <gtest/gtest.h>

#include "ring/testing.hpp"

namespace busbar::ring {
namespace {

using core::testing::all_of;
using core::testing::attempt;
using core::testing::loose;
using core::testing::op;
using core::testing::user;
using testing::Log;
using testing::Loop;
using testing::name_of;
using testing::submit;

Exit exit_code(std::int32_t code) { return {EndCause::exited, code, 0, ""}; }

// A job of one unit that runs as attempt 1.
void run_one(Loop& loop, Job job = loose("a")) {
  loop.tell(submit(std::move(job)));
  loop.settle();
  loop.tell(AttemptStarted{attempt(1), {}});
  loop.settle();
  loop.log.clear();
}

// --- durable before it leaves

TEST(Ring, ASubmissionIsAppliedAtOnceAndLeavesWhenItIsDurable) {
  Loop loop;
  loop.ask(submit(loose("a")), "submit");
  loop.turn();
  EXPECT_NE(loop.ring->state().find(attempt(1)), nullptr) << "applied at once";
  EXPECT_EQ(loop.take(), Log{}) << "nothing is on disk yet";
  loop.flush();
  EXPECT_EQ(loop.take(), (Log{"observe submitted", "observe granted", "submit accepted",
                              "launch " + name_of(1)}));
  EXPECT_EQ(loop.replies[0].jobs, std::vector<JobId>{JobId(1)});
  EXPECT_TRUE(loop.ring->drained());
}

TEST(Ring, ALaunchNamesItsDurableRevision) {
  Loop loop;
  loop.tell(submit(loose("a")));
  loop.settle();
  ASSERT_EQ(loop.engine.launches.size(), 1U);
  const Launch& launch = loop.engine.launches[0];
  const auto event = decode_event(loop.journal.disk[launch.durable.value - 1]);
  EXPECT_TRUE(std::holds_alternative<Granted>(event->body));
  EXPECT_EQ(launch.name, name_of(1));
}

TEST(Ring, BatchesBecomeDurableOneAfterTheOther) {
  Loop loop;
  loop.ask(submit(loose("a")), "first");
  loop.turn();
  loop.ask(submit(loose("b")), "second");
  loop.turn();
  ASSERT_EQ(loop.journal.pending.size(), 2U);
  loop.journal.flush_one();
  loop.ring->externalise();
  EXPECT_EQ(loop.take(), (Log{"observe submitted", "observe granted", "first accepted",
                              "launch " + name_of(1)}));
  loop.flush();
  EXPECT_EQ(loop.take(), (Log{"observe submitted", "observe granted", "second accepted",
                              "launch " + name_of(2)}));
}

TEST(Ring, ARefusalWaitsForTheRevisionItRestsOn) {
  Loop loop;
  loop.ask(submit(loose("a")), "submit");
  loop.ask(HoldUnits{all_of(99), user()}, "hold 99");
  loop.turn();
  EXPECT_EQ(loop.take(), Log{}) << "the refusal rests on a state that may yet be lost";
  loop.flush();
  const Log left = loop.take();
  ASSERT_EQ(left.size(), 5U);
  EXPECT_EQ(left[2], "submit accepted");
  EXPECT_EQ(left[3].rfind("hold 99 refused", 0), 0U) << left[3];
}

TEST(Ring, ARefusalOnDurableStateIsAnsweredInTheSameTurn) {
  Loop loop;
  loop.ask(HoldUnits{all_of(99), user()}, "hold 99");
  loop.turn();
  ASSERT_EQ(loop.log.size(), 1U);
  EXPECT_EQ(loop.ring->counters().refused, 1U);
}

TEST(Ring, EndAndAcknowledgeWaitForTheirEvents) {
  Loop loop;
  run_one(loop);
  loop.ask(CancelUnits{all_of(1), user(), "enough"}, "cancel");
  loop.turn();
  EXPECT_EQ(loop.take(), Log{});
  loop.flush();
  EXPECT_EQ(loop.take(),
            (Log{"observe stopping", "end " + name_of(1) + " 30s", "cancel accepted"}));
  loop.tell(AttemptEnded{attempt(1), {EndCause::stopped, 143, 15, ""}, {}});
  loop.turn();
  EXPECT_EQ(loop.take(), Log{}) << "the engine must keep the exit until State has it for good";
  loop.flush();
  EXPECT_EQ(loop.take(), (Log{"observe ended", "acknowledge " + name_of(1)}));
}

TEST(Ring, AFreedPlaceIsGivenInTheSameTurnAndLaunchedAfterTheEnd) {
  Loop loop;
  run_one(loop, loose("a", 1, core::testing::resources(4)));
  loop.tell(submit(loose("b", 1, core::testing::resources(4))));
  loop.settle();
  EXPECT_GT(loop.observer.seen, 0U) << "the job that waits has a verdict";
  loop.log.clear();
  loop.tell(AttemptEnded{attempt(1), exit_code(0), {}});
  loop.settle();
  const Log left = loop.take();
  const auto position = [&](const std::string& line) {
    return std::find(left.begin(), left.end(), line) - left.begin();
  };
  EXPECT_LT(position("observe ended"), position("acknowledge " + name_of(1)));
  EXPECT_LT(position("acknowledge " + name_of(1)), position("launch " + name_of(2)));
  EXPECT_LT(position("launch " + name_of(2)), static_cast<std::ptrdiff_t>(left.size()));
}

TEST(Ring, PayloadsGoWithTheirSubmissionAndNotWithARefusedOne) {
  Loop loop;
  Payload payload;
  payload.run = "true";
  const PayloadBlob blob = encode_payload(payload);
  SubmitJobs good = submit(loose("a"));
  good.jobs[0].groups[0].payload = blob.hash;
  good.payloads = {blob};
  SubmitJobs bad = good;
  bad.jobs[0].tenant = "nobody";
  loop.ask(bad, "bad");
  loop.settle();
  EXPECT_TRUE(loop.journal.payloads.empty());
  loop.ask(good, "good");
  loop.turn();
  ASSERT_EQ(loop.journal.pending.size(), 1U);
  EXPECT_EQ(loop.journal.pending[0].payloads, std::vector<PayloadBlob>{blob});
  EXPECT_EQ(loop.journal.pending[0].mark.tick, loop.clock.at);
}

// --- a full journal

TEST(Ring, AFullJournalRefusesEveryRequest) {
  const Command requests[] = {
      submit(loose("b")),
      CancelUnits{all_of(1), op(), ""},
      HoldUnits{all_of(1), op()},
      ReleaseUnits{all_of(1), op()},
      RequeueUnits{all_of(1), op()},
      UpdateJob{.job = JobId(1), .by = op(), .priority = 3},
      DrainNode{"n1", "", op()},
      ResumeNode{"n1", op()},
      FenceNode{"n1", "", op()},
      MakeReservation{"w", {}, Tick(5'000'000), Tick(6'000'000), op()},
      EndReservation{"w", op()},
  };
  Loop loop;
  run_one(loop);
  loop.journal.health_now = JournalHealth::full;
  const Revision before = loop.ring->state().revision();
  for (const auto& request : requests) {
    loop.ask(request, "request");
    loop.turn();
    const Log left = loop.take();
    ASSERT_EQ(left.size(), 1U) << "request " << request.index();
    EXPECT_NE(left[0].find("no space"), std::string::npos) << left[0];
  }
  EXPECT_EQ(loop.ring->state().revision(), before);
}

TEST(Ring, AFullJournalTakesReports) {
  Loop loop;
  loop.tell(submit(loose("a")));
  loop.settle();
  loop.journal.health_now = JournalHealth::full;
  loop.tell(AttemptStarted{attempt(1), {}});
  loop.tell(AttemptReady{attempt(1), "n1:20000"});
  loop.tell(AttemptProgress{attempt(1), 5, 6});
  loop.tell(NodeUnreachable{"local", "n1"});
  loop.tell(NodeReachable{"local", "n1"});
  loop.turn();
  ASSERT_NE(loop.ring->state().find(attempt(1)), nullptr);
  EXPECT_TRUE(loop.ring->state().find(attempt(1))->ready);
  EXPECT_EQ(loop.ring->state().find(attempt(1))->work_done, 5);
  loop.tell(AttemptEnded{attempt(1), exit_code(3), {}});
  loop.turn();
  EXPECT_EQ(loop.ring->state().find(attempt(1)), nullptr);
  EXPECT_EQ(loop.ring->state().find(JobId(1))->exit_code, 3);
}

// --- engines are asynchronous

TEST(Ring, ARepeatedEndIsAcknowledgedAgain) {
  Loop loop;
  run_one(loop);
  loop.tell(AttemptEnded{attempt(1), exit_code(0), {}});
  loop.settle();
  loop.log.clear();
  const Revision before = loop.ring->state().revision();
  loop.tell(AttemptEnded{attempt(1), exit_code(0), {}});
  loop.settle();
  EXPECT_EQ(loop.take(), Log{"acknowledge " + name_of(1)});
  EXPECT_EQ(loop.ring->state().revision(), before) << "it changed nothing";
}

TEST(Ring, AFencedAttemptIsEndedWheneverItShowsUp) {
  Loop loop;
  run_one(loop);
  loop.ask(FenceNode{"n1", "pulled", op()}, "fence");
  loop.turn();
  EXPECT_EQ(loop.take(), Log{});
  loop.flush();
  const Log left = loop.take();
  const auto end = std::find(left.begin(), left.end(), "end " + name_of(1) + " 0ms");
  ASSERT_NE(end, left.end());
  ASSERT_NE(end + 1, left.end());
  EXPECT_EQ(*(end + 1), "acknowledge " + name_of(1));
  loop.tell(AttemptStarted{attempt(1), {}});
  loop.settle();
  EXPECT_EQ(loop.take(), Log{"end " + name_of(1) + " 0ms"});
}

TEST(Ring, ASilentAttemptIsLookedUpAfterThirtySecondsAndNotBefore) {
  Loop loop;
  loop.tell(submit(loose("a")));
  loop.settle();
  loop.log.clear();
  const Tick granted = loop.clock.at;
  EXPECT_EQ(loop.ring->next_wake(), granted + seconds(30));
  loop.clock.at = granted + Span(29'999);
  loop.settle();
  EXPECT_EQ(loop.take(), Log{});
  loop.clock.at = granted + seconds(30);
  loop.settle();
  EXPECT_EQ(loop.take(), Log{"look_up " + name_of(1)});
  loop.clock.at = granted + seconds(31);
  loop.settle();
  EXPECT_EQ(loop.take(), Log{}) << "not at every turn";
  loop.clock.at = granted + seconds(60);
  loop.settle();
  EXPECT_EQ(loop.take(), Log{"look_up " + name_of(1)}) << "an answer may be lost";
}

TEST(Ring, ARunningAttemptIsLookedUpOnlyWhenItsLatestEndHasPassed) {
  Loop loop;
  Job job = loose("a");
  job.time_limit = minutes(10);
  run_one(loop, job);
  const Tick latest = loop.ring->state().find(attempt(1))->latest_end;
  EXPECT_EQ(latest, loop.clock.at + minutes(10) + seconds(30) + seconds(10));
  while (loop.clock.at + seconds(30) < latest) {
    loop.clock.at = loop.clock.at + seconds(30);
    loop.settle();
  }
  EXPECT_EQ(loop.take(), Log{});
  loop.clock.at = latest + seconds(30);
  loop.settle();
  EXPECT_EQ(loop.take(), Log{"look_up " + name_of(1)});
  EXPECT_NE(loop.ring->state().find(attempt(1)), nullptr) << "only the engine's answer ends it";
}

TEST(Ring, AnAbsentAttemptRunsAgain) {
  Loop loop;
  loop.tell(submit(loose("a")));
  loop.settle();
  loop.log.clear();
  loop.tell(AttemptAbsent{attempt(1)});
  loop.settle();
  const Log left = loop.take();
  EXPECT_EQ(left.back(), "launch " + name_of(1, 2));
}

TEST(Ring, WhoIsToSaveItselfGetsTheCheckpointsGraceBeforeItsOwn) {
  const struct {
    const char* what;
    bool present;
    std::int32_t signal;
    bool requeue;
    const char* grace;
  } rows[] = {
      {"requeued, with a signal", true, 10, true, "2m20s"},
      {"requeued, saves by itself", true, 0, true, "20s"},
      {"requeued, no checkpoint", false, 10, true, "20s"},
      {"cancelled, with a signal", true, 10, false, "20s"},
  };
  for (const auto& row : rows) {
    Loop loop;
    Job job = loose("a");
    job.grace = seconds(20);
    job.checkpoint = CheckpointRule{row.present, row.signal, minutes(2), {}};
    run_one(loop, job);
    loop.tell(row.requeue ? Command(RequeueUnits{all_of(1), user()})
                          : Command(CancelUnits{all_of(1), user(), ""}));
    loop.settle();
    const std::string end = "end " + name_of(1) + " " + row.grace;
    EXPECT_EQ(loop.take(), (Log{"observe stopping", end})) << row.what;
    loop.restart();
    EXPECT_EQ(loop.take(), (Log{"open " + name_of(1), end})) << row.what << ", after a restart";
  }
}

TEST(Ring, ANewTimeLimitIsToldOnceItIsDurableAndOpensWithIt) {
  Loop loop;
  Job job = loose("a");
  job.time_limit = hours(1);
  run_one(loop, job);
  UpdateJob update;
  update.job = JobId(1);
  update.by = user();
  update.time_limit = minutes(10);
  loop.tell(update);
  loop.settle();
  EXPECT_EQ(loop.take(), (Log{"observe job_updated", "limit " + name_of(1) + " 10m"}));
  EXPECT_EQ(loop.ring->state().find(attempt(1))->time_limit, minutes(10));
}

// --- launch-ahead

// A ring whose node runs four units of an array of short tasks, four more staged.
void run_sweep(Loop& loop) {
  loop.tell(submit(core::testing::array("sweep", {0, 30, 1})));
  loop.settle();
  for (std::uint32_t i = 0; i < 4; ++i) loop.tell(AttemptStarted{attempt(1, i), {}});
  loop.settle();
  loop.clock.at = loop.clock.at + seconds(1);
  for (std::uint32_t i = 0; i < 4; ++i) loop.tell(AttemptEnded{attempt(1, i), exit_code(0), {}});
  loop.settle();
  for (std::uint32_t i = 4; i < 8; ++i) loop.tell(AttemptStarted{attempt(1, i), {}});
  loop.settle();
}

TEST(Ring, WhatIsStagedIsLaunchedAfterItsPredecessorOnceThatIsDurable) {
  Loop loop;
  run_sweep(loop);
  ASSERT_GE(loop.engine.launches.size(), 12U);
  for (std::size_t i = 8; i < 12; ++i) {
    const Launch& launch = loop.engine.launches[i];
    EXPECT_EQ(launch.id.unit.index, i);
    EXPECT_EQ(launch.after, loop.engine.launches[i - 4].name);
    EXPECT_EQ(launch.claims[0].claim, loop.engine.launches[i - 4].claims[0].claim);
  }
}

TEST(Ring, WhatIsTakenBackIsRevokedAndNeverEnded) {
  Loop loop;
  run_sweep(loop);
  loop.log.clear();
  Job urgent = loose("urgent");
  urgent.priority = 5;
  loop.tell(submit(urgent));
  loop.settle();
  Log left = loop.take();
  const auto says = [&](const std::string& word) {
    return std::count_if(left.begin(), left.end(),
                         [&](const std::string& line) { return line.rfind(word, 0) == 0; });
  };
  const std::size_t staged = loop.ring->state().followers().size();
  EXPECT_GE(staged, 4U);
  EXPECT_EQ(says("revoke "), static_cast<std::ptrdiff_t>(staged));
  EXPECT_EQ(says("end "), 0);
  loop.restart();
  left = loop.take();
  EXPECT_EQ(says("revoke "), static_cast<std::ptrdiff_t>(staged)) << "said again after a restart";
  EXPECT_EQ(says("end "), 0);
}

// --- recovery

// A history with every turn that State can take here.
void live_a_little(Loop& loop) {
  loop.tell(submit(core::testing::array("sweep", {1, 6, 1}, 2)));
  loop.tell(submit(core::testing::gang("gang", 3)));
  loop.settle();
  loop.tell(AttemptStarted{attempt(1, 0), {}});
  loop.tell(AttemptEnded{attempt(1, 0), exit_code(0), {}});
  loop.tell(HoldUnits{core::testing::some_of(1, {4, 5}), user()});
  loop.clock.at = loop.clock.at + seconds(5);
  loop.settle();
  loop.tell(DrainNode{"n1", "fans", op()});
  loop.tell(AttemptEnded{attempt(1, 1), exit_code(2), {}});
  loop.settle();
  loop.tell(ResumeNode{"n1", op()});
  loop.tell(ReleaseUnits{core::testing::some_of(1, {4, 5}), user()});
  loop.tell(CancelUnits{core::testing::some_of(1, {5, 5}), user(), ""});
  loop.clock.at = loop.clock.at + minutes(1);
  loop.settle();
}

TEST(Ring, RecoveryFromAnySnapshotAndTailEqualsReplayFromTheBeginning) {
  Loop loop;
  live_a_little(loop);
  const core::State live = loop.ring->state();
  ASSERT_GT(loop.journal.disk.size(), 15U);
  core::State prefix;
  for (std::size_t revision = 0; revision <= loop.journal.disk.size(); ++revision) {
    if (revision > 0) prefix.apply(decode_event(loop.journal.disk[revision - 1]).value());
    loop.journal.snapshot_revision = Revision(revision);
    loop.journal.snapshot = core::encode_state(prefix);
    loop.restart();
    ASSERT_TRUE(loop.ring->state() == live) << "snapshot at " << revision;
    ASSERT_TRUE(loop.ring->index() == core::Index(live)) << "snapshot at " << revision;
  }
}

TEST(Ring, WhatWasNotDurableIsAsIfItHadNeverBeen) {
  Loop loop;
  loop.ask(submit(loose("kept")), "kept");
  loop.settle();
  loop.ask(submit(loose("lost")), "lost");
  loop.turn();
  loop.log.clear();
  loop.restart();
  EXPECT_EQ(loop.ring->state().jobs().size(), 1U);
  EXPECT_EQ(loop.take(), Log{"open " + name_of(1)});
  loop.ask(submit(loose("again")), "again");
  loop.settle();
  EXPECT_EQ(loop.replies.back().jobs, std::vector<JobId>{JobId(2)});
}

TEST(Ring, ADamagedSnapshotIsAnErrorNotACrash) {
  Loop loop;
  live_a_little(loop);
  loop.journal.snapshot_revision = Revision(3);
  loop.journal.snapshot = "not a state";
  Ring ring(loop.clock, loop.journal, {}, loop.observer, {});
  const auto recovery = ring.recover();
  ASSERT_FALSE(recovery.ok());
  EXPECT_EQ(recovery.error().code, Errc::corrupt);
}

TEST(Ring, TheSameCommandsAtTheSameTicksGiveTheSameBytes) {
  Loop a;
  Loop b;
  live_a_little(a);
  live_a_little(b);
  EXPECT_EQ(a.journal.disk, b.journal.disk);
  EXPECT_EQ(a.log, b.log);
}

// --- history

TEST(RingHistory, OneRowForEachAttemptThatEnded) {
  Loop loop;
  Job job = loose("a", 1, core::testing::resources(2, gibibytes(3)));
  job.restart.edit().exit_codes = {75};
  loop.tell(submit(job));
  loop.settle();
  const Tick granted = loop.clock.at;
  loop.clock.at = granted + seconds(2);
  loop.tell(AttemptStarted{attempt(1), {}});
  loop.settle();
  loop.clock.at = granted + seconds(9);
  Usage usage;
  usage.cpu_time = seconds(6);
  loop.tell(AttemptEnded{attempt(1), exit_code(75), usage});
  loop.settle();
  ASSERT_EQ(loop.journal.rows.size(), 1U);
  HistoryRow expected;
  expected.unit = core::testing::unit(1);
  expected.attempt = 1;
  expected.unit_name = "1";
  expected.job_name = "a";
  expected.user = "ada";
  expected.tenant = "default";
  expected.nodes = "n1";
  expected.state = RunState::failed;
  expected.exit = exit_code(75);
  expected.usage = usage;
  expected.submitted = granted;
  expected.granted = granted;
  expected.started = granted + seconds(2);
  expected.ended = granted + seconds(9);
  expected.cores = whole_cores(2);
  expected.memory = gibibytes(3);
  expected.final = false;  // it runs again
  EXPECT_TRUE(loop.journal.rows[0] == expected);
}

TEST(RingHistory, AnEndThatIsToldLateLiesWhereTheAttemptEnded) {
  Loop loop;
  loop.tell(submit(loose("a")));
  loop.settle();
  const Tick granted = loop.clock.at;
  loop.tell(AttemptStarted{attempt(1), {}});
  loop.settle();
  loop.clock.at = granted + seconds(22);
  Usage usage;
  usage.wall_time = seconds(3);
  loop.tell(AttemptEnded{attempt(1), exit_code(0), usage});
  loop.settle();
  ASSERT_EQ(loop.journal.rows.size(), 1U);
  EXPECT_EQ(loop.journal.rows[0].ended, granted + seconds(3));
}

TEST(RingHistory, OneRowForEachRunOfUnitsClosedWithoutAnAttempt) {
  Loop loop;
  Job job = core::testing::array("sweep", {1, 9, 1});
  job.hold = true;
  loop.tell(submit(job));
  loop.tell(CancelUnits{core::testing::some_of(1, {0, 2}), user(), "enough"});
  loop.tell(CancelUnits{core::testing::some_of(1, {5, 5}), user(), "that too"});
  loop.settle();
  ASSERT_EQ(loop.journal.rows.size(), 2U);
  const HistoryRow& first = loop.journal.rows[0];
  EXPECT_EQ(first.attempt, 0U);
  EXPECT_EQ(first.unit.index, 0U);
  EXPECT_EQ(first.index_last, 2U);
  EXPECT_EQ(first.unit_name, "1_1");
  EXPECT_EQ(first.state, RunState::cancelled);
  EXPECT_EQ(first.exit.cause, EndCause::stopped);
  EXPECT_EQ(first.granted, Tick(0));
  EXPECT_TRUE(first.final);
  EXPECT_EQ(loop.journal.rows[1].unit.index, 5U);
  EXPECT_EQ(loop.journal.rows[1].index_last, 5U);
}

TEST(RingHistory, AJobThatLeavesStateIsKeptWhole) {
  Loop loop;
  run_one(loop);
  loop.tell(AttemptEnded{attempt(1), exit_code(4), {}});
  loop.settle();
  const Job job = loop.ring->state().find(JobId(1))->job;
  const Tick ended = loop.clock.at;
  loop.clock.at = ended + minutes(1);  // nobody is left to look up
  loop.settle();
  EXPECT_EQ(loop.ring->next_wake(), ended + hours(24));
  loop.clock.at = ended + hours(24);
  loop.settle();
  EXPECT_EQ(loop.ring->state().find(JobId(1)), nullptr);
  ASSERT_EQ(loop.journal.retired.size(), 1U);
  const HistoryJob& kept = loop.journal.retired[0];
  EXPECT_TRUE(kept.job == job);
  EXPECT_EQ(kept.state, RunState::failed);
  EXPECT_EQ(kept.exit_code, 4);
  EXPECT_EQ(kept.ended, ended);
  EXPECT_EQ(kept.reason, "exit code 4");
}

TEST(RingHistory, ARowSaysThatADeviceWasSimulated) {
  Loop loop;
  loop.tell(NodeReport{core::testing::node("n2", 4, gibibytes(64), 1)});
  Resources resources = core::testing::resources(1);
  resources.devices.push_back(core::testing::gpus(1));
  loop.tell(submit(loose("a", 1, resources)));
  loop.settle();
  loop.tell(AttemptStarted{attempt(1), {}});
  loop.tell(AttemptEnded{attempt(1), exit_code(0), {}});
  loop.settle();
  ASSERT_EQ(loop.journal.rows.size(), 1U);
  EXPECT_EQ(loop.journal.rows[0].nodes, "n2");
  EXPECT_TRUE(loop.journal.rows[0].simulated);
}

// --- a journal that is older than what an engine runs

const Log nothing;

// Job 1 of one unit was submitted and ran as attempt 1; of what came later the journal knows
// nothing, and the engine has not told yet what it runs.
struct Restored : Loop {
  Restored() {
    run_one(*this);
    engine_tells = false;
    restart();
    turn();
    flush();
    log.clear();
  }
  void sight(const AttemptId& id, bool running = true) {
    tell(AttemptSighted{"local", id, running});
  }
  void synchronise() {
    tell(EngineSynchronised{"local"});
    settle();
  }
};

TEST(RingBehind, BeforeTheEngineHasToldNothingIsAnsweredStartedOrLearned) {
  Restored loop;
  loop.ask(submit(loose("b")), "submit");
  loop.tell(AttemptEnded{attempt(1), exit_code(3), {}});
  loop.settle();
  EXPECT_EQ(loop.take(), nothing);
  loop.synchronise();
  const Log seen = loop.take();
  EXPECT_EQ(seen, (Log{"observe ended", "observe submitted", "observe granted",
                       "acknowledge " + name_of(1), "submit accepted", "launch " + name_of(2)}));
}

TEST(RingBehind, ARequestIsRefusedWhenTheEngineStaysSilent) {
  Restored loop;
  loop.ask(submit(loose("b")), "early");
  loop.settle();
  loop.clock.at = loop.ring->next_wake();
  loop.settle();
  loop.ask(submit(loose("b")), "late");
  loop.settle();
  const Log seen = loop.take();
  ASSERT_EQ(seen.size(), 2U);
  EXPECT_TRUE(seen[0].starts_with("early refused: cluster local has not told what it runs"));
  EXPECT_TRUE(seen[1].starts_with("late refused: cluster local has not told what it runs"));
}

TEST(RingBehind, WhatIsNewerStopsEverythingUntilItIsAdopted) {
  Restored loop;
  loop.sight(attempt(4));
  loop.tell(AttemptEnded{attempt(1), exit_code(3), {}});
  loop.synchronise();
  EXPECT_EQ(loop.take(), Log{"observe newer_sighted"}) << "nothing is acknowledged or ended";
  EXPECT_TRUE(loop.ring->state().behind_engines());
  loop.ask(submit(loose("b")), "submit");
  loop.ask(CancelUnits{all_of(1), op(), ""}, "cancel");
  loop.settle();
  const Log refused = loop.take();
  ASSERT_EQ(refused.size(), 2U);
  for (const auto& line : refused) EXPECT_NE(line.find("busbar adopt"), std::string::npos) << line;

  loop.tell(AdoptCluster{"", false, op()});
  loop.settle();
  EXPECT_EQ(loop.take(),
            (Log{"observe cluster_adopted", "observe ended", "end " + name_of(4) + " 5s",
                 "look_up " + name_of(4), "acknowledge " + name_of(1)}));
  loop.ask(submit(loose("b")), "submit");
  loop.settle();
  EXPECT_EQ(loop.take(), (Log{"observe submitted", "submit accepted"}));
  EXPECT_EQ(loop.replies.back().jobs, std::vector<JobId>{JobId(5)}) << "no number is given twice";
  loop.tell(AttemptStarted{attempt(4), {}});
  loop.settle();
  EXPECT_EQ(loop.take(), nothing) << "nothing starts beside a leftover";
  loop.tell(AttemptEnded{attempt(4), exit_code(9), {}});
  loop.settle();
  EXPECT_EQ(loop.take(), (Log{"observe leftover_ended", "observe granted",
                              "acknowledge " + name_of(4), "launch " + name_of(5)}));
}

TEST(RingBehind, LeftoversThatAreKeptEndByThemselves) {
  Restored loop;
  loop.sight(attempt(4));
  loop.synchronise();
  loop.tell(AdoptCluster{"local", true, op()});
  loop.settle();
  EXPECT_EQ(loop.take().back(), "look_up " + name_of(4)) << "it is asked after, and not ended";
  loop.engine_tells = true;
  loop.restart();
  loop.settle();
  EXPECT_EQ(loop.take().back(), "look_up " + name_of(4)) << "a later start asks again";
  loop.tell(AttemptAbsent{attempt(4)});
  loop.settle();
  EXPECT_TRUE(loop.ring->state().sighted().empty()) << "gone without an exit";
}

TEST(RingBehind, WhatStateHasClosedIsEndedAsSoonAsTheEngineHasToldAll) {
  Restored loop;
  loop.tell(AttemptEnded{attempt(1), exit_code(0), {}});
  loop.synchronise();
  loop.restart();
  loop.log.clear();
  loop.sight(attempt(1));
  loop.settle();
  EXPECT_EQ(loop.take(), nothing);
  loop.synchronise();
  EXPECT_EQ(loop.take(), Log{"end " + name_of(1) + " 5s"});
}

// --- the clock

TEST(RingClock, ADeadlineInWithheldTimeWaitsForTheAnswer) {
  for (const bool accept : {true, false}) {
    Loop loop;
    Job job = core::testing::array("late", {1, 2, 1});
    job.hold = true;
    job.deadline_at = loop.clock.at + hours(1);
    loop.tell(submit(job));
    loop.settle();
    const Tick before = loop.clock.at;
    loop.clock.jump = hours(3);  // as a clock tells that it has left three hours out
    loop.settle();
    EXPECT_EQ(loop.ring->state().clock_withheld(), hours(3));
    EXPECT_EQ(loop.ring->state().find(JobId(1))->held, 2U) << "its deadline has not come";
    loop.tell(AnswerClock{accept, op()});
    EXPECT_EQ(loop.clock.at, before) << "nothing was posted yet";
    loop.settle();
    EXPECT_EQ(loop.ring->state().clock_withheld(), Span(0));
    EXPECT_EQ(loop.clock.at, accept ? before + hours(3) : before);
    EXPECT_EQ(loop.ring->next_wake() <= loop.clock.at, accept) << "what fell due is due now";
    loop.settle();
    EXPECT_EQ(loop.ring->state().find(JobId(1))->held, accept ? 0U : 2U);
  }
}

TEST(RingClock, TheJumpComesBeforeEveryCommandOfItsTurn) {
  Loop loop;
  loop.log.clear();
  loop.clock.jump = hours(2);
  loop.tell(submit(loose("a")));
  loop.turn();
  loop.flush();
  const Log seen = loop.take();
  ASSERT_GE(seen.size(), 2U);
  EXPECT_EQ(seen[0], "observe clock_withheld");
  EXPECT_EQ(seen[1], "observe submitted");
}

}  // namespace
}  // namespace busbar::ring
