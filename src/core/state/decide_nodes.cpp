// Reports about nodes, and what operators do with them: drain, resume, fence, reserve.
#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "core/state/rules.hpp"

namespace busbar::core {
namespace {

bool in_use(const State& state, NodeId node) {
  for (const auto& [id, attempt] : state.attempts())
    if (claims_node(attempt.allocation, node)) return true;
  return false;
}

bool same_device(const Device& a, const Device& b) {
  if (!a.uuid.empty() || !b.uuid.empty()) return a.uuid == b.uuid;
  return a.vendor == b.vendor && a.physical_index == b.physical_index;
}

// Ordinals are what claims hold: while something runs on the node each known device keeps its
// ordinal, one that vanished stays as failed, and new ones come after.
std::vector<Device> keep_ordinals(const std::vector<Device>& old, std::vector<Device> reported) {
  std::vector<Device> out;
  for (const auto& known : old) {
    const auto found = std::find_if(reported.begin(), reported.end(),
                                    [&](const Device& d) { return same_device(d, known); });
    if (found != reported.end()) {
      out.push_back(*found);
      reported.erase(found);
    } else {
      out.push_back(known);
      out.back().health = DeviceHealth::failed;
    }
  }
  out.insert(out.end(), reported.begin(), reported.end());
  return out;
}

// What a promise on the node may rest on.
bool same_capacity(const Node& a, const Node& b) {
  return a.cores == b.cores && a.memory == b.memory && a.scratch == b.scratch &&
         a.devices == b.devices && a.named == b.named && a.features == b.features &&
         a.port_first == b.port_first && a.port_count == b.port_count;
}

Result<Ok> check_report(const Node& node) {
  if (node.name.empty() || node.cluster.empty())
    return {Errc::invalid, "a node report names no node or no cluster"};
  if (node.cores < MilliCores(0) || node.memory < Bytes(0) || node.scratch < Bytes(0))
    return {Errc::invalid,
            fmt::format("node {} reports a negative capacity", printable(node.name))};
  return Ok{};
}

bool rebooted(const Node& old, const Node& reported) {
  return !old.boot_id.empty() && !reported.boot_id.empty() && old.boot_id != reported.boot_id;
}

void reboot(Facts facts, const NodeRecord& old, const Node& reported, Bodies& out) {
  if (!rebooted(old.node, reported)) return;
  lose_attempts(facts, old.node.id,
                fmt::format("node {} was restarted while it ran", old.node.name), out);
}

Decision changed_node(Facts facts, const NodeRecord& old, Node node) {
  Bodies out;
  node.id = old.node.id;
  const bool came_back = !old.reachable && rebooted(old.node, node);
  reboot(facts, old, node, out);
  if (out.empty() && in_use(facts.state, node.id))
    node.devices = keep_ordinals(old.node.devices, std::move(node.devices));
  if (!(node == old.node)) {
    if (!same_capacity(node, old.node))
      void_promises_on(facts.state, node.id, VoidCause::node_lost, out);
    out.push_back(NodeRegistered{std::move(node)});
  }
  // An inventory alone says nothing of the way to the node's supervisor.
  if (came_back) out.push_back(NodeReachability{old.node.id, true});
  return decided(std::move(out));
}

}  // namespace

Result<Decision> rule(Facts facts, const NodeReport& command) {
  BUSBAR_TRY_OK(check_report(command.node));
  const NodeRecord* old = facts.state.find_node(command.node.name);
  if (old != nullptr) {
    if (old->node.cluster != command.node.cluster)
      return {Errc::conflict,
              fmt::format("cluster {} reports a node {}, but cluster {} has one of that name; node "
                          "names must be unique",
                          printable(command.node.cluster), printable(command.node.name),
                          old->node.cluster)};
    return changed_node(facts, *old, command.node);
  }
  Node node = command.node;
  node.id = facts.state.next_node();
  return decided({NodeRegistered{std::move(node)}});
}

Result<Decision> rule(Facts facts, const NodeUnreachable& command) {
  const NodeRecord* record = facts.state.find_node(command.node);
  if (record == nullptr || record->node.cluster != command.cluster || !record->reachable)
    return Decision{};
  Bodies out;
  void_promises_on(facts.state, record->node.id, VoidCause::node_lost, out);
  out.push_back(NodeReachability{record->node.id, false});
  return decided(std::move(out));
}

Result<Decision> rule(Facts facts, const NodeReachable& command) {
  const NodeRecord* record = facts.state.find_node(command.node);
  if (record == nullptr || record->node.cluster != command.cluster || record->reachable)
    return Decision{};
  return decided({NodeReachability{record->node.id, true}});
}

Result<Decision> rule(Facts facts, const EngineSynchronised& command) {
  if (facts.state.synchronised().contains(command.cluster)) return Decision{};
  return decided({ClusterSynchronised{command.cluster}});
}

Result<Decision> rule(Facts facts, const DrainNode& command) {
  BUSBAR_TRY_OK(require_operator(command.by, "draining a node"));
  BUSBAR_TRY(id, node_named(facts.state, command.node));
  const NodeRecord* record = facts.state.find(id);
  if (record->drained && record->drain_reason == command.reason) return Decision{};
  Bodies out;
  void_promises_on(facts.state, id, VoidCause::drained, out);
  out.push_back(NodeDrained{id, command.reason, command.by.name});
  return decided(std::move(out));
}

Result<Decision> rule(Facts facts, const ResumeNode& command) {
  BUSBAR_TRY_OK(require_operator(command.by, "resuming a node"));
  BUSBAR_TRY(id, node_named(facts.state, command.node));
  if (!facts.state.find(id)->drained) return Decision{};
  return decided({NodeResumed{id, command.by.name}});
}

Result<Decision> rule(Facts facts, const FenceNode& command) {
  BUSBAR_TRY_OK(require_operator(command.by, "fencing a node"));
  BUSBAR_TRY(id, node_named(facts.state, command.node));
  const std::string why = command.reason.empty() ? "by " + command.by.name : command.reason;
  Bodies out;
  void_promises_on(facts.state, id, VoidCause::node_lost, out);
  out.push_back(NodeFenced{id, "fenced: " + why, command.by.name});
  lose_attempts(facts, id, fmt::format("node {} was fenced: {}", command.node, why), out);
  return decided(std::move(out));
}

namespace {

Result<std::vector<NodeId>> reserved_nodes(const State& state,
                                           const std::vector<std::string>& names) {
  std::vector<NodeId> nodes;
  for (const auto& name : names) {
    BUSBAR_TRY(id, node_named(state, name));
    nodes.push_back(id);
  }
  if (names.empty())
    for (const auto& record : state.nodes()) nodes.push_back(record.node.id);
  std::sort(nodes.begin(), nodes.end());
  nodes.erase(std::unique(nodes.begin(), nodes.end()), nodes.end());
  return nodes;
}

// Promises that would still run inside [start, end) on a reserved node.
void void_promises_in(const State& state, const Reservation& reservation, Bodies& out) {
  for (const auto& [unit, promise] : state.promises()) {
    const JobRecord* record = state.find(unit.job);
    check(record != nullptr, "a promise to no job");
    const Tick ends = state.latest_end(record->job, record->job.time_limit, promise.at);
    if (promise.at >= reservation.end || ends <= reservation.start) continue;
    const auto& nodes = reservation.nodes;
    if (std::any_of(nodes.begin(), nodes.end(),
                    [&](NodeId node) { return claims_node(promise.allocation, node); }))
      out.push_back(PromiseVoided{unit, VoidCause::reserved});
  }
}

}  // namespace

Result<Decision> rule(Facts facts, const MakeReservation& command) {
  BUSBAR_TRY_OK(require_operator(command.by, "reserving nodes"));
  if (command.name.empty()) return {Errc::invalid, "a reservation needs a name"};
  if (command.start >= command.end)
    return {Errc::invalid,
            fmt::format("reservation \"{}\" must start before it ends", printable(command.name))};
  if (command.end <= facts.now)
    return {Errc::invalid,
            fmt::format("reservation \"{}\" lies in the past", printable(command.name))};
  for (const auto& [id, other] : facts.state.reservations())
    if (other.name == command.name)
      return {Errc::conflict, fmt::format("there is already a reservation \"{}\"; end it first or "
                                          "choose another name",
                                          printable(command.name))};
  BUSBAR_TRY(nodes, reserved_nodes(facts.state, command.nodes));
  if (nodes.empty()) return {Errc::unavailable, "no node is registered yet; try again later"};
  Reservation made{facts.state.next_reservation(),
                   command.name,
                   std::move(nodes),
                   command.start,
                   command.end,
                   command.by.name};
  Bodies out;
  void_promises_in(facts.state, made, out);
  out.push_back(ReservationMade{std::move(made)});
  return decided(std::move(out));
}

Result<Decision> rule(Facts facts, const EndReservation& command) {
  BUSBAR_TRY_OK(require_operator(command.by, "ending a reservation"));
  std::vector<std::string_view> known;
  for (const auto& [id, reservation] : facts.state.reservations()) {
    if (reservation.name == command.name) return decided({ReservationEnded{id}});
    known.push_back(reservation.name);
  }
  return unknown_name("reservation", command.name, known);
}

}  // namespace busbar::core
