#include "sim/trace/openb.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "sim/trace/table.hpp"

namespace busbar::sim {
namespace {

constexpr std::int64_t cores_milli_max = 1'000'000'000;
constexpr std::int64_t memory_mib_max = std::int64_t{1} << 30;
constexpr std::int64_t devices_max = 1024;

Result<Node> read_node(const Table& row) {
  Node node;
  BUSBAR_TRY(cores, row.whole("cpu_milli", cores_milli_max));
  BUSBAR_TRY(memory, row.whole("memory_mib", memory_mib_max));
  BUSBAR_TRY(devices, row.whole("gpu", devices_max));
  if (cores == 0) return row.wrong("cpu_milli", "is too small; a node has cores");
  node.name = std::string(row.at("sn"));
  node.cluster = "sim";
  node.machine_id = node.name;
  node.boot_id = "1";
  node.simulated = true;
  node.cores = MilliCores(cores);
  node.memory = mebibytes(memory);
  Device device;
  device.vendor = "nvidia";
  device.model = std::string(row.at("model"));
  device.simulated = true;
  if (devices > 0 && device.model.empty()) return row.wrong("model", "names no model");
  if (devices > 0) node.features.push_back(device.model);
  for (std::int64_t i = 0; i < devices; ++i) {
    device.physical_index = static_cast<std::uint32_t>(i);
    node.devices.push_back(device);
  }
  return node;
}

Result<Ok> read_devices(const Table& row, TaskGroup& group) {
  BUSBAR_TRY(count, row.whole("num_gpu", devices_max));
  BUSBAR_TRY(share, row.whole("gpu_milli", 1000));
  if (count == 0) return Ok{};
  if (share == 0) return row.wrong("gpu_milli", "is too small for a pod with GPUs");
  if (count > 1 && share < 1000)
    return row.wrong("gpu_milli", "is less than a whole GPU, of which num_gpu wants several");
  DeviceRequest request;
  request.count = static_cast<std::uint32_t>(count);
  request.share = MilliDevices(share);
  Alternative& asked = group.any_of[0];
  asked.resources.devices.push_back(request);
  // Any of the models will do alike, which is a condition; alternatives would be preferred in turn.
  if (!row.at("gpu_spec").empty())
    for (const std::string_view model : split(row.at("gpu_spec"), '|'))
      if (!model.empty()) asked.constraint.push_back({{std::string(model)}});
  return Ok{};
}

// From when on it ran, and until when; nothing where it never did.
Result<bool> read_times(const Table& row, TraceJob& out) {
  out.run_time = century;
  if (row.at("creation_time").empty()) return true;
  BUSBAR_TRY(created, row.milli("creation_time", seconds_max));
  out.submit = Span(created);
  if (row.at("deletion_time").empty()) return false;
  BUSBAR_TRY(deleted, row.milli("deletion_time", seconds_max));
  std::int64_t began = created;
  if (!row.at("scheduled_time").empty()) {
    BUSBAR_TRY(scheduled, row.milli("scheduled_time", seconds_max));
    began = scheduled;
  }
  if (began < created) return row.wrong("scheduled_time", "is before creation_time");
  if (deleted < began) return row.wrong("deletion_time", "is before the pod ran");
  out.run_time = Span(deleted - began);
  return true;
}

}  // namespace

Result<Cluster> read_openb_nodes(std::string_view text, std::string_view file_name) {
  BUSBAR_TRY(table,
             Table::open(text, file_name, ',', {"sn", "cpu_milli", "memory_mib", "gpu", "model"}));
  Cluster out;
  for (;;) {
    BUSBAR_TRY(more, table.next());
    if (!more) return out;
    BUSBAR_TRY(node, read_node(table));
    out.nodes.push_back(std::move(node));
  }
}

Result<Trace> read_openb_pods(std::string_view text, std::string_view file_name) {
  BUSBAR_TRY(table, Table::open(text, file_name, ',',
                                {"name", "cpu_milli", "memory_mib", "num_gpu", "gpu_milli"}));
  Trace out;
  std::uint64_t unfinished = 0;
  for (;;) {
    BUSBAR_TRY(more, table.next());
    if (!more) break;
    TraceJob pod;
    pod.job.name = std::string(table.at("name"));
    pod.job.user.name = "openb";
    pod.job.grace = Span(0);
    TaskGroup group;
    group.count = {1, 1};
    BUSBAR_TRY(cores, table.whole("cpu_milli", cores_milli_max));
    BUSBAR_TRY(memory, table.whole("memory_mib", memory_mib_max));
    Resources& each = group.any_of.emplace_back().resources;
    each.cores = MilliCores(cores);
    each.memory = mebibytes(memory);
    BUSBAR_TRY_OK(read_devices(table, group));
    pod.job.groups.push_back(std::move(group));
    BUSBAR_TRY(ended, read_times(table, pod));
    if (!ended) ++unfinished;
    out.jobs.push_back(std::move(pod));
  }
  put_in_order(out, false);
  if (unfinished > 0)
    out.remarks.push_back(
        fmt::format("{} pods were never deleted: they run to the end and beyond", unfinished));
  return out;
}

}  // namespace busbar::sim
