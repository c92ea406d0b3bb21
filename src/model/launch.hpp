// All an engine needs to start one attempt: a pure function of (unit, allocation, State), made by
// core/query/launch; the payload is read on the engine's own thread.
#pragma once

#include <string>
#include <vector>

#include "model/attempt.hpp"
#include "model/job.hpp"
#include "model/node.hpp"

namespace busbar {

struct LaunchClaim {
  Claim claim;
  std::string node_name;
  std::vector<Device> devices;  // one per claim.devices entry, as the node describes it
  friend bool operator==(const LaunchClaim&, const LaunchClaim&) = default;
};
template <class V>
void describe(V& visit, Like<LaunchClaim> auto& claim) {
  visit("claim", claim.claim);
  visit("node_name", claim.node_name);
  visit("devices", claim.devices);
}

struct LaunchGroup {
  std::string name;
  Launcher launcher = Launcher::script;
  PayloadHash payload;
  Resources per_task;  // of the first claim's alternative
  friend bool operator==(const LaunchGroup&, const LaunchGroup&) = default;
};
template <class V>
void describe(V& visit, Like<LaunchGroup> auto& group) {
  visit("name", group.name);
  visit("launcher", group.launcher);
  visit("payload", group.payload);
  visit("per_task", group.per_task);
}

// An address of a job this one depends on: BUSBAR_<NAME>_ADDRESS=host:port.
struct PeerAddress {
  std::string name;     // as the user wrote the dependency
  std::string address;  // "host:port"; of several units the first
  friend bool operator==(const PeerAddress&, const PeerAddress&) = default;
};
template <class V>
void describe(V& visit, Like<PeerAddress> auto& peer) {
  visit("name", peer.name);
  visit("address", peer.address);
}

struct Launch {
  std::string name;  // the attempt's name: its only identity
  AttemptId id;
  Revision durable;  // the `granted` Event's
  UserRef user;
  std::string job_name;
  std::string unit_name;  // "17_4"
  std::string tenant;
  Coupling coupling = Coupling::loose;
  std::uint32_t array_index = 0;  // the user's, when is_array
  bool is_array = false;
  std::uint64_t array_count = 0;
  std::uint32_t restarts = 0;  // attempts before this one that really ran
  Span time_limit = span_unlimited;
  Span grace = seconds(30);
  CheckpointRule checkpoint;
  std::vector<LaunchGroup> groups;  // by task group
  std::vector<LaunchClaim> claims;  // ranks are dealt in this order
  std::vector<PeerAddress> peers;
  std::string after;  // staged: the attempt whose claims it takes when that one has ended; "" none
  friend bool operator==(const Launch&, const Launch&) = default;
};
template <class V>
void describe(V& visit, Like<Launch> auto& launch) {
  visit("name", launch.name);
  visit("id", launch.id);
  visit("durable", launch.durable);
  visit("user", launch.user);
  visit("job_name", launch.job_name);
  visit("unit_name", launch.unit_name);
  visit("tenant", launch.tenant);
  visit("coupling", launch.coupling);
  visit("array_index", launch.array_index);
  visit("is_array", launch.is_array);
  visit("array_count", launch.array_count);
  visit("restarts", launch.restarts);
  visit("time_limit", launch.time_limit);
  visit("grace", launch.grace);
  visit("checkpoint", launch.checkpoint);
  visit("groups", launch.groups);
  visit("claims", launch.claims);
  visit("peers", launch.peers);
  visit("after", launch.after);
}

}  // namespace busbar
