// Strong ids: an id of one kind never converts to another, and prints as its number.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>

namespace busbar {

template <class Tag, class Rep>
struct StrongId {
  using rep = Rep;
  Rep value = 0;

  constexpr StrongId() = default;
  constexpr explicit StrongId(Rep number) : value(number) {}
  friend constexpr auto operator<=>(StrongId, StrongId) = default;
};

}  // namespace busbar

template <class Tag, class Rep>
struct std::hash<busbar::StrongId<Tag, Rep>> {
  std::size_t operator()(busbar::StrongId<Tag, Rep> id) const noexcept {
    return std::hash<Rep>{}(id.value);
  }
};
