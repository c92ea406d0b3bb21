#include "core/policy/policy.hpp"

#include <algorithm>

#include "base/check.hpp"
#include "base/maths.hpp"
#include "core/cycle/plan.hpp"
#include "core/policy/unit_order.hpp"

namespace busbar::core {
namespace {

// Flat fair share between tenants or none, an order inside one, a rule of packing.
class ComposedPolicy : public Policy {
 public:
  explicit ComposedPolicy(const PolicyConfig& config)
      : config_(config), packing_(make_packing(config)) {}

  std::string_view name() const override { return config_.name; }
  bool shares() const override { return config_.share == TenantShare::fair; }

  TenantKey tenant_key(const View& view, TenantId tenant, const Held& beyond) const override {
    const std::uint32_t weight = view.state.config().tenants[tenant.value].weight;
    return multiply_divide(fair_share(view, tenant, beyond), 100,
                           std::max<std::int64_t>(weight, 1));
  }
  UnitKey unit_key(const State& state, const Job& job) const override {
    return order_key(config_, state, job);
  }

  const Packing& packing() const override { return *packing_; }

 private:
  PolicyConfig config_;
  std::unique_ptr<Packing> packing_;
};

constexpr std::string_view names[] = {"default"};

}  // namespace

std::span<const std::string_view> policy_names() { return names; }

std::unique_ptr<Policy> make_policy(const PolicyConfig& config) {
  check(std::find(std::begin(names), std::end(names), config.name) != std::end(names),
        "the configuration names a policy that is not there");
  return std::make_unique<ComposedPolicy>(config);
}

}  // namespace busbar::core
