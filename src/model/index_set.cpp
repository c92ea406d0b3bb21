#include "model/index_set.hpp"

#include <algorithm>

namespace busbar {
namespace {

bool ends_before(const IndexRange& range, std::uint32_t index) { return range.last < index; }

}  // namespace

void IndexSet::insert(IndexRange range) {
  if (range.last < range.first) return;
  // Ranges that touch or overlap [first - 1, last + 1] melt into one.
  const std::uint32_t low = range.first == 0 ? 0 : range.first - 1;
  auto begin = std::lower_bound(ranges_.begin(), ranges_.end(), low, ends_before);
  auto end = begin;
  while (end != ranges_.end() && (range.last == UINT32_MAX || end->first <= range.last + 1)) {
    range.first = std::min(range.first, end->first);
    range.last = std::max(range.last, end->last);
    ++end;
  }
  begin = ranges_.erase(begin, end);
  ranges_.insert(begin, range);
}

void IndexSet::erase(IndexRange range) {
  if (range.last < range.first) return;
  auto it = std::lower_bound(ranges_.begin(), ranges_.end(), range.first, ends_before);
  while (it != ranges_.end() && it->first <= range.last) {
    const IndexRange old = *it;
    if (old.first < range.first && old.last > range.last) {
      it->last = range.first - 1;
      ranges_.insert(it + 1, {range.last + 1, old.last});
      return;
    }
    if (old.first < range.first) {
      it->last = range.first - 1;
      ++it;
    } else if (old.last > range.last) {
      it->first = range.last + 1;
      return;
    } else {
      it = ranges_.erase(it);
    }
  }
}

bool IndexSet::contains(std::uint32_t index) const {
  const auto it = std::lower_bound(ranges_.begin(), ranges_.end(), index, ends_before);
  return it != ranges_.end() && it->first <= index;
}

std::uint64_t IndexSet::size() const {
  std::uint64_t total = 0;
  for (const auto& range : ranges_) total += std::uint64_t{range.last} - range.first + 1;
  return total;
}

std::optional<std::uint32_t> IndexSet::next(std::uint32_t from) const {
  const auto it = std::lower_bound(ranges_.begin(), ranges_.end(), from, ends_before);
  if (it == ranges_.end()) return std::nullopt;
  return std::max(from, it->first);
}

IndexSet IndexSet::intersect(const IndexSet& other) const {
  IndexSet out;
  auto a = ranges_.begin();
  auto b = other.ranges_.begin();
  while (a != ranges_.end() && b != other.ranges_.end()) {
    const std::uint32_t first = std::max(a->first, b->first);
    const std::uint32_t last = std::min(a->last, b->last);
    if (first <= last) out.ranges_.push_back({first, last});
    (a->last < b->last ? a : b)++;
  }
  return out;
}

}  // namespace busbar
