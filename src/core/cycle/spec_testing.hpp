// For tests of the cycle: a reader of specification tables. Each row is a moment, what happens, and
// what the cycle must answer; a mismatch names the row.
//
//   nodes 4 cores=1                            nodes n1..n4; also memory= gpus=8:H100 rack=r1 x=...
//   tenant ada weight=200 quota=cores:2 running=3
//   policy promises=2 backfill=off reserve=off budget=1 order=sjf within=30 less=1 heads=free
//   t=0  submit A nodes=3 limit=10             -> start
//   t=0  submit B nodes=4 limit=10             -> hold Resources at=10
//   t=10 finish A                              -> start B
//
// Seconds are the unit of time; grace and cleanup are zero unless `policy grace=5 cleanup=5`.
// Verbs: submit, finish, fail, kill (node failure), hold, release, cancel, drain, resume, down, up,
// close (maintenance: `close n1 from=10 to=20`), pass (time only).
// Answers, separated by `;`: `start [names]` exactly these units' jobs start in this row (with a
// count as in B*3); `nothing`; `hold REASON [NAME] [at=T]`; `close NAME`; `stop NAME`;
// `void NAME CAUSE`; `on NAME n1,n2`; `promise NAME T`.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/cycle/plan.hpp"
#include "core/explain/verdict_book.hpp"
#include "core/policy/policy.hpp"
#include "core/state/testing.hpp"

namespace busbar::core::testing {

// A World with its Index, and the cycle.
struct CycleWorld {
  World world;
  Index index{world.state};
  std::unique_ptr<Policy> policy = make_policy(PolicyConfig{});
  StepBudget budget;
  std::vector<EventBody> accepted;  // by the last cycle
  std::vector<Verdict> verdicts;    // of all that waits after the last cycle
  VerdictBook book;
  Cursor cursor;  // of the last cycle
  Memory memory;
  bool remembers = true;
  std::string problem;  // the first broken promise of the mechanism itself

  CycleWorld();
  void apply(EventBody body);
  void configure(const Config& config);
  NodeId add(Node node);
  JobId add(Job job);
  void end(const AttemptId& attempt, RunState state = RunState::completed);
  View view() { return {world.state, index, world.now, remembers ? &memory : nullptr}; }
  // Slices until the cycle is finished, each accepted at once; again while it closes units.
  void cycle();
  // Nothing oversold, promises kept apart, index equal to Index(State): the text of what is broken.
  std::string oversold() const;
};

// Runs the table; "" or the rows that did not hold.
std::string run_spec(std::string_view table);

}  // namespace busbar::core::testing
