#include <algorithm>
#include <limits>

#include "base/maths.hpp"
#include "core/cycle/plan.hpp"
#include "core/policy/policy.hpp"

namespace busbar::core {
namespace {

constexpr std::int64_t key_max = std::numeric_limits<std::int64_t>::max() / 4;

// amount x 2^20 / whole, bounded.
std::int64_t share(Wide amount, Wide whole) {
  if (whole <= 0 || amount <= 0) return 0;
  const Wide quotient = amount * (Wide{1} << 20) / whole;
  return quotient > key_max ? key_max : static_cast<std::int64_t>(quotient);
}

}  // namespace

Tick epoch_start(const Config& config, Tick now) {
  const std::int64_t epoch = std::max<std::int64_t>(config.usage_epoch.value, 1);
  return Tick(now.value / epoch * epoch);
}

// The dominant share of what the tenant holds is taken over its sums, not attempt by attempt as
// Ended.charge is: the sums are kept by the index, and both agree for a tenant of one kind of job.
std::int64_t fair_share(const View& view, TenantId tenant, const Held& beyond) {
  const Config& config = view.state.config();
  const TenantRecord& record = view.state.tenants()[tenant.value];
  const TenantUse& use = view.index.tenants()[tenant.value];
  const Totals& totals = view.state.totals();
  const Tick epoch = epoch_start(config, view.now);
  const std::int64_t length = std::max<std::int64_t>(config.usage_epoch.value, 1);

  std::int64_t charge = record.charge;
  const std::int64_t since = epoch.value - record.charged_at.value;
  if (since > 0 && config.usage_half_life.value > 0)
    charge = scale_q32(charge, half_power(since, config.usage_half_life.value));

  const std::array<std::int64_t, 3> held = {use.held.cores, use.held.memory, use.held.weight};
  const std::array<std::int64_t, 3> more = {beyond.cores, beyond.memory, beyond.weight};
  const std::array<Wide, 3> whole = {totals.cores.value, totals.memory.value,
                                     Wide{totals.device_weight} * 1000};
  std::int64_t running = 0;
  for (std::size_t i = 0; i < held.size(); ++i) {
    const Wide elapsed = std::max<Wide>(Wide{held[i]} * epoch.value - use.held_ticks[i], 0);
    const Wide ahead = (Wide{held[i]} + more[i]) * length;
    running = std::max(running, share(elapsed + ahead, whole[i]));
  }
  return std::min(charge, key_max) + running;
}

}  // namespace busbar::core
