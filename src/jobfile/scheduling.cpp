#include "jobfile/scheduling.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "jobfile/yaml_text.hpp"
#include "model/job.hpp"

namespace busbar::jobfile {
namespace {

using yaml::Kind;

constexpr std::string_view top_fields[] = {"tenants",       "default_tenant", "policy",
                                           "fair_share",    "limits",         "finished_keep",
                                           "cleanup_bound", "topology_levels"};
constexpr std::string_view tenant_fields[] = {"name",        "weight",        "quota",
                                              "running_max", "submitted_max", "users"};
constexpr std::string_view policy_fields[] = {
    "name",        "promises_max", "backfill", "reserve", "backfill_depth",
    "slice_steps", "launch_ahead", "order",    "share",   "weights",
    "predict",     "promise",      "pack",     "demand",  "potential"};
constexpr std::string_view potential_fields[] = {"keep", "several", "price", "pressure_max"};
constexpr std::string_view demand_fields[] = {"weight", "cores", "memory", "gpus", "gpu", "models"};
constexpr std::string_view predict_fields[] = {"decay", "prior"};
constexpr std::string_view promise_fields[] = {"heads", "within", "less_per_width"};
constexpr std::string_view weight_fields[] = {"age", "core", "device"};
constexpr std::string_view share_fields[] = {"half_life", "epoch"};
constexpr std::string_view limit_fields[] = {"default_time", "units_per_job", "launch_failures"};

void read_tenants(const MapReader& top, const List<NamedCount>& countables, Config& out) {
  const Field at = top.find("tenants");
  if (at) {
    if (!at.is(Kind::list) || at->items.empty())
      return at.refuse(top.problems(), "must be a list of at least one tenant");
    out.tenants.clear();
    for (std::size_t i = 0; i < at->items.size(); ++i) {
      const Field item = at.child(i);
      TenantConfig& tenant = out.tenants.emplace_back();
      const MapReader map(*item.value, item.path, tenant_fields, top.problems());
      map.require("name");
      map.get("name", tenant.name);
      map.get("weight", tenant.weight, 1, 1'000'000);
      map.get("running_max", tenant.running_max, 0, 1'000'000'000);
      map.get("submitted_max", tenant.submitted_max, 0, 1'000'000'000);
      map.get("users", tenant.users);
      if (const Field quota = map.find("quota"))
        read_amounts(quota, top.problems(), true, tenant.quota, countables);
    }
    out.default_tenant = out.tenants.front().name;
    std::sort(out.tenants.begin(), out.tenants.end(),
              [](const TenantConfig& a, const TenantConfig& b) { return a.name < b.name; });
    for (std::size_t i = 1; i < out.tenants.size(); ++i)
      if (out.tenants[i].name == out.tenants[i - 1].name)
        at.refuse(top.problems(), fmt::format("names {} twice", out.tenants[i].name));
  }
  top.get("default_tenant", out.default_tenant);
  const bool known =
      std::any_of(out.tenants.begin(), out.tenants.end(),
                  [&](const TenantConfig& tenant) { return tenant.name == out.default_tenant; });
  if (!known) top.refuse("default_tenant", "names no tenant of this file");
}

bool read_ratio(const MapReader& map, std::string_view name, std::int64_t max, std::uint32_t& out) {
  const Field at = map.find(name);
  std::int64_t milli = 0;
  if (!at || !read_milli(at, map.problems(), milli)) return false;
  if (milli < 0 || milli > max)
    return map.refuse(name, fmt::format("must be from 0 to {}", format_milli(max))), false;
  return out = static_cast<std::uint32_t>(milli), true;
}

void read_prediction(const MapReader& map, PolicyConfig& out) {
  if (const Field at = map.find("predict")) {
    if (at.is(Kind::map)) {
      const MapReader fields(*at.value, at.path, predict_fields, map.problems());
      out.predict = true;
      read_ratio(fields, "decay", 1000, out.predict_decay_milli);
      read_ratio(fields, "prior", 1'000'000, out.predict_prior_milli);
    } else {
      map.get("predict", out.predict);
    }
  }
  if (out.order == UnitOrder::slowdown && !out.predict)
    map.refuse("order", "slowdown orders by expected run times; add predict: true");
  if (const Field at = map.find("promise")) {
    const MapReader fields(*at.value, at.path, promise_fields, map.problems());
    fields.get("heads", out.promise_heads);
    fields.get("within", out.promise_within);
    fields.get("less_per_width", out.promise_within_less_per_width);
  }
}

// Whole devices are `gpus: 2`, a part of one is `gpu: 0.5`, as in a job file.
void read_typical(const Field& item, Problems& problems, TypicalRequest& out) {
  const MapReader map(*item.value, item.path, demand_fields, problems);
  map.get("weight", out.weight, 1, demand_weight_max);
  map.get("cores", out.cores);
  map.get("memory", out.memory);
  map.get("gpus", out.devices, 0, 1024);
  map.get("models", out.models, 32);
  if (const Field at = map.find("gpu")) {
    if (map.has("gpus")) map.refuse("gpu", "is a part of one device and gpus are whole; write one");
    out.devices = 1;
    if (read_milli(at, problems, out.share.value) &&
        (out.share.value < 1 || out.share.value > 1000))
      map.refuse("gpu", "must be from 0.001 to 1");
  }
  if (out.cores < MilliCores(0)) map.refuse("cores", "must not be negative");
}

void read_packing(const MapReader& map, PolicyConfig& out) {
  map.get("pack", out.pack);
  if (const Field at = map.find("demand")) {
    if (!at.is(Kind::list) || at->items.size() > demand_entries_max)
      return at.refuse(map.problems(),
                       fmt::format("must be a list of at most {} requests", demand_entries_max));
    out.demand.clear();
    for (std::size_t i = 0; i < at->items.size(); ++i)
      read_typical(at.child(i), map.problems(), out.demand.emplace_back());
  }
  if (const Field at = map.find("potential")) {
    const MapReader fields(*at.value, at.path, potential_fields, map.problems());
    read_ratio(fields, "keep", 1'000'000, out.potential_keep_milli);
    read_ratio(fields, "several", 1'000'000, out.potential_several_milli);
    read_ratio(fields, "price", 1'000'000, out.potential_price_milli);
    read_ratio(fields, "pressure_max", 1'000'000, out.potential_pressure_max_milli);
  }
  if (needs_demand(out.pack) && out.demand.empty())
    map.refuse("pack", "it goes by what is typically asked for; add demand");
}

void read_policy(const MapReader& top, Names policy_names, Config& out) {
  if (const Field at = top.find("policy")) {
    const MapReader map(*at.value, at.path, policy_fields, top.problems());
    if (const Field name = map.find("name")) {
      std::size_t which = 0;
      if (read_word(name, top.problems(), policy_names, which))
        out.policy.name = policy_names[which];
    }
    map.get("promises_max", out.policy.promises_max, 0, 10'000);
    map.get("backfill_depth", out.policy.backfill_depth, 1, 1'000'000);
    map.get("slice_steps", out.policy.slice_steps, 10, 10'000'000);
    map.get("backfill", out.policy.backfill);
    map.get("reserve", out.policy.reserve);
    map.get("launch_ahead", out.policy.launch_ahead);
    map.get("order", out.policy.order);
    map.get("share", out.policy.share);
    read_prediction(map, out.policy);
    read_packing(map, out.policy);
    if (const Field weights = map.find("weights")) {
      const MapReader points(*weights.value, weights.path, weight_fields, top.problems());
      points.get("age", out.policy.age_weight, 0, 1'000'000'000);
      points.get("core", out.policy.core_weight, -1'000'000, 1'000'000);
      points.get("device", out.policy.device_weight, -1'000'000, 1'000'000);
    }
  }
  if (const Field at = top.find("fair_share")) {
    const MapReader map(*at.value, at.path, share_fields, top.problems());
    map.get("half_life", out.usage_half_life);
    map.get("epoch", out.usage_epoch);
    if (out.usage_half_life < seconds(1)) map.refuse("half_life", "must be at least 1s");
    if (out.usage_epoch < seconds(1)) map.refuse("epoch", "must be at least 1s");
  }
  if (const Field at = top.find("limits")) {
    const MapReader map(*at.value, at.path, limit_fields, top.problems());
    map.get("default_time", out.default_time_limit);
    if (!is_time_limit(out.default_time_limit))
      map.refuse("default_time", "more than a century; write unlimited for no limit");
    map.get("units_per_job", out.units_per_job_max, 1, 10'000'000);
    map.get("launch_failures", out.launch_failures_max, 1, 1000);
  }
}

std::string typical_text(const TypicalRequest& request) {
  std::string out = fmt::format("{{weight: {}, cores: {}, memory: {}", request.weight,
                                format_milli(request.cores.value), bytes_of(request.memory.value));
  out += request.share.value == 1000 ? fmt::format(", gpus: {}", request.devices)
                                     : fmt::format(", gpu: {}", format_milli(request.share.value));
  return out + fmt::format(", models: {}}}", list_of(request.models));
}

}  // namespace

Names scheduling_fields() { return top_fields; }

void read_amounts(const Field& field, Problems& problems, bool by_resource, List<NamedCount>& out,
                  const List<NamedCount>& countables) {
  if (!field.is(Kind::map)) return field.refuse(problems, "must be a map of names to amounts");
  out.clear();
  for (std::size_t i = 0; i < field->items.size(); ++i) {
    const Field item = field.child(i);
    NamedCount amount{item->key, 0};
    const bool plain = !by_resource;
    constexpr std::string_view quotas[] = {"cores", "memory", "scratch"};
    const bool free_name = plain || std::any_of(countables.begin(), countables.end(),
                                                [&](auto& c) { return c.name == amount.name; });
    const std::string_view near = free_name               ? std::string_view()
                                  : amount.name == "gpus" ? std::string_view("gpu")
                                                          : nearest(amount.name, quotas);
    if (!near.empty() && near != amount.name) {
      problems.add(item->key_place, item.path,
                   fmt::format("nothing is called that; did you mean \"{}\"?", near));
    } else if (!plain && in_bytes(amount.name)) {
      Bytes bytes;
      if (read(item, problems, bytes)) amount.count = bytes.value;
    } else if (plain) {
      read_integer(item, problems, amount.count, 0, 1'000'000'000);
    } else {
      read_milli(item, problems, amount.count);
    }
    out.push_back(std::move(amount));
  }
  std::sort(out.begin(), out.end(),
            [](const NamedCount& a, const NamedCount& b) { return a.name < b.name; });
}

void read_scheduling(const MapReader& top, Names policy_names, const List<NamedCount>& countables,
                     Config& out) {
  top.get("finished_keep", out.finished_keep);
  top.get("cleanup_bound", out.cleanup_bound);
  top.get("topology_levels", out.topology_levels);
  read_tenants(top, countables, out);
  read_policy(top, policy_names, out);
}

std::string scheduling_text(const Config& config) {
  std::string out = "tenants:\n";
  for (const auto& tenant : config.tenants)
    out += fmt::format(
        "  - {{name: {}, weight: {}, quota: {}, running_max: {}, submitted_max: {}, users: {}}}\n",
        yaml_quoted(tenant.name), tenant.weight, amounts_of(tenant.quota, true), tenant.running_max,
        tenant.submitted_max, list_of(tenant.users));
  out += fmt::format("default_tenant: {}\n", yaml_quoted(config.default_tenant));
  const auto& policy = config.policy;
  out += fmt::format(
      "policy:\n  name: {}\n  promises_max: {}\n  backfill: {}\n  reserve: {}\n"
      "  backfill_depth: {}\n  slice_steps: {}\n  launch_ahead: {}\n  order: {}\n  share: {}\n"
      "  weights: {{age: {}, core: {}, device: {}}}\n"
      "  promise: {{heads: {}, within: {}, less_per_width: {}}}\n",
      yaml_quoted(policy.name), policy.promises_max, policy.backfill, policy.reserve,
      policy.backfill_depth, policy.slice_steps, span_of(policy.launch_ahead),
      to_string(policy.order), to_string(policy.share), policy.age_weight, policy.core_weight,
      policy.device_weight, policy.promise_heads, span_of(policy.promise_within),
      span_of(policy.promise_within_less_per_width));
  out += policy.predict ? fmt::format("  predict: {{decay: {}, prior: {}}}\n",
                                      format_milli(policy.predict_decay_milli),
                                      format_milli(policy.predict_prior_milli))
                        : "  predict: false\n";
  out += fmt::format("  pack: {}\n  demand:{}\n", to_string(policy.pack),
                     policy.demand.empty() ? " []" : "");
  for (const TypicalRequest& request : policy.demand)
    out += "    - " + typical_text(request) + "\n";
  out += fmt::format("  potential: {{keep: {}, several: {}, price: {}, pressure_max: {}}}\n",
                     format_milli(policy.potential_keep_milli),
                     format_milli(policy.potential_several_milli),
                     format_milli(policy.potential_price_milli),
                     format_milli(policy.potential_pressure_max_milli));
  out += fmt::format("fair_share: {{half_life: {}, epoch: {}}}\n", span_of(config.usage_half_life),
                     span_of(config.usage_epoch));
  out += fmt::format("limits: {{default_time: {}, units_per_job: {}, launch_failures: {}}}\n",
                     span_of(config.default_time_limit), config.units_per_job_max,
                     config.launch_failures_max);
  out += fmt::format("finished_keep: {}\ncleanup_bound: {}\ntopology_levels: {}\n",
                     span_of(config.finished_keep), span_of(config.cleanup_bound),
                     list_of(config.topology_levels));
  return out;
}

}  // namespace busbar::jobfile
