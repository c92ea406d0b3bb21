// For tests: fills any described value with chance, so that a field added to a noun is tested from
// its first day. Include only in tests; it instantiates templates.
#pragma once

#include <limits>
#include <string>
#include <utility>

#include "base/rng.hpp"
#include "model/event.hpp"
#include "model/written.hpp"

namespace busbar::testing {

// Numbers lean towards small ones and the ends of their range; text holds quotes, controls,
// two-byte letters and spaces; vectors have at most `items_max` items.
class RandomFill {
 public:
  explicit RandomFill(Rng& rng, std::uint64_t items_max = 3) : rng_(rng), items_max_(items_max) {}

  template <class T>
  void operator()(std::string_view, T& value) {
    fill(value);
  }
  template <class T>
  void fill(T& value) {
    if constexpr (std::is_same_v<T, std::string>) {
      value = text();
    } else if constexpr (std::is_same_v<T, bool>) {
      value = rng_.chance(1, 2);
    } else if constexpr (WordedEnum<T>) {
      value = static_cast<T>(rng_.below(words_of<T>().size()));
    } else if constexpr (std::is_integral_v<T>) {
      value = number<T>();
    } else if constexpr (IsStrongId<T>::value) {
      value = T(number<typename T::rep>());
    } else if constexpr (IsQuantity<T>::value) {
      value = T(number<std::int64_t>());
    } else if constexpr (std::is_same_v<T, IndexSet>) {
      value = indices();
    } else if constexpr (IsVector<T>::value) {
      value.clear();
      for (std::uint64_t left = rng_.below(items_max_ + 1); left > 0; --left)
        fill(value.emplace_back());
    } else if constexpr (IsBoxed<T>::value) {
      fill(value.edit());
    } else {
      describe(*this, value);
    }
  }

 private:
  template <class T>
  T number() {
    using Limits = std::numeric_limits<T>;
    switch (rng_.below(6)) {
      case 0:
        return 0;
      case 1:
        return Limits::max();
      case 2:
        return Limits::min();
      case 3:
        return static_cast<T>(rng_.next());
      default:
        return static_cast<T>(rng_.below(100));
    }
  }
  std::string text() {
    static constexpr std::string_view letters[] = {"a",  "Z", "7", " ", "\"", "\\",
                                                   "\n", "é", "/", ",", "-",  "_"};
    std::string out;
    for (std::uint64_t left = rng_.below(9); left > 0; --left)
      out += letters[rng_.below(std::size(letters))];
    return out;
  }
  IndexSet indices() {
    IndexSet out;
    for (std::uint64_t left = rng_.below(4); left > 0; --left) {
      const auto first = static_cast<std::uint32_t>(rng_.below(1000));
      out.insert({first, first + static_cast<std::uint32_t>(rng_.below(20))});
    }
    if (rng_.chance(1, 8)) out.insert({UINT32_MAX - 3, UINT32_MAX});
    return out;
  }

  Rng& rng_;
  std::uint64_t items_max_;
};

inline constexpr std::size_t event_kinds = std::variant_size_v<EventBody>;

// An event of the given kind; every field has some value of its type.
inline Event random_event(Rng& rng, std::size_t kind, std::uint64_t items_max = 3) {
  Event event;
  RandomFill fill(rng, items_max);
  fill.fill(event.revision);
  fill.fill(event.tick);
  [&]<std::size_t... I>(std::index_sequence<I...>) {
    (void)(... || (kind == I && (fill.fill(event.body.emplace<I>()), true)));
  }(std::make_index_sequence<event_kinds>{});
  return event;
}

}  // namespace busbar::testing
