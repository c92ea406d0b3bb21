#include "core/fit/bucket.hpp"

#include "base/check.hpp"

namespace busbar::core {
namespace {

constexpr std::size_t chunk_max = 64;

}  // namespace

void Bucket::Chunk::measure() {
  memory_max = slots.front().memory;
  for (const Slot& slot : slots) memory_max = std::max(memory_max, slot.memory);
}

std::size_t Bucket::chunk_of(const Slot& slot) const {
  const auto it =
      std::lower_bound(chunks_.begin(), chunks_.end(), slot,
                       [](const auto& chunk, const Slot& s) { return chunk->slots.back() < s; });
  return static_cast<std::size_t>(it - chunks_.begin());
}

Bucket::Chunk& Bucket::own(std::size_t chunk) {
  if (chunks_[chunk].use_count() > 1) chunks_[chunk] = std::make_shared<Chunk>(*chunks_[chunk]);
  return *chunks_[chunk];
}

void Bucket::insert(const Slot& slot) {
  if (chunks_.empty()) {
    chunks_.push_back(std::make_shared<Chunk>(Chunk{{slot}, slot.memory}));
    return;
  }
  const std::size_t at = std::min(chunk_of(slot), chunks_.size() - 1);
  Chunk& chunk = own(at);
  chunk.slots.insert(std::lower_bound(chunk.slots.begin(), chunk.slots.end(), slot), slot);
  chunk.memory_max = std::max(chunk.memory_max, slot.memory);
  if (chunk.slots.size() <= chunk_max) return;
  const auto middle = chunk.slots.begin() + chunk_max / 2;
  auto upper = std::make_shared<Chunk>(Chunk{{middle, chunk.slots.end()}, 0});
  chunk.slots.erase(middle, chunk.slots.end());
  chunk.measure();
  upper->measure();
  chunks_.insert(chunks_.begin() + static_cast<std::ptrdiff_t>(at) + 1, std::move(upper));
}

void Bucket::erase(const Slot& slot) {
  const std::size_t at = chunk_of(slot);
  check(at < chunks_.size(), "a slot is erased that is not in its bucket");
  Chunk& chunk = own(at);
  const auto it = std::lower_bound(chunk.slots.begin(), chunk.slots.end(), slot);
  check(it != chunk.slots.end() && *it == slot, "a slot is erased that is not in its bucket");
  chunk.slots.erase(it);
  const auto position = chunks_.begin() + static_cast<std::ptrdiff_t>(at);
  if (chunk.slots.empty()) {
    chunks_.erase(position);
    return;
  }
  // What has become small joins its neighbour, so that chunks stay few.
  if (at > 0 && chunk.slots.size() + chunks_[at - 1]->slots.size() <= chunk_max / 2) {
    Chunk& before = own(at - 1);
    before.slots.insert(before.slots.end(), chunk.slots.begin(), chunk.slots.end());
    before.memory_max = std::max(before.memory_max, chunk.memory_max);
    chunks_.erase(position);
  } else if (slot.memory == chunk.memory_max) {
    chunk.measure();
  }
}

std::vector<Slot> Bucket::flat() const {
  std::vector<Slot> slots;
  for (const auto& chunk : chunks_)
    slots.insert(slots.end(), chunk->slots.begin(), chunk->slots.end());
  return slots;
}

bool operator==(const Bucket& a, const Bucket& b) { return a.flat() == b.flat(); }

}  // namespace busbar::core
