// Bucket: nodes in the order of best fit (free cores, then memory, then id), in small chunks that
// copies share until one of them changes: a scratch copies a bucket for the price of its chunks,
// and a search leaps over chunks in which no node has the memory.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <vector>

#include "model/ids.hpp"

namespace busbar::core {

struct Slot {
  std::int64_t cores = 0;
  std::int64_t memory = 0;
  NodeId node;
  friend auto operator<=>(const Slot&, const Slot&) = default;
};

class Bucket {
 public:
  void insert(const Slot& slot);
  void erase(const Slot& slot);  // it must be there
  bool empty() const { return chunks_.empty(); }
  const Slot& front() const { return chunks_.front()->slots.front(); }
  const Slot& back() const { return chunks_.back()->slots.back(); }

  // Calls visit(slot) for each slot with at least these cores and this memory, best fit first,
  // until it returns false.
  template <class Visit>
  void each(std::int64_t cores, std::int64_t memory, Visit visit) const {
    const Slot least{cores, 0, NodeId(0)};
    for (std::size_t c = chunk_of(least); c < chunks_.size(); ++c) {
      if (chunks_[c]->memory_max < memory) continue;
      for (const Slot& slot : chunks_[c]->slots)
        if (slot.cores >= cores && slot.memory >= memory && !visit(slot)) return;
    }
  }

  // Calls visit(slot) from the roomiest down until it returns false.
  template <class Visit>
  void each_roomiest(Visit visit) const {
    for (auto chunk = chunks_.rbegin(); chunk != chunks_.rend(); ++chunk)
      for (auto slot = (*chunk)->slots.rbegin(); slot != (*chunk)->slots.rend(); ++slot)
        if (!visit(*slot)) return;
  }

  // Equal when they hold the same slots, however these are cut into chunks.
  friend bool operator==(const Bucket& a, const Bucket& b);

 private:
  struct Chunk {
    std::vector<Slot> slots;  // sorted, never empty
    std::int64_t memory_max = 0;
    void measure();
  };
  std::vector<Slot> flat() const;
  // The first chunk whose last slot is not before `slot`; chunks_.size() when there is none.
  std::size_t chunk_of(const Slot& slot) const;
  Chunk& own(std::size_t chunk);

  std::vector<std::shared_ptr<Chunk>> chunks_;
};

}  // namespace busbar::core
