#include "core/cycle/order.hpp"

#include <algorithm>

namespace busbar::core {

Order::Order(Context& context) : context_(context), ids_(context.policy.keys_follow_ids()) {
  const Waiting& waiting = context.view.index.waiting();
  band_ = waiting.lower_bound(context.cursor.band);
  if (band_ != waiting.end() && band_->first == context.cursor.band)
    for (const auto& place : context.cursor.places) places_[place.tenant] = place;
  open_band();
}

TenantKey Order::key_of(TenantId tenant) const {
  return context_.policy.tenant_key(context_.view, tenant, context_.scratch.held_beyond(tenant));
}

// Opens the band at band_, or the next one with a cohort left.
bool Order::open_band() {
  for (; band_ != context_.view.index.waiting().end(); ++band_) {
    context_.cursor.band = band_->first;
    for (const auto& [tenant, cohorts] : band_->second) open_line(tenant, cohorts);
    if (!turns_.empty()) return true;
    lines_.clear();
    places_.clear();
    context_.cursor.places.clear();
  }
  return false;
}

void Order::open_line(TenantId tenant, const Cohorts& cohorts) {
  Line line;
  line.cohorts = &cohorts;
  const auto place = places_.find(tenant);
  if (ids_) {
    line.at = place == places_.end()
                  ? cohorts.begin()
                  : cohorts.upper_bound(CohortId{place->second.job, place->second.group});
  } else {
    for (const auto& [cohort, unit_class] : cohorts) {
      const Job& job = context_.view.state.find(cohort.job)->job;
      line.sorted.push_back(
          {tenant, cohort, unit_class, context_.policy.unit_key(context_.view, job)});
    }
    const auto before = [](const Item& a, const Item& b) {
      return a.unit_key != b.unit_key ? a.unit_key < b.unit_key : a.cohort < b.cohort;
    };
    std::sort(line.sorted.begin(), line.sorted.end(), before);
    if (place != places_.end()) {
      const Item last{tenant, {place->second.job, place->second.group}, 0, place->second.unit_key};
      line.position = static_cast<std::size_t>(
          std::upper_bound(line.sorted.begin(), line.sorted.end(), last, before) -
          line.sorted.begin());
    }
  }
  if (!item_of(tenant, line)) return;
  lines_[tenant] = std::move(line);
  turns_.insert({key_of(tenant), tenant});
}

std::optional<Order::Item> Order::item_of(TenantId tenant, const Line& line) const {
  if (!ids_) {
    if (line.position >= line.sorted.size()) return std::nullopt;
    return line.sorted[line.position];
  }
  if (line.at == line.cohorts->end()) return std::nullopt;
  return Item{tenant, line.at->first, line.at->second, 0};
}

std::optional<Order::Item> Order::front() {
  if (turns_.empty()) return std::nullopt;
  const TenantId tenant = turns_.begin()->second;
  return item_of(tenant, lines_.at(tenant));
}

void Order::rekey() {
  const TenantId tenant = turns_.begin()->second;
  turns_.erase(turns_.begin());
  turns_.insert({key_of(tenant), tenant});
}

void Order::note(Cursor& cursor) const {
  cursor.places.clear();
  for (const auto& [tenant, place] : places_) cursor.places.push_back(place);
}

void Order::advance() {
  const TenantId tenant = turns_.begin()->second;
  Line& line = lines_.at(tenant);
  const Item item = *item_of(tenant, line);
  places_[tenant] = {tenant, item.unit_key, item.cohort.job, item.cohort.group};
  context_.cursor.position += 1;
  if (ids_)
    ++line.at;
  else
    ++line.position;
  if (!item_of(tenant, line)) turns_.erase(turns_.begin());
  if (turns_.empty()) {
    ++band_;
    lines_.clear();
    places_.clear();
    context_.cursor.places.clear();
    open_band();
  }
}

}  // namespace busbar::core
