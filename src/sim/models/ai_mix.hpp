// The workload of a shared cluster for machine learning: data preparation, notebooks, serving,
// short experiments, sweeps, training on one node and on many.
//
// Source   shares of requests without a device, with a part of one and with one: the Alibaba openb
//          trace (Weng et al., "Beware of fragmentation", USENIX ATC 2023); how many fail: Jeon et
//          al., "Analysis of large-scale multi-tenant GPU clusters", USENIX ATC 2019. The rest is a
//          choice of ours; docs/simulate.md has all of it in a table.
#pragma once

#include <cstdint>
#include <string>

namespace busbar::sim {

struct AiMixOptions {
  std::uint64_t jobs = 1000;
  std::uint64_t seed = 1;
  std::uint32_t devices = 64;          // of the whole cluster, those of one node at least
  std::uint32_t devices_per_node = 8;  // and of a job that wants whole nodes
  std::uint32_t cores_per_device = 8;
  double load = 0;  // of the devices; 0: a job every minute on the mean
};

// A trace in the native format.
std::string ai_mix_trace(const AiMixOptions& options);

}  // namespace busbar::sim
