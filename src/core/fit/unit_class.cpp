#include "core/fit/unit_class.hpp"

#include "base/codec.hpp"
#include "model/written.hpp"

namespace busbar::core {
namespace {

void add_group(BinaryWriter& out, const TaskGroup& group, bool single) {
  out.write(group.any_of);
  if (single) return;
  out.write(group.count);
  out.write(group.tasks_per_node);
  out.write(group.nodes);
}

}  // namespace

std::uint64_t unit_class(const Job& job, std::uint32_t group) {
  BinaryWriter out;
  const bool loose = job.coupling == Coupling::loose;
  out.write(job.coupling);
  out.write(job.topology);
  out.write(job.exclude);
  out.write(job.exclusive);
  if (loose && !job.topology->spread.empty())
    out.write(job.id);  // spread counts its own job's units
  if (loose) {
    add_group(out, job.groups[group], true);
  } else {
    for (const auto& each : job.groups) add_group(out, each, false);
  }
  return digest(out.take());
}

}  // namespace busbar::core
