#include "core/explain/estimate.hpp"

#include <algorithm>
#include <map>
#include <set>

#include "core/cycle/admit.hpp"
#include "core/fit/release.hpp"
#include "core/policy/policy.hpp"

namespace busbar::core {
namespace {

constexpr std::uint32_t units_before_max = 256;
constexpr std::uint32_t steps_max = 2'000'000;

struct Place {
  TenantKey tenant_key;
  TenantId tenant;
  UnitKey unit_key;
  CohortId cohort;
  std::uint64_t unit_class;
  friend auto operator<=>(const Place&, const Place&) = default;
};

// The order as it stands, without what a cycle would hand out on the way. `target` has its place
// even if it may not start yet.
std::vector<Place> band_order(const View& view, const Policy& policy, const Band& band,
                              const std::optional<Place>& target) {
  std::vector<Place> order;
  bool met = !target.has_value();
  for (const auto& [tenant, queue] : band.tenants) {
    const TenantKey share = policy.shares() ? policy.tenant_key(view, tenant, Held{}) : 0;
    for (const Queued& at : queue) {
      const TenantKey key = policy.shares() ? share : at.key.unit_key;
      order.push_back({key, tenant, at.key.unit_key, at.key.cohort, at.unit_class});
      met = met || at.key.cohort == target->cohort;
    }
  }
  if (!met) order.push_back(*target);
  std::sort(order.begin(), order.end());
  return order;
}

Place place_of(const View& view, const Policy& policy, const CohortId& cohort) {
  const JobRecord& record = *view.state.find(cohort.job);
  const UnitKey unit_key = policy.unit_key(view.state, record.job);
  const TenantKey key =
      policy.shares() ? policy.tenant_key(view, record.tenant, Held{}) : TenantKey{unit_key};
  return {key, record.tenant, unit_key, cohort, view.index.class_of(cohort)};
}

class Estimate {
 public:
  Estimate(const View& view, const Policy& policy, const UnitId& target, Steps& steps)
      : view_(view),
        policy_(policy),
        target_(target),
        scratch_(view.state, view.index, view.now),
        steps_(steps) {}

  std::optional<Tick> run() {
    const std::int32_t mine = view_.state.find(target_.job)->job.priority;
    std::set<std::int32_t, HigherBandFirst> bands{mine};
    for (const auto& [band, unused] : view_.index.waiting()) bands.insert(band);
    for (const std::int32_t band : bands) {
      const auto found = view_.index.waiting().find(band);
      std::optional<Place> target;
      if (band == mine) target = place_of(view_, policy_, {target_.job, target_.group});
      const Band none;
      const Band& lines = found == view_.index.waiting().end() ? none : found->second;
      for (const Place& place : band_order(view_, policy_, lines, target)) {
        const auto start = pass(place);
        if (start || stopped_) return start;
      }
    }
    return std::nullopt;
  }

 private:
  // Places the cohort's units; the target's start when it is among them.
  std::optional<Tick> pass(const Place& place) {
    const JobRecord& record = *view_.state.find(place.cohort.job);
    const GroupRecord& group = record.groups[place.cohort.group];
    const bool mine = place.cohort.job == target_.job && place.cohort.group == target_.group;
    if (job_waits(view_.state, record.job, place.cohort.group, view_.now) && !mine) return {};
    std::uint64_t room = std::min(array_room(scratch_, record, place.cohort.group),
                                  tenant_room(scratch_, place.tenant));
    for (auto index = group.waiting.next(0); index; index = group.waiting.next(*index + 1)) {
      const UnitId unit{place.cohort.job, place.cohort.group, *index};
      const UnitRecord* again = view_.state.find(unit);
      if (unit != target_ && again != nullptr && again->not_before > view_.now) continue;
      if (room == 0 || ++units_ > units_before_max || steps_.used > steps_max) {
        stopped_ = mine || units_ > units_before_max || steps_.used > steps_max;
        return {};
      }
      --room;
      const auto start = place_unit(make_ask(view_.state, unit, place.unit_class, view_.now));
      if (unit != target_) continue;
      stopped_ = true;
      if (!start) return {};
      return std::max(
          {*start, record.job.begin_at, again == nullptr ? Tick(0) : again->not_before});
    }
    return {};
  }

  std::optional<Tick> place_unit(const Ask& ask) {
    const auto booked = scratch_.bookings().find(ask.unit);
    if (booked != scratch_.bookings().end()) return booked->second.at;
    Found found = find(scratch_, policy_, ask, steps_);
    if (found.allocation) {
      scratch_.take(ask.unit, ask.tenant, std::move(*found.allocation), ask.end);
      return view_.now;
    }
    auto earliest = earliest_start(scratch_, policy_, ask, steps_, steps_max);
    if (!earliest) return {};
    scratch_.book({ask.unit, earliest->at, std::move(earliest->allocation)});
    return earliest->at;
  }

  const View& view_;
  const Policy& policy_;
  UnitId target_;
  Scratch scratch_;
  Steps& steps_;
  std::uint32_t units_ = 0;
  bool stopped_ = false;
};

// Follows dependencies to what runs now; each job is looked at once, so many at most.
class Chain {
 public:
  Chain(const View& view, const Policy& policy) : view_(view), policy_(policy) {}

  std::optional<Tick> start_of(const UnitId& unit) {
    const JobRecord* record = view_.state.find(unit.job);
    if (record == nullptr || unit.group >= record->groups.size() ||
        !record->groups[unit.group].waiting.contains(unit.index))
      return std::nullopt;
    const auto promise = view_.state.promises().find(unit);
    if (promise != view_.state.promises().end()) return promise->second.at;
    const auto met = dependencies_met(record->job);
    if (!met) return std::nullopt;
    const auto start = Estimate(view_, policy_, unit, steps_).run();
    if (!start) return std::nullopt;
    return std::max(*met, *start);
  }

 private:
  static constexpr std::size_t jobs_max = 32;

  // Nothing where it is not known, or need not come.
  std::optional<Tick> dependencies_met(const Job& job) {
    Tick met = view_.now;
    for (const auto& dependency : job.after) {
      const DependencyState state = dependency_state(view_.state, dependency);
      if (state == DependencyState::met) continue;
      const bool by_its_end =
          dependency.kind == DependencyKind::ok || dependency.kind == DependencyKind::any;
      if (state == DependencyState::never || !by_its_end) return std::nullopt;
      const JobRecord* before = view_.state.find(dependency.job);
      const bool failed = before != nullptr && before->failed > 0;
      if (dependency.kind == DependencyKind::ok && failed) return std::nullopt;
      const auto end = end_of(dependency.job);
      if (!end) return std::nullopt;
      met = std::max(met, *end);
    }
    return met;
  }

  std::optional<Tick> end_of(JobId id) {
    if (const auto known = ends_.find(id); known != ends_.end()) return known->second;
    if (ends_.size() >= jobs_max) return std::nullopt;
    ends_[id] = std::nullopt;
    return ends_[id] = latest_end(*view_.state.find(id));
  }

  // When the job has ended, if everything holds to its limit: what runs, and one unit that waits.
  std::optional<Tick> latest_end(const JobRecord& record) {
    const Job& job = record.job;
    if (record.held > 0 || record.waiting > 1) return std::nullopt;
    Tick end = view_.now;
    for (std::uint32_t g = 0; g < record.groups.size(); ++g) {
      const auto index = record.groups[g].waiting.next(0);
      if (!index) continue;
      const auto start = start_of({job.id, g, *index});
      if (!start || job.time_limit == span_unlimited) return std::nullopt;
      end = view_.state.latest_end(job, job.time_limit, std::max(*start, view_.now));
    }
    const auto& attempts = view_.state.attempts();
    for (auto at = attempts.lower_bound({{job.id, 0, 0}, 0});
         at != attempts.end() && at->first.unit.job == job.id; ++at) {
      const Tick its = view_.state.latest_end(at->second);
      if (its == tick_never) return std::nullopt;
      end = std::max(end, its);
    }
    return end;
  }

  const View& view_;
  const Policy& policy_;
  Steps steps_;  // of all estimates together
  std::map<JobId, std::optional<Tick>> ends_;
};

}  // namespace

std::optional<Position> position(const View& view, const Policy& policy, JobId job) {
  Position out;
  std::uint64_t walked = 0;
  for (const auto& [band, tenants] : view.index.waiting())
    for (const Place& place : band_order(view, policy, tenants, {})) {
      walked += 1;
      if (out.position == 0 && place.cohort.job == job) out.position = walked;
    }
  out.out_of = walked;
  if (out.position == 0) return std::nullopt;
  return out;
}

std::optional<Tick> estimate_start(const View& view, const Policy& policy, const UnitId& unit) {
  return Chain(view, policy).start_of(unit);
}

}  // namespace busbar::core
