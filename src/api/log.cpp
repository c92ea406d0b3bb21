// GET /v1/units/{ref}/log.
#include <algorithm>

#include "api/answers.hpp"
#include "api/handlers.hpp"
#include "api/refs.hpp"
#include "base/text.hpp"
#include "model/names.hpp"
#include "model/output_path.hpp"

namespace busbar::api {
namespace {

constexpr std::int64_t chunk_bytes_max = 1 << 20;
constexpr std::int64_t chunk_bytes_usual = 64 << 10;
constexpr std::int64_t follow_seconds_max = 60;
constexpr std::int64_t rank_max = 1'000'000;
constexpr std::int64_t offset_max = std::int64_t{1} << 60;
constexpr std::size_t history_pages_read_max = 20;

struct ClaimPlace {
  std::string node;
  std::uint32_t group = 0;
  std::uint32_t tasks = 1;
};

// One attempt of a unit as State or the history knows it.
struct Found {
  Job job;
  UnitId unit;
  std::uint32_t attempt = 0;  // 0: none yet
  RunState state = RunState::pending;
  std::vector<ClaimPlace> places;  // in the order ranks are dealt; empty: look in the history
};

struct LogQuery {
  Kept kept;
  std::string ref;
  ::busbar::Stream stream = ::busbar::Stream::output;
  std::uint32_t rank = 0;
  std::uint32_t attempt = 0;  // 0: the newest
  std::int64_t offset = -1;   // in the file; -1: where the attempt's output begins
  std::int64_t from_end = 0;  // above 0: start so many bytes before the end
  std::int64_t length = chunk_bytes_usual;
  // What the last try found.
  Found found;
  std::string path;  // "" before it runs
};

Result<Found> find_in_state(const LogQuery& query, const Lens& lens) {
  const core::State& state = lens.view.state;
  BUSBAR_TRY(unit, resolve_unit(state, query.kept.caller.user, query.ref));
  const core::JobRecord& record = *state.find(unit.job);
  Found found{record.job, unit, query.attempt, RunState::pending, {}};
  const std::uint32_t newest = newest_attempt(state, unit);
  if (query.attempt > newest)
    return {Errc::not_found, unit_name(record.job, unit) + " has had " + std::to_string(newest) +
                                 " attempts; there is no attempt " + std::to_string(query.attempt)};
  if (query.attempt == 0) found.attempt = newest;
  const core::AttemptRecord* live = state.live_attempt(unit);
  if (live != nullptr && live->id.number == found.attempt) {
    found.state = live->state;
    for (const Claim& claim : live->allocation.claims) {
      const core::NodeRecord* node = state.find(claim.node);
      found.places.push_back({node == nullptr ? "" : node->node.name, claim.group, claim.tasks});
    }
  } else if (const core::FinishedRun* run =
                 core::find_finished(record.groups[unit.group], unit.index)) {
    found.state = run->state;  // an earlier attempt's own end is in the history
  }
  return found;
}

Result<Found> find_in_history(const LogQuery& query) {
  BUSBAR_TRY(reference, parse_unit_reference(query.ref));
  BUSBAR_TRY(past, query.kept.backend->history_job(reference.job));
  BUSBAR_TRY(selectors, select_units(past.job, reference, query.ref));
  BUSBAR_TRY(unit, only_unit(past.job, selectors, query.ref));
  return Found{std::move(past.job), unit, query.attempt, past.state, {}};
}

// Completes an attempt that is no longer live from its row: where it ran and how it ended.
Result<Ok> add_row(const LogQuery& query, Found& found) {
  HistoryQuery rows;
  rows.job = found.unit.job;
  rows.limit = static_cast<std::uint32_t>(page_entries_max);
  for (std::size_t pages = 0; pages < history_pages_read_max; ++pages) {
    BUSBAR_TRY(page, query.kept.backend->history(rows));
    for (const HistoryRow& row : page.rows) {
      const bool mine = row.unit.group == found.unit.group && row.unit.index <= found.unit.index &&
                        found.unit.index <= row.index_last;
      if (!mine || (found.attempt > 0 && row.attempt != found.attempt)) continue;
      found.attempt = row.attempt;
      found.state = row.state;
      for (const std::string& node : split_list(row.nodes))
        found.places.push_back({node, found.unit.group, 1});
      return Ok{};
    }
    rows.before_row = page.next_before_row;
    if (rows.before_row == 0) break;
  }
  return Ok{};
}

// Where a rank runs and what group it is of: ranks are dealt claim by claim, one for each process.
ClaimPlace place_of_rank(const Found& found, std::uint32_t rank) {
  if (found.places.empty()) return {"", found.unit.group, 1};
  std::uint64_t first = 0;
  for (const ClaimPlace& place : found.places) {
    const Launcher launcher = found.job.groups[place.group].launcher;
    first += launcher == Launcher::script ? 1 : place.tasks;
    if (rank < first) return place;
  }
  return found.places.back();
}

Result<Found> find_attempt(const LogQuery& query) {
  auto found = looking(*query.kept.replica, *query.kept.backend,
                       [&](const Lens& lens) { return find_in_state(query, lens); });
  const bool only_history = !found.ok() && found.error().code == Errc::not_found &&
                            query.attempt == 0 && !query.ref.empty();
  if (!found.ok() && (only_history || query.attempt > 0)) {
    auto past = find_in_history(query);
    if (!past.ok()) return found.error();
    found = std::move(past);
  }
  if (!found.ok()) return found.error();
  const UserRef& owner = found->job.user;
  const UserRef& caller = query.kept.caller.user;
  if (!caller.is_operator && caller.uid != owner.uid)
    return {Errc::denied, "the log belongs to " + owner.name +
                              "; only the owner and operators "
                              "may read it"};
  if (found->places.empty() && (found->attempt > 0 || is_final(found->state)))
    BUSBAR_TRY_OK(add_row(query, found.value()));
  return found;
}

// The request for the engine; nothing when the unit has had no attempt yet.
Result<std::optional<LogRequest>> next_request(LogQuery& query) {
  BUSBAR_TRY(found, find_attempt(query));
  query.found = std::move(found);
  query.path.clear();
  const Job& job = query.found.job;
  const UnitId& unit = query.found.unit;
  // Before it runs, where its output begins is not known.
  if (query.found.attempt == 0 || query.found.state == RunState::configuring)
    return std::optional<LogRequest>();
  const ClaimPlace place = place_of_rank(query.found, query.rank);
  BUSBAR_TRY(bytes, query.kept.backend->payload(job.groups[place.group].payload));
  BUSBAR_TRY(payload, decode_payload(bytes));
  const bool several_units = unit_name(job, unit) != std::to_string(job.id.value);
  const PatternNames names{job.id, job.name, array_index(job.groups[unit.group], unit.index),
                           several_units, query.found.attempt};
  query.path = output_path(payload, names, query.stream, query.rank);
  LogRequest request;
  request.node = place.node;
  request.user = job.user;
  request.path = query.path;
  request.offset = query.from_end > 0 ? offset_max : query.offset;
  request.length_max = query.length;
  request.attempt = {unit, query.found.attempt};
  return std::optional(std::move(request));
}

Response log_response(const LogQuery& query, std::string bytes, std::int64_t size) {
  Response response;
  response.content_type = "application/octet-stream";
  response.body = std::move(bytes);
  response.headers = {{"X-Busbar-Size", std::to_string(size)},
                      {"X-Busbar-State", std::string(to_string(query.found.state))},
                      {"X-Busbar-Attempt", std::to_string(query.found.attempt)},
                      {"X-Busbar-Path", percent_encode(query.path)}};
  if (query.offset >= 0)
    response.headers.emplace_back("X-Busbar-Offset", std::to_string(query.offset));
  return response;
}

LogStep next_step(LogQuery& query, Result<LogChunk> chunk, bool last) {
  const RunState state = query.found.state;
  if (!chunk.ok()) {
    // The file appears when the attempt starts; before that there is nothing to read.
    const bool may_appear = chunk.error().code == Errc::not_found && !is_final(state);
    if (!may_appear) return {error_response(chunk.error()), false};
    chunk = LogChunk{};
  }
  if (query.from_end > 0 && !query.path.empty()) {
    query.offset = std::max(chunk->begin, chunk->size - query.from_end);
    query.from_end = 0;
    if (chunk->size > query.offset) return {{}, true};
  }
  const bool ended = is_final(state) || (query.found.attempt == 0 && state != RunState::pending);
  if (chunk->bytes.empty() && !ended && !last) return {};
  if (query.offset < 0 && !query.path.empty()) query.offset = chunk->begin;
  return {log_response(query, std::move(chunk->bytes), chunk->size), false};
}

Result<LogQuery> read_log_query(const Call& call) {
  LogQuery query{keep(call), call.parameter("ref")};
  const std::string_view stream = call.query("stream");
  if (!stream.empty() && !from_string(stream, query.stream))
    return {Errc::invalid, "stream is stdout or stderr"};
  BUSBAR_TRY(rank, query_integer(call, "rank", 0, rank_max, 0));
  BUSBAR_TRY(attempt, query_integer(call, "attempt", 0, UINT32_MAX, 0));
  BUSBAR_TRY(offset, query_integer(call, "offset", -offset_max, offset_max, 0));
  BUSBAR_TRY(length, query_integer(call, "length", 1, chunk_bytes_max, chunk_bytes_usual));
  query.rank = static_cast<std::uint32_t>(rank);
  query.attempt = static_cast<std::uint32_t>(attempt);
  if (!call.query("offset").empty() && offset >= 0) query.offset = offset;
  query.from_end = offset < 0 ? -offset : 0;
  query.length = length;
  return query;
}

}  // namespace

Outcome read_log(const Call& call) {
  BUSBAR_API_TRY(parsed, read_log_query(call));
  BUSBAR_API_TRY(timeout, query_seconds(call, "follow", follow_seconds_max, 0));
  auto query = std::make_shared<LogQuery>(std::move(parsed));
  // A name or `last` keeps its meaning while the request lasts.
  looking(call.replica, call.backend, [&](const Lens& lens) {
    const auto unit = resolve_unit(lens.view.state, call.caller.user, query->ref);
    if (unit.ok()) query->ref = unit_name(lens.view.state.find(unit->job)->job, unit.value());
    return 0;
  });
  return FollowLog{timeout, [query] { return next_request(*query); },
                   [query](Result<LogChunk> chunk, bool last) {
                     return next_step(*query, std::move(chunk), last);
                   }};
}

}  // namespace busbar::api
