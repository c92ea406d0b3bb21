#include "sim/models/chance.hpp"

#include <cmath>

#include "base/check.hpp"

namespace busbar::sim {
namespace {

constexpr double epsilon = 1e-12;
constexpr int steps_max = 1000;

double series(double a, double x) {
  double term = 1 / a, sum = term;
  for (int n = 1; n < steps_max && term > sum * epsilon; ++n) {
    term *= x / (a + n);
    sum += term;
  }
  return sum;
}

double continued_fraction(double a, double x) {
  constexpr double tiny = 1e-300;
  double b = x + 1 - a, c = 1 / tiny, d = 1 / b, h = d;
  for (int n = 1; n < steps_max; ++n) {
    const double step = -n * (n - a);
    b += 2;
    d = step * d + b;
    if (std::fabs(d) < tiny) d = tiny;
    c = b + step / c;
    if (std::fabs(c) < tiny) c = tiny;
    d = 1 / d;
    h *= d * c;
    if (std::fabs(d * c - 1) < epsilon) break;
  }
  return h;
}

}  // namespace

double Chance::uniform() { return (static_cast<double>(rng_.next() >> 11) + 0.5) * 0x1p-53; }

double Chance::normal() {
  constexpr double two_pi = 6.283185307179586;
  const double radius = std::sqrt(-2 * std::log(uniform()));
  return radius * std::cos(two_pi * uniform());
}

double Chance::lognormal(double median, double sigma) {
  return median * std::exp(sigma * normal());
}

double Chance::gamma(double shape, double scale) {
  if (shape < 1) return gamma(shape + 1, scale) * std::pow(uniform(), 1 / shape);
  const double d = shape - 1.0 / 3, c = 1 / std::sqrt(9 * d);
  for (;;) {
    const double x = normal();
    const double v = std::pow(1 + c * x, 3);
    if (v <= 0) continue;
    if (std::log(uniform()) < x * x / 2 + d - d * v + d * std::log(v)) return d * v * scale;
  }
}

std::size_t Chance::one_of(std::span<const double> weights) {
  double sum = 0;
  for (const double weight : weights) sum += weight;
  check(sum > 0, "one_of wants a weight above 0");
  double at = uniform() * sum;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    at -= weights[i];
    if (at <= 0 && weights[i] > 0) return i;
  }
  return weights.size() - 1;
}

double gamma_below(double value, double shape, double scale) {
  if (value <= 0) return 0;
  const double x = value / scale;
  const double front = std::exp(-x + shape * std::log(x) - std::lgamma(shape));
  if (x < shape + 1) return front * series(shape, x);
  return 1 - front * continued_fraction(shape, x);
}

}  // namespace busbar::sim
