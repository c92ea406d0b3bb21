// List: a vector that takes one word while it is empty, and one block of memory otherwise: for the
// many lists of a record that mostly hold nothing or one thing.
//
// Shape    the calls of std::vector that are used of it, with the same meaning and cost. Growth
//          from empty is exact, then by doubling. At most 2^32 - 1 items.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <new>
#include <utility>

#include "base/check.hpp"

namespace busbar {

template <class T>
class List {
 public:
  using value_type = T;
  using iterator = T*;
  using const_iterator = const T*;

  List() = default;
  explicit List(std::size_t count) { resize(count); }
  List(std::initializer_list<T> items) : List(items.begin(), items.end()) {}
  template <std::input_iterator It>
  List(It first, It last) {
    insert(end(), first, last);
  }
  List(const List& other) : List(other.begin(), other.end()) {}
  List(List&& other) noexcept : block_(std::exchange(other.block_, nullptr)) {}
  List& operator=(List other) noexcept {
    std::swap(block_, other.block_);
    return *this;
  }
  ~List() { release(block_); }

  std::size_t size() const { return block_ == nullptr ? 0 : block_->size; }
  bool empty() const { return size() == 0; }
  T* begin() { return items(block_); }
  T* end() { return begin() + size(); }
  const T* begin() const { return items(block_); }
  const T* end() const { return begin() + size(); }
  T& operator[](std::size_t at) { return begin()[at]; }
  const T& operator[](std::size_t at) const { return begin()[at]; }
  T& front() { return *begin(); }
  const T& front() const { return *begin(); }
  T& back() { return end()[-1]; }
  const T& back() const { return end()[-1]; }

  void reserve(std::size_t count) {
    if (count <= capacity()) return;
    Block* bigger = allocate(count);
    bigger->size = static_cast<std::uint32_t>(size());
    std::uninitialized_move(begin(), end(), items(bigger));
    release(std::exchange(block_, bigger));
  }
  template <class... Args>
  T& emplace_back(Args&&... args) {
    if (size() < capacity()) return construct(block_, std::forward<Args>(args)...);
    // The new item first: it may be made of one that is here.
    Block* bigger = allocate(size() == 0 ? 1 : size() * 2);
    T* made = std::construct_at(items(bigger) + size(), std::forward<Args>(args)...);
    std::uninitialized_move(begin(), end(), items(bigger));
    bigger->size = static_cast<std::uint32_t>(size() + 1);
    release(std::exchange(block_, bigger));
    return *made;
  }
  void push_back(const T& item) { emplace_back(item); }
  void push_back(T&& item) { emplace_back(std::move(item)); }
  void pop_back() { erase(end() - 1); }
  void resize(std::size_t count) {
    if (count < size()) erase(begin() + count, end());
    reserve(count);
    while (size() < count) construct(block_);
  }
  void clear() { release(std::exchange(block_, nullptr)); }
  void assign(std::size_t count, const T& item) {
    List filled;
    filled.reserve(count);
    while (filled.size() < count) filled.push_back(item);
    *this = std::move(filled);
  }

  // What lies in this list must not be inserted into it.
  template <std::input_iterator It>
  T* insert(const T* at, It first, It last) {
    const std::ptrdiff_t place = at - begin();
    const auto old = static_cast<std::ptrdiff_t>(size());
    if constexpr (std::forward_iterator<It>)
      reserve(size() + static_cast<std::size_t>(std::distance(first, last)));
    for (; first != last; ++first) emplace_back(*first);
    std::rotate(begin() + place, begin() + old, end());
    return begin() + place;
  }
  T* insert(const T* at, T item) {
    const std::ptrdiff_t place = at - begin();
    emplace_back(std::move(item));
    std::rotate(begin() + place, end() - 1, end());
    return begin() + place;
  }
  T* erase(const T* at) { return erase(at, at + 1); }
  T* erase(const T* first, const T* last) {
    T* const place = begin() + (first - begin());
    if (first == last) return place;
    T* const kept = std::move(place + (last - first), end(), place);
    std::destroy(kept, end());
    block_->size = static_cast<std::uint32_t>(kept - begin());
    return place;
  }

  friend bool operator==(const List& a, const List& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end());
  }

 private:
  struct Block {
    std::uint32_t size = 0;
    std::uint32_t capacity = 0;
  };

  static Block* allocate(std::size_t capacity) {
    static_assert(alignof(T) <= sizeof(Block));
    check(capacity <= UINT32_MAX, "a list is too long");
    void* memory = ::operator new(sizeof(Block) + capacity * sizeof(T));
    return new (memory) Block{0, static_cast<std::uint32_t>(capacity)};
  }
  static T* items(Block* block) {
    return block == nullptr ? nullptr : reinterpret_cast<T*>(block + 1);
  }
  template <class... Args>
  static T& construct(Block* block, Args&&... args) {
    T* made = std::construct_at(items(block) + block->size, std::forward<Args>(args)...);
    block->size += 1;
    return *made;
  }
  static void release(Block* block) {
    if (block == nullptr) return;
    std::destroy_n(items(block), block->size);
    ::operator delete(block);
  }
  std::size_t capacity() const { return block_ == nullptr ? 0 : block_->capacity; }

  Block* block_ = nullptr;
};

}  // namespace busbar
