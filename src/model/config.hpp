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

// Who goes first inside a priority band and, unless `share` is none, inside a tenant. Formulas and
// sources: docs/policies.md.
enum class UnitOrder : std::uint8_t {
  fcfs,         // first come, first served
  multifactor,  // age and size, weighted
  sjf,          // shortest limit first
  saf,          // smallest area (limit x width) first
  f1,           // the four functions of Carastan-Santos and de Camargo
  f2,
  f3,
  f4,
  edf,       // earliest deadline first, then who has none
  slowdown,  // smallest expected growth of the slow-down of others first; needs `predict`
};
template <>
struct EnumWords<UnitOrder> {
  static constexpr std::string_view words[] = {"fcfs", "multifactor", "sjf", "saf", "f1",
                                               "f2",   "f3",          "f4",  "edf", "slowdown"};
};

// What decides between tenants of one band.
enum class TenantShare : std::uint8_t {
  fair,  // who has had least by weight goes first
  none,  // tenants play no part: one order for all
};
template <>
struct EnumWords<TenantShare> {
  static constexpr std::string_view words[] = {"fair", "none"};
};

// Which node, and which of its shared devices, takes a task. Formulas and sources:
// docs/policies.md.
enum class PackRule : std::uint8_t {
  tight,           // fewest idle devices left, then fewest cores
  random,          // any that fits
  best_fit,        // least left over
  dot_product,     // where what is left points another way than what is asked for
  gpu_packing,     // shared devices, then idle ones of used nodes, then idle nodes
  gpu_clustering,  // beside tasks that want as many devices
  fragmentation,   // where the least becomes useless to typical requests; needs `demand`
  potential,       // where the most can still be placed of what typically comes; needs `demand`
};
template <>
struct EnumWords<PackRule> {
  static constexpr std::string_view words[] = {"tight",         "random",      "best_fit",
                                               "dot_product",   "gpu_packing", "gpu_clustering",
                                               "fragmentation", "potential"};
};

constexpr bool needs_demand(PackRule rule) {
  return rule == PackRule::fragmentation || rule == PackRule::potential;
}

// What tasks typically ask for, and how often beside the others.
struct TypicalRequest {
  std::uint32_t weight = 1;
  MilliCores cores;
  Bytes memory;
  std::uint32_t devices = 0;
  MilliDevices share{1000};         // of each
  std::vector<std::string> models;  // as in DeviceRequest, any one of them; none: any device
  friend bool operator==(const TypicalRequest&, const TypicalRequest&) = default;
};
template <class V>
void describe(V& visit, Like<TypicalRequest> auto& request) {
  visit("weight", request.weight);
  visit("cores", request.cores);
  visit("memory", request.memory);
  visit("devices", request.devices);
  visit("share", request.share);
  visit("models", request.models);
}

// Sums of weights times thousandths of a node's devices stay far below 2^63.
inline constexpr std::size_t demand_entries_max = 1000;
inline constexpr std::uint32_t demand_weight_max = 100'000;

struct PolicyConfig {
  std::string name = "default";
  std::uint32_t promises_max = 1;       // heads that hold a reservation (EASY: 1)
  std::uint32_t backfill_depth = 1000;  // waiting units looked at behind the heads in one slice
  std::uint32_t slice_steps = 20000;    // StepBudget of one slice
  bool backfill = true;                 // passes may be switched off
  bool reserve = true;
  Span launch_ahead = seconds(10);  // arrays with tasks this short are staged; 0: none is
  UnitOrder order = UnitOrder::fcfs;
  TenantShare share = TenantShare::fair;
  // Of `multifactor`, in points: for a day of waiting, for a core and a device that are asked for.
  std::int64_t age_weight = 1000;
  std::int64_t core_weight = 0;
  std::int64_t device_weight = 0;
  // Run times are foreseen from those that ended and stand in `order` for limits.
  bool predict = false;
  std::uint32_t predict_decay_milli = 700;   // what a user's past counts for at each new end
  std::uint32_t predict_prior_milli = 2000;  // ends that the width's average counts for
  // Whether the first `promises_max` are promised their start, or keep it only while they are the
  // first.
  bool promise_heads = true;
  // Every job is promised a start so long after its submission, less so much for each device or
  // core in its width.
  Span promise_within = span_unlimited;
  Span promise_within_less_per_width;
  PackRule pack = PackRule::tight;
  std::vector<TypicalRequest> demand;
  // Of `potential`, in thousandths; docs/policies.md says of what.
  std::uint32_t potential_keep_milli = 60;
  std::uint32_t potential_several_milli = 4700;
  std::uint32_t potential_price_milli = 300;
  std::uint32_t potential_pressure_max_milli = 4000;
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
  visit("order", policy.order);
  visit("share", policy.share);
  visit("age_weight", policy.age_weight);
  visit("core_weight", policy.core_weight);
  visit("device_weight", policy.device_weight);
  visit("predict", policy.predict);
  visit("predict_decay_milli", policy.predict_decay_milli);
  visit("predict_prior_milli", policy.predict_prior_milli);
  visit("promise_heads", policy.promise_heads);
  visit("promise_within", policy.promise_within);
  visit("promise_within_less_per_width", policy.promise_within_less_per_width);
  visit("pack", policy.pack);
  visit("demand", policy.demand);
  visit("potential_keep_milli", policy.potential_keep_milli);
  visit("potential_several_milli", policy.potential_several_milli);
  visit("potential_price_milli", policy.potential_price_milli);
  visit("potential_pressure_max_milli", policy.potential_pressure_max_milli);
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
