// GET /v1/nodes, GET /v1/nodes/{name}, and drain, resume and fence.
#include <algorithm>

#include "api/answers.hpp"
#include "api/handlers.hpp"
#include "base/text.hpp"
#include "model/names.hpp"

namespace busbar::api {
namespace {

constexpr std::size_t attempts_shown_max = 256;

struct Amount {
  Thousandths total;
  Thousandths free;
};
template <class V>
void describe(V& visit, Like<Amount> auto& amount) {
  visit("total", amount.total);
  visit("free", amount.free);
}
struct BytesAmount {
  Bytes total;
  Bytes free;
};
template <class V>
void describe(V& visit, Like<BytesAmount> auto& amount) {
  visit("total", amount.total);
  visit("free", amount.free);
}
struct NamedAmount {
  std::string name;
  std::int64_t total = 0;
  std::int64_t free = 0;
};
template <class V>
void describe(V& visit, Like<NamedAmount> auto& amount) {
  visit("name", amount.name);
  visit("total", amount.total);
  visit("free", amount.free);
}
struct PortsView {
  std::uint32_t first = 0;
  std::uint32_t count = 0;
};
template <class V>
void describe(V& visit, Like<PortsView> auto& ports) {
  visit("first", ports.first);
  visit("count", ports.count);
}

struct NodeDeviceView {
  std::uint32_t ordinal = 0;
  Device device;
  Thousandths free;
};
template <class V>
void describe(V& visit, Like<NodeDeviceView> auto& view) {
  visit("ordinal", view.ordinal);
  visit("vendor", view.device.vendor);
  visit("model", view.device.model);
  visit("uuid", view.device.uuid);
  visit("memory_bytes", view.device.memory);
  visit("link_domain", view.device.link_domain);
  visit("numa", view.device.numa);
  visit("health", view.device.health);
  visit("simulated", view.device.simulated);
  visit("free", view.free);
}

struct NodeView {
  core::NodeRecord record;
  std::string state;
  Moment reachability_since;
  Amount cores;
  BytesAmount memory;
  BytesAmount scratch;
  std::vector<NodeDeviceView> devices;
  std::vector<NamedAmount> named;
  std::optional<PortsView> ports;
  std::vector<std::string> attempts;
  std::vector<std::string> reservations;
};
template <class V>
void describe(V& visit, Like<NodeView> auto& view) {
  visit("name", view.record.node.name);
  visit("cluster", view.record.node.cluster);
  visit("kind", view.record.node.kind);
  visit("state", view.state);
  visit("reachable", view.record.reachable);
  visit("reachability_since", view.reachability_since);
  visit("drained", view.record.drained);
  visit("drain_reason", view.record.drain_reason);
  visit("drained_by", view.record.drained_by);
  visit("simulated", view.record.node.simulated);
  visit("cpu_model", view.record.node.cpu_model);
  visit("cores", view.cores);
  visit("memory_bytes", view.memory);
  visit("scratch_bytes", view.scratch);
  visit("devices", view.devices);
  visit("named", view.named);
  visit("features", view.record.node.features);
  visit("topology", view.record.node.topology);
  visit("ports", view.ports);
  visit("attempts", view.attempts);
  visit("reservations", view.reservations);
}

struct NodePage {
  std::vector<NodeView> nodes;
  std::optional<std::string> next;
  Revision revision;
};
template <class V>
void describe(V& visit, Like<NodePage> auto& page) {
  visit("nodes", page.nodes);
  visit("next", page.next);
  visit("revision", page.revision);
}

std::string_view state_word(const core::NodeRecord& record, const core::NodeFree& free) {
  if (!record.reachable) return "UNKNOWN";
  if (record.drained) return free.claims > 0 ? "DRAINING" : "DRAINED";
  if (free.claims == 0) return "IDLE";
  return free.exclusive || free.cores.value <= 0 ? "ALLOCATED" : "MIXED";
}

std::vector<NamedAmount> named_amounts(const Node& node, const core::NodeFree& free) {
  std::vector<NamedAmount> amounts;
  for (const NamedCount& named : node.named) {
    NamedAmount amount{named.name, named.count, named.count};
    for (const NamedCount& left : free.named) {
      if (left.name == named.name) amount.free = left.count;
    }
    amounts.push_back(std::move(amount));
  }
  return amounts;
}

NodeView node_view(const Lens& lens, const core::NodeRecord& record) {
  const NodeId id = record.node.id;
  const core::NodeFree& free = lens.view.index.nodes()[id.value - 1];
  NodeView view;
  view.record = record;
  view.state = state_word(record, free);
  view.reachability_since = lens.moment(record.reachability_since);
  view.cores = {{record.node.cores.value}, {free.cores.value}};
  view.memory = {record.node.memory, free.memory};
  view.scratch = {record.node.scratch, free.scratch};
  for (std::uint32_t i = 0; i < record.node.devices.size(); ++i) {
    const std::int64_t share = i < free.devices.size() ? free.devices[i].value : 0;
    view.devices.push_back({i, record.node.devices[i], {share}});
  }
  view.named = named_amounts(record.node, free);
  if (record.node.port_count > 0)
    view.ports = PortsView{record.node.port_first, record.node.port_count};
  for (const AttemptId& attempt : lens.view.index.attempts_on(id)) {
    if (view.attempts.size() == attempts_shown_max) break;
    const core::JobRecord* job = lens.view.state.find(attempt.unit.job);
    if (job != nullptr) view.attempts.push_back(attempt_display(job->job, attempt));
  }
  for (const auto& [number, reservation] : lens.view.state.reservations()) {
    if (std::binary_search(reservation.nodes.begin(), reservation.nodes.end(), id))
      view.reservations.push_back(reservation.name);
  }
  return view;
}

constexpr std::string_view node_states[] = {"IDLE",     "MIXED",   "ALLOCATED",
                                            "DRAINING", "DRAINED", "UNKNOWN"};

Result<std::vector<std::string>> node_states_of(std::string_view text) {
  std::vector<std::string> states;
  for (const std::string& item : split_list(text)) {
    const auto* found =
        std::find_if(std::begin(node_states), std::end(node_states),
                     [&](std::string_view word) { return lower(word) == lower(item); });
    if (found == std::end(node_states))
      return {Errc::invalid, "'" + printable(item) +
                                 "' is no state of a node; allowed are IDLE, MIXED, ALLOCATED, "
                                 "DRAINING, DRAINED and UNKNOWN"};
    states.emplace_back(*found);
  }
  return states;
}

enum class NodeChange { drain, resume, fence };

Outcome change_node(const Call& call, NodeChange change) {
  if (!call.caller.user.is_operator)
    return error_response(Error{Errc::denied, "only operators may drain, resume or fence nodes"});
  std::string reason;
  if (change != NodeChange::resume) {
    BUSBAR_API_TRY(text, parse_reason(call.request));
    reason = std::move(text);
  }
  const std::string& name = call.parameter("name");
  const bool known = looking(call.replica, call.backend, [&](const Lens& lens) {
    return lens.view.state.find_node(name) != nullptr;
  });
  if (!known)
    return error_response(Error{
        Errc::not_found, "there is no node '" + printable(name) + "'; 'busbar nodes' lists them"});
  Command command = DrainNode{name, reason, call.caller.user};
  std::string message = "node " + name + " is drained: nothing more starts on it";
  if (change == NodeChange::resume) {
    command = ResumeNode{name, call.caller.user};
    message = "node " + name + " is in use again";
  } else if (change == NodeChange::fence) {
    command = FenceNode{name, reason, call.caller.user};
    message = "node " + name + " is fenced: what ran on it counts as lost";
  }
  return Ask{std::move(command),
             [message](const Committed& committed) { return changed(committed, message); }};
}

}  // namespace

Outcome list_nodes(const Call& call) {
  BUSBAR_API_TRY(limit, query_integer(call, "limit", 1, page_entries_max, page_entries_usual));
  BUSBAR_API_TRY(from, query_integer(call, "page", 1, UINT32_MAX, 0));
  BUSBAR_API_TRY(states, node_states_of(call.query("state")));
  return looking(call.replica, call.backend, [&](const Lens& lens) {
    NodePage page;
    page.revision = lens.view.state.revision();
    const auto& nodes = lens.view.state.nodes();
    for (std::size_t i = static_cast<std::size_t>(from); i < nodes.size(); ++i) {
      const core::NodeRecord& record = nodes[i];
      const std::string_view cluster = call.query("cluster");
      const std::string_view feature = call.query("feature");
      const auto& features = record.node.features;
      if (!cluster.empty() && record.node.cluster != cluster) continue;
      if (!feature.empty() && std::count(features.begin(), features.end(), feature) == 0) continue;
      const std::string_view state = state_word(record, lens.view.index.nodes()[i]);
      if (!states.empty() && std::count(states.begin(), states.end(), state) == 0) continue;
      if (page.nodes.size() == static_cast<std::size_t>(limit)) {
        page.next = std::to_string(i);
        break;
      }
      page.nodes.push_back(node_view(lens, record));
    }
    return json_response(page);
  });
}

Outcome show_node(const Call& call) {
  const std::string& name = call.parameter("name");
  return looking(call.replica, call.backend, [&](const Lens& lens) {
    const core::NodeRecord* record = lens.view.state.find_node(name);
    if (record == nullptr)
      return error_response(Error{Errc::not_found, "there is no node '" + printable(name) +
                                                       "'; 'busbar nodes' lists them"});
    return json_response(node_view(lens, *record));
  });
}

Outcome drain_node(const Call& call) { return change_node(call, NodeChange::drain); }
Outcome resume_node(const Call& call) { return change_node(call, NodeChange::resume); }
Outcome fence_node(const Call& call) { return change_node(call, NodeChange::fence); }

}  // namespace busbar::api
