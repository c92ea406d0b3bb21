#include "engine/local/reconciler.hpp"

#include <gtest/gtest.h>

#include <deque>
#include <functional>
#include <memory>

#include "base/rng.hpp"
#include "engine/local/start_plan.hpp"
#include "model/names.hpp"

namespace busbar::local {
namespace {

constexpr Span lateness_max = seconds(2);

// Frames both ways over a bad line: lost, doubled, up to `lateness_max` late and out of order.
class BadLine : public Transport {
 public:
  explicit BadLine(std::uint64_t seed) : rng_(seed) {}

  bool send(std::string frame) override {
    if (!up) return false;
    put(true, std::move(frame));
    return true;
  }
  void set_receiver(std::function<void(std::string)>, std::function<void()>,
                    std::function<void()>) override {}
  void answer(std::string frame) {
    if (up) put(false, std::move(frame));
  }
  // What an old connection carried to the daemon is gone; what it carried to the shim may arrive.
  void cut() {
    up = false;
    std::erase_if(flying_, [](const Flight& flight) { return !flight.to_shim; });
  }
  struct Flight {
    Tick at;
    bool to_shim;
    std::string bytes;
  };
  std::vector<Flight> arrived() {
    std::vector<Flight> due;
    for (std::size_t i = 0; i < flying_.size();) {
      if (flying_[i].at > now) {
        ++i;
        continue;
      }
      due.push_back(std::move(flying_[i]));
      flying_.erase(flying_.begin() + static_cast<std::ptrdiff_t>(i));
    }
    return due;
  }

  bool up = false;
  bool bad = true;
  Tick now;

 private:
  void put(bool to_shim, std::string bytes) {
    if (bad && rng_.chance(1, 8)) return;
    const std::uint64_t late = static_cast<std::uint64_t>(lateness_max.value);
    const auto delay = [&] { return Span(bad ? static_cast<std::int64_t>(rng_.below(late)) : 1); };
    if (bad && rng_.chance(1, 8)) flying_.push_back({now + delay(), to_shim, bytes});
    flying_.push_back({now + delay(), to_shim, std::move(bytes)});
  }
  Rng rng_;
  std::deque<Flight> flying_;
};

// The shim as its protocol promises it.
class SimShim {
 public:
  SimShim(BadLine& line, std::uint64_t seed) : line_(line), rng_(seed) {}

  // Frozen, it reads nothing; what was sent to it waits.
  void frame(const std::string& bytes) {
    if (frozen) return unread.push_back(bytes);
    const auto message = shim::decode(bytes);
    ASSERT_TRUE(message.ok());
    if (std::get_if<shim::DaemonHello>(&*message) != nullptr) {
      shim::ShimHello hello;
      hello.stages = stages;
      hello.sets_limits = true;
      line_.answer(shim::encode(hello));
      list("");
    } else if (const auto* start = std::get_if<shim::StartRequest>(&*message)) {
      staged.erase(start->name);
      limits.emplace(start->name, start->time_limit_ms);
      if (!slow) run(start->name);
    } else if (const auto* limit = std::get_if<shim::Limit>(&*message)) {
      limits[limit->name] = limit->time_limit_ms;
    } else if (const auto* stage = std::get_if<shim::Stage>(&*message)) {
      const auto before = held.find(stage->after);
      const bool waits =
          (before != held.end() && !before->second.ended) || staged.contains(stage->after);
      if (waits && !held.contains(stage->start.name))
        staged[stage->start.name] = stage->after;
      else
        run(stage->start.name);
    } else if (const auto* revoke = std::get_if<shim::Revoke>(&*message)) {
      if (!unstage(revoke->name) && held.contains(revoke->name)) tell(revoke->name);
    } else if (const auto* end = std::get_if<shim::End>(&*message)) {
      if (unstage(end->name)) return;
      const auto at = held.find(end->name);
      if (at == held.end() || slow) return;
      if (at->second.ended) return tell(end->name);
      at->second.ends_at = line_.now;
      at->second.cause = shim::Cause::stopped;
    } else if (const auto* done = std::get_if<shim::Acknowledge>(&*message)) {
      const auto at = held.find(done->name);
      if (at != held.end() && at->second.ended) held.erase(at);
    } else if (const auto* asked = std::get_if<shim::List>(&*message)) {
      list(asked->name);
    } else if (const auto* upgrade = std::get_if<shim::Upgrade>(&*message)) {
      upgrades.push_back(upgrade->path);
      line_.answer(shim::encode(shim::Refused{"", "it cannot be run"}));
    }
  }
  void tick() {
    if (frozen) return;
    for (const std::string& bytes : std::exchange(unread, {})) frame(bytes);
    for (auto& [name, attempt] : held) {
      if (attempt.ended || attempt.ends_at > line_.now) continue;
      attempt.ended = true;
      tell(name);
      follow(name, "");
    }
  }

  struct Attempt {
    Tick ends_at;
    bool ended = false;
    shim::Cause cause = shim::Cause::exited;
  };
  std::map<std::string, Attempt> held;
  std::map<std::string, int> starts;
  std::map<std::string, std::string> staged;  // and after which
  std::vector<std::string> upgrades;
  std::map<std::string, std::int64_t> limits;
  bool slow = false;  // what it is asked to start and to end takes its time
  bool frozen = false;
  std::vector<std::string> unread;
  bool stages = true;
  int followed = 0;                               // started by their predecessor's end
  std::map<std::string, std::uint64_t> place_of;  // whose claims they hold
  std::string overlap;                            // two at once in one place

 private:
  void run(const std::string& name) {
    if (!held.contains(name)) {
      ++starts[name];
      if (place_of.contains(name))
        for (const auto& [other, attempt] : held)
          if (!attempt.ended && place_of.contains(other) && place_of[other] == place_of[name])
            overlap = name + " runs beside " + other;
      held[name] = {line_.now + Span(static_cast<std::int64_t>(rng_.below(20'000))), false,
                    shim::Cause::exited};
    }
    tell(name);
  }
  void follow(const std::string& gone, const std::string& after) {
    std::vector<std::string> due;
    for (auto& [name, before] : staged) {
      if (before != gone) continue;
      before = after;
      if (after.empty()) due.push_back(name);
    }
    for (const std::string& name : due) {
      staged.erase(name);
      ++followed;
      run(name);
    }
  }
  bool unstage(const std::string& name) {
    const auto at = staged.find(name);
    if (at == staged.end()) return false;
    const std::string after = at->second;
    staged.erase(at);
    follow(name, after);
    line_.answer(shim::encode(shim::Revoked{name}));
    return true;
  }
  void tell(const std::string& name) {
    const Attempt& attempt = held[name];
    if (attempt.ended) {
      shim::Exited exited;
      exited.name = name;
      exited.cause = attempt.cause;
      line_.answer(shim::encode(exited));
    } else {
      shim::Started started;
      started.name = name;
      line_.answer(shim::encode(started));
    }
  }
  void list(const std::string& asked) {
    std::vector<std::string> ended;
    shim::Held page;
    page.asked = asked;
    for (const auto& [name, attempt] : held) {
      if (!asked.empty() && name != asked) continue;
      if (attempt.ended) ended.push_back(name);
      page.items.emplace_back();
      page.items.back().name = name;
      page.items.back().state = attempt.ended ? shim::HeldState::ended : shim::HeldState::running;
      if (!attempt.ended && limits.contains(name))
        page.items.back().time_limit_ms = limits.at(name);
      if (!asked.empty() || page.items.size() < 3) continue;
      page.last = false;
      line_.answer(shim::encode(page));
      page.items.clear();
      page.last = true;
    }
    for (const auto& [name, after] : staged) {
      if (!asked.empty() && name != asked) continue;
      page.items.emplace_back();
      page.items.back().name = name;
      page.items.back().state = shim::HeldState::staged;
    }
    line_.answer(shim::encode(page));
    for (const std::string& name : ended) tell(name);
  }
  BadLine& line_;
  Rng rng_;
};

class PlainMachine : public Machine {
 public:
  Result<shim::StartRequest> prepare(const Launch& launch, const std::vector<Claim>&) override {
    if (launch.job_name == "broken") return {Errc::invalid, "no such folder"};
    shim::StartRequest start;
    start.name = launch.name;
    start.time_limit_ms = shim_limit_ms(launch.time_limit);
    return start;
  }
  void started(const Launch&, const std::vector<Claim>&) override {}
  void output_began(const AttemptId&, const std::string&, std::int64_t) override {}
  void ended(const std::string&) override {}
  void forgotten(const std::string&) override {}
  void warn(const std::string& sentence) override { warnings.push_back(sentence); }
  std::vector<std::string> warnings;
};

Launch launch_of(std::uint64_t job) {
  Launch launch;
  launch.id = {{JobId(job), 0, 0}, 1};
  launch.name = attempt_name("abc123", launch.id);
  LaunchClaim claim;
  claim.claim.cores = whole_cores(1);
  launch.claims.push_back(claim);
  return launch;
}

// State, the daemon and the shim in one loop.
struct World {
  explicit World(std::uint64_t seed) : rng(seed), line(mix(seed, 1)), sim(line, mix(seed, 2)) {
    options.node = "n1";
    options.lateness_max = lateness_max;
  }

  void open() {
    synchronised = false;
    std::vector<Launch> live;
    for (const auto& [name, launch] : state) live.push_back(launch);
    daemon = std::make_unique<Reconciler>(options, CoreBook({{{0, 1, 2, 3}, {}}}), line, machine,
                                          [this](const Command& report) { hear(report); });
    daemon->open("abc123", live, line.now);
  }
  // State may be slow to hear, in order.
  void hear(const Command& report) {
    if (!stages) return take(report);
    heard.push_back(report);
  }
  void listen() {
    const std::uint64_t count = rng.chance(1, 2) ? heard.size() : rng.below(heard.size() + 1);
    for (std::uint64_t i = 0; i < count; ++i) {
      const Command report = heard.front();
      heard.pop_front();
      take(report);
    }
  }
  void take(const Command& report) {
    if (std::get_if<EngineSynchronised>(&report) != nullptr) synchronised = true;
    if (const auto* ended = std::get_if<AttemptEnded>(&report)) {
      const std::string name = attempt_name("abc123", ended->attempt);
      ends[name] = ended->exit;
      leave(name);
      owed.insert(name);
    }
    if (const auto* absent = std::get_if<AttemptAbsent>(&report)) {
      const std::string name = attempt_name("abc123", absent->attempt);
      if (leave(name)) absents.insert(name);
      owed.insert(name);
    }
    if (const auto* started = std::get_if<AttemptStarted>(&report)) {
      const std::string name = attempt_name("abc123", started->attempt);
      runs.insert(name);
      const auto at = state.find(name);
      if (at != state.end() && state.contains(at->second.after)) ++too_early;
    }
    if (const auto* seen = std::get_if<AttemptSighted>(&report)) {
      const std::string name = attempt_name("abc123", seen->attempt);
      sighted[name] = seen->running;
      if (!state.contains(name) && ends_what_is_sighted) closed.insert(name);
    }
    if (std::get_if<NodeUnreachable>(&report) != nullptr) unreachable = true;
    if (std::get_if<NodeReachable>(&report) != nullptr) unreachable = false;
  }
  // An attempt leaves State: what is staged after it takes its place there.
  bool leave(const std::string& name) {
    const auto at = state.find(name);
    if (at == state.end()) return false;
    const std::string after = at->second.after;
    state.erase(at);
    for (auto& [other, launch] : state)
      if (launch.after == name) launch.after = after;
    return true;
  }
  bool followed(const std::string& name) const {
    return std::any_of(state.begin(), state.end(),
                       [&](const auto& item) { return item.second.after == name; });
  }
  void connect(bool up) {
    if (line.up == up) return;
    if (up) {
      line.up = true;
      daemon->connected(line.now);
    } else {
      line.cut();
      daemon->disconnected(line.now);
    }
  }
  void step() {
    line.now = line.now + Span(100);
    listen();
    for (auto& flight : line.arrived()) {
      if (flight.to_shim)
        sim.frame(flight.bytes);
      else
        daemon->frame(flight.bytes, line.now);
    }
    sim.tick();
    daemon->tick(line.now);
    // State has closed them.
    for (const auto& name : std::exchange(closed, {})) daemon->end(name, seconds(5), line.now);
  }
  void start_one() {
    Launch launch = launch_of(++jobs);
    if (rng.chance(1, 20)) launch.job_name = "broken";
    if (const Launch* one = any(); stages && one != nullptr && rng.chance(1, 2))
      if (!followed(one->name)) launch.after = one->name;
    const auto before = sim.place_of.find(launch.after);
    sim.place_of[launch.name] = before == sim.place_of.end() ? jobs : before->second;
    state[launch.name] = launch;
    daemon->launch(launch, line.now);
  }
  const Launch* any() {
    if (state.empty()) return nullptr;
    return &std::next(state.begin(), static_cast<std::ptrdiff_t>(rng.below(state.size())))->second;
  }
  void misbehave() {
    if (jobs < 60 && rng.chance(1, 4)) start_one();
    if (rng.chance(1, 15)) connect(!line.up);
    if (const Launch* one = any(); one != nullptr && rng.chance(1, 20))
      daemon->launch(Launch(*one), line.now);
    if (const Launch* one = any(); one != nullptr && rng.chance(1, 20))
      daemon->end(std::string(one->name), seconds(1), line.now);
    if (const Launch* one = any(); one != nullptr && rng.chance(1, 20))
      daemon->look_up(std::string(one->name), line.now);
    if (const Launch* one = any(); one != nullptr && !one->after.empty() && rng.chance(1, 10))
      daemon->revoke(std::string(one->name), line.now);
    if (const Launch* one = any(); one != nullptr && rng.chance(1, 60)) {
      // An operator fences the node: State closes the attempt without hearing its end.
      const std::string name = one->name;
      fenced.insert(name);
      leave(name);
      daemon->end(name, Span(0), line.now);
      daemon->acknowledge(name, line.now);
    }
    if (!owed.empty() && rng.chance(1, 3)) {
      daemon->acknowledge(*owed.begin(), line.now);
      owed.erase(owed.begin());
    }
    if (rng.chance(1, 150)) {  // the daemon is killed; what it owes it no longer knows
      line.cut();
      owed.clear();
      heard.clear();
      open();
    }
  }
  void settle() {
    line.bad = false;
    connect(true);
    for (int i = 0; i < 3000; ++i) {
      if (!owed.empty()) {
        daemon->acknowledge(*owed.begin(), line.now);
        owed.erase(owed.begin());
      }
      step();
    }
  }

  ReconcilerOptions options;
  Rng rng;
  BadLine line;
  SimShim sim;
  PlainMachine machine;
  std::map<std::string, Launch> state;  // attempts that State holds
  std::map<std::string, Exit> ends;
  std::set<std::string> absents;
  std::set<std::string> fenced;
  std::set<std::string> runs;
  std::set<std::string> owed;           // ends not acknowledged yet
  std::map<std::string, bool> sighted;  // and whether it ran
  std::set<std::string> closed;
  bool ends_what_is_sighted = true;
  std::uint64_t jobs = 0;
  bool stages = false;
  std::deque<Command> heard;
  int too_early = 0;  // starts told before the end of what they were staged after
  bool unreachable = false;
  bool synchronised = false;
  std::unique_ptr<Reconciler> daemon;
};

TEST(Reconciler, under_faults_nothing_starts_twice_and_every_end_is_told) {
  int told = 0;
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    World world(seed);
    world.open();
    for (int i = 0; i < 1200; ++i) {
      world.misbehave();
      world.step();
    }
    world.settle();
    for (const auto& [name, count] : world.sim.starts) {
      EXPECT_EQ(count, 1) << name << " seed " << seed;
      if (world.fenced.contains(name)) continue;
      EXPECT_TRUE(world.ends.contains(name)) << name << " seed " << seed;
      EXPECT_FALSE(world.absents.contains(name)) << name << " seed " << seed;
    }
    for (std::uint64_t job = 1; job <= world.jobs; ++job) {
      const std::string name = launch_of(job).name;
      EXPECT_TRUE(world.ends.contains(name) || world.absents.contains(name) ||
                  world.fenced.contains(name))
          << name << " seed " << seed;
    }
    EXPECT_TRUE(world.state.empty()) << "seed " << seed;
    EXPECT_TRUE(world.sim.held.empty()) << "seed " << seed;
    EXPECT_TRUE(world.synchronised) << "seed " << seed;
    EXPECT_FALSE(world.unreachable) << "seed " << seed;
    EXPECT_TRUE(world.machine.warnings.empty()) << world.machine.warnings[0];
    told += static_cast<int>(world.ends.size());
    if (testing::Test::HasFailure()) break;
  }
  EXPECT_GT(told, 5'000);
}

// A socket loses nothing and keeps the order, until it is cut.
TEST(Reconciler, what_is_staged_starts_once_and_never_before_its_predecessor_has_ended) {
  int followed = 0;
  for (std::uint64_t seed = 1; seed <= 400; ++seed) {
    World world(seed);
    world.stages = true;
    world.line.bad = seed % 4 == 0;  // there the shim is not asked to stage
    if (!world.line.bad) world.options.lateness_max = Span(0);
    world.sim.stages = seed % 5 != 0;
    world.open();
    for (int i = 0; i < 1200; ++i) {
      world.misbehave();
      world.step();
    }
    world.settle();
    EXPECT_EQ(world.too_early, 0) << "seed " << seed;
    EXPECT_EQ(world.sim.overlap, "") << "seed " << seed;
    for (const auto& [name, count] : world.sim.starts) {
      EXPECT_EQ(count, 1) << name << " seed " << seed;
      if (world.fenced.contains(name)) continue;
      EXPECT_TRUE(world.ends.contains(name)) << name << " seed " << seed;
      EXPECT_FALSE(world.absents.contains(name)) << name << " seed " << seed;
    }
    EXPECT_TRUE(world.state.empty()) << "seed " << seed;
    EXPECT_TRUE(world.sim.held.empty()) << "seed " << seed;
    EXPECT_TRUE(world.sim.staged.empty()) << "seed " << seed;
    followed += world.sim.followed;
    if (testing::Test::HasFailure()) break;
  }
  EXPECT_GT(followed, 1'000);
}

// The same faults with a reconciler that trusts the line: the checks above must notice.
TEST(Reconciler, without_its_waits_a_bad_line_breaks_the_promises) {
  int broken = 0;
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    World world(seed);
    world.options.lateness_max = world.options.absence_settle = Span(0);
    world.open();
    for (int i = 0; i < 1200; ++i) {
      world.misbehave();
      world.step();
    }
    world.settle();
    for (const auto& [name, count] : world.sim.starts)
      broken += count > 1 || world.absents.contains(name);
  }
  EXPECT_GT(broken, 0);
}

struct Quiet : World {
  Quiet() : World(7) { line.bad = false; }
  void run(int steps = 20) {
    for (int i = 0; i < steps; ++i) step();
  }
};

TEST(Reconciler, adopts_what_runs_and_tells_what_is_gone) {
  Quiet world;
  Launch runs = launch_of(1);
  runs.claims[0].claim.binding = Binding::bound;
  runs.claims[0].claim.core_ids = {2};
  const Launch ended = launch_of(2);
  const Launch unknown = launch_of(3);
  world.state = {{runs.name, runs}, {ended.name, ended}, {unknown.name, unknown}};
  world.sim.held[runs.name] = {tick_never, false, {}};
  world.sim.held[ended.name] = {Tick(0), true, {}};
  world.sim.held["bb-other1-9-0x0-1"] = {tick_never, false, {}};
  world.open();
  world.connect(true);
  world.run(100);
  EXPECT_TRUE(world.synchronised);
  EXPECT_EQ(world.runs, std::set<std::string>{runs.name});
  EXPECT_EQ(world.absents, std::set<std::string>{unknown.name});
  EXPECT_TRUE(world.ends.contains(ended.name));
  EXPECT_TRUE(world.sighted.empty());
  EXPECT_TRUE(world.sim.held.contains("bb-other1-9-0x0-1"));  // another installation's
  EXPECT_EQ(world.sim.starts.size(), 0U);
}

TEST(Reconciler, what_no_call_has_named_is_told_and_left_alone) {
  Quiet world;
  world.ends_what_is_sighted = false;
  const std::string runs = launch_of(8).name;
  const std::string ended = launch_of(9).name;
  world.sim.held[runs] = {tick_never, false, {}};
  world.sim.held[ended] = {Tick(0), true, {}};
  world.open();
  world.connect(true);
  world.run(30);
  EXPECT_TRUE(world.synchronised);
  EXPECT_EQ(world.sighted, (std::map<std::string, bool>{{runs, true}, {ended, false}}));
  EXPECT_EQ(world.sim.held.size(), 2U) << "nothing is ended, nothing acknowledged";
  EXPECT_TRUE(world.ends.empty());
  EXPECT_TRUE(world.runs.empty());

  world.daemon->look_up(runs, world.line.now);  // to be heard of when it ends by itself
  world.daemon->end(ended, seconds(5), world.line.now);
  world.run(30);
  EXPECT_TRUE(world.ends.contains(ended)) << "its exit is told once it was asked for";
  EXPECT_FALSE(world.ends.contains(runs));
  world.sim.held[runs].ends_at = world.line.now;
  world.settle();
  EXPECT_TRUE(world.ends.contains(runs));
  EXPECT_TRUE(world.sim.held.empty());
}

TEST(Reconciler, an_attempt_ended_before_it_started_never_starts) {
  Quiet world;
  world.open();
  world.state["x"] = launch_of(1);
  world.daemon->launch(launch_of(1), world.line.now);  // no shim yet
  world.daemon->end(launch_of(1).name, seconds(1), world.line.now);
  world.connect(true);
  world.run();
  EXPECT_EQ(world.ends.at(launch_of(1).name).cause, EndCause::stopped);
  EXPECT_TRUE(world.sim.starts.empty());
}

TEST(Reconciler, what_cannot_be_prepared_is_a_failed_launch) {
  Quiet world;
  world.open();
  world.connect(true);
  world.run();
  Launch broken = launch_of(1);
  broken.job_name = "broken";
  world.daemon->launch(broken, world.line.now);
  const Exit& exit = world.ends.at(broken.name);
  EXPECT_EQ(exit.cause, EndCause::launch_failed);
  EXPECT_EQ(exit.detail, "no such folder");
}

TEST(Reconciler, a_probe_that_gives_up_fails_the_attempt_with_its_sentence) {
  Quiet world;
  world.open();
  world.connect(true);
  world.run();
  world.daemon->launch(launch_of(1), world.line.now);
  world.step();
  world.sim.held[launch_of(1).name].ends_at = tick_never;
  world.run(3);
  world.daemon->probe_failed(launch_of(1).name, "not ready within 5s", world.line.now);
  world.run();
  const Exit& exit = world.ends.at(launch_of(1).name);
  EXPECT_EQ(exit.cause, EndCause::exited);
  EXPECT_NE(exit.code, 0);
  EXPECT_EQ(exit.detail, "not ready within 5s");
}

TEST(Reconciler, a_shim_of_another_build_is_asked_once_to_become_ours_and_serves_anyhow) {
  for (const std::string build : {"", "new"}) {
    Quiet world;
    world.options.shim_program = "/new/busbar-shim";
    world.options.build = build;
    world.open();
    for (int round = 0; round < 2; ++round) {
      world.connect(true);
      world.run();
      world.connect(false);
      world.run();
    }
    world.connect(true);
    world.run();
    EXPECT_TRUE(world.synchronised);
    EXPECT_EQ(world.sim.upgrades.size(), build.empty() ? 0U : 1U);
    world.daemon->launch(launch_of(1), world.line.now);
    world.run();
    EXPECT_EQ(world.sim.starts.size(), 1U) << "it was refused, and the old one serves";
  }
}

TEST(Reconciler, a_shim_that_stays_away_makes_the_node_unreachable) {
  Quiet world;
  world.open();
  world.run(200);
  EXPECT_TRUE(world.unreachable);
  world.connect(true);
  world.run();
  EXPECT_FALSE(world.unreachable);
}

TEST(Reconciler, what_takes_long_to_start_or_to_end_makes_no_node_unreachable) {
  Quiet world;
  world.open();
  world.connect(true);
  world.run();
  ASSERT_TRUE(world.synchronised);
  const Launch runs = launch_of(1);
  world.sim.held[runs.name] = {tick_never, false, {}};
  world.sim.slow = true;
  world.daemon->launch(runs, world.line.now);
  world.daemon->launch(launch_of(2), world.line.now);
  world.daemon->end(runs.name, minutes(10), world.line.now);
  for (int i = 0; i < 1000; ++i) {
    world.run(1);
    ASSERT_FALSE(world.unreachable) << "step " << i;
  }
}

TEST(Reconciler, a_changed_limit_reaches_the_shim_whatever_happens_between) {
  Quiet world;
  Launch launch = launch_of(1);
  launch.time_limit = hours(1);
  world.open();
  world.connect(true);
  world.run();
  world.daemon->launch(launch, world.line.now);
  world.run(3);
  ASSERT_EQ(world.sim.limits.at(launch.name), hours(1).value);
  world.daemon->limit(launch.name, hours(2));
  world.run(3);
  EXPECT_EQ(world.sim.limits.at(launch.name), hours(2).value);
  world.connect(false);
  world.daemon->limit(launch.name, span_unlimited);
  world.connect(true);
  world.run(3);
  EXPECT_EQ(world.sim.limits.at(launch.name), 0) << "its list showed another";
  launch.time_limit = minutes(5);  // changed while the daemon was away
  world.state = {{launch.name, launch}};
  world.connect(false);
  world.open();
  world.connect(true);
  world.run(3);
  EXPECT_EQ(world.sim.limits.at(launch.name), minutes(5).value);
}

TEST(Reconciler, a_shim_that_stays_connected_and_answers_nothing_makes_the_node_unreachable) {
  Quiet world;
  world.open();
  world.connect(true);
  world.run();
  ASSERT_TRUE(world.synchronised);
  world.sim.frozen = true;
  world.daemon->launch(launch_of(1), world.line.now);
  world.run(200);
  EXPECT_TRUE(world.unreachable);
  world.sim.frozen = false;
  world.run();
  EXPECT_FALSE(world.unreachable);
  EXPECT_EQ(world.sim.starts.size(), 1U) << "however often it was asked to start";
}

TEST(Reconciler, a_shim_is_found_silent_also_while_nothing_is_asked_of_it) {
  Quiet world;
  world.open();
  world.connect(true);
  world.run(200);
  ASSERT_TRUE(world.synchronised);
  ASSERT_FALSE(world.unreachable);
  world.sim.frozen = true;
  world.run(250);
  EXPECT_TRUE(world.unreachable);
}

}  // namespace
}  // namespace busbar::local
