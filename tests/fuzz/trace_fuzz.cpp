// Workloads and clusters from files: whatever the text, a trace that can be played or an error that
// begins with its place.
//
// Input    a line that names the format (swf, sacct, openb, nodes, jsonl, cluster), then the file.
#include <string_view>

#include "lab/cluster_file.hpp"
#include "require.hpp"
#include "sim/trace/native.hpp"
#include "sim/trace/openb.hpp"
#include "sim/trace/sacct.hpp"
#include "sim/trace/swf.hpp"

using namespace busbar;

namespace {

void look_at(const Result<sim::Trace>& trace) {
  if (!trace.ok()) return require(trace.error().text.starts_with("file:"), "an error has a place");
  Span last;
  for (const sim::TraceJob& job : trace->jobs) {
    require(job.submit >= last, "jobs come in the order of their submission");
    last = job.submit;
    require(job.run_time >= Span(0) && job.run_time <= century, "run times are possible");
    require(is_time_limit(job.job.time_limit), "limits are possible");
    require(!job.job.groups.empty() && !job.job.user.name.empty(), "somebody asks for something");
    for (const TaskGroup& group : job.job.groups)
      require(group.count.min >= 1 && !group.any_of.empty(), "a group has tasks and resources");
  }
}

void look_at(const Result<sim::Cluster>& cluster) {
  if (!cluster.ok())
    return require(cluster.error().text.starts_with("file:"), "an error has a place");
  for (const Node& node : cluster->nodes)
    require(node.cores.value > 0 && node.memory.value >= 0, "a node has cores");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::string_view format = text.substr(0, text.find('\n'));
  text.remove_prefix(std::min(text.size(), format.size() + 1));
  if (format == "swf") look_at(sim::read_swf(text, "file"));
  if (format == "sacct") look_at(sim::read_sacct(text, "file"));
  if (format == "openb") look_at(sim::read_openb_pods(text, "file"));
  if (format == "nodes") look_at(sim::read_openb_nodes(text, "file"));
  if (format == "jsonl") look_at(sim::read_native(text, "file"));
  if (format == "cluster") look_at(lab::read_cluster(text, "file"));
  return 0;
}
