// The simulation itself: the same seed is the same run, faults strike where they should, the truth
// reaches the scheduler only through reports, and the journal's twin loses what a disk would.
#include "sim/simulation.hpp"

#include <gtest/gtest.h>

#include <set>

#include "model/event.hpp"
#include "sim/agenda.hpp"
#include "sim/sim_journal.hpp"
#include "sim/world.hpp"

namespace busbar::sim {
namespace {

SimulationOptions small(std::uint64_t seed) {
  SimulationOptions options;
  options.seed = seed;
  options.submissions = 14;
  options.rough = minutes(12);
  return options;
}

TEST(Simulation, TheSameSeedIsTheSameRunAndAnotherIsAnother) {
  std::set<std::uint64_t> hashes;
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    const SimulationResult first = simulate(small(seed));
    const SimulationResult second = simulate(small(seed));
    EXPECT_EQ(first.violation, "") << "seed " << seed;
    EXPECT_EQ(first.journal_hash, second.journal_hash) << "seed " << seed;
    EXPECT_EQ(first.end, second.end) << "seed " << seed;
    hashes.insert(first.journal_hash);
  }
  EXPECT_EQ(hashes.size(), 3U);
}

TEST(Simulation, WithoutFaultsNothingCrashesAndWorkIsDone) {
  for (std::uint64_t seed = 11; seed <= 13; ++seed) {
    SimulationOptions options = small(seed);
    options.faults = false;
    const SimulationResult result = simulate(options);
    EXPECT_EQ(result.violation, "") << "seed " << seed;
    EXPECT_EQ(result.crashes, 0U) << "seed " << seed;
    EXPECT_GT(result.jobs, 0U) << "seed " << seed;
    EXPECT_GT(result.runs, 0U) << "seed " << seed;
  }
}

TEST(Simulation, CrashesStrikeAtEveryStep) {
  std::map<std::string, std::uint64_t> struck;
  std::uint64_t crashes = 0;
  for (std::uint64_t seed = 21; seed <= 36; ++seed) {
    SimulationOptions options = small(seed);
    options.crash = 50;
    const SimulationResult result = simulate(options);
    EXPECT_EQ(result.violation, "") << "seed " << seed;
    crashes += result.crashes;
    for (const auto& [where, count] : result.crashes_at) struck[where] += count;
  }
  EXPECT_GE(crashes, 120U) << "ten a seed at least";
  for (const char* where : {"before append", "after append", "before launch", "after launch", "end",
                            "look up", "acknowledge", "between steps"})
    EXPECT_GT(struck[where], 0U) << where;
}

TEST(Simulation, ShortArraysAreStagedThroughEveryFault) {
  std::uint64_t staged_runs = 0;
  std::uint64_t taken_back = 0;
  for (std::uint64_t seed = 101; seed <= 140; ++seed) {
    SimulationOptions options = small(seed);
    options.keep_journal = true;
    const SimulationResult result = simulate(options);
    EXPECT_EQ(result.violation, "") << "seed " << seed;
    staged_runs += result.staged_runs;
    for (const std::string& bytes : result.journal) {
      const auto event = decode_event(bytes);
      const auto* stop = event.ok() ? std::get_if<Stopping>(&event->body) : nullptr;
      taken_back += stop != nullptr && stop->cause == StopCause::revoke ? 1 : 0;
    }
  }
  EXPECT_GE(staged_runs, 40U);
  EXPECT_GE(taken_back, 20U);
}

TEST(Simulation, HoursGoByUnseenAndOldBackupsAreRestored) {
  std::uint64_t jumps = 0;
  std::uint64_t restores = 0;
  for (std::uint64_t seed = 51; seed <= 70; ++seed) {
    const SimulationResult result = simulate(small(seed));
    EXPECT_EQ(result.violation, "") << "seed " << seed;
    jumps += result.clock_jumps;
    restores += result.restores;
  }
  EXPECT_GE(jumps, 5U);
  EXPECT_GE(restores, 2U) << "with attempts that the journal did not know";
}

// Perturb the truth, and nothing that is decided changes before a report says so. The
// first event that differs is an end that came at another tick.
TEST(Simulation, TheTruthChangesNothingBeforeAReportTellsIt) {
  for (std::uint64_t seed = 41; seed <= 43; ++seed) {
    SimulationOptions options = small(seed);
    options.faults = false;
    options.keep_journal = true;
    const SimulationResult quick = simulate(options);
    options.stretch = 3;
    const SimulationResult slow = simulate(options);
    const auto& a = quick.journal;
    const auto& b = slow.journal;
    std::size_t same = 0;
    while (same < a.size() && same < b.size() && a[same] == b[same]) ++same;
    ASSERT_LT(same, std::min(a.size(), b.size())) << "seed " << seed << ": no difference at all";
    std::size_t grants = 0;
    for (std::size_t i = 0; i < same; ++i)
      grants += std::holds_alternative<Granted>(decode_event(a[i])->body) ? 1 : 0;
    EXPECT_GT(grants, 0U) << "seed " << seed << ": decisions were taken alike";
    const Event first = decode_event(a[same]).value();
    const Event other = decode_event(b[same]).value();
    const Event& earlier = first.tick <= other.tick ? first : other;
    EXPECT_TRUE(std::holds_alternative<Ended>(earlier.body)) << event_json(earlier);
  }
}

TEST(World, TheTruthIsAPureFunctionOfTheAttempt) {
  const World world(7);
  const World slow(7, 3);
  std::set<std::int64_t> run_times;
  for (std::uint32_t number = 1; number <= 20; ++number) {
    const AttemptId id{{JobId(3), 0, 2}, number};
    const Truth truth = world.truth_of(id);
    EXPECT_EQ(truth.run_time, world.truth_of(id).run_time);
    EXPECT_TRUE(truth.exit == slow.truth_of(id).exit);
    EXPECT_EQ(truth.run_time * 3, slow.truth_of(id).run_time);
    run_times.insert(truth.run_time.value);
  }
  EXPECT_GT(run_times.size(), 10U);
  EXPECT_EQ(world.make_nodes(), slow.make_nodes());
}

// --- the journal's twin

Batch batch_of(Revision last, std::uint32_t count) {
  Batch batch;
  for (std::uint32_t i = 1; i <= count; ++i)
    batch.events.push_back({Revision(last.value + i), Tick(1), JobRetired{JobId(last.value + i)}});
  return batch;
}

TEST(SimJournal, ACrashLosesWholeBatchesFromTheEndAndNothingDurable) {
  bool lost_some = false;
  bool kept_some = false;
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    Agenda agenda;
    Faults faults;
    faults.on = false;
    SimJournal journal(agenda, faults, Rng(seed));
    std::set<std::uint64_t> ends = {0};
    Revision last;
    for (std::uint32_t size = 1; size <= 6; ++size) {
      journal.append(batch_of(last, size));
      last = Revision(last.value + size);
      ends.insert(last.value);
    }
    for (std::uint64_t commits = seed % 6; commits > 0; --commits) agenda.take()();
    const Revision durable = journal.durable();
    journal.crash();
    const Revision after = journal.durable();
    EXPECT_GE(after, durable);
    EXPECT_TRUE(ends.contains(after.value)) << "a batch was torn at " << after.value;
    lost_some = lost_some || after < last;
    kept_some = kept_some || after > durable;
    while (!agenda.empty()) agenda.take()();
    EXPECT_EQ(journal.durable(), after) << "a write of the dead loop came later";

    std::vector<std::uint64_t> replayed;
    const auto recovery = journal.open(
        [&](const Event& event) { replayed.push_back(event.revision.value); }, [](const auto&) {});
    ASSERT_TRUE(recovery.ok());
    EXPECT_EQ(recovery->last, after);
    ASSERT_EQ(replayed.size(), after.value);
    for (std::size_t i = 0; i < replayed.size(); ++i) EXPECT_EQ(replayed[i], i + 1);
  }
  EXPECT_TRUE(lost_some);
  EXPECT_TRUE(kept_some);
}

TEST(SimJournal, ABackupIsTheJournalOfAnEarlierBatch) {
  Agenda agenda;
  Faults faults;
  faults.on = false;
  SimJournal journal(agenda, faults, Rng(3));
  journal.append(batch_of(Revision(0), 2));
  journal.append(batch_of(Revision(2), 3));
  journal.append(batch_of(Revision(5), 1));
  while (!agenda.empty()) agenda.take()();
  journal.restore(1);
  EXPECT_EQ(journal.durable(), Revision(5));
  journal.restore(9);
  EXPECT_EQ(journal.durable(), Revision(2)) << "the first batch stays";
}

TEST(SimJournal, BatchesBecomeDurableInOrderAndLater) {
  Agenda agenda;
  Faults faults;
  faults.on = false;
  SimJournal journal(agenda, faults, Rng(1));
  std::vector<std::uint64_t> heard;
  journal.set_listener([&](Revision durable) { heard.push_back(durable.value); });
  journal.append(batch_of(Revision(0), 2));
  journal.append(batch_of(Revision(2), 3));
  EXPECT_EQ(journal.durable(), Revision(0)) << "never at once";
  while (!agenda.empty()) agenda.take()();
  EXPECT_EQ(heard, (std::vector<std::uint64_t>{2, 5}));
}

}  // namespace
}  // namespace busbar::sim
