// Ids of the nouns. People see: job `17`; unit `17`, `17_4` or `17.learner.0`; attempt `17_4#2`.
#pragma once

#include <compare>
#include <cstdint>

#include "base/ids.hpp"
#include "model/describe.hpp"

namespace busbar {

using Revision = StrongId<struct RevisionTag, std::uint64_t>;  // position in the journal, from 1
using JobId = StrongId<struct JobTag, std::uint64_t>;          // from 1, increasing, never reused
using NodeId = StrongId<struct NodeTag, std::uint32_t>;        // from 1
using TenantId = StrongId<struct TenantTag, std::uint32_t>;    // position in Config::tenants
using ReservationId = StrongId<struct ReservationTag, std::uint32_t>;  // from 1

// What starts, fails and restarts as one. A tight or extreme job is exactly one unit, (job, 0, 0);
// in a loose job `index` counts the tasks of a group from 0 (an array's user index is another
// number).
struct UnitId {
  JobId job;
  std::uint32_t group = 0;
  std::uint32_t index = 0;
  friend auto operator<=>(const UnitId&, const UnitId&) = default;
};

template <class V>
void describe(V& visit, Like<UnitId> auto& id) {
  visit("job", id.job);
  visit("group", id.group);
  visit("index", id.index);
}

// One try of a unit; number counts from 1.
struct AttemptId {
  UnitId unit;
  std::uint32_t number = 0;
  friend auto operator<=>(const AttemptId&, const AttemptId&) = default;
};

template <class V>
void describe(V& visit, Like<AttemptId> auto& id) {
  visit("unit", id.unit);
  visit("number", id.number);
}

// Names a payload by its content: 128 bits of XXH3, as two words.
struct PayloadHash {
  std::uint64_t high = 0;
  std::uint64_t low = 0;
  friend auto operator<=>(const PayloadHash&, const PayloadHash&) = default;
};

template <class V>
void describe(V& visit, Like<PayloadHash> auto& hash) {
  visit("high", hash.high);
  visit("low", hash.low);
}

}  // namespace busbar
