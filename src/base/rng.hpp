// Seeded chance: the same seed gives the same numbers on every machine. A value, passed in, never
// global. Source: xoshiro256** seeded by splitmix64 (Blackman and Vigna).
#pragma once

#include <array>
#include <cstdint>

namespace busbar {

class Rng {
 public:
  explicit Rng(std::uint64_t seed);

  std::uint64_t next();
  // Uniform in [0, bound); bound > 0. Unbiased by rejection.
  std::uint64_t below(std::uint64_t bound);
  // True with probability numerator / denominator.
  bool chance(std::uint32_t numerator, std::uint32_t denominator);
  // An independent stream for a part, so that one part's draws never shift another's.
  Rng fork(std::uint64_t label);

 private:
  std::array<std::uint64_t, 4> state_;
};

// Mixes two numbers into a seed.
std::uint64_t mix(std::uint64_t a, std::uint64_t b);

}  // namespace busbar
