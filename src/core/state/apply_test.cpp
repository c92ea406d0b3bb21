// What each event does to State, and that a million units cost what their intervals cost.
#include <gtest/gtest.h>

#include "core/state/testing.hpp"

namespace busbar::core {
namespace {

using namespace testing;

TEST(Apply, AUnitGoesFromWaitingToLiveToFinished) {
  World w;
  const NodeId n1 = w.add(node("n1", 8));
  const JobId job = w.add(loose("a", 3));
  const JobRecord* record = w.state.find(job);
  EXPECT_EQ(record->waiting, 3u);
  EXPECT_EQ(job_state(*record), RunState::pending);

  const AttemptId first = w.grant(unit(1, 1), n1);
  EXPECT_EQ(first, attempt(1, 1, 1));
  EXPECT_EQ(record->waiting, 2u);
  EXPECT_EQ(record->live, 1u);
  EXPECT_EQ(job_state(*record), RunState::running);
  EXPECT_EQ(w.state.tenants()[0].running, 1u);
  EXPECT_EQ(w.state.live_attempt(unit(1, 1))->state, RunState::configuring);

  w.run(first);
  EXPECT_EQ(w.state.find(first)->state, RunState::running);
  w.end(first, RunState::failed, 3);
  EXPECT_EQ(w.state.find(first), nullptr);
  EXPECT_EQ(record->failed, 1u);
  EXPECT_EQ(record->exit_code, 3);
  EXPECT_EQ(find_finished(record->groups[0], 1)->exit_code, 3);
  EXPECT_EQ(find_finished(record->groups[0], 0), nullptr);

  w.end(w.grant(unit(1, 0), n1));
  EXPECT_EQ(record->ended, Tick(0));
  w.advance(seconds(5));
  w.end(w.grant(unit(1, 2), n1));
  EXPECT_EQ(record->ended, w.now);
  EXPECT_EQ(job_state(*record), RunState::failed);
  EXPECT_EQ(w.state.tenants()[0].submitted, 0u);
  EXPECT_EQ(w.broken, "");
}

TEST(Apply, FinishedUnitsThatEndAlikeAreOneRun) {
  World w;
  const NodeId n1 = w.add(node("n1", 8));
  w.add(loose("a", 5));
  for (const std::uint32_t index : {4u, 0u, 2u, 1u, 3u}) w.end(w.grant(unit(1, index), n1));
  const auto& finished = w.state.find(JobId(1))->groups[0].finished;
  ASSERT_EQ(finished.size(), 1u);
  EXPECT_EQ(finished[0].range, (IndexRange{0, 4}));
  EXPECT_EQ(w.broken, "");
}

TEST(Apply, AMillionWaitingUnitsCloseAsOneInterval) {
  World w;
  w.add(loose("huge", 1'000'000));
  w.apply(UnitsHeld{JobId(1), 0, IndexSet(0, 999), "", "ada"});
  w.apply(UnitsClosed{JobId(1), 0, IndexSet(0, 999'999), RunState::cancelled, "enough", "ada"});
  const JobRecord* record = w.state.find(JobId(1));
  EXPECT_EQ(record->failed, 1'000'000u);
  EXPECT_EQ(record->groups[0].finished.size(), 1u);
  EXPECT_EQ(job_state(*record), RunState::cancelled);
  w.apply(UnitsRequeued{JobId(1), 0, IndexSet(10, 999'999), "ada"});
  EXPECT_EQ(record->waiting, 999'990u);
  EXPECT_TRUE(record->groups[0].units->empty());
  EXPECT_EQ(w.broken, "");
}

TEST(Apply, ARequeuedUnitNeverReusesAnAttemptNumber) {
  World w;
  const NodeId n1 = w.add(node("n1", 8));
  w.add(loose("a", 2));
  w.end(w.grant(unit(1, 0), n1), RunState::failed, 1);
  w.apply(UnitsRequeued{JobId(1), 0, IndexSet(0, 0), "ada"});
  EXPECT_TRUE(w.state.find(unit(1, 0))->requeued);
  EXPECT_EQ(w.state.find(JobId(1))->exit_code, 0);
  EXPECT_EQ(w.grant(unit(1, 0), n1), attempt(1, 0, 2));
  EXPECT_EQ(w.broken, "");
}

TEST(Apply, APromiseEndsWhenItsUnitStartsClosesOrIsHeld) {
  World w;
  const NodeId n1 = w.add(node("n1", 8));
  w.add(loose("a", 3));
  const Allocation place{{claim_on(n1, w.state.find(JobId(1))->job)}};
  for (std::uint32_t i = 0; i < 3; ++i) w.apply(Promised{unit(1, i), w.now, place});
  w.grant(unit(1, 0), n1);
  w.apply(UnitsHeld{JobId(1), 0, IndexSet(1, 1), "", "ada"});
  w.apply(UnitsClosed{JobId(1), 0, IndexSet(2, 2), RunState::cancelled, "", "ada"});
  EXPECT_TRUE(w.state.promises().empty());
  EXPECT_EQ(w.broken, "");
}

TEST(Apply, ChargesDecayByHalfEachHalfLifeBeforeTheNewIsAdded) {
  World w;
  Config config;
  config.usage_half_life = hours(1);
  w.apply(Configured{config, 1});
  const NodeId n1 = w.add(node("n1", 8));
  w.add(loose("a", 2));
  const auto charge = [&](std::uint32_t index) {
    Ended ended;
    ended.attempt = w.grant(unit(1, index), n1);
    ended.charge = 1000;
    w.apply(ended);
  };
  charge(0);
  EXPECT_EQ(w.state.tenants()[0].charge, 1000);
  w.advance(hours(1));
  charge(1);
  EXPECT_EQ(w.state.tenants()[0].charge, 1500);
}

TEST(Apply, TenantsKeepTheirRecordsByName) {
  World w;
  w.add(loose("a", 7));
  Config config;
  config.tenants = {{.name = "alpha", .quota = {}, .users = {}},
                    {.name = "default", .quota = {}, .users = {}}};
  w.apply(Configured{config, 1});
  EXPECT_EQ(w.state.tenants()[0].submitted, 0u);
  EXPECT_EQ(w.state.tenants()[1].submitted, 7u);
  EXPECT_EQ(w.broken, "");
}

TEST(Apply, IdempotencyKeysLastADay) {
  World w;
  Job job = loose("a");
  job.id = JobId(1);
  job.tenant = "default";
  w.apply(Submitted{{job}, "k"});
  EXPECT_EQ(w.state.idempotency().at("k").jobs, std::vector<JobId>{JobId(1)});
  w.advance(hours(24) - Span(1));
  w.apply(ClusterSynchronised{"local"});
  EXPECT_EQ(w.state.idempotency().size(), 1u);
  w.advance(Span(1));
  w.apply(ClusterSynchronised{"local"});
  EXPECT_TRUE(w.state.idempotency().empty());
}

TEST(Apply, DependentsAreKnownUntilTheyEnd) {
  World w;
  const NodeId n1 = w.add(node("n1", 8));
  const JobId prep = w.add(loose("prep"));
  Job train = loose("train");
  train.after.push_back({DependencyKind::ok, prep, 0, "prep"});
  const JobId id = w.add(train);
  EXPECT_EQ(w.state.dependents(prep), std::vector<JobId>{id});
  w.end(w.grant(unit(1), n1));
  w.end(w.grant(unit(2), n1));
  EXPECT_TRUE(w.state.dependents(prep).empty());
  w.apply(JobRetired{prep});
  EXPECT_EQ(w.state.find(prep), nullptr);
  EXPECT_EQ(w.broken, "");
}

TEST(Apply, TotalsFollowTheRegisteredNodes) {
  World w;
  w.add(node("n1", 8, gibibytes(64), 2));
  EXPECT_EQ(w.state.totals().cores, whole_cores(8));
  EXPECT_EQ(w.state.totals().device_weight, 2000);
  Node smaller = node("n1", 4, gibibytes(32), 1);
  smaller.id = NodeId(1);
  w.apply(NodeRegistered{smaller});
  EXPECT_EQ(w.state.totals().cores, whole_cores(4));
  EXPECT_EQ(w.state.totals().memory, gibibytes(32));
  EXPECT_EQ(w.state.totals().device_weight, 1000);
  EXPECT_EQ(w.broken, "");
}

TEST(Measure, TheDominantShareIsCharged) {
  World w;
  const NodeId n1 = w.add(node("n1", 8, gibibytes(64), 2));
  Job job = loose("a", 1, resources(2, gibibytes(8)));
  // 2 of 8 cores, 8 of 64 GiB: a quarter is the largest.
  EXPECT_EQ(charge_per_ms(w.state, {{claim_on(n1, job)}}), 1 << 18);
  job.groups[0].any_of[0].resources.devices.push_back(gpus(1));
  EXPECT_EQ(charge_per_ms(w.state, {{claim_on(n1, job)}}), 1 << 19);
  job.exclusive = true;
  EXPECT_EQ(charge_per_ms(w.state, {{claim_on(n1, job)}}), 1 << 20);
  EXPECT_EQ(charge_of(w.state, {{claim_on(n1, job)}}, seconds(3)), 3000LL << 20);
}

TEST(Measure, QuotaNamesMayNest) {
  World w;
  const NodeId n1 = w.add(node("n1", 8, gibibytes(64), 2, "NVIDIA H100 80GB HBM3"));
  Job job = loose("a", 1, resources(2, gibibytes(8)));
  DeviceRequest half = gpus(1, "H100");
  half.share = MilliDevices(500);
  job.groups[0].any_of[0].resources.devices = {half};
  job.groups[0].any_of[0].resources.named = {{"licence", 3}};
  const Allocation held{{claim_on(n1, job)}};
  const std::pair<const char*, std::int64_t> rows[] = {
      {"cores", 2000}, {"memory", gibibytes(8).value},
      {"gpu", 500},    {"H100", 500},
      {"A100", 0},     {"licence", 3},
      {"other", 0}};
  for (const auto& [name, amount] : rows) EXPECT_EQ(quota_amount(w.state, held, name), amount);
}

TEST(Codec, ANodeLargerThanCanBeIsDamage) {
  for (const std::int64_t bytes : {std::int64_t{-1}, (std::int64_t{1} << 62) + 1}) {
    World w;
    w.check_invariants = false;
    w.add(node("n1", 1, Bytes(bytes)));
    const auto read = decode_state(encode_state(w.state));
    EXPECT_EQ(read.ok(), false) << bytes;
    EXPECT_EQ(read.error().code, Errc::corrupt);
  }
}

TEST(Codec, AStateReadsBackEqualAndDamageIsSeen) {
  World w;
  const NodeId n1 = w.add(node("n1", 8, gibibytes(64), 2));
  w.add(loose("a", 5));
  w.run(w.grant(unit(1, 3), n1));
  w.end(w.grant(unit(1, 2), n1), RunState::failed, 9);
  w.apply(ReservationMade{{ReservationId(1), "window", {n1}, Tick(5), Tick(9), "root"}});
  const std::string bytes = encode_state(w.state);
  const auto again = decode_state(bytes);
  ASSERT_TRUE(again.ok()) << again.error().text;
  EXPECT_TRUE(*again == w.state);
  EXPECT_EQ(again->digest(), w.state.digest());
  EXPECT_FALSE(decode_state(std::string_view(bytes).substr(0, bytes.size() / 2)).ok());
  EXPECT_FALSE(decode_state("").ok());
}

}  // namespace
}  // namespace busbar::core
