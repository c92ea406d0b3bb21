// Ordered: unique values in ascending order, in chunks: a set for many small values that are walked
// in order, at little more than the size of the values.
//
// Cost     find, insert and erase cost a logarithm and at most one chunk; a step of an iterator is
//          one in memory. Any change makes iterators void.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

namespace busbar::core {

template <class T>
class Ordered {
 public:
  class Iterator {
   public:
    using value_type = T;
    const T& operator*() const { return (*chunks_)[chunk_][at_]; }
    const T* operator->() const { return &**this; }
    Iterator& operator++() {
      if (++at_ < (*chunks_)[chunk_].size()) return *this;
      at_ = 0;
      ++chunk_;
      return *this;
    }
    friend bool operator==(const Iterator&, const Iterator&) = default;

   private:
    friend class Ordered;
    const std::vector<std::vector<T>>* chunks_ = nullptr;
    std::size_t chunk_ = 0;
    std::size_t at_ = 0;
  };

  Iterator begin() const { return iterator(0, 0); }
  Iterator end() const { return iterator(chunks_.size(), 0); }
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

  // The first value not before `value`; the first after it.
  Iterator lower_bound(const T& value) const {
    const std::size_t chunk = chunk_of(value);
    return chunk == chunks_.size() ? end() : iterator(chunk, place_in(chunks_[chunk], value));
  }
  Iterator upper_bound(const T& value) const {
    Iterator at = lower_bound(value);
    if (at != end() && *at == value) ++at;
    return at;
  }

  void insert(const T& value) {
    if (chunks_.empty()) {
      chunks_.push_back({value});
      size_ = 1;
      return;
    }
    const std::size_t chunk = std::min(chunk_of(value), chunks_.size() - 1);
    const std::size_t at = place_in(chunks_[chunk], value);
    if (at < chunks_[chunk].size() && chunks_[chunk][at] == value) return;
    size_ += 1;
    if (chunks_[chunk].size() < chunk_max) {
      chunks_[chunk].insert(position(chunks_[chunk], at), value);
      return;
    }
    // A full chunk is cut in two; values that only ever grow leave full chunks behind.
    const std::size_t cut = at == chunk_max ? at : chunk_max / 2;
    std::vector<T> upper(position(chunks_[chunk], cut), chunks_[chunk].end());
    chunks_[chunk].resize(cut);
    chunks_[chunk].shrink_to_fit();
    auto& into = at < cut ? chunks_[chunk] : upper;
    into.insert(position(into, at < cut ? at : at - cut), value);
    chunks_.insert(position(chunks_, chunk + 1), std::move(upper));
  }

  void erase(const T& value) {  // nothing happens where it is not there
    const std::size_t chunk = chunk_of(value);
    if (chunk == chunks_.size()) return;
    auto& values = chunks_[chunk];
    const std::size_t at = place_in(values, value);
    if (!(values[at] == value)) return;
    size_ -= 1;
    values.erase(position(values, at));
    if (values.empty()) {
      chunks_.erase(position(chunks_, chunk));
    } else if (chunk > 0 && values.size() + chunks_[chunk - 1].size() <= chunk_max / 2) {
      auto& before = chunks_[chunk - 1];
      before.insert(before.end(), values.begin(), values.end());
      chunks_.erase(position(chunks_, chunk));
    }
  }

  // Equal when they hold the same values, however these are cut into chunks.
  friend bool operator==(const Ordered& a, const Ordered& b) {
    if (a.size_ != b.size_) return false;
    Iterator other = b.begin();
    for (const auto& chunk : a.chunks_)
      for (const T& value : chunk) {
        if (!(value == *other)) return false;
        ++other;
      }
    return true;
  }

 private:
  static constexpr std::size_t chunk_max = 64;

  template <class V>
  static auto position(V& values, std::size_t at) {
    return values.begin() + static_cast<std::ptrdiff_t>(at);
  }
  static std::size_t place_in(const std::vector<T>& values, const T& value) {
    return static_cast<std::size_t>(std::lower_bound(values.begin(), values.end(), value) -
                                    values.begin());
  }
  // The first chunk whose last value is not before `value`; chunks_.size() when there is none.
  std::size_t chunk_of(const T& value) const {
    const auto it =
        std::lower_bound(chunks_.begin(), chunks_.end(), value,
                         [](const auto& chunk, const T& v) { return chunk.back() < v; });
    return static_cast<std::size_t>(it - chunks_.begin());
  }
  Iterator iterator(std::size_t chunk, std::size_t at) const {
    Iterator out;
    out.chunks_ = &chunks_;
    out.chunk_ = chunk;
    out.at_ = at;
    return out;
  }

  std::vector<std::vector<T>> chunks_;  // none is empty
  std::size_t size_ = 0;
};

}  // namespace busbar::core
