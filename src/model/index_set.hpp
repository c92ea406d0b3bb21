// A set of 32-bit indices as sorted, disjoint, non-touching intervals: a million waiting array
// units are one interval. All calls are O(log n) or O(n) in the number of intervals.
#pragma once

#include <cstdint>
#include <optional>

#include "base/list.hpp"
#include "model/describe.hpp"

namespace busbar {

struct IndexRange {  // inclusive on both ends
  std::uint32_t first = 0;
  std::uint32_t last = 0;
  friend bool operator==(const IndexRange&, const IndexRange&) = default;
};

template <class V>
void describe(V& visit, Like<IndexRange> auto& range) {
  visit("first", range.first);
  visit("last", range.last);
}

class IndexSet {
 public:
  IndexSet() = default;
  IndexSet(std::uint32_t first, std::uint32_t last) { insert({first, last}); }

  void insert(IndexRange range);
  void erase(IndexRange range);
  void insert(std::uint32_t index) { insert({index, index}); }
  void erase(std::uint32_t index) { erase({index, index}); }
  bool contains(std::uint32_t index) const;
  bool empty() const { return ranges_.empty(); }
  std::uint64_t size() const;
  // Smallest member >= from.
  std::optional<std::uint32_t> next(std::uint32_t from) const;
  IndexSet intersect(const IndexSet& other) const;
  const List<IndexRange>& ranges() const { return ranges_; }

  friend bool operator==(const IndexSet&, const IndexSet&) = default;

 private:
  template <class V>
  friend void describe(V& visit, Like<IndexSet> auto& set) {
    visit("ranges", set.ranges_);
  }
  List<IndexRange> ranges_;
};

}  // namespace busbar
