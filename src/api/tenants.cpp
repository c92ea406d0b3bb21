// GET /v1/tenants.
#include "api/answers.hpp"
#include "api/handlers.hpp"
#include "base/maths.hpp"

namespace busbar::api {
namespace {

struct QuotaView {
  std::string name;
  Thousandths limit;
  Thousandths used;
};
template <class V>
void describe(V& visit, Like<QuotaView> auto& quota) {
  visit("name", quota.name);
  visit("limit", quota.limit);
  visit("used", quota.used);
}

struct TenantView {
  TenantConfig config;
  bool is_default = false;
  std::vector<QuotaView> quota;
  core::TenantRecord record;
  Thousandths used_share_hours;
  Thousandths fair_share;
};
std::optional<std::uint64_t> unless_zero(std::uint64_t number) {
  if (number == 0) return {};
  return number;
}
template <class V>
void describe(V& visit, Like<TenantView> auto& tenant) {
  visit("name", tenant.config.name);
  visit("default", tenant.is_default);
  visit("weight", tenant.config.weight);
  visit("quota", tenant.quota);
  visit("running", tenant.record.running);
  visit("running_max", unless_zero(tenant.config.running_max));
  visit("submitted", tenant.record.submitted);
  visit("submitted_max", unless_zero(tenant.config.submitted_max));
  visit("users", tenant.config.users);
  visit("used_share_hours", tenant.used_share_hours);
  visit("fair_share", tenant.fair_share);
}

struct TenantList {
  std::vector<TenantView> tenants;
  Revision revision;
};
template <class V>
void describe(V& visit, Like<TenantList> auto& list) {
  visit("tenants", list.tenants);
  visit("revision", list.revision);
}

// Quotas of bytes and countables are whole numbers; cores and devices are thousandths.
bool in_thousandths(const core::State& state, const std::string& name) {
  if (name == "memory" || name == "scratch") return false;
  for (const core::NodeRecord& node : state.nodes()) {
    for (const NamedCount& named : node.node.named) {
      if (named.name == name) return false;
    }
  }
  return true;
}

// A number as its thousandths, saturated.
Thousandths whole(std::int64_t value) {
  return {value > INT64_MAX / 1000 ? INT64_MAX : value * 1000};
}

TenantView tenant_view(const Lens& lens, std::size_t position, std::int64_t weights) {
  const core::State& state = lens.view.state;
  const Config& config = state.config();
  TenantView view;
  view.config = config.tenants[position];
  view.is_default = view.config.name == config.default_tenant;
  view.record = state.tenants()[position];
  for (std::size_t q = 0; q < view.config.quota.size(); ++q) {
    const NamedCount& quota = view.config.quota[q];
    const auto& uses = lens.view.index.tenants();
    const bool counted = position < uses.size() && q < uses[position].quota.size();
    const std::int64_t used = counted ? uses[position].quota[q] : 0;
    const bool milli = in_thousandths(state, quota.name);
    view.quota.push_back({quota.name, milli ? Thousandths{quota.count} : whole(quota.count),
                          milli ? Thousandths{used} : whole(used)});
  }
  const Span age = lens.now > view.record.charged_at ? lens.now - view.record.charged_at : Span();
  const Q32 left = half_power(age.value, std::max<std::int64_t>(1, config.usage_half_life.value));
  const std::int64_t charge = scale_q32(std::max<std::int64_t>(0, view.record.charge), left);
  // Share-milliseconds in Q20 to thousandths of share-hours: 1 / 2^20 / 3600.
  view.used_share_hours = {(charge >> 20) / 3600};
  view.fair_share = {weights == 0 ? 0 : view.config.weight * std::int64_t{1000} / weights};
  return view;
}

}  // namespace

Outcome list_tenants(const Call& call) {
  return looking(call.replica, call.backend, [&](const Lens& lens) {
    TenantList list;
    list.revision = lens.view.state.revision();
    std::int64_t weights = 0;
    for (const TenantConfig& tenant : lens.view.state.config().tenants) weights += tenant.weight;
    for (std::size_t i = 0; i < lens.view.state.config().tenants.size(); ++i)
      list.tenants.push_back(tenant_view(lens, i, weights));
    return json_response(list);
  });
}

}  // namespace busbar::api
