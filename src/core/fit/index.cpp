#include "core/fit/index.hpp"

#include <algorithm>

#include "base/codec.hpp"
#include "base/grow.hpp"
#include "core/fit/index_writer.hpp"
#include "match/catalog.hpp"
#include "model/written.hpp"

namespace busbar::core {
namespace {

// Everything of a node that a request can ask for and that its free quantities do not show.
std::uint64_t hardware_digest(const Node& node) {
  BinaryWriter out;
  out.write(node.kind);
  out.write(node.cluster);
  out.write(node.cores);
  out.write(node.memory);
  out.write(node.scratch);
  out.write(node.features);
  out.write(node.named);
  out.write(node.port_count);
  for (const auto& device : node.devices) {
    out.write(device.vendor);
    out.write(device.model);
    out.write(device.memory);
    out.write(device.link_domain);
    out.write(device.numa);
    out.write(device.health);
  }
  return digest(out.take());
}

NodeShape shape_of(const State& state, const NodeRecord& record) {
  NodeShape shape;
  shape.hardware = hardware_digest(record.node);
  std::string path = record.node.cluster;
  shape.parts.push_back(digest(path));
  for (const auto& part : record.node.topology) {
    path += '/';
    path += part;
    shape.parts.push_back(digest(path));
  }
  for (const auto& device : record.node.devices)
    shape.weights.push_back(match::device_weight(device));
  if (!record.node.devices.empty()) shape.model = digest(record.node.devices[0].model);
  shape.open = record.schedulable() && state.synchronised().contains(record.node.cluster);
  return shape;
}

}  // namespace

BucketKey bucket_key(const NodeFree& free) {
  BucketKey key;
  for (const MilliDevices device : free.devices) {
    if (device.value >= 1000)
      key.devices_whole += 1;
    else
      key.share_max = std::max(key.share_max, device.value);
  }
  return key;
}

Held held_by(const State& state, const std::vector<NodeShape>& shapes,
             const std::vector<Claim>& claims) {
  Held held;
  for (const auto& claim : claims) {
    const Node& node = state.nodes()[claim.node.value - 1].node;
    const auto& weights = shapes[claim.node.value - 1].weights;
    held.cores += claim.exclusive ? node.cores.value : claim.cores.value;
    held.memory += claim.exclusive ? node.memory.value : claim.memory.value;
    if (claim.exclusive)
      for (const std::int64_t weight : weights) held.weight += weight * 1000;
    else
      for (const auto& share : claim.devices)
        if (share.ordinal < weights.size())
          held.weight += weights[share.ordinal] * share.share.value;
  }
  return held;
}

namespace {

// Whether anything could start or be promised an earlier start because of this event, or a promise
// may break: what only adds to the queue or takes what was free does neither.
bool makes_room(const EventBody& body) {
  return std::visit(
      []<class Body>(const Body&) {
        constexpr bool takes = std::is_same_v<Body, Submitted> || std::is_same_v<Body, Granted> ||
                               std::is_same_v<Body, Promised>;
        constexpr bool tells = std::is_same_v<Body, BecameReady> ||
                               std::is_same_v<Body, Progressed> || std::is_same_v<Body, Stopping> ||
                               std::is_same_v<Body, JobRetired> ||
                               std::is_same_v<Body, SliceDecided>;
        return !takes && !tells;
      },
      body);
}

}  // namespace

Index::Index(const State& state) { IndexWriter{*this, state, true}.rebuild(); }

void Index::apply(const State& after, const Event& event) {
  if (makes_room(event.body)) room_.since = event.revision;
  IndexWriter writer{*this, after};
  std::visit(writer, event.body);
  writer.open_begun();
}

void IndexWriter::rebuild() {
  // Not `index = Index(after)`: that constructor is this function.
  index.nodes_.clear();
  index.shapes_.clear();
  index.touched_.by_node.clear();
  index.on_node_.clear();
  index.hardware_.clear();
  index.devices_free_.clear();
  index.attempts_.clear();
  index.holder_of_.clear();
  index.by_end_.clear();
  index.tenants_.clear();
  index.jobs_.clear();
  index.waiting_.clear();
  index.held_.clear();
  index.doomed_.clear();
  index.deadlines_.clear();
  index.begins_.clear();
  index.retry_at_.clear();
  index.retries_.clear();
  index.ended_.clear();
  index.begun_until_ = after.now();
  index.room_.since = after.revision();
  rebuilding = true;
  for (const auto& tenant : after.config().tenants) {
    index.tenants_.emplace_back();
    index.tenants_.back().quota.resize(tenant.quota.size());
  }
  for (const auto& record : after.nodes()) refresh_node(record.node.id);
  for (const auto& [id, attempt] : after.attempts())
    if (!attempt.staged()) refresh_attempt(id);
  for (const auto& [id, record] : after.jobs()) {
    refresh_job(id);
    for (std::uint32_t g = 0; g < record.groups.size(); ++g)
      if (!record.groups[g].units->empty())
        refresh_retries(id, g, IndexRange{0, std::numeric_limits<std::uint32_t>::max()});
  }
  rebuilding = false;
}

void IndexWriter::count_devices(const NodeShape& shape, const NodeFree& free, bool add) {
  if (shape.model == 0) return;
  const auto model = index.devices_free_.try_emplace(shape.model).first;
  for (const MilliDevices device : free.devices)
    model->second.devices += add ? device : MilliDevices(-device.value);
  model->second.nodes += add ? 1 : -1;
  if (model->second.nodes == 0) index.devices_free_.erase(model);
}

void IndexWriter::move_bucket(NodeId id, bool add) {
  index.touched_.by_node[id.value - 1] = after.revision();
  const NodeShape& shape = index.shapes_[id.value - 1];
  if (!shape.open) return;
  const NodeFree& free = index.nodes_[id.value - 1];
  const BucketKey key = bucket_key(free);
  count_devices(shape, free, add);
  if (add) {
    index.hardware_[shape.hardware][key].insert(slot(free, id));
    return;
  }
  const auto hardware = index.hardware_.find(shape.hardware);
  const auto bucket = hardware->second.find(key);
  bucket->second.erase(slot(free, id));
  if (bucket->second.empty()) hardware->second.erase(bucket);
  if (hardware->second.empty()) index.hardware_.erase(hardware);
}

void IndexWriter::refresh_node(NodeId id) {
  const std::size_t at = id.value - 1;
  if (at >= index.nodes_.size()) {
    grow_slowly(index.nodes_);
    grow_slowly(index.shapes_);
    grow_slowly(index.on_node_);
    grow_slowly(index.touched_.by_node);
    index.touched_.by_node.resize(at + 1);
    index.nodes_.resize(at + 1);
    index.shapes_.resize(at + 1);
    index.on_node_.resize(at + 1);
  } else {
    move_bucket(id, false);
  }
  const NodeRecord& record = after.nodes()[at];
  index.shapes_[at] = shape_of(after, record);
  index.nodes_[at] = whole_node(record.node);
  for (const auto& attempt : index.on_node_[at])
    for (const auto& claim : index.attempts_.at(attempt).claims)
      if (claim.node == id) take(index.nodes_[at], record.node, claim);
  move_bucket(id, true);
}

void IndexWriter::touch_node(NodeId id, const Claim& claim, bool taken) {
  const Node& node = after.nodes()[id.value - 1].node;
  move_bucket(id, false);
  (taken ? take : give)(index.nodes_[id.value - 1], node, claim);
  move_bucket(id, true);
}

void IndexWriter::count_tenant(const AttemptUse& use, std::int64_t sign) {
  TenantUse& tenant = index.tenants_[use.tenant.value];
  for (std::size_t i = 0; i < use.quota.size(); ++i) tenant.quota[i] += sign * use.quota[i];
  const std::array<std::int64_t, 3> amounts = {use.held.cores, use.held.memory, use.held.weight};
  tenant.held.cores += sign * use.held.cores;
  tenant.held.memory += sign * use.held.memory;
  tenant.held.weight += sign * use.held.weight;
  for (std::size_t i = 0; i < amounts.size(); ++i)
    tenant.held_ticks[i] += static_cast<Wide>(sign * amounts[i]) * use.granted.value;
}

void IndexWriter::measure(AttemptUse& use) {
  use.held = held_by(after, index.shapes_, use.claims);
  use.quota.clear();
  for (const auto& limit : after.config().tenants[use.tenant.value].quota)
    use.quota.push_back(quota_amount(after, Allocation{use.claims}, limit.name));
}

void IndexWriter::drop_attempt(const AttemptId& id) {
  const auto it = index.attempts_.find(id);
  if (it == index.attempts_.end()) return;
  count_tenant(it->second, -1);
  for (const auto& claim : it->second.claims) {
    touch_node(claim.node, claim, false);
    index.on_node_[claim.node.value - 1].erase(id);
  }
  index.by_end_.erase({it->second.latest_end, id});
  for (const AttemptId& staged : it->second.staged) index.holder_of_.erase(staged);
  index.attempts_.erase(it);
}

void IndexWriter::refresh_attempt(const AttemptId& id) {
  drop_attempt(id);
  const AttemptRecord* record = after.find(id);
  if (record == nullptr) return;
  if (record->staged()) return refresh_attempt(after.holder(*record).id);
  AttemptUse use;
  use.tenant = after.find(id.unit.job)->tenant;
  use.granted = record->granted;
  use.latest_end = after.claims_end(*record);
  use.launched = record->started != Tick(0);
  use.claims = record->allocation.claims;
  for (auto* next = after.follower(id); next != nullptr; next = after.follower(next->id)) {
    use.staged.push_back(next->id);
    index.holder_of_.emplace(next->id, id);
  }
  measure(use);
  count_tenant(use, 1);
  for (const auto& claim : use.claims) {
    touch_node(claim.node, claim, true);
    index.on_node_[claim.node.value - 1].insert(id);
  }
  index.by_end_.insert({use.latest_end, id});
  index.attempts_.emplace(id, std::move(use));
}

// A start seldom changes more than the latest end.
void IndexWriter::operator()(const Running& event) {
  const AttemptRecord& record = *after.find(event.attempt);
  AttemptUse& use = index.attempts_.at(event.attempt);
  if (use.claims != record.allocation.claims) return refresh_attempt(event.attempt);
  index.by_end_.erase({use.latest_end, event.attempt});
  use.latest_end = after.claims_end(record);
  use.launched = true;
  index.by_end_.insert({use.latest_end, event.attempt});
}

void IndexWriter::operator()(const Granted& event) {
  const UnitId& unit = event.attempt.unit;
  refresh_attempt(event.attempt);
  refresh_job(unit.job);
  refresh_retries(unit.job, unit.group, IndexRange{unit.index, unit.index});
}

void IndexWriter::operator()(const Ended& event) {
  const UnitId& unit = event.attempt.unit;
  if (const auto staged = index.holder_of_.find(event.attempt); staged != index.holder_of_.end()) {
    const AttemptId holder = staged->second;
    refresh_attempt(holder);
  } else {
    const std::vector<AttemptId> followers = index.attempts_.at(event.attempt).staged;
    drop_attempt(event.attempt);
    if (!followers.empty()) refresh_attempt(followers.front());
  }
  refresh_job(unit.job);
  refresh_retries(unit.job, unit.group, IndexRange{unit.index, unit.index});
}

void IndexWriter::operator()(const NodeRegistered& event) {
  refresh_node(event.node.id);
  // What its claims weigh, and which quota they count against, may have changed with its devices.
  for (const auto& id : index.on_node_[event.node.id.value - 1]) {
    AttemptUse& use = index.attempts_.at(id);
    count_tenant(use, -1);
    measure(use);
    count_tenant(use, 1);
  }
}

void IndexWriter::operator()(const ClusterSynchronised& event) {
  for (const auto& record : after.nodes())
    if (record.node.cluster == event.cluster) refresh_node(record.node.id);
}

}  // namespace busbar::core
