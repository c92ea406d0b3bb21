// The fill experiment of the literature on fragmentation: jobs arrive in a random order and never
// leave, until what arrived is more than the cluster has, and what counts is how much of it was
// placed.
//
// Source   Weng et al., "Beware of Fragmentation", USENIX ATC 2023: the workload is shuffled, then
//          jobs drawn from it with replacement are appended until 130 % of the cluster's devices
//          have been asked for; where the workload asks for more, jobs are left out at random.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "sim/replay/cluster.hpp"
#include "sim/replay/replay.hpp"

namespace busbar::sim {

// Amounts in thousandths of devices; of cores on a cluster without any.
class Measure {
 public:
  explicit Measure(const Cluster& cluster);
  std::int64_t capacity() const { return capacity_; }
  std::int64_t of(const Claim& claim) const;
  std::int64_t of(const Job& job) const;  // all its units, as its first alternatives say

 private:
  bool devices_ = false;
  std::int64_t capacity_ = 0;
};

inline constexpr std::int64_t fill_percent = 130;  // of the capacity that arrive

// One arrival a second. invalid: the workload asks for nothing that is measured.
Result<Trace> fill_arrivals(const Cluster& cluster, const Trace& trace, std::uint64_t seed);

// What was allocated, in per cent of the capacity, on the average of the arrivals that made the
// arrived amount that per cent of it, rounded; nothing where there was none.
inline constexpr std::array<std::int64_t, 7> fill_marks = {90, 95, 100, 105, 110, 120, 130};
using FillMarks = std::array<std::optional<double>, fill_marks.size()>;
FillMarks fill_marks_of(const Cluster& cluster, const std::vector<FillPoint>& points);

}  // namespace busbar::sim
