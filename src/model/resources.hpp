// What a task asks for and what a node holds, in the same words.
//
// Units    cores and devices in thousandths, memory and scratch in bytes, named countables in whole
// numbers. Source   the shorthands are those of Slurm, SkyPilot and dstack users; see
// docs/job-file.md.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/list.hpp"
#include "base/units.hpp"
#include "model/describe.hpp"

namespace busbar {

// A quantity of something an operator named, such as licences.
struct NamedCount {
  std::string name;
  std::int64_t count = 0;
  friend bool operator==(const NamedCount&, const NamedCount&) = default;
};

template <class V>
void describe(V& visit, Like<NamedCount> auto& named) {
  visit("name", named.name);
  visit("count", named.count);
}

// `count` devices, each at least `share` of one. An empty text or zero means "any".
// `model` matches a device whose model or vendor it equals, or a whole word of whose model it is,
// case ignored ("H100" matches "NVIDIA H100 80GB HBM3").
struct DeviceRequest {
  std::string model;
  Bytes memory_min_bytes;
  std::uint32_t count = 0;
  MilliDevices share{1000};  // 1000: whole devices; less: a part of one device
  friend bool operator==(const DeviceRequest&, const DeviceRequest&) = default;
};

template <class V>
void describe(V& visit, Like<DeviceRequest> auto& request) {
  visit("model", request.model);
  visit("memory_min_bytes", request.memory_min_bytes);
  visit("count", request.count);
  visit("share", request.share);
}

// Per task.
struct Resources {
  MilliCores cores{1000};
  Bytes memory;
  Bytes scratch;
  List<DeviceRequest> devices;
  List<NamedCount> named;
  std::uint32_t ports = 0;
  friend bool operator==(const Resources&, const Resources&) = default;
};

template <class V>
void describe(V& visit, Like<Resources> auto& resources) {
  visit("cores", resources.cores);
  visit("memory", resources.memory);
  visit("scratch", resources.scratch);
  visit("devices", resources.devices);
  visit("named", resources.named);
  visit("ports", resources.ports);
}

// A condition on node features: any of these clauses, each all of these terms; "!x" means x is
// absent. No clause: every node will do.
struct FeatureClause {
  std::vector<std::string> terms;
  friend bool operator==(const FeatureClause&, const FeatureClause&) = default;
};

template <class V>
void describe(V& visit, Like<FeatureClause> auto& clause) {
  visit("terms", clause.terms);
}

// One way to satisfy a task group; a group lists them in the order of preference.
struct Alternative {
  Resources resources;
  List<FeatureClause> constraint;
  std::uint32_t speed_milli = 1000;  // stated relative speed; 1000 is the reference
  friend bool operator==(const Alternative&, const Alternative&) = default;
};

template <class V>
void describe(V& visit, Like<Alternative> auto& alternative) {
  visit("resources", alternative.resources);
  visit("constraint", alternative.constraint);
  visit("speed_milli", alternative.speed_milli);
}

}  // namespace busbar
