// Configuration enters State only when it makes sense as a whole.
#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "core/policy/policy.hpp"
#include "core/state/learn.hpp"
#include "core/state/rules.hpp"

namespace busbar::core {
namespace {

bool by_name(const TenantConfig& a, const TenantConfig& b) { return a.name < b.name; }

const TenantConfig* find_tenant(const Config& config, const std::string& name) {
  for (const auto& tenant : config.tenants)
    if (tenant.name == name) return &tenant;
  return nullptr;
}

Result<Ok> check_tenants(const Config& config) {
  if (config.tenants.empty())
    return {Errc::invalid, "the configuration lists no tenant; at least one is needed"};
  std::vector<std::string_view> names;
  for (const auto& tenant : config.tenants) {
    if (tenant.name.empty()) return {Errc::invalid, "a tenant without a name"};
    if (std::find(names.begin(), names.end(), tenant.name) != names.end())
      return {Errc::invalid,
              fmt::format("tenant \"{}\" is configured twice", printable(tenant.name))};
    names.push_back(tenant.name);
    if (tenant.weight == 0)
      return {Errc::invalid, fmt::format("the weight of tenant \"{}\" must be above zero",
                                         printable(tenant.name))};
    for (const auto& quota : tenant.quota)
      if (quota.name.empty() || quota.count < 0)
        return {Errc::invalid,
                fmt::format("the quota \"{}\" of tenant \"{}\" must be a name and a number from 0",
                            printable(quota.name), printable(tenant.name))};
  }
  if (find_tenant(config, config.default_tenant) == nullptr) {
    Error error = unknown_name("tenant", config.default_tenant, names);
    return {Errc::invalid, "default_tenant: " + error.text};
  }
  return Ok{};
}

Result<Ok> check_packing(const PolicyConfig& policy) {
  if (policy.demand.size() > demand_entries_max)
    return {Errc::invalid,
            fmt::format("policy: demand has at most {} requests", demand_entries_max)};
  for (const TypicalRequest& request : policy.demand)
    if (request.weight < 1 || request.weight > demand_weight_max || request.cores < MilliCores(0) ||
        request.share.value < 1 || request.share.value > 1000)
      return {Errc::invalid, "policy: a weight, cores or a share in demand is out of range"};
  constexpr std::uint32_t milli_max = 1'000'000;
  if (policy.potential_keep_milli > milli_max || policy.potential_several_milli > milli_max ||
      policy.potential_price_milli > milli_max || policy.potential_pressure_max_milli > milli_max)
    return {Errc::invalid, "policy: a number of potential is above 1000"};
  if (needs_demand(policy.pack) && policy.demand.empty())
    return {Errc::invalid,
            "policy: this rule of packing goes by what is typically asked for; set demand"};
  return Ok{};
}

Result<Ok> check_numbers(const Config& config) {
  const struct {
    const char* key;
    bool good;
  } rows[] = {
      {"usage_half_life", config.usage_half_life > Span(0)},
      {"usage_epoch", config.usage_epoch > Span(0)},
      {"default_time_limit", config.default_time_limit > Span(0)},
      {"units_per_job_max", config.units_per_job_max > 0},
      {"launch_failures_max", config.launch_failures_max > 0},
      {"policy.slice_steps", config.policy.slice_steps > 0},
  };
  for (const auto& row : rows)
    if (!row.good) return {Errc::invalid, fmt::format("{} must be above zero", row.key)};
  if (config.units_per_job_max > UINT32_MAX)
    return {Errc::invalid, "units_per_job_max must be at most 4294967295"};
  if (!is_time_limit(config.default_time_limit))
    return {Errc::invalid, "default_time_limit is at most a century; write unlimited for none"};
  if (config.cleanup_bound < Span(0) || config.finished_keep < Span(0))
    return {Errc::invalid, "cleanup_bound and finished_keep must not be negative"};
  for (std::size_t i = 0; i < config.topology_levels.size(); ++i)
    for (std::size_t j = 0; j < i; ++j)
      if (config.topology_levels[i] == config.topology_levels[j])
        return {Errc::invalid, fmt::format("topology level \"{}\" is listed twice",
                                           printable(config.topology_levels[i]))};
  const PolicyConfig& policy = config.policy;
  if (policy.order == UnitOrder::slowdown && !policy.predict)
    return {Errc::invalid, "policy: order slowdown goes by expected run times; set predict"};
  if (policy.predict_decay_milli > 1000 || policy.promise_within < Span(0) ||
      policy.promise_within_less_per_width < Span(0))
    return {Errc::invalid, "policy: predict.decay is at most 1, and promises lie ahead"};
  BUSBAR_TRY_OK(check_packing(policy));
  const auto policies = policy_names();
  if (std::find(policies.begin(), policies.end(), config.policy.name) == policies.end()) {
    Error error = unknown_name("policy", config.policy.name, {policies.begin(), policies.end()});
    return {Errc::invalid, std::move(error.text)};
  }
  return Ok{};
}

// Tenants that are gone from the configuration stay, closed, while State has jobs of theirs: those
// run on under the old rules, and nothing new is taken.
void keep_tenants_with_jobs(const State& state, Config& config) {
  for (const auto& [id, record] : state.jobs()) {
    const std::string& name = record.job.tenant;
    if (find_tenant(config, name) != nullptr) continue;
    TenantConfig kept = *find_tenant(state.config(), name);
    kept.closed = true;
    config.tenants.push_back(std::move(kept));
  }
}

}  // namespace

Result<Decision> rule(Facts facts, const Configure& command) {
  BUSBAR_TRY_OK(check_tenants(command.config));
  BUSBAR_TRY_OK(check_numbers(command.config));
  Config config = command.config;
  for (auto& tenant : config.tenants) tenant.closed = false;
  keep_tenants_with_jobs(facts.state, config);
  std::sort(config.tenants.begin(), config.tenants.end(), by_name);
  if (config == facts.state.config()) return Decision{};
  Bodies out;
  for (const auto& [unit, promise] : facts.state.promises())
    out.push_back(PromiseVoided{unit, VoidCause::limit_changed});
  std::vector<const Job*> unknown;  // nobody foresaw anything for them yet
  for (const auto& [id, record] : facts.state.jobs())
    if (!record.ended_all() && facts.state.find_prediction(id) == nullptr)
      unknown.push_back(&record.job);
  auto expected = foresee(config.policy, facts.state, unknown);
  out.push_back(Configured{std::move(config), facts.state.config_version() + 1});
  if (expected) out.push_back(std::move(*expected));
  return decided(std::move(out));
}

}  // namespace busbar::core
