// Why units wait, with numbers, and its words: one verdict for all cohorts (units of one task group
// that wait alike) of a class, or for one cohort that stands apart, such as one with a promise.
// Verdicts are not Events: they are rebuilt by the next cycle after a restart.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/state/state.hpp"

namespace busbar::core {

enum class Reason : std::uint8_t {
  dependency,  // waits for another job
  begin_time,
  held,
  backoff,      // a retry's not_before
  array_limit,  // the group's `parallel`
  quota,
  tenant_limit,         // running_max
  resources,            // busy
  reserved,             // it would run into a promise or a maintenance reservation
  priority,             // others go first
  drained,              // only drained or unreachable nodes would do
  not_found_in_budget,  // the search gave up; later
  not_synchronised,     // an engine has not told what runs
};
}  // namespace busbar::core

namespace busbar {
template <>
struct EnumWords<core::Reason> {
  static constexpr std::string_view words[] = {
      "Dependency",           "BeginTime", "Held",     "Backoff",  "ArrayLimit",   "Quota",
      "TenantLimit",          "Resources", "Reserved", "Priority", "NodesDrained", "SearchBudget",
      "EngineNotSynchronised"};
};
}  // namespace busbar

namespace busbar::core {

struct Verdict {
  JobId job;
  std::uint32_t group = 0;
  std::uint64_t units = 0;  // how many wait for this reason
  Reason reason = Reason::resources;
  std::string resource;  // the binding one: "cores", "memory", "H100", a licence, a tenant's quota;
                         // "maintenance" when a reservation on `where` stands in the way
  std::int64_t wanted = 0;      // in its own units: cores and devices in thousandths, else whole
  std::int64_t free = 0;        // what is free of it now, where it counts
  std::int64_t capacity = 0;    // what there is at all
  std::uint32_t nodes_fit = 0;  // nodes that could hold one task now
  std::uint32_t nodes_wanted = 0;
  std::string where;                 // best node or subtree; several nodes when drained
  Tick start_estimate = tick_never;  // a promise's tick, when there is one
  // Dependencies unmet, or jobs whose end would free it; so many of them are named.
  static constexpr std::size_t blockers_max = 5;
  std::vector<JobId> blockers;
  friend bool operator==(const Verdict&, const Verdict&) = default;
};
template <class V>
void describe(V& visit, Like<Verdict> auto& verdict) {
  visit("job", verdict.job);
  visit("group", verdict.group);
  visit("units", verdict.units);
  visit("reason", verdict.reason);
  visit("resource", verdict.resource);
  visit("wanted", verdict.wanted);
  visit("free", verdict.free);
  visit("capacity", verdict.capacity);
  visit("nodes_fit", verdict.nodes_fit);
  visit("nodes_wanted", verdict.nodes_wanted);
  visit("where", verdict.where);
  visit("start_estimate", verdict.start_estimate);
  visit("blockers", verdict.blockers);
}

// "n3, n4 and 2 more".
class FewNames {
 public:
  void add(const std::string& name) {
    if (count_++ < shown_max) text_ += (text_.empty() ? "" : ", ") + name;
  }
  std::size_t count() const { return count_; }
  std::string text() const {
    if (count_ <= shown_max) return text_;
    return text_ + " and " + std::to_string(count_ - shown_max) + " more";
  }

 private:
  static constexpr std::size_t shown_max = 4;
  std::string text_;
  std::size_t count_ = 0;
};

// What holds for all cohorts of a class in a priority band, until the next cycle says otherwise.
struct ClassVerdict {
  std::int32_t band = 0;
  std::optional<TenantId> tenant;           // nothing: whoever asks
  std::optional<std::uint64_t> unit_class;  // nothing: whatever is asked for
  Verdict verdict;                          // of no job
};
struct Verdicts {
  std::vector<Verdict> cohorts;  // of these alone
  std::vector<ClassVerdict> classes;
  bool empty() const { return cohorts.empty() && classes.empty(); }
};

// A sentence a person can act on: what is missing, how much, who holds it, what would help.
// `now` turns ticks into "in 5m". `likely` is a start that was computed on request, for a verdict
// that has none of its own.
std::string explain(const State& state, const Verdict& verdict, Tick now, Tick likely = tick_never);
// Why units of the job are held and what lets them go.
std::string held_text(const JobRecord& record);
// "limit 20s + grace 30s + cleanup 10s": what lies between a start and the latest end. Empty where
// that is the limit alone, or nothing.
std::string latest_end_parts(const Config& config, const Job& job, Span time_limit);
// Whether that sentence says when it starts.
bool tells_start(const Verdict& verdict, Tick likely = tick_never);

}  // namespace busbar::core
