// Draws from the distributions that workload models are made of.
//
// Numbers  doubles through libm: a model's times are rounded to whole seconds, so that the last bit
//          of a logarithm shows in no trace.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <utility>

#include "base/rng.hpp"

namespace busbar::sim {

class Chance {
 public:
  explicit Chance(std::uint64_t seed) : rng_(seed) {}

  // In (0, 1).
  double uniform();
  double uniform(double low, double high) { return low + (high - low) * uniform(); }
  bool with(double probability) { return uniform() <= probability; }
  // Mean 0, deviation 1. Source: Box and Muller, 1958.
  double normal();
  // Median and the deviation of its natural logarithm.
  double lognormal(double median, double sigma);
  // Mean shape * scale; both > 0. Source: Marsaglia and Tsang, 2000.
  double gamma(double shape, double scale);
  // The index of one of the weights, each >= 0, their sum > 0.
  std::size_t one_of(std::span<const double> weights);

 private:
  Rng rng_;
};

// The part of gamma(shape, scale) below `value`. Source: series and continued fraction (Lentz) of
// the incomplete gamma function; error below 1e-10.
double gamma_below(double value, double shape, double scale);

}  // namespace busbar::sim
