// The cluster and the queue that core_cycle and core_footprint measure, drawn from one seed:
// nodes of four kinds with 8 devices each in a tree of four levels, tenants with quotas, and
// waiting jobs of few shapes, of which some are gangs.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/rng.hpp"
#include "core/cycle/plan.hpp"
#include "core/fit/index.hpp"
#include "core/state/state.hpp"

namespace busbar::bench {

struct WorldSize {
  std::uint32_t nodes = 10'000;
  std::uint32_t units = 100'000;
  std::uint32_t shapes = 300;
  std::uint32_t tenants = 200;
};

// State and Index, folded together as the ring does.
struct Ledger {
  core::State state;
  core::Index index{state};
  Tick now{1000};

  void apply(EventBody body) {
    const Event event{Revision(state.revision().value + 1), now, std::move(body)};
    state.apply(event);
    index.apply(state, event);
  }
};

inline Config config_of(const WorldSize& size, Rng& rng) {
  Config config;
  config.topology_levels = {"hall", "row", "block", "rack"};
  config.tenants.clear();
  for (std::uint32_t t = 0; t < size.tenants; ++t) {
    TenantConfig tenant;
    tenant.name = "tenant-" + std::to_string(1000 + t);
    tenant.weight = 50 + static_cast<std::uint32_t>(rng.below(200));
    const std::int64_t devices = size.nodes * 8 / size.tenants * (1 + std::int64_t(rng.below(3)));
    tenant.quota = {{"gpu", devices * 1000}, {"cores", devices * 12 * 1000}};
    config.tenants.push_back(std::move(tenant));
  }
  config.default_tenant = config.tenants[0].name;
  return config;
}

// 10 nodes in a rack, 5 racks in a block, 10 blocks in a row, 5 rows in a hall; a block is of one
// kind.
inline Node node_of(std::uint32_t number) {
  struct Kind {
    const char* vendor;
    const char* model;
    std::int64_t cores, memory_gib, device_gib;
    std::uint32_t link_domain;
  };
  static constexpr Kind kinds[] = {{"nvidia", "NVIDIA H100 80GB HBM3", 96, 2048, 80, 1},
                                   {"nvidia", "NVIDIA A100-SXM4-40GB", 64, 1024, 40, 1},
                                   {"amd", "AMD Instinct MI300X", 128, 2048, 192, 1},
                                   {"nvidia", "NVIDIA L40S", 48, 512, 48, 0}};
  const std::uint32_t block = number / 50;
  const Kind& kind = kinds[block % 4];
  Node node;
  node.name = "node-" + std::to_string(number);
  node.cluster = "main";
  node.machine_id = "3f1c5a7e-0000-4000-8000-" + std::to_string(100'000'000'000 + number);
  node.boot_id = "9d2b6c4f-0000-4000-8000-" + std::to_string(100'000'000'000 + number);
  node.cores = whole_cores(kind.cores);
  node.memory = gibibytes(kind.memory_gib);
  node.scratch = gibibytes(4096);
  node.cpu_model = "AMD EPYC 9654 96-Core Processor";
  node.features = {"avx512", "infiniband"};
  node.port_first = 20'000;
  node.port_count = 1'000;
  for (std::uint32_t d = 0; d < 8; ++d) {
    Device device;
    device.vendor = kind.vendor;
    device.model = kind.model;
    device.uuid = "GPU-8a1e5f7c-0000-4000-" + std::to_string(number * 8 + d);
    device.memory = gibibytes(kind.device_gib);
    device.physical_index = d;
    device.link_domain = kind.link_domain;
    device.numa = static_cast<std::int32_t>(d / 4);
    node.devices.push_back(std::move(device));
  }
  for (const std::uint32_t each : {2500u, 500u, 50u, 10u})
    node.topology.push_back(std::string(1, "hrbk"[node.topology.size()]) +
                            std::to_string(number / each));
  return node;
}

// A shape is what a unit asks for. Every 20th is a gang of 2 to 128 whole or half nodes.
inline Job shape_of(std::uint32_t number, Rng& rng) {
  static const char* const models[] = {"", "", "H100", "A100", "MI300X", "L40S"};
  Job job;
  TaskGroup group;
  Alternative alternative;
  Resources& each = alternative.resources;
  const bool gang = number % 20 == 19;
  const std::uint32_t devices = gang ? (rng.chance(2, 3) ? 8 : 4) : 1u << rng.below(4);
  each.cores = whole_cores(gang ? devices * 4 : 1 + std::int64_t(rng.below(8)) * devices / 2);
  each.memory = gibibytes(4 + std::int64_t(rng.below(12)) * devices);
  DeviceRequest request;
  request.model = models[rng.below(6)];
  request.count = devices;
  if (!gang && rng.chance(1, 5)) {
    request.count = 1;
    request.share = MilliDevices(250 * (1 + std::int64_t(rng.below(3))));
  }
  const bool no_devices = !gang && rng.chance(1, 5);
  if (!no_devices) each.devices.push_back(request);
  if (gang) {
    job.coupling = Coupling::tight;
    const std::uint32_t nodes = 2u << rng.below(7);
    group.count = {nodes, nodes};
    group.tasks_per_node = 1;
    job.topology.edit().within = nodes <= 8 ? "rack" : (nodes <= 32 ? "block" : "");
  }
  group.any_of.push_back(std::move(alternative));
  job.groups.push_back(std::move(group));
  return job;
}

struct World {
  WorldSize size;
  Rng rng;
  Ledger ledger;
  std::vector<Job> shapes;

  World(const WorldSize& size_in, std::uint64_t seed) : size(size_in), rng(seed) {
    ledger.apply(Configured{config_of(size, rng), 1});
    for (std::uint32_t n = 0; n < size.nodes; ++n) {
      Node node = node_of(n);
      node.id = ledger.state.next_node();
      ledger.apply(NodeRegistered{std::move(node)});
    }
    ledger.apply(ClusterSynchronised{"main"});
    for (std::uint32_t s = 0; s < size.shapes; ++s) shapes.push_back(shape_of(s, rng));
  }

  // A job of one unit, of a random shape, tenant and time limit.
  Job draw() {
    Job job = shapes[rng.below(shapes.size())];
    job.id = ledger.state.next_job();
    job.name = "train-" + std::to_string(job.id.value);
    job.user = {"user-" + std::to_string(rng.below(400)), 1000, 1000, false};
    job.tenant = ledger.state.config().tenants[rng.below(size.tenants)].name;
    job.time_limit = minutes(30 + std::int64_t(rng.below(48)) * 30);
    return job;
  }
  void submit() { ledger.apply(Submitted{{draw()}, ""}); }
  void submit_all() {
    for (std::uint32_t u = 0; u < size.units; ++u) submit();
  }
};

}  // namespace busbar::bench
