#include <algorithm>

#include "core/cycle/context.hpp"

namespace busbar::core {
namespace {

void add_blocker(Verdict& verdict, JobId job) {
  if (verdict.blockers.size() < Verdict::blockers_max && job != verdict.job &&
      std::find(verdict.blockers.begin(), verdict.blockers.end(), job) == verdict.blockers.end())
    verdict.blockers.push_back(job);
}

}  // namespace

Verdict verdict_of(const Context& context, const CohortId& cohort, std::uint64_t units,
                   const Miss& miss) {
  Verdict verdict;
  verdict.job = cohort.job;
  verdict.group = cohort.group;
  verdict.units = units;
  verdict.reason = miss.reason;
  verdict.resource = miss.resource;
  verdict.wanted = miss.wanted;
  verdict.free = miss.free;
  verdict.capacity = miss.capacity;
  verdict.nodes_fit = miss.nodes_fit;
  verdict.nodes_wanted = miss.nodes_wanted;
  verdict.where = miss.where;
  if (miss.reason == Reason::priority && context.first_head)
    add_blocker(verdict, context.first_head->job);
  const bool on_node = miss.reason == Reason::resources || miss.reason == Reason::reserved;
  const NodeRecord* node = on_node ? context.view.state.find_node(miss.where) : nullptr;
  if (node == nullptr) return verdict;
  if (miss.reason == Reason::reserved) {
    if (miss.resource == "maintenance") return verdict;
    for (const auto& [unit, promise] : context.scratch.bookings())
      for (const auto& claim : promise.allocation.claims)
        if (claim.node == node->node.id) {
          add_blocker(verdict, unit.job);
          verdict.start_estimate = std::min(verdict.start_estimate, promise.at);
        }
  } else {
    for (const auto& attempt : context.view.index.attempts_on(node->node.id))
      add_blocker(verdict, attempt.unit.job);
  }
  return verdict;
}

void say_class(Context& context, std::optional<TenantId> tenant,
               std::optional<std::uint64_t> unit_class, const Miss& miss) {
  context.plan.verdicts.classes.push_back(
      {context.cursor.band, tenant, unit_class, verdict_of(context, CohortId{}, 0, miss)});
}

}  // namespace busbar::core
