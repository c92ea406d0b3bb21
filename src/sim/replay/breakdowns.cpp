#include "sim/replay/breakdowns.hpp"

#include <algorithm>

#include "base/maths.hpp"

namespace busbar::sim {
namespace {

constexpr Span told_after(100);  // a node that is back has told so by then

}  // namespace

Span draw_exponential(Rng& rng, Span mean) {
  constexpr int bits = 53;
  constexpr std::int64_t ln2_millionths = 693'147;
  const std::uint64_t value = (rng.next() >> (64 - bits)) + 1;
  const std::int64_t halvings_q20 = (std::int64_t{bits} << 20) - log2_q20(value);
  const std::int64_t by_halves = multiply_divide(mean.value, halvings_q20, std::int64_t{1} << 20);
  return Span(std::max<std::int64_t>(1, multiply_divide(by_halves, ln2_millionths, 1'000'000)));
}

Breakdowns::Breakdowns(const Cluster& cluster, std::uint64_t seed, Agenda& agenda, Hands hands)
    : cluster_(cluster),
      rng_(mix(seed, 0xfa11)),
      agenda_(agenda),
      hands_(std::move(hands)),
      down_(cluster.nodes.size(), false) {
  for (const NodeNature& nature : cluster.natures)
    endless_ = endless_ || nature.mtbf != span_unlimited;
}

void Breakdowns::plan(Tick begin) {
  for (const NodeFailure& failure : cluster_.failures)
    agenda_.add(begin + failure.at, [this, &failure] { fail(failure.node, failure.down); });
  for (std::size_t node = 0; node < cluster_.natures.size(); ++node) plan_next(node);
}

void Breakdowns::plan_next(std::size_t node) {
  const NodeNature& nature = cluster_.natures[node];
  if (nature.mtbf == span_unlimited) return;
  agenda_.add(agenda_.now() + draw_exponential(rng_, nature.mtbf), [this, node] {
    const Span repair = cluster_.natures[node].repair;
    fail(node, repair);
    agenda_.add(agenda_.now() + repair, [this, node] { plan_next(node); });
  });
}

// One that is down already stays down as long as it would have.
void Breakdowns::fail(std::size_t node, Span down) {
  if (down_[node]) return;
  down_[node] = true;
  ++down_count_;
  ++count_;
  hands_.lose(node, down);
  const bool fenced = cluster_.fence_after < down;
  if (fenced)
    agenda_.add(agenda_.now() + cluster_.fence_after, [this, node] { hands_.fence(node); });
  agenda_.add(agenda_.now() + down + told_after, [this, node, fenced] {
    down_[node] = false;
    --down_count_;
    if (fenced) hands_.resume(node);
  });
}

}  // namespace busbar::sim
