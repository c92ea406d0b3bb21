#include "sim/replay/work_book.hpp"

#include <algorithm>

#include "base/maths.hpp"
#include "base/text.hpp"

namespace busbar::sim {
namespace {

constexpr std::int64_t usual = 1000;

}  // namespace

WorkBook::WorkBook(const Cluster& cluster) {
  for (std::size_t i = 0; i < cluster.natures.size(); ++i)
    if (cluster.natures[i].speed_milli != usual)
      slow_.emplace(cluster.nodes[i].name, cluster.natures[i].speed_milli);
}

std::int64_t WorkBook::speed_of(std::string_view node) const {
  const auto found = slow_.find(node);
  return found == slow_.end() ? usual : found->second;
}

std::int64_t WorkBook::speed_of(const Launch& launch) const {
  if (slow_.empty() || launch.claims.empty()) return usual;
  std::int64_t speed = INT64_MAX;
  for (const LaunchClaim& claim : launch.claims) speed = std::min(speed, speed_of(claim.node_name));
  return speed;
}

std::int64_t WorkBook::speed_of(const HistoryRow& attempt) const {
  if (slow_.empty()) return usual;
  std::int64_t speed = INT64_MAX;
  for (const std::string_view node : split(attempt.nodes, ','))
    speed = std::min(speed, speed_of(node));
  return speed;
}

Span WorkBook::run_time(const TraceJob& job, const Launch& launch) const {
  const auto done = done_.find(launch.id.unit);
  Span work = job.run_time - (done == done_.end() ? Span(0) : done->second);
  if (launch.id.number > 1) work += job.restart_cost;
  return Span(multiply_divide(work.value, usual, speed_of(launch)));
}

void WorkBook::node_failed(const std::string& node, Tick at) { failed_.insert_or_assign(node, at); }

Span WorkBook::interrupted(const TraceJob& job, const HistoryRow& attempt) {
  if (job.checkpoint <= Span(0) || attempt.started == Tick()) return Span(0);
  // The scheduler hears of a failure late: work ended with the first of its nodes.
  Tick stood_still = attempt.ended;
  for (const std::string_view node : split(attempt.nodes, ',')) {
    const auto failed = failed_.find(node);
    if (failed != failed_.end() && failed->second >= attempt.started)
      stood_still = std::min(stood_still, failed->second);
  }
  const std::int64_t speed = speed_of(attempt);
  Span work(multiply_divide((stood_still - attempt.started).value, speed, usual));
  if (attempt.attempt > 1) work -= job.restart_cost;
  const Span kept(std::max<std::int64_t>(0, work.value) / job.checkpoint.value *
                  job.checkpoint.value);
  Span& done = done_[attempt.unit];
  done = std::min(done + kept, job.run_time);
  return Span(multiply_divide(kept.value, usual, speed));
}

}  // namespace busbar::sim
