// Whatever is asked and reported, in whatever order: every event that decide makes can be applied,
// the invariants hold after each, snapshots read back equal, and a replay gives the same State.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "base/rng.hpp"
#include "core/state/testing.hpp"

namespace busbar::core {
namespace {

using namespace testing;

// A seeded user, operator, engine and scheduler, sensible or not.
class Chaos {
 public:
  explicit Chaos(std::uint64_t seed) : rng_(seed) {}

  void step() {
    if (rng_.chance(1, 4)) world.advance(Span(static_cast<std::int64_t>(rng_.below(30'000))));
    if (rng_.chance(1, 200)) world.advance(hours(25));
    if (rng_.chance(1, 60)) return sight_something();
    if (!world.state.sighted().empty() && rng_.chance(1, 3)) return deal_with_sighted();
    switch (rng_.below(10)) {
      case 0:
        if (rng_.chance(1, 2)) return stage_something();
        return rng_.chance(1, 3) ? take_back_something() : grant_something();
      case 1:
        return grant_something();
      case 2:
        return promise_something();
      case 3:
        return retire_something();
      default:
        (void)world.tell(command()).ok();
    }
  }
  World world;

 private:
  std::uint64_t below(std::uint64_t n) { return rng_.below(n); }
  std::uint32_t small(std::uint32_t n) { return static_cast<std::uint32_t>(rng_.below(n)); }
  JobId some_job() { return JobId(below(world.state.next_job().value + 1)); }
  UserRef someone() { return rng_.chance(1, 3) ? op() : user("ada", 1000 + small(2)); }
  std::string some_node() { return "n" + std::to_string(below(5)); }

  UnitSelector some_units() {
    UnitSelector out;
    out.job = some_job();
    out.all = rng_.chance(1, 2);
    out.group = rng_.chance(1, 8) ? 1 : 0;
    const std::uint32_t first = small(6);
    out.indices.insert({first, first + small(4)});
    return out;
  }

  AttemptId some_attempt() {
    if (world.state.attempts().empty() || rng_.chance(1, 10))
      return {{some_job(), small(2), small(5)}, 1 + small(3)};
    auto it = world.state.attempts().begin();
    std::advance(it, static_cast<long>(below(world.state.attempts().size())));
    return it->first;
  }

  Job some_job_file() {
    Job job = rng_.chance(1, 3) ? gang("g", 1 + small(4)) : loose("l", 1 + small(8));
    if (rng_.chance(1, 4)) job.groups[0].any_of[0].resources.devices = {gpus(1 + small(2))};
    if (rng_.chance(1, 3)) job.restart.edit().on_any = true;
    if (rng_.chance(1, 5)) job.hold = true;
    if (rng_.chance(1, 8)) job.tenant = rng_.chance(1, 2) ? "zoo" : "nobody";
    if (rng_.chance(1, 4)) job.time_limit = seconds(1 + small(100));
    if (rng_.chance(1, 4)) job.after.push_back({DependencyKind::any, some_job(), small(3), "x"});
    if (rng_.chance(1, 4)) {
      TaskGroup more = job.groups[0];
      more.name = "more";
      job.groups.push_back(more);
    }
    return job;
  }

  Node some_node_report() {
    Node out = node(some_node(), 4 + small(3), gibibytes(64), small(4));
    out.boot_id = "boot-" + std::to_string(below(2));
    if (rng_.chance(1, 9)) out.cluster = "other";
    return out;
  }

  Config some_config() {
    Config config;
    if (rng_.chance(1, 2)) config.tenants.push_back({.name = "zoo", .quota = {}, .users = {}});
    if (rng_.chance(1, 9)) config.tenants.clear();
    config.launch_failures_max = 1 + small(3);
    config.policy.predict = rng_.chance(1, 2);
    return config;
  }

  Exit some_exit() {
    Exit out;
    out.cause = static_cast<EndCause>(below(6));
    out.code = static_cast<std::int32_t>(below(3));
    return out;
  }

  Command request() {
    switch (below(13)) {
      case 0:
        return CancelUnits{some_units(), someone(), "enough"};
      case 1:
        return HoldUnits{some_units(), someone()};
      case 2:
        return ReleaseUnits{some_units(), someone()};
      case 3:
        return RequeueUnits{some_units(), someone()};
      case 4: {
        UpdateJob update;
        update.job = some_job();
        update.by = someone();
        if (rng_.chance(1, 2)) update.priority = static_cast<std::int32_t>(below(3));
        if (rng_.chance(1, 2)) update.time_limit = seconds(static_cast<std::int64_t>(below(99)));
        if (rng_.chance(1, 4)) update.parallel = small(3);
        return update;
      }
      case 5:
        return DrainNode{some_node(), "r" + std::to_string(below(2)), someone()};
      case 6:
        return ResumeNode{some_node(), someone()};
      case 7:
        return FenceNode{some_node(), "", someone()};
      case 8:
        return MakeReservation{"r", {}, world.now, world.now + minutes(1), someone()};
      case 9:
        return EndReservation{"r", someone()};
      case 10:
        return Configure{some_config()};
      case 11:
        return AnswerClock{rng_.chance(1, 2), someone()};
      default: {
        SubmitJobs submit;
        submit.user = someone();
        for (std::uint64_t n = 1 + below(3); n > 0; --n) submit.jobs.push_back(some_job_file());
        if (rng_.chance(1, 2)) submit.idempotency_key = "k" + std::to_string(below(5));
        return submit;
      }
    }
  }

  Command report() {
    switch (below(10)) {
      case 0:
        return NodeReport{some_node_report()};
      case 1:
        return NodeUnreachable{"local", some_node()};
      case 2:
        return NodeReachable{"local", some_node()};
      case 3:
        return EngineSynchronised{rng_.chance(1, 2) ? "local" : "other"};
      case 4:
        return AttemptReady{some_attempt(), "n1:1"};
      case 5:
        return AttemptProgress{some_attempt(), static_cast<std::int64_t>(below(9)), 1};
      case 6:
        return AttemptAbsent{some_attempt()};
      case 8:
        return ClockJumped{hours(small(3))};
      case 7: {
        const AttemptId id = some_attempt();
        AttemptStarted started{id, {}};
        if (const auto* attempt = world.state.find(id)) started.bound = attempt->allocation.claims;
        for (auto& claim : started.bound)
          for (auto& share : claim.devices) share.ordinal = small(4);
        return started;
      }
      default:
        return AttemptEnded{some_attempt(), some_exit(), {}};
    }
  }

  Command command() { return rng_.chance(1, 2) ? request() : report(); }

  // A free device ordinal of the node, or nothing.
  std::optional<std::uint32_t> free_device(const NodeRecord& node) {
    for (std::uint32_t i = 0; i < node.node.devices.size(); ++i) {
      bool taken = false;
      for (const auto& [id, attempt] : world.state.attempts())
        if (!attempt.staged())
          for (const auto& claim : attempt.allocation.claims)
            for (const auto& share : claim.devices)
              taken = taken || (claim.node == node.node.id && share.ordinal == i);
      if (!taken) return i;
    }
    return std::nullopt;
  }

  std::optional<UnitId> waiting_unit() {
    for (const auto& [id, record] : world.state.jobs())
      for (std::uint32_t g = 0; g < record.groups.size(); ++g)
        if (const auto index = record.groups[g].waiting.next(0); index && rng_.chance(1, 2))
          return UnitId{id, g, *index};
    return std::nullopt;
  }

  std::optional<Allocation> place(const UnitId& unit) {
    if (world.state.nodes().empty()) return std::nullopt;
    const auto& node = world.state.nodes()[below(world.state.nodes().size())];
    Claim claim = claim_on(node.node.id, world.state.find(unit.job)->job, unit.group);
    claim.devices.clear();
    if (const auto device = free_device(node)) claim.devices.push_back({*device, {}});
    return Allocation{{claim}};
  }

  void sight_something() {
    const JobId job(1 + below(world.state.next_job().value + 2));
    const AttemptId id{{job, small(2), small(5)}, 1 + small(4)};
    world.must(AttemptSighted{"local", id, rng_.chance(1, 2)});
  }
  void deal_with_sighted() {
    if (world.state.behind_engines()) return world.must(AdoptCluster{"", rng_.chance(1, 2), op()});
    const AttemptId id = world.state.sighted().begin()->first;
    if (rng_.chance(1, 4)) return world.must(AttemptAbsent{id});
    world.must(AttemptEnded{id, some_exit(), {}});
  }
  void grant_something() {
    if (!world.state.sighted().empty()) return;  // as the ring does
    const auto unit = waiting_unit();
    const auto allocation = unit ? place(*unit) : std::nullopt;
    if (allocation) world.grant(*unit, *allocation);
  }
  // Any attempt of a group may be followed, in lines of any length.
  void stage_something() {
    const AttemptRecord* before = world.state.find(some_attempt());
    if (!world.state.sighted().empty() || before == nullptr) return;
    const UnitId& unit = before->id.unit;
    const JobRecord& record = *world.state.find(unit.job);
    const auto next = record.groups[unit.group].waiting.next(0);
    if (!next || world.state.follower(before->id) != nullptr) return;
    world.apply(Granted{world.state.next_attempt({unit.job, unit.group, *next}), before->allocation,
                        record.job.time_limit, tick_never, before->id});
  }
  void take_back_something() {
    const AttemptRecord* attempt = world.state.find(some_attempt());
    if (attempt != nullptr && attempt->staged())
      world.apply(Stopping{attempt->id, StopCause::revoke, "", "others go first"});
  }
  void promise_something() {
    const auto unit = waiting_unit();
    const auto allocation = unit ? place(*unit) : std::nullopt;
    if (allocation) world.apply(Promised{*unit, world.now + minutes(1), *allocation});
  }
  void retire_something() {
    for (const auto& [id, record] : world.state.jobs())
      if (record.ended_all() && world.state.dependents(id).empty() && rng_.chance(1, 3))
        return world.apply(JobRetired{id});
  }

  Rng rng_;
};

constexpr int steps = 300;

RC_GTEST_PROP(State, HoldsItsInvariantsAndReadsBackEqualUnderAnyHistory, (std::uint64_t seed)) {
  Chaos chaos(seed);
  for (int i = 0; i < steps; ++i) chaos.step();
  const World& w = chaos.world;
  RC_ASSERT(w.broken == "");
  const auto again = decode_state(encode_state(w.state));
  RC_ASSERT(again.ok());
  RC_ASSERT(*again == w.state);
  State replayed;
  for (const auto& event : w.events) {
    const auto stored = decode_event(encode_event(event));
    RC_ASSERT(stored.ok());
    replayed.apply(*stored);
  }
  RC_ASSERT(replayed == w.state);
  RC_ASSERT(replayed.digest() == w.state.digest());
}

RC_GTEST_PROP(State, TheSameSeedGivesTheSameEventsAndDigest, (std::uint64_t seed)) {
  Chaos one(seed);
  Chaos two(seed);
  one.world.check_invariants = two.world.check_invariants = false;
  for (int i = 0; i < steps; ++i) one.step(), two.step();
  RC_ASSERT(one.world.events == two.world.events);
  RC_ASSERT(one.world.state.digest() == two.world.state.digest());
}

// The generator is worth something only if it reaches every kind of event.
TEST(State, TheGeneratorReachesEveryKindOfEvent) {
  std::vector<std::uint64_t> seen(std::variant_size_v<EventBody>);
  std::uint64_t inherited = 0;
  for (std::uint64_t seed = 0; seed < 30; ++seed) {
    Chaos chaos(seed);
    chaos.world.check_invariants = false;
    for (int i = 0; i < 300; ++i) chaos.step();
    State state;
    for (const auto& event : chaos.world.events) {
      ++seen[event.body.index()];
      const auto* ended = std::get_if<Ended>(&event.body);
      const AttemptRecord* next = ended == nullptr ? nullptr : state.follower(ended->attempt);
      inherited += next != nullptr && !state.find(ended->attempt)->staged() ? 1 : 0;
      state.apply(event);
    }
  }
  EXPECT_GT(inherited, 8U) << "claims that passed to a staged attempt";
  for (std::size_t kind = 0; kind < seen.size(); ++kind)
    EXPECT_TRUE(seen[kind] > 0 || event_words[kind] == "slice_decided") << event_words[kind];
}

}  // namespace
}  // namespace busbar::core
