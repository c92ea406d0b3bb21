// What must hold whatever happens. Each checker says what broke in a sentence, or nothing.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "core/fit/index.hpp"
#include "core/state/state.hpp"

namespace busbar::sim {

// Nothing oversold, counted from the attempts alone: cores, memory, scratch, named, ports and at
// most 1,000 thousandths of a device on each node; an exclusive claim alone; hard quotas; whole
// gangs.
std::optional<std::string> check_capacity(const core::State& state);
std::optional<std::string> check_quotas(const core::State& state);
std::optional<std::string> check_gangs(const core::State& state);
// No grant takes an array over its limit. (A limit lowered later ends nothing that runs.)
std::optional<std::string> check_grant(const core::State& after, const Granted& granted);

// Watches events in order: a promised unit starts no later than promised unless the promise was
// voided, an attempt is granted once and ends once, an attempt runs only after it was granted.
class History {
 public:
  std::optional<std::string> see(const Event& event);

 private:
  std::map<UnitId, Tick> promised_;
  std::map<AttemptId, bool> live_;  // value: running
  std::map<UnitId, std::uint32_t> last_number_;
};

}  // namespace busbar::sim
