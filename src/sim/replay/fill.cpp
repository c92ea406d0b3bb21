#include "sim/replay/fill.hpp"

#include <fmt/format.h>

#include <utility>

#include "base/rng.hpp"

namespace busbar::sim {

Measure::Measure(const Cluster& cluster) {
  std::int64_t cores = 0;
  for (const Node& node : cluster.nodes) {
    cores += node.cores.value;
    capacity_ += 1000 * static_cast<std::int64_t>(node.devices.size());
  }
  devices_ = capacity_ > 0;
  if (!devices_) capacity_ = cores;
}

std::int64_t Measure::of(const Claim& claim) const {
  if (!devices_) return claim.cores.value;
  std::int64_t sum = 0;
  for (const DeviceShare& share : claim.devices) sum += share.share.value;
  return sum;
}

std::int64_t Measure::of(const Job& job) const {
  std::int64_t sum = 0;
  for (const TaskGroup& group : job.groups) {
    const Resources& each = group.any_of[0].resources;
    std::int64_t amount = devices_ ? 0 : each.cores.value;
    if (devices_)
      for (const DeviceRequest& request : each.devices)
        amount += request.share.value * request.count;
    sum += amount * group.count.max;
  }
  return sum;
}

Result<Trace> fill_arrivals(const Cluster& cluster, const Trace& trace, std::uint64_t seed) {
  const Measure measure(cluster);
  const std::int64_t wanted = measure.capacity() * fill_percent / 100;
  Rng rng(seed);
  std::vector<std::size_t> order;
  std::int64_t arrived = 0;
  for (std::size_t i = 0; i < trace.jobs.size(); ++i) {
    order.push_back(i);
    arrived += measure.of(trace.jobs[i].job);
  }
  if (arrived == 0)
    return {Errc::invalid, "no job asks for any of what the cluster is to be filled with"};
  for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[rng.below(i)]);
  while (arrived > wanted) {
    const std::size_t gone = rng.below(order.size());
    arrived -= measure.of(trace.jobs[order[gone]].job);
    order.erase(order.begin() + static_cast<std::ptrdiff_t>(gone));
  }
  for (;;) {
    const std::size_t drawn = rng.below(trace.jobs.size());
    const std::int64_t amount = measure.of(trace.jobs[drawn].job);
    if (arrived + amount > wanted) break;
    arrived += amount;
    order.push_back(drawn);
  }
  Trace out;
  for (const std::size_t place : order) {
    TraceJob job = trace.jobs[place];
    job.submit = seconds(static_cast<std::int64_t>(out.jobs.size()));
    job.run_time = span_unlimited;
    job.job.time_limit = span_unlimited;
    job.job.deadline_at = tick_never;
    job.job.begin_at = Tick();
    job.job.after.clear();
    out.jobs.push_back(std::move(job));
  }
  return out;
}

FillMarks fill_marks_of(const Cluster& cluster, const std::vector<FillPoint>& points) {
  const std::int64_t capacity = Measure(cluster).capacity();
  FillMarks out;
  if (capacity == 0) return out;
  for (std::size_t m = 0; m < fill_marks.size(); ++m) {
    std::int64_t sum = 0;
    std::int64_t count = 0;
    for (const FillPoint& point : points) {
      if ((point.arrived * 200 + capacity) / (2 * capacity) != fill_marks[m]) continue;
      sum += point.allocated;
      ++count;
    }
    if (count > 0) out[m] = 100 * static_cast<double>(sum) / static_cast<double>(count * capacity);
  }
  return out;
}

}  // namespace busbar::sim
