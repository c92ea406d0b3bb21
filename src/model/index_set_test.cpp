// IndexSet does what a std::set of its members does, and keeps its intervals sorted and apart.
#include "model/index_set.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <iterator>
#include <set>
#include <tuple>
#include <utility>
#include <vector>

namespace busbar {
namespace {

using Model = std::set<std::uint32_t>;
using Steps = std::vector<std::tuple<bool, std::uint8_t, std::uint8_t>>;

struct Both {
  IndexSet set;
  Model model;
};

// Each step inserts or erases [first, first + length % 12].
Both build(const Steps& steps) {
  Both out;
  for (const auto& [insert, first, length] : steps) {
    const IndexRange range{first, first + length % 12U};
    insert ? out.set.insert(range) : out.set.erase(range);
    for (std::uint32_t i = range.first; i <= range.last; ++i)
      insert ? void(out.model.insert(i)) : void(out.model.erase(i));
  }
  return out;
}

bool well_formed(const IndexSet& set) {
  const auto& ranges = set.ranges();
  for (std::size_t i = 0; i < ranges.size(); ++i) {
    if (ranges[i].last < ranges[i].first) return false;
    if (i > 0 && ranges[i].first <= ranges[i - 1].last + 1) return false;
  }
  return true;
}

RC_GTEST_PROP(IndexSetModel, EqualsASetOfItsMembers, (const Steps& steps)) {
  const auto [set, model] = build(steps);
  RC_ASSERT(well_formed(set));
  RC_ASSERT(set.size() == model.size());
  RC_ASSERT(set.empty() == model.empty());
  for (std::uint32_t i = 0; i < 280; ++i) {
    RC_ASSERT(set.contains(i) == model.contains(i));
    const auto next = model.lower_bound(i);
    RC_ASSERT(set.next(i).has_value() == (next != model.end()));
    if (next != model.end()) RC_ASSERT(*set.next(i) == *next);
  }
}

RC_GTEST_PROP(IndexSetModel, IntersectionHoldsTheCommonMembers, (const Steps& a, const Steps& b)) {
  const Both left = build(a);
  const Both right = build(b);
  Model common;
  std::set_intersection(left.model.begin(), left.model.end(), right.model.begin(),
                        right.model.end(), std::inserter(common, common.end()));
  const IndexSet both = left.set.intersect(right.set);
  RC_ASSERT(well_formed(both));
  RC_ASSERT(both == right.set.intersect(left.set));
  IndexSet expected;
  for (const std::uint32_t i : common) expected.insert(i);
  RC_ASSERT(both == expected);
}

TEST(IndexSet, Table) {
  const std::uint32_t end = UINT32_MAX;
  const struct {
    const char* what;
    std::vector<std::pair<char, IndexRange>> steps;
    List<IndexRange> expected;
  } rows[] = {
      {"empty", {}, {}},
      {"neighbours melt", {{'+', {1, 2}}, {'+', {3, 4}}}, {{1, 4}}},
      {"a gap of one stays", {{'+', {1, 2}}, {'+', {4, 5}}}, {{1, 2}, {4, 5}}},
      {"the gap filled", {{'+', {1, 2}}, {'+', {4, 5}}, {'+', {3, 3}}}, {{1, 5}}},
      {"one over several", {{'+', {2, 2}}, {'+', {5, 6}}, {'+', {0, 9}}}, {{0, 9}}},
      {"a hole", {{'+', {0, 9}}, {'-', {4, 5}}}, {{0, 3}, {6, 9}}},
      {"both ends", {{'+', {0, 9}}, {'-', {0, 1}}, {'-', {8, 20}}}, {{2, 7}}},
      {"upside down does nothing", {{'+', {5, 4}}, {'+', {1, 1}}, {'-', {9, 1}}}, {{1, 1}}},
      {"the last index", {{'+', {end, end}}, {'+', {end - 1, end - 1}}}, {{end - 1, end}}},
      {"all", {{'+', {0, end}}}, {{0, end}}},
      {"all but the last", {{'+', {0, end}}, {'-', {end, end}}}, {{0, end - 1}}},
      {"all but the first", {{'+', {0, end}}, {'-', {0, 0}}}, {{1, end}}},
      {"nothing of all", {{'+', {0, end}}, {'-', {0, end}}}, {}},
  };
  for (const auto& row : rows) {
    IndexSet set;
    for (const auto& [sign, range] : row.steps) sign == '+' ? set.insert(range) : set.erase(range);
    EXPECT_EQ(set.ranges(), row.expected) << row.what;
  }
  EXPECT_EQ(IndexSet(0, end).size(), std::uint64_t{1} << 32);
  EXPECT_EQ(IndexSet(0, 5).next(6), std::nullopt);
}

}  // namespace
}  // namespace busbar
