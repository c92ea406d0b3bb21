// Which processes an attempt has, where each stands, and what part of the claims is its own.
//
// Shape    Ranks are dealt in the order of the claims. A process stands for one task (tasks), for
//          all tasks of its group on one node (script), or for all of its group (mpi, on the
//          group's first node). The world counts processes, an mpi group's tasks each as one.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/launch.hpp"

namespace busbar::local {

struct ProcessPlace {
  std::uint32_t group = 0;
  Launcher launcher = Launcher::script;
  std::string node;
  std::uint32_t node_rank = 0;
  std::uint32_t rank = 0;  // of its first task in the world
  std::uint32_t local_rank = 0;
  std::uint32_t group_rank = 0;
  std::uint32_t ranks = 1;  // how many of the world it stands for: more than 1 under mpi
  std::uint32_t tasks = 1;  // how many tasks it stands for

  // Its own part of the claims.
  MilliCores cores;
  Bytes memory;
  std::vector<Device> devices;
  std::vector<DeviceShare> shares;  // beside devices
  std::vector<std::uint32_t> ports;
  std::vector<std::uint32_t> core_ids;
};

struct Placement {
  std::vector<std::string> nodes;  // in the order they first appear
  std::vector<ProcessPlace> processes;
  std::uint32_t world_size = 0;
  std::uint32_t tasks = 0;
  std::vector<std::uint32_t> group_size;        // ranks of each group
  std::vector<std::uint32_t> local_world_size;  // ranks on each node
  std::vector<std::uint32_t> node_tasks;        // tasks on each node
};

// `bound` are the launch's claims with core ids, in the same order.
Placement place(const Launch& launch, const std::vector<Claim>& bound);

// The items of `all` that belong to task `index` of `tasks` equal ones: a slice where it divides,
// else all of them.
template <class T>
std::vector<T> slice(const std::vector<T>& all, std::uint32_t index, std::uint32_t tasks) {
  if (tasks <= 1 || all.size() % tasks != 0) return all;
  const auto each = static_cast<std::ptrdiff_t>(all.size() / tasks);
  return {all.begin() + each * index, all.begin() + each * (index + 1)};
}

}  // namespace busbar::local
