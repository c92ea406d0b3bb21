// A policy is all that may be chosen differently: integers only, const, without memory of its own.
// The mechanism (core/cycle, core/fit) asks it for keys and scores and does the rest.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "core/fit/index.hpp"
#include "core/policy/packing.hpp"
#include "core/state/state.hpp"

namespace busbar::core {

struct View;

// Smaller goes first.
using TenantKey = std::int64_t;
using UnitKey = std::int64_t;
class Policy {
 public:
  virtual ~Policy() = default;
  virtual std::string_view name() const = 0;

  // False: tenants play no part, and the units of a band stand in one order by their keys.
  virtual bool shares() const = 0;
  // The tenant's place in a priority band, as of the view's usage epoch; `beyond` is what the cycle
  // has given it on top of State.
  virtual TenantKey tenant_key(const View& view, TenantId tenant, const Held& beyond) const = 0;
  // The unit's place inside its tenant and band; equal keys go by id. Never changes with time,
  // only by an event that names the job: the index keeps the order.
  virtual UnitKey unit_key(const State& state, const Job& job) const = 0;
  virtual const Packing& packing() const = 0;
};

// The names that Config::policy.name may take.
std::span<const std::string_view> policy_names();
// The policy that the configuration describes; an unknown name is our own bug (the configuration
// was validated).
std::unique_ptr<Policy> make_policy(const PolicyConfig& config);

// Fair-share charge of the tenant as of the usage epoch, in share-milliseconds (Q20) of one weight
// of 100: decayed charge of what ended, plus what its live attempts have held since their grant,
// plus one epoch of all that it holds (`beyond` counted in).
std::int64_t fair_share(const View& view, TenantId tenant, const Held& beyond);
// The start of the usage epoch that `now` lies in.
Tick epoch_start(const Config& config, Tick now);

}  // namespace busbar::core
