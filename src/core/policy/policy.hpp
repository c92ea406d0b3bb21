// A policy is all that may be chosen differently: integers only, const, without memory of its own.
// The mechanism (core/cycle, core/fit) asks it for keys and scores and does the rest.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "core/fit/index.hpp"
#include "core/state/state.hpp"

namespace busbar::core {

struct View;

// Smaller goes first.
using TenantKey = std::int64_t;
using UnitKey = std::int64_t;
// Compared from the left; higher is better. Ties go to the lowest node id.
using Score = std::array<std::int64_t, 4>;

// A node that could take the tasks in question.
struct NodeCondition {
  const Node& node;
  const NodeFree& free;              // before
  std::uint32_t devices_idle = 0;    // whole free devices, before
  std::uint32_t devices_opened = 0;  // of these, how many the tasks would touch
  MilliCores cores;                  // what the tasks take
  Bytes memory;
  bool wants_devices = false;
  bool wants_shares = false;  // parts of devices
};

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
  virtual Score node_score(const NodeCondition& condition) const = 0;
  // True when node_score prefers fewer idle devices, then fewer free cores: the order in which
  // buckets are walked, so that a search may stop at the first bucket with a fit.
  virtual bool packs() const = 0;
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
