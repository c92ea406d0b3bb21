// The scheduler alone, in process and on one thread: fills a cluster, then turns cycles in which
// nothing can start, and asks for places that are not there. Prints raw numbers, then one JSON
// object.
//
// fill      placements (claims on a node) a second, over plan, accept and apply to State and Index
// idle      one cycle, all its slices, after a job arrived that cannot start either
// turnover  the same after one attempt ended, where something may start
// failed    one search for a place by each shape that does not fit
// bare      the physical limit beside it: the least a claim must write (an entry in a map of
//           attempts, one in a map of jobs, a node's place in an ordered set, its claim), and
//           nothing else
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <ctime>
#include <map>
#include <set>

#include "core/fit/find.hpp"
#include "core/fit/unit_class.hpp"
#include "core/policy/policy.hpp"
#include "core_world.hpp"

namespace busbar::bench {
namespace {

// Processor time of this thread: other work on the machine is not the scheduler's.
double seconds_now() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

double seconds_since(double start) { return seconds_now() - start; }

struct Turn {
  std::uint64_t claims = 0;
  std::uint64_t grants = 0;
  std::uint32_t slices = 0;
  std::uint64_t steps = 0;
  double slice_max_s = 0;
  double seconds = 0;
};

class Cycles {
 public:
  explicit Cycles(World& world)
      : world_(world), policy_(core::make_policy(world.ledger.state.config().policy)) {}

  // One cycle as the ring turns it: each slice planned, accepted and applied.
  Turn turn() {
    Turn out;
    Ledger& ledger = world_.ledger;
    const core::StepBudget budget{ledger.state.config().policy.slice_steps};
    const auto start = seconds_now();
    do {
      const auto slice_start = seconds_now();
      const core::View view{ledger.state, ledger.index, ledger.now, &memory_};
      core::Slice slice = core::plan(view, *policy_, cursor_, budget, 1);
      cursor_ = std::move(slice.cursor);
      core::Accepted accepted = core::accept(ledger.state, ledger.index, slice.plan);
      for (EventBody& body : accepted.events) {
        if (const auto* granted = std::get_if<Granted>(&body)) {
          out.grants += 1;
          out.claims += granted->allocation.claims.size();
        }
        ledger.apply(std::move(body));
      }
      out.slices += 1;
      out.steps += slice.plan.steps_used;
      out.slice_max_s = std::max(out.slice_max_s, seconds_since(slice_start));
    } while (!cursor_.finished);
    out.seconds = seconds_since(start);
    return out;
  }

 private:
  World& world_;
  std::unique_ptr<core::Policy> policy_;
  core::Cursor cursor_;
  core::Memory memory_;
};

double quantile(std::vector<double> values, double at) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const auto last = static_cast<double>(values.size() - 1);
  return values[static_cast<std::size_t>(at * last + 0.5)];
}

// Seconds of each search that finds nothing, over the shapes, `rounds` times.
std::vector<double> failed_matches(World& world, std::uint32_t rounds) {
  const Ledger& ledger = world.ledger;
  const auto policy = core::make_policy(ledger.state.config().policy);
  std::map<std::uint64_t, core::CohortId> cohorts;  // one of each class
  for (const auto& [id, record] : ledger.state.jobs())
    if (record.waiting > 0)
      cohorts.try_emplace(core::unit_class(record.job, 0), core::CohortId{id, 0});
  core::Scratch scratch(ledger.state, ledger.index, ledger.now);
  std::vector<double> out;
  for (std::uint32_t round = 0; round < rounds; ++round)
    for (const auto& [unit_class, cohort] : cohorts) {
      const core::Ask ask =
          core::make_ask(ledger.state, {cohort.job, 0, 0}, unit_class, ledger.now);
      core::Steps steps;
      const auto start = seconds_now();
      const core::Found found = core::find(scratch, *policy, ask, steps);
      const double took = seconds_since(start);
      if (!found.allocation) out.push_back(took);
    }
  return out;
}

// What ended makes room: takes the oldest attempt away.
void end_one(World& world) {
  Ledger& ledger = world.ledger;
  const auto& attempts = ledger.state.attempts();
  auto it = attempts.begin();
  std::advance(it, world.rng.below(std::min<std::size_t>(attempts.size(), 1000)));
  Ended event;
  event.attempt = it->first;
  event.state = RunState::completed;
  ledger.apply(std::move(event));
}

double bare_claims_per_s(const World& world, std::uint64_t claims) {
  struct Entry {
    char claim[160];
  };
  std::map<AttemptId, Entry> attempts;
  std::map<JobId, std::uint64_t> jobs;
  std::set<core::Slot> order;
  std::vector<core::Slot> nodes;
  for (std::uint32_t n = 0; n < world.size.nodes; ++n) {
    nodes.push_back({96'000, 1 << 30, NodeId(n + 1)});
    order.insert(nodes.back());
  }
  for (std::uint64_t i = 0; i < world.size.units; ++i) jobs[JobId(i + 1)] = i;
  Entry entry;
  std::memset(&entry, 1, sizeof entry);
  const auto start = seconds_now();
  for (std::uint64_t i = 0; i < claims; ++i) {
    core::Slot& slot = nodes[(i * 7919) % nodes.size()];
    order.erase(slot);
    slot.cores -= 1;
    order.insert(slot);
    jobs[JobId(1 + (i * 104'729) % world.size.units)] = i;
    attempts[AttemptId{{JobId(1 + (i * 104'729) % world.size.units), 0, 0}, 1}] = entry;
  }
  return static_cast<double>(claims) / seconds_since(start);
}

void run(std::uint64_t seed, WorldSize size, std::uint32_t idle_cycles, std::uint32_t ends) {
  World world(size, seed);
  world.submit_all();
  Cycles cycles(world);

  Turn fill;
  for (Turn turn; (turn = cycles.turn()).claims > 0;) {
    fmt::print(
        "fill: {} claims, {} grants, {} slices, {} steps, {:.3f} s, longest slice {:.1f} ms\n",
        turn.claims, turn.grants, turn.slices, turn.steps, turn.seconds, turn.slice_max_s * 1000);
    fill.slice_max_s = std::max(fill.slice_max_s, turn.slice_max_s);
    fill.claims += turn.claims;
    fill.seconds += turn.seconds;
  }
  std::fflush(stdout);
  const double bare = bare_claims_per_s(world, fill.claims);

  std::vector<double> idle;
  std::uint64_t started = 0;
  std::uint64_t idle_steps = 0;
  for (std::uint32_t i = 0; i < idle_cycles; ++i) {
    world.ledger.now = world.ledger.now + seconds(1);
    world.submit();
    const Turn turn = cycles.turn();
    idle_steps += turn.steps;
    if (turn.claims == 0)
      idle.push_back(turn.seconds * 1000);
    else
      ++started;
  }
  fmt::print(
      "idle: {} cycles, {} in which something started, {} steps, p50 {:.3f} ms, p99 {:.3f} ms, "
      "most "
      "{:.3f} ms\n",
      idle.size(), started, idle_steps, quantile(idle, 0.5), quantile(idle, 0.99),
      quantile(idle, 1));

  std::vector<double> failed = failed_matches(world, 20);
  for (double& each : failed) each *= 1e6;
  fmt::print("failed: {} searches, p50 {:.2f} us, p99 {:.2f} us, most {:.2f} us\n", failed.size(),
             quantile(failed, 0.5), quantile(failed, 0.99), quantile(failed, 1));

  std::vector<double> turnover;
  std::uint64_t placed = 0;
  for (std::uint32_t i = 0; i < ends; ++i) {
    world.ledger.now = world.ledger.now + seconds(1);
    end_one(world);
    const Turn turn = cycles.turn();
    placed += turn.claims;
    turnover.push_back(turn.seconds * 1000);
  }
  fmt::print("turnover: {} cycles, {} claims, p50 {:.3f} ms, p99 {:.3f} ms\n", turnover.size(),
             placed, quantile(turnover, 0.5), quantile(turnover, 0.99));
  fmt::print(
      "{{\"fill_placements\": {}, \"fill_placements_per_s\": {:.0f}, "
      "\"fill_slice_max_ms\": {:.1f}, "
      "\"bare_claims_per_s\": {:.0f}, \"idle_cycle_p50_ms\": {:.3f}, "
      "\"idle_cycle_p99_ms\": {:.3f}, \"failed_match_p50_us\": {:.2f}, "
      "\"failed_match_p99_us\": {:.2f}, \"turnover_cycle_p50_ms\": {:.3f}}}\n",
      fill.claims, static_cast<double>(fill.claims) / fill.seconds, fill.slice_max_s * 1000, bare,
      quantile(idle, 0.5), quantile(idle, 0.99), quantile(failed, 0.5), quantile(failed, 0.99),
      quantile(turnover, 0.5));
}

}  // namespace
}  // namespace busbar::bench

int main(int argc, char** argv) {
  busbar::bench::WorldSize size;
  const auto number = [&](int at, std::uint32_t otherwise) {
    return argc > at ? static_cast<std::uint32_t>(std::atoi(argv[at])) : otherwise;
  };
  size.nodes = number(2, size.nodes);
  size.units = number(3, size.units);
  busbar::bench::run(number(1, 1), size, number(4, 200), number(5, 100));
}
