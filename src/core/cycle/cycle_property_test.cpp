// What holds for every history: random nodes, jobs, ends, losses and budgets.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>

#include "base/rng.hpp"
#include "core/cycle/spec_testing.hpp"
#include "model/written.hpp"

namespace busbar::core {
namespace {

using testing::CycleWorld;

// One random history. `calm`: nothing is drained, lost, cancelled or updated, and nothing arrives
// in a higher band, so that no promise may be broken.
class History {
 public:
  History(std::uint64_t seed, bool calm, std::uint32_t budget, bool remembers = true)
      : rng_(seed), calm_(calm) {
    world_.budget.steps = budget;
    world_.remembers = remembers;
    world_.world.check_invariants = seed <= 3;  // State has property tests of its own
    Config config = world_.world.state.config();
    config.topology_levels = {"rack"};
    config.cleanup_bound = seconds(std::int64_t(rng_.below(4)));
    config.policy.promises_max = 1 + static_cast<std::uint32_t>(rng_.below(3));
    config.policy.launch_ahead = rng_.chance(1, 4) ? Span(0) : hours(1);
    choose_policy(config.policy);
    config.tenants = {{.name = "ada", .weight = 200, .quota = {{"cores", 9000}, {"gpu", 5000}}},
                      {.name = "bob", .running_max = calm ? 0u : 6u},
                      {.name = "default"}};
    if (calm) config.tenants[0].quota.clear();
    world_.configure(config);
    const std::uint64_t nodes = 2 + rng_.below(5);
    for (std::uint64_t i = 0; i < nodes; ++i) world_.add(random_node(i));
  }

  // Half of the histories are those of the default.
  void choose_policy(PolicyConfig& policy) {
    Rng chance(rng_.below(1'000'000));
    if (chance.chance(1, 2)) return;
    policy.order = static_cast<UnitOrder>(chance.below(words_of<UnitOrder>().size()));
    policy.share = chance.chance(1, 2) ? TenantShare::none : TenantShare::fair;
    policy.promise_heads = chance.chance(1, 2);
    policy.pack = static_cast<PackRule>(chance.below(words_of<PackRule>().size()));
    policy.demand = {{.weight = 3, .devices = 1, .share = MilliDevices(500)},
                     {.weight = 1, .cores = whole_cores(1), .devices = 2}};
    if (chance.chance(1, 2)) return;
    policy.promise_within = seconds(std::int64_t(chance.below(60)));
    policy.promise_within_less_per_width = seconds(std::int64_t(chance.below(4)));
  }

  // The first thing that does not hold; "" when all does.
  std::string run(std::uint32_t turns) {
    for (std::uint32_t turn = 0; turn < turns; ++turn) {
      const Tick due =
          std::min(next_due(), world_.world.now + seconds(1 + std::int64_t(rng_.below(20))));
      world_.world.now = due;
      launch();
      end_what_is_over();
      const std::uint64_t arrivals = rng_.below(3);
      for (std::uint64_t i = 0; i < arrivals; ++i) submit();
      if (!calm_) disturb();
      std::map<UnitId, Tick> before;
      for (const auto& [unit, promise] : world_.world.state.promises()) before[unit] = promise.at;
      world_.cycle();
      if (!world_.problem.empty()) return world_.problem;
      if (const std::string wrong = gangs(); !wrong.empty()) return wrong;
      if (calm_)
        if (const std::string wrong = promises(before); !wrong.empty()) return wrong;
    }
    return {};
  }

  std::uint64_t digest() const { return world_.world.state.digest(); }
  std::size_t events() const { return world_.world.events.size(); }
  std::size_t started() const { return started_; }

 private:
  Node random_node(std::uint64_t i) {
    Node node = testing::node("n" + std::to_string(i), 1 + std::int64_t(rng_.below(6)),
                              gibibytes(4 + std::int64_t(rng_.below(8))));
    const std::uint64_t devices = rng_.below(3) * 2;
    for (std::uint32_t d = 0; d < devices; ++d) {
      node.devices.push_back(testing::device(rng_.chance(1, 2) ? "H100" : "A100", d));
      node.devices.back().link_domain = 1 + d / 2;
    }
    node.topology = {"r" + std::to_string(rng_.below(2))};
    node.port_count = 4;
    return node;
  }

  void submit() {
    Resources each = testing::resources(1 + std::int64_t(rng_.below(2)), gibibytes(1));
    if (rng_.chance(1, 3)) {
      DeviceRequest request = testing::gpus(1 + static_cast<std::uint32_t>(rng_.below(2)));
      if (rng_.chance(1, 2)) request.share = MilliDevices(250 * (1 + std::int64_t(rng_.below(3))));
      each.devices.push_back(request);
    }
    if (rng_.chance(1, 4)) each.ports = 1;
    Job job = rng_.chance(1, 3)
                  ? testing::gang("g", 1 + static_cast<std::uint32_t>(rng_.below(4)), each)
                  : testing::loose("l", 1 + static_cast<std::uint32_t>(rng_.below(5)), each);
    if (job.coupling == Coupling::tight && rng_.chance(1, 3)) job.groups[0].count.max += 3;
    if (job.coupling == Coupling::tight && rng_.chance(1, 4)) job.groups.push_back(job.groups[0]);
    if (job.coupling == Coupling::loose && rng_.chance(1, 4)) job.groups[0].parallel = 2;
    if (rng_.chance(1, 8)) job.exclusive = true;
    job.grace = seconds(2);
    job.time_limit = seconds(5 + std::int64_t(rng_.below(40)));
    if (!calm_ && rng_.chance(1, 10)) job.time_limit = span_unlimited;
    if (!calm_) job.priority = static_cast<std::int32_t>(rng_.below(2));
    if (!calm_ && rng_.chance(1, 5)) job.deadline_at = world_.world.now + seconds(60);
    if (rng_.chance(1, 8)) job.begin_at = world_.world.now + seconds(10);
    job.tenant = rng_.chance(1, 3) ? "ada" : (rng_.chance(1, 2) ? "bob" : "default");
    const auto& jobs = world_.world.state.jobs();
    if (!jobs.empty() && rng_.chance(1, 6)) {
      auto it = jobs.begin();
      std::advance(it, rng_.below(jobs.size()));
      job.after.push_back({.kind = DependencyKind(rng_.below(3)), .job = it->first});
    }
    world_.add(std::move(job));
  }

  // Engines report starts within their bound; the limit counts from there.
  void launch() {
    const Config& config = world_.world.state.config();
    std::vector<AttemptId> up;
    for (const auto& [id, attempt] : world_.world.state.attempts())
      if (attempt.started == Tick(0) && attempt.stop == StopCause::none && !attempt.staged() &&
          rng_.chance(1, 2) && world_.world.now <= attempt.granted + config.cleanup_bound)
        up.push_back(id);
    for (const auto& id : up) {
      const AttemptRecord& attempt = *world_.world.state.find(id);
      const Job& job = world_.world.state.find(id.unit.job)->job;
      Running event{
          id, {}, world_.world.now + attempt.time_limit + job.grace + config.cleanup_bound};
      if (rng_.chance(1, 2)) {
        event.bound = attempt.allocation.claims;
        for (auto& claim : event.bound) claim.binding = Binding::bound;
      }
      world_.apply(std::move(event));
    }
  }

  // Attempts end before their limit by chance, and at their limit at the latest.
  void end_what_is_over() {
    std::vector<AttemptId> over;
    for (const auto& [id, attempt] : world_.world.state.attempts())
      if (attempt.latest_end <= world_.world.now || rng_.chance(1, 12)) over.push_back(id);
    for (const auto& id : over) {
      if (!calm_ && rng_.chance(1, 5)) {
        world_.apply(Ended{.attempt = id,
                           .state = RunState::node_fail,
                           .next = UnitNext::waits,
                           .not_before = world_.world.now + seconds(5),
                           .restarts = 1});
      } else {
        world_.end(id, rng_.chance(1, 6) ? RunState::failed : RunState::completed);
      }
    }
  }

  void disturb() {
    const NodeId node(1 +
                      static_cast<std::uint32_t>(rng_.below(world_.world.state.nodes().size())));
    const NodeRecord& record = *world_.world.state.find(node);
    const std::uint64_t what = rng_.below(12);
    if (what == 0 && !record.drained) world_.apply(NodeDrained{node, "repair", "root"});
    if (what == 1 && record.drained) world_.apply(NodeResumed{node, "root"});
    if (what == 2) world_.apply(NodeReachability{node, !record.reachable});
    if (what == 3)
      world_.apply(ReservationMade{{world_.world.state.next_reservation(),
                                    "repair",
                                    {node},
                                    world_.world.now + seconds(std::int64_t(rng_.below(30))),
                                    world_.world.now + seconds(31 + std::int64_t(rng_.below(30))),
                                    "root"}});
    if (what == 4 || what == 5) {
      for (const auto& [id, job] : world_.world.state.jobs()) {
        const IndexSet& from = what == 4 ? job.groups[0].waiting : job.groups[0].held;
        if (from.empty() || !rng_.chance(1, 3)) continue;
        if (what == 4)
          world_.apply(UnitsHeld{id, 0, from, "asked", "ada"});
        else
          world_.apply(UnitsReleased{id, 0, from, "ada"});
        break;
      }
    }
    if (what == 6) {
      Node changed = record.node;
      if (!changed.devices.empty())
        changed.devices[0].health =
            changed.devices[0].health == DeviceHealth::ok ? DeviceHealth::failed : DeviceHealth::ok;
      changed.features = {"new"};
      world_.apply(NodeRegistered{changed});
    }
    if (what == 8) {
      Config config = world_.world.state.config();
      config.tenants[0].weight = 50 + static_cast<std::uint32_t>(rng_.below(300));
      config.policy.backfill = rng_.chance(2, 3);
      world_.configure(config);
    }
    if (what == 9) {
      for (const auto& [id, job] : world_.world.state.jobs()) {
        if (!job.ended_all() || !rng_.chance(1, 3)) continue;
        world_.apply(UnitsRequeued{id, 0, IndexSet(0, unit_count(job.job, 0) - 1), "ada"});
        break;
      }
    }
    if (what == 7) {
      for (const auto& [id, job] : world_.world.state.jobs()) {
        if (job.ended_all() || !rng_.chance(1, 3)) continue;
        Job changed = job.job;
        changed.priority += 1;
        world_.apply(JobUpdated{changed, "ada"});
        break;
      }
    }
  }

  Tick next_due() const {
    const Tick due = core::next_due(world_.world.state, world_.index, world_.world.now);
    EXPECT_EQ(due, core::next_due(world_.world.state, world_.world.now));
    return due;
  }

  // Every group of a granted gang has between its least and its most tasks, or nothing was granted.
  std::string gangs() {
    for (const auto& body : world_.accepted) {
      const auto* granted = std::get_if<Granted>(&body);
      if (granted == nullptr) continue;
      ++started_;
      const JobRecord* record = world_.world.state.find(granted->attempt.unit.job);
      if (record == nullptr || record->job.coupling == Coupling::loose) continue;
      for (std::uint32_t g = 0; g < record->job.groups.size(); ++g) {
        std::uint32_t tasks = 0;
        for (const auto& claim : granted->allocation.claims)
          if (claim.group == g) tasks += claim.tasks;
        const CountRange& count = record->job.groups[g].count;
        if (tasks < count.min || tasks > count.max) return "a gang is not whole";
      }
    }
    return {};
  }

  // No promise of before was missed, and none was put off.
  std::string promises(const std::map<UnitId, Tick>& before) const {
    for (const auto& [unit, at] : before) {
      const auto now = world_.world.state.promises().find(unit);
      const JobRecord* record = world_.world.state.find(unit.job);
      const bool waits =
          record != nullptr && record->groups[unit.group].waiting.contains(unit.index);
      if (!waits) continue;
      for (const auto& body : world_.accepted)
        if (const auto* voided = std::get_if<PromiseVoided>(&body);
            voided != nullptr && voided->unit == unit && voided->cause != VoidCause::improved)
          return "a promise was voided: " + std::string(to_string(voided->cause));
      if (at <= world_.world.now) return "a promise was due and its unit did not start";
      if (now == world_.world.state.promises().end()) return "a promise was dropped";
      if (now->second.at > at) return "a promise was put off";
    }
    return {};
  }

  Rng rng_;
  bool calm_;
  CycleWorld world_;
  std::size_t started_ = 0;
};

TEST(CycleProperty, NothingIsOversoldWhateverHappens) {
  std::size_t started = 0;
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    History history(seed, false, 20000);
    ASSERT_EQ(history.run(60), "") << "seed " << seed;
    started += history.started();
  }
  EXPECT_GT(started, 1000u);
}

TEST(CycleProperty, AnyBudgetFinishesTheCycleAndKeepsWhatHolds) {
  for (std::uint64_t seed = 1; seed <= 10; ++seed)
    for (const std::uint32_t budget : {1u, 7u, 50u})
      ASSERT_EQ(History(seed, false, budget).run(30), "") << "seed " << seed;
}

TEST(CycleProperty, APromiseIsKept) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed)
    ASSERT_EQ(History(seed, true, 20000).run(60), "") << "seed " << seed;
}

TEST(CycleProperty, TheSameHistoryGivesTheSameBytes) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    History first(seed, false, 20000);
    History second(seed, false, 20000);
    ASSERT_EQ(first.run(40), "");
    ASSERT_EQ(second.run(40), "");
    EXPECT_EQ(first.digest(), second.digest());
    EXPECT_EQ(first.events(), second.events());
  }
}

TEST(CycleProperty, WhatIsRememberedBetweenSlicesNeverChangesADecision) {
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    History with(seed, false, 20000, true);
    History without(seed, false, 20000, false);
    ASSERT_EQ(with.run(50), "");
    ASSERT_EQ(without.run(50), "");
    EXPECT_EQ(with.digest(), without.digest()) << "seed " << seed;
    EXPECT_EQ(with.events(), without.events()) << "seed " << seed;
  }
}

RC_GTEST_PROP(CycleProperty, HoldsForAnySeedAndBudget, ()) {
  const auto seed = *rc::gen::inRange<std::uint64_t>(4, 1'000'000'000);
  const auto budget = *rc::gen::inRange<std::uint32_t>(1, 200);
  RC_ASSERT(History(seed, false, budget).run(10) == "");
}

}  // namespace
}  // namespace busbar::core
