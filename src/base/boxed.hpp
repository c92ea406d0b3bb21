// Boxed: a value that takes one word while it is as it was made: for the parts of a record that
// most of them leave alone. Copies are deep, comparison is by value.
#pragma once

#include <memory>
#include <utility>

namespace busbar {

template <class T>
class Boxed {
 public:
  using value_type = T;

  Boxed() = default;
  Boxed(T value) {
    if (!(value == plain())) own_ = std::make_unique<T>(std::move(value));
  }
  Boxed(const Boxed& other) : Boxed(*other) {}
  Boxed(Boxed&&) noexcept = default;
  Boxed& operator=(Boxed other) noexcept {
    own_ = std::move(other.own_);
    return *this;
  }
  ~Boxed() = default;

  const T& operator*() const { return own_ ? *own_ : plain(); }
  const T* operator->() const { return &**this; }
  // To be changed in place; a copy that is as it was made takes one word again.
  T& edit() {
    if (!own_) own_ = std::make_unique<T>();
    return *own_;
  }

  friend bool operator==(const Boxed& a, const Boxed& b) { return *a == *b; }

 private:
  static const T& plain() {
    static const T value{};
    return value;
  }

  std::unique_ptr<T> own_;  // nothing: the value is plain
};

}  // namespace busbar
