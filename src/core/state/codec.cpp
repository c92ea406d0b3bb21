#include <utility>

#include "core/state/writer.hpp"
#include "model/written.hpp"

namespace busbar::core {
namespace {

// Raised when the meaning of a stored field changes; decode_state then lifts older versions.
constexpr std::uint64_t snapshot_version = 1;

// Whether what is summed over all nodes stays within its 64 bits.
bool sums_fit(const State& state) {
  constexpr std::int64_t sum_max = std::int64_t{1} << 62;
  std::int64_t cores = 0;
  std::int64_t memory = 0;
  for (const NodeRecord& record : state.nodes()) {
    const std::int64_t more_cores = record.node.cores.value;
    const std::int64_t more_memory = record.node.memory.value;
    if (more_cores < 0 || more_cores > sum_max - cores || more_memory < 0 ||
        more_memory > sum_max - memory)
      return false;
    cores += more_cores;
    memory += more_memory;
  }
  return true;
}

}  // namespace

// An entry of a map, so that maps are written as vectors in key order.
template <class K, class T>
struct Entry {
  K key{};
  T value{};
};
template <class V, class E>
  requires requires(E& entry) { entry.key, entry.value; }
void describe(V& visit, E& entry) {
  visit("key", entry.key);
  visit("value", entry.value);
}

// Writes a map, or reads one (a map that is not const).
template <class V, class Map>
void visit_map(V& visit, std::string_view name, Map& map) {
  using Pair = Entry<typename Map::key_type, typename Map::mapped_type>;
  std::vector<Pair> entries;
  if constexpr (std::is_const_v<Map>) {
    entries.reserve(map.size());
    for (const auto& [key, value] : map) entries.push_back({key, value});
    visit(name, std::as_const(entries));
  } else {
    visit(name, entries);
    map.clear();
    for (auto& entry : entries)
      map.emplace_hint(map.end(), std::move(entry.key), std::move(entry.value));
  }
}

template <class V, class Map>
void visit_map(V& visit, std::string_view name, const Boxed<Map>& map) {
  visit_map(visit, name, *map);
}
template <class V, class Map>
void visit_map(V& visit, std::string_view name, Boxed<Map>& map) {
  Map read;
  visit_map(visit, name, read);
  map = std::move(read);
}

template <class V>
void describe(V& visit, Like<UnitRecord> auto& unit) {
  visit("attempts", unit.attempts);
  visit("restarts", unit.restarts);
  visit("launch_failures", unit.launch_failures);
  visit("not_before", unit.not_before);
  visit("requeued", unit.requeued);
  visit("live", unit.live);
  visit("ran", unit.ran);
}
template <class V>
void describe(V& visit, Like<FinishedRun> auto& run) {
  visit("range", run.range);
  visit("state", run.state);
  visit("exit_code", run.exit_code);
  visit("attempts", run.attempts);
  visit("ran", run.ran);
}
template <class V>
void describe(V& visit, Like<GroupRecord> auto& group) {
  visit("waiting", group.waiting);
  visit("held", group.held);
  visit_map(visit, "units", group.units);
  visit("finished", group.finished);
  visit("live", group.live);
  visit("staged", group.staged);
}
template <class V>
void describe(V& visit, Like<JobRecord> auto& record) {
  visit("job", record.job);
  visit("submitted", record.submitted);
  visit("ended", record.ended);
  visit("groups", record.groups);
  visit("hold_reason", record.hold_reason);
  visit("close_reason", record.close_reason);
  visit("waiting", record.waiting);
  visit("held", record.held);
  visit("live", record.live);
  visit("completed", record.completed);
  visit("failed", record.failed);
  visit("ready", record.ready);
  visit("exit_code", record.exit_code);
  visit("started", record.started);
  visit("end_state", record.end_state);
  visit("end_reason", record.end_reason);
}
template <class V>
void describe(V& visit, Like<AttemptRecord> auto& attempt) {
  visit("id", attempt.id);
  visit("state", attempt.state);
  visit("allocation", attempt.allocation);
  visit("time_limit", attempt.time_limit);
  visit("granted", attempt.granted);
  visit("started", attempt.started);
  visit("latest_end", attempt.latest_end);
  visit("ready", attempt.ready);
  visit("address", attempt.address);
  visit("stop", attempt.stop);
  visit("stop_by", attempt.stop_by);
  visit("stop_reason", attempt.stop_reason);
  visit("work_done", attempt.work_done);
  visit("rate_per_hour", attempt.rate_per_hour);
  visit("work_total", attempt.work_total);
  visit("progressed", attempt.progressed);
  visit("after", attempt.after);
}
template <class V>
void describe(V& visit, Like<NodeRecord> auto& record) {
  visit("node", record.node);
  visit("reachable", record.reachable);
  visit("reachability_since", record.reachability_since);
  visit("drained", record.drained);
  visit("drain_reason", record.drain_reason);
  visit("drained_by", record.drained_by);
}
template <class V>
void describe(V& visit, Like<TenantRecord> auto& tenant) {
  visit("charge", tenant.charge);
  visit("charged_at", tenant.charged_at);
  visit("running", tenant.running);
  visit("submitted", tenant.submitted);
}
template <class V>
void describe(V& visit, Like<SightedRecord> auto& sighted) {
  visit("cluster", sighted.cluster);
  visit("running", sighted.running);
  visit("adopted", sighted.adopted);
  visit("keep", sighted.keep);
}
template <class V>
void describe(V& visit, Like<IdempotencyRecord> auto& record) {
  visit("at", record.at);
  visit("jobs", record.jobs);
}

template <class V, Like<State> S>
void StateWriter::describe_state(V& visit, S& state) {
  visit("revision", state.revision_);
  visit("now", state.now_);
  visit("config", state.config_);
  visit("config_version", state.config_version_);
  visit_map(visit, "jobs", state.jobs_);
  visit_map(visit, "attempts", state.attempts_);
  visit("nodes", state.nodes_);
  visit("tenants", state.tenants_);
  visit_map(visit, "reservations", state.reservations_);
  visit_map(visit, "promises", state.promises_);
  visit_map(visit, "idempotency", state.idempotency_);
  std::vector<std::string> clusters(state.synchronised_.begin(), state.synchronised_.end());
  visit("synchronised", clusters);
  if constexpr (!std::is_const_v<S>)
    state.synchronised_ = std::set<std::string>(clusters.begin(), clusters.end());
  visit("next_job", state.next_job_);
  visit("next_node", state.next_node_);
  visit("next_reservation", state.next_reservation_);
  visit("clock_withheld", state.clock_withheld_);
  visit_map(visit, "sighted", state.sighted_);
  visit_map(visit, "statistics", state.statistics_);
  visit_map(visit, "predictions", state.predictions_);
}

template <class V>
void describe(V& visit, Like<State> auto& state) {
  StateWriter::describe_state(visit, state);
}

std::string encode_state(const State& state) {
  BinaryWriter writer;
  writer.encoder().put_unsigned(snapshot_version);
  writer.write(state);
  return writer.take();
}

Result<State> decode_state(std::string_view bytes) {
  BinaryReader reader{Decoder(bytes)};
  const std::uint64_t version = reader.decoder().get_unsigned();
  if (!reader.ok()) return {Errc::corrupt, "the snapshot is empty"};
  if (version == 0 || version > snapshot_version)
    return {Errc::corrupt, "the snapshot was written by a newer Busbar; run that version"};
  State state;
  reader.read(state);
  if (!reader.ok() || !reader.decoder().at_end())
    return {Errc::corrupt, "the snapshot is cut short or damaged"};
  if (!sums_fit(state)) return {Errc::corrupt, "the snapshot holds a node larger than can be"};
  StateWriter{state, state.now()}.derive();
  if (const auto broken = state.invariants())
    return {Errc::corrupt, "the snapshot contradicts itself: " + *broken};
  return state;
}

std::uint64_t State::digest() const { return busbar::digest(encode_state(*this)); }

}  // namespace busbar::core
