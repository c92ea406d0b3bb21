// Configuration that can reach State or a Plan; it enters as a `configured` Event.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/units.hpp"
#include "model/describe.hpp"
#include "model/resources.hpp"

namespace busbar {

struct TenantConfig {
  std::string name;
  std::uint32_t weight = 100;       // fair share
  List<NamedCount> quota;           // hard; names: cores (milli), memory (bytes), gpu (milli), a
                                    // device model (milli) or a named countable; absent: unlimited
  std::uint64_t running_max = 0;    // units with an attempt; 0: no limit
  std::uint64_t submitted_max = 0;  // units not yet ended; 0: no limit
  std::vector<std::string> users;   // may submit here; empty: everybody
  bool closed = false;  // set by decide: removed by the operator, kept while it still has jobs
  friend bool operator==(const TenantConfig&, const TenantConfig&) = default;
};
template <class V>
void describe(V& visit, Like<TenantConfig> auto& tenant) {
  visit("name", tenant.name);
  visit("weight", tenant.weight);
  visit("quota", tenant.quota);
  visit("running_max", tenant.running_max);
  visit("submitted_max", tenant.submitted_max);
  visit("users", tenant.users);
  visit("closed", tenant.closed);
}

struct PolicyConfig {
  std::string name = "default";
  std::uint32_t promises_max = 1;       // heads that hold a reservation (EASY: 1)
  std::uint32_t backfill_depth = 1000;  // waiting units looked at behind the heads in one slice
  std::uint32_t slice_steps = 20000;    // StepBudget of one slice
  bool backfill = true;                 // passes may be switched off
  bool reserve = true;
  Span launch_ahead = seconds(10);  // arrays with tasks this short are staged; 0: none is
  friend bool operator==(const PolicyConfig&, const PolicyConfig&) = default;
};
template <class V>
void describe(V& visit, Like<PolicyConfig> auto& policy) {
  visit("name", policy.name);
  visit("promises_max", policy.promises_max);
  visit("backfill_depth", policy.backfill_depth);
  visit("slice_steps", policy.slice_steps);
  visit("backfill", policy.backfill);
  visit("reserve", policy.reserve);
  visit("launch_ahead", policy.launch_ahead);
}

struct Config {
  std::vector<TenantConfig> tenants = {
      {.name = "default", .quota = {}, .users = {}}};  // never empty, sorted
  std::string default_tenant = "default";
  Span usage_half_life = hours(24 * 7);
  Span usage_epoch = seconds(60);
  Span default_time_limit = span_unlimited;  // for jobs that state none
  Span cleanup_bound = seconds(10);          // from the end of grace to the engine's report
  Span finished_keep = hours(24);            // finished jobs stay in State this long
  std::uint64_t units_per_job_max = 1'000'000;
  std::uint32_t launch_failures_max = 3;     // in a row, then the unit is held
  std::vector<std::string> topology_levels;  // outermost first, as in Node::topology
  PolicyConfig policy;
  friend bool operator==(const Config&, const Config&) = default;
};
template <class V>
void describe(V& visit, Like<Config> auto& config) {
  visit("tenants", config.tenants);
  visit("default_tenant", config.default_tenant);
  visit("usage_half_life", config.usage_half_life);
  visit("usage_epoch", config.usage_epoch);
  visit("default_time_limit", config.default_time_limit);
  visit("cleanup_bound", config.cleanup_bound);
  visit("finished_keep", config.finished_keep);
  visit("units_per_job_max", config.units_per_job_max);
  visit("launch_failures_max", config.launch_failures_max);
  visit("topology_levels", config.topology_levels);
  visit("policy", config.policy);
}

}  // namespace busbar
