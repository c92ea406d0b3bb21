// The verdicts of the last cycles, kept for whoever asks why a job waits. What a job waits for by
// itself (dependencies, begin time, a hold, back-off) is not written there: it follows from State.
#pragma once

#include <map>
#include <tuple>
#include <vector>

#include "core/explain/verdict.hpp"
#include "core/fit/index.hpp"

namespace busbar::core {

class VerdictBook {
 public:
  // Those of one slice; `finished` when it was the last of its cycle. What two whole cycles did not
  // repeat is forgotten.
  void put(const Verdicts& verdicts, bool finished);
  // The job's own verdicts; those of its class stay.
  void forget(JobId job);

  // Why the waiting and held units of the job wait at `now`, group by group; nothing when none does
  // or when no cycle has looked at them yet.
  std::vector<Verdict> of(const State& state, const Index& index, const JobRecord& record,
                          Tick now) const;

 private:
  struct Entry {
    std::uint64_t cycle = 0;
    Verdict verdict;
  };
  using ClassKey = std::tuple<std::int32_t, std::optional<TenantId>, std::optional<std::uint64_t>>;

  void add_group(const State& state, const Index& index, const JobRecord& record, std::uint32_t at,
                 Tick now, std::vector<Verdict>& out) const;
  const Entry* latest(const JobRecord& record, const Index& index, const CohortId& cohort) const;

  std::uint64_t cycle_ = 1;
  std::map<CohortId, Entry> cohorts_;
  std::map<ClassKey, Entry> classes_;
};

}  // namespace busbar::core
