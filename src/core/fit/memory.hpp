// What the scheduler remembers between slices so as not to work it out again. It never changes an
// answer, and an answer from here costs the steps of the search it was learned from.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <vector>

#include "core/fit/ask.hpp"
#include "core/fit/hardware.hpp"

namespace busbar::core {

// Answers of a pure function by a digest of all that it depends on. Of two that fall on one place
// the later one stays; nothing is ever looked through.
class AnswerMemo {
 public:
  const std::int64_t* find(std::uint64_t key) const {
    if (entries_.empty()) return nullptr;
    const Entry& entry = entries_[key % entries_max];
    return entry.used && entry.key == key ? &entry.value : nullptr;
  }
  void put(std::uint64_t key, std::int64_t value) {
    if (entries_.empty()) entries_.resize(entries_max);
    entries_[key % entries_max] = {key, value, true};
  }

 private:
  struct Entry {
    std::uint64_t key = 0;
    std::int64_t value = 0;
    bool used = false;
  };
  static constexpr std::size_t entries_max = std::size_t{1} << 18;
  std::vector<Entry> entries_;
};

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

  AnswerMemo scores;  // of policies
  // By hardware and configuration, for each kind of request in the demand: whether it may have a
  // device there.
  std::map<std::uint64_t, std::vector<bool>> accessible;

  // How one task of a class does on a node beside no promise, since the node was last touched.
  struct Place {
    Revision touched;  // 0: not looked at yet
    bool fits = false;
    std::uint32_t device = no_device;
    std::array<std::int64_t, 4> score{};
  };
  static constexpr std::uint32_t no_device = UINT32_MAX;
  // By node id - 1, of a class and alternative under a configuration.
  std::vector<Place>& places(std::uint64_t key, std::size_t nodes) {
    if (places_kept_ > places_max) {
      places_.clear();
      places_kept_ = 0;
    }
    std::vector<Place>& found = places_[key];
    if (found.size() >= nodes) return found;
    places_kept_ += nodes - found.size();
    found.resize(nodes);
    return found;
  }

  static constexpr std::size_t entries_max = 100'000;
  void forget_failures() { failures.clear(); }
  void bound() {
    if (fits.size() > entries_max) fits.clear();
    if (failures.size() > entries_max) failures.clear();
    if (accessible.size() > entries_max) accessible.clear();
  }

 private:
  static constexpr std::size_t places_max = 4'000'000;
  std::map<std::uint64_t, std::vector<Place>> places_;
  std::size_t places_kept_ = 0;
};

}  // namespace busbar::core
