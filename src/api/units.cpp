// GET /v1/jobs/{ref}/units and GET /v1/units/{ref}.
#include <algorithm>

#include "api/answers.hpp"
#include "api/handlers.hpp"
#include "api/history_views.hpp"
#include "api/refs.hpp"
#include "base/text.hpp"
#include "model/names.hpp"

namespace busbar::api {
namespace {

constexpr std::size_t runs_scanned_max = 100'000;
constexpr std::size_t past_shown_max = 50;
constexpr std::size_t history_pages_read_max = 20;

struct UnitPage {
  JobId job;
  std::vector<UnitRunView> units;
  std::optional<std::string> next;
  Revision revision;
};
template <class V>
void describe(V& visit, Like<UnitPage> auto& page) {
  visit("job", page.job);
  visit("units", page.units);
  visit("next", page.next);
  visit("revision", page.revision);
}

struct UnitView {
  UnitRunView run;
  JobId job;
  std::string job_name;
  std::string user;
  std::optional<std::uint32_t> array_index;
  std::optional<std::string> reason;
  std::uint32_t restarts = 0;
  std::vector<HistoryRowView> past;
  Revision revision;
};
template <class V>
void describe(V& visit, Like<UnitView> auto& unit) {
  visit("ref", unit.run.ref);
  visit("job", unit.job);
  visit("job_name", unit.job_name);
  visit("user", unit.user);
  visit("group", unit.run.group);
  visit("index", unit.run.first);
  visit("array_index", unit.array_index);
  visit("state", unit.run.state);
  visit("held", unit.run.held);
  visit("requeued", unit.run.requeued);
  visit("reason", unit.reason);
  visit("attempts", unit.run.attempts);
  visit("restarts", unit.restarts);
  visit("not_before", unit.run.not_before);
  visit("exit_code", unit.run.exit_code);
  visit("attempt", unit.run.attempt);
  visit("past", unit.past);
  visit("revision", unit.revision);
}

struct Position {  // of a unit in a job: where a page starts
  std::uint32_t group = 0;
  std::uint32_t index = 0;
};

Result<Position> read_position(std::string_view text) {
  if (text.empty()) return Position{};
  const auto parts = split(text, '.');
  const auto group = parse_count(parts[0]);
  const auto index = parts.size() == 2 ? parse_count(parts[1]) : group;
  if (parts.size() != 2 || !group.ok() || !index.ok() || group.value() > UINT32_MAX ||
      index.value() > UINT32_MAX)
    return {Errc::invalid, "page= must be the `next` of the page before"};
  return Position{static_cast<std::uint32_t>(group.value()),
                  static_cast<std::uint32_t>(index.value())};
}

struct RunFilter {
  std::vector<RunState> states;  // empty: all
  bool live = false;

  bool matches(const UnitRunView& run) const {
    if (live) return is_live(run.state);
    return states.empty() || std::count(states.begin(), states.end(), run.state) > 0;
  }
};

UnitPage unit_page(const Lens& lens, const core::JobRecord& record, Position at,
                   const RunFilter& filter, std::size_t limit) {
  UnitPage page;
  page.job = record.job.id;
  page.revision = lens.view.state.revision();
  std::size_t scanned = 0;
  for (; at.group < record.groups.size(); ++at.group, at.index = 0) {
    const std::uint32_t count = unit_count(record.job, at.group);
    while (at.index < count) {
      if (page.units.size() == limit || scanned++ == runs_scanned_max) {
        page.next = std::to_string(at.group) + "." + std::to_string(at.index);
        return page;
      }
      UnitRunView run = unit_run(lens, record, at.group, at.index);
      at.index = run.last + 1;
      if (filter.matches(run)) page.units.push_back(std::move(run));
    }
  }
  return page;
}

UnitView unit_view(const Lens& lens, const UnitId& id) {
  const core::JobRecord& record = *lens.view.state.find(id.job);
  const TaskGroup& group = record.job.groups[id.group];
  UnitView view;
  view.run = unit_run(lens, record, id.group, id.index);
  view.run.ref = unit_name(record.job, id);
  view.job = id.job;
  view.job_name = record.job.name;
  view.user = record.job.user.name;
  if (!group.array.empty()) view.array_index = array_index(group, id.index);
  if (view.run.state == RunState::pending)
    view.reason = waiting_line(lens, record, verdicts_of(lens, record));
  if (view.run.state == RunState::cancelled && view.run.attempts == 0)
    view.reason = *record.close_reason;
  if (const core::UnitRecord* own = lens.view.state.find(id)) view.restarts = own->restarts;
  view.revision = lens.view.state.revision();
  return view;
}

Result<Ok> add_past(Backend& backend, const UnitId& id, UnitView& view) {
  HistoryQuery query;
  query.job = id.job;
  query.limit = static_cast<std::uint32_t>(page_entries_max);
  for (std::size_t pages = 0; pages < history_pages_read_max; ++pages) {
    BUSBAR_TRY(page, backend.history(query));
    for (const HistoryRow& row : page.rows) {
      // A unit that was closed before it ran has a row, but no attempt.
      const bool mine = row.attempt > 0 && row.unit.group == id.group &&
                        row.unit.index <= id.index && id.index <= row.index_last;
      if (mine && view.past.size() < past_shown_max)
        view.past.push_back(history_row_view(backend, row));
    }
    query.before_row = page.next_before_row;
    if (query.before_row == 0 || view.past.size() >= past_shown_max) break;
  }
  return Ok{};
}

}  // namespace

Outcome list_units(const Call& call) {
  RunFilter filter;
  filter.live = lower(call.query("state")) == "live";
  if (!filter.live) {
    BUSBAR_API_TRY(states, parse_states(call.query("state")));
    filter.states = std::move(states);
  }
  BUSBAR_API_TRY(limit, query_integer(call, "limit", 1, page_entries_max, page_entries_usual));
  BUSBAR_API_TRY(position, read_position(call.query("page")));
  return looking(call.replica, call.backend, [&](const Lens& lens) {
    const auto id = resolve_job(lens.view.state, call.caller.user, call.parameter("ref"));
    if (!id.ok()) return error_response(id.error());
    const core::JobRecord& record = *lens.view.state.find(id.value());
    return json_response(
        unit_page(lens, record, position, filter, static_cast<std::size_t>(limit)));
  });
}

Outcome show_unit(const Call& call) {
  UnitId id;
  std::optional<Error> refusal;
  UnitView view = looking(call.replica, call.backend, [&](const Lens& lens) {
    const auto found = resolve_unit(lens.view.state, call.caller.user, call.parameter("ref"));
    if (!found.ok()) return refusal = found.error(), UnitView();
    id = found.value();
    return unit_view(lens, id);
  });
  if (refusal) return error_response(*refusal);
  if (view.run.attempts > 0 || is_final(view.run.state)) {
    const auto read = add_past(call.backend, id, view);
    if (!read.ok()) return error_response(read.error());
  }
  return json_response(view);
}

}  // namespace busbar::api
