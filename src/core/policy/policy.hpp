// A policy is all that may be chosen differently: integers only, const, without memory of its own.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "core/state/state.hpp"

namespace busbar::core {

struct View;

class Policy {
 public:
  virtual ~Policy() = default;
  virtual std::string_view name() const = 0;
};

// The names that Config::policy.name may take.
std::span<const std::string_view> policy_names();
// The policy of that name; an unknown name is our own bug (the configuration was validated).
std::unique_ptr<Policy> make_policy(std::string_view name);

}  // namespace busbar::core
