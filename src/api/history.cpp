// GET /v1/history.
#include "api/answers.hpp"
#include "api/handlers.hpp"
#include "api/history_views.hpp"

namespace busbar::api {
namespace {

struct HistoryAnswer {
  std::vector<HistoryRowView> rows;
  std::optional<std::string> next;
};
template <class V>
void describe(V& visit, Like<HistoryAnswer> auto& page) {
  visit("rows", page.rows);
  visit("next", page.next);
}

std::string range_ref(const HistoryRow& row) {
  if (row.index_last == row.unit.index) return row.unit_name;
  return row.unit_name + " and " + std::to_string(row.index_last - row.unit.index) + " more";
}

Result<Tick> moment_of(const Call& call, const std::string& name, Tick otherwise) {
  const std::string_view text = call.query(name);
  if (text.empty()) return otherwise;
  BUSBAR_TRY(moment, parse_moment(text, call.backend.unix_ms(call.backend.now())));
  return call.backend.tick_of_unix_ms(moment);
}

Result<HistoryQuery> read_query(const Call& call) {
  HistoryQuery query;
  BUSBAR_TRY(job, query_integer(call, "job", 1, INT64_MAX, 0));
  if (job > 0) query.job = JobId(static_cast<std::uint64_t>(job));
  query.user = user_meant(call);
  query.tenant = std::string(call.query("tenant"));
  BUSBAR_TRY(states, parse_states(call.query("state")));
  if (states.size() > 1) return {Errc::invalid, "state: name one state"};
  if (!states.empty()) query.state = states[0];
  BUSBAR_TRY(from, moment_of(call, "from", Tick()));
  BUSBAR_TRY(to, moment_of(call, "to", tick_never));
  query.ended_from = from;
  query.ended_to = to;
  BUSBAR_TRY(before, query_integer(call, "page", 1, INT64_MAX, 0));
  query.before_row = static_cast<std::uint64_t>(before);
  BUSBAR_TRY(limit, query_integer(call, "limit", 1, page_entries_max, page_entries_usual));
  query.limit = static_cast<std::uint32_t>(limit);
  return query;
}

}  // namespace

HistoryRowView history_row_view(const Backend& backend, const HistoryRow& row) {
  HistoryRowView view;
  view.ref = range_ref(row);
  view.job = row.unit.job;
  view.job_name = row.job_name;
  view.attempt = row.attempt;
  view.units = std::uint64_t{row.index_last} - row.unit.index + 1;
  view.user = row.user;
  view.tenant = row.tenant;
  view.nodes = split_list(row.nodes);
  view.state = row.state;
  view.exit = row.exit;
  view.usage = {{row.usage.cpu_time}, row.usage.memory_peak, row.usage.read,
                row.usage.written,    {row.usage.wall_time}, row.usage.exact};
  view.submitted = {backend.unix_ms(row.submitted)};
  if (row.granted != Tick()) view.granted = Moment{backend.unix_ms(row.granted)};
  if (row.started != Tick()) view.started = Moment{backend.unix_ms(row.started)};
  view.ended = {backend.unix_ms(row.ended)};
  view.wait = {(row.started != Tick() ? row.started : row.ended) - row.submitted};
  view.cores = {row.cores.value};
  view.devices = {row.devices.value};
  view.memory = row.memory;
  view.final = row.final;
  view.simulated = row.simulated;
  return view;
}

Outcome list_history(const Call& call) {
  BUSBAR_API_TRY(query, read_query(call));
  BUSBAR_API_TRY(page, call.backend.history(query));
  HistoryAnswer answer;
  for (const HistoryRow& row : page.rows)
    answer.rows.push_back(history_row_view(call.backend, row));
  if (page.next_before_row > 0) answer.next = std::to_string(page.next_before_row);
  return json_response(answer);
}

}  // namespace busbar::api
