// What the scheduler remembers between slices so as not to work it out again. It never changes an
// answer, and an answer from here costs the steps of the search it was learned from.
#pragma once

#include <map>

#include "core/fit/ask.hpp"
#include "core/fit/hardware.hpp"

namespace busbar::core {

struct Memory {
  struct FitKey {
    std::uint64_t unit_class, hardware;
    std::uint32_t group, alternative;
    friend auto operator<=>(const FitKey&, const FitKey&) = default;
  };
  std::map<FitKey, HardwareFit> fits;

  // A class that found no place beside all that its plan had taken by then. It holds until
  // something makes room (Index::room_since) for all that would hold their place as long or longer;
  // whoever drops a step of a plan must forget the failures.
  struct Failure {
    Revision room_since;
    Span hold;
    std::uint32_t steps = 0;  // what the search cost; whoever is answered from here pays the same
    Miss miss;
  };
  std::map<std::uint64_t, Failure> failures;  // by unit class

  static constexpr std::size_t entries_max = 100'000;
  void forget_failures() { failures.clear(); }
  void bound() {
    if (fits.size() > entries_max) fits.clear();
    if (failures.size() > entries_max) failures.clear();
  }
};

}  // namespace busbar::core
