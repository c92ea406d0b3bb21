// GET /v1/jobs, GET /v1/jobs/{ref} and what changes a job.
#include <algorithm>

#include "api/answers.hpp"
#include "api/handlers.hpp"
#include "api/job_detail.hpp"
#include "api/refs.hpp"
#include "base/text.hpp"
#include "model/names.hpp"

namespace busbar::api {
namespace {

// Jobs looked at for one page: a page may be short when a filter matches little.
constexpr std::size_t jobs_scanned_max = 100'000;

struct JobFilter {
  enum class Which { active, all, ended, listed } which = Which::active;
  std::vector<RunState> states;
  std::string user;
  std::string tenant;
  std::string name;
  std::string label_key;
  std::optional<std::string> label_value;
};

struct JobPage {
  std::vector<JobView> jobs;
  std::optional<std::string> next;
  Revision revision;
};
template <class V>
void describe(V& visit, Like<JobPage> auto& page) {
  visit("jobs", page.jobs);
  visit("next", page.next);
  visit("revision", page.revision);
}

Result<JobFilter> read_filter(const Call& call) {
  JobFilter filter;
  const std::string state = lower(call.query("state"));
  if (state == "all") {
    filter.which = JobFilter::Which::all;
  } else if (state == "ended") {
    filter.which = JobFilter::Which::ended;
  } else if (!state.empty() && state != "active") {
    filter.which = JobFilter::Which::listed;
    BUSBAR_TRY(states, parse_states(state));
    filter.states = std::move(states);
  }
  filter.user = user_meant(call);
  filter.tenant = std::string(call.query("tenant"));
  filter.name = std::string(call.query("name"));
  const std::string_view label = call.query("label");
  filter.label_key = std::string(label.substr(0, label.find('=')));
  if (label.find('=') != std::string_view::npos)
    filter.label_value = std::string(label.substr(label.find('=') + 1));
  return filter;
}

bool has_label(const Job& job, const JobFilter& filter) {
  return std::any_of(job.labels.begin(), job.labels.end(), [&](const Label& label) {
    return label.key == filter.label_key &&
           (!filter.label_value || label.value == *filter.label_value);
  });
}

bool matches_filter(const core::JobRecord& record, const JobFilter& filter) {
  const Job& job = record.job;
  if (!filter.user.empty() && job.user.name != filter.user) return false;
  if (!filter.tenant.empty() && job.tenant != filter.tenant) return false;
  if (!filter.name.empty() && !matches_pattern(job.name, filter.name)) return false;
  if (!filter.label_key.empty() && !has_label(job, filter)) return false;
  switch (filter.which) {
    case JobFilter::Which::all:
      return true;
    case JobFilter::Which::active:
      return !record.ended_all();
    case JobFilter::Which::ended:
      return record.ended_all();
    case JobFilter::Which::listed:
      return std::count(filter.states.begin(), filter.states.end(), core::job_state(record)) > 0;
  }
  return false;
}

const core::JobRecord& record_of(const core::JobRecord& record) { return record; }
const core::JobRecord& record_of(const core::JobRecord* record) { return *record; }

// Fills the page from jobs in the order of [at, end), entries of a map by id.
template <class At>
void fill_page(const Lens& lens, const JobFilter& filter, std::size_t limit, At at, At end,
               JobPage& page) {
  std::size_t scanned = 0;
  JobId last;
  for (; at != end; ++at) {
    if (page.jobs.size() == limit || scanned == jobs_scanned_max) {
      page.next = std::to_string(last.value);
      return;
    }
    ++scanned;
    last = at->first;
    const core::JobRecord& record = record_of(at->second);
    if (matches_filter(record, filter)) page.jobs.push_back(job_view(lens, record));
  }
}

// `from` is the last id of the page before, 0 for the first page.
template <class Jobs>
void fill_in_order(const Lens& lens, const JobFilter& filter, std::size_t limit, JobId from,
                   bool newest, const Jobs& jobs, JobPage& page) {
  if (newest) {
    const auto end = from == JobId() ? jobs.end() : jobs.lower_bound(from);
    fill_page(lens, filter, limit, std::make_reverse_iterator(end), jobs.rend(), page);
  } else {
    fill_page(lens, filter, limit, jobs.upper_bound(from), jobs.end(), page);
  }
}

using MakeCommand = Command (*)(UnitSelector, const UserRef&, const std::string& reason);

// How the selected units stand.
struct Standing {
  std::uint64_t waiting = 0;
  std::uint64_t held = 0;
  std::uint64_t live = 0;
  std::uint64_t ended = 0;
  RunState state = RunState::pending;  // of the job
};

Standing standing_of(const core::State& state, const UnitSelector& units) {
  const core::JobRecord& record = *state.find(units.job);
  Standing standing;
  standing.state = core::job_state(record);
  if (units.all) {
    standing.waiting = record.waiting + record.staged();
    standing.held = record.held;
    standing.live = record.live - record.staged();
    standing.ended = record.completed + record.failed;
    return standing;
  }
  const core::GroupRecord& group = record.groups[units.group];
  standing.waiting = group.waiting.intersect(units.indices).size();
  standing.held = group.held.intersect(units.indices).size();
  for (const core::FinishedRun& run : group.finished) {
    IndexSet finished;
    finished.insert(run.range);
    standing.ended += finished.intersect(units.indices).size();
  }
  for (const auto& [before, id] : state.followers())
    if (id.unit.job == units.job && id.unit.group == units.group &&
        units.indices.contains(id.unit.index))
      ++standing.waiting;
  standing.live = units.indices.size() - standing.waiting - standing.held - standing.ended;
  return standing;
}

std::string ended_text(const Standing& standing) {
  return is_final(standing.state) ? "ended already: " + std::string(to_string(standing.state))
                                  : "ended already";
}

// What the request comes to: "" where it changes something.
using NothingToDo = std::string (*)(const Standing&);

std::string nothing_to_cancel(const Standing& standing) {
  return standing.waiting + standing.held + standing.live > 0 ? "" : ended_text(standing);
}
std::string nothing_to_hold(const Standing& standing) {
  if (standing.waiting > 0) return "";
  if (standing.live > 0) return "runs already, and what runs goes on; nothing was held";
  return standing.held > 0 ? "held already" : ended_text(standing);
}
std::string nothing_to_release(const Standing& standing) {
  if (standing.held > 0) return "";
  return standing.waiting + standing.live > 0 ? "was not held" : ended_text(standing);
}
std::string nothing_to_requeue(const Standing& standing) {
  if (standing.live + standing.ended > 0) return "";
  return standing.held > 0 ? "is held and has not run; release it" : "waits already";
}

struct UnitChange {
  const char* done;
  NothingToDo nothing;
  MakeCommand make;
  bool with_reason = false;
};

// A command for units of one group; several groups are refused, because a request is one command.
Outcome change_units(const Call& call, const UnitChange& change) {
  std::string reason;
  if (change.with_reason) {
    BUSBAR_API_TRY(text, parse_reason(call.request));
    reason = std::move(text);
  }
  const std::string& ref = call.parameter("ref");
  std::string nothing;
  auto selectors = looking(call.replica, call.backend, [&](const Lens& lens) {
    auto found = resolve_units(lens.view.state, call.caller.user, ref);
    if (found.ok() && found->size() == 1)
      nothing = change.nothing(standing_of(lens.view.state, found->front()));
    return found;
  });
  if (!selectors.ok()) return error_response(selectors.error());
  if (selectors->size() > 1)
    return error_response(Error{Errc::invalid, "'" + printable(ref) +
                                                   "' means units of several groups; name one "
                                                   "group, such as 17.learner"});
  const std::string message = printable(ref) + ": " + (nothing.empty() ? change.done : nothing);
  return Ask{change.make(std::move(selectors->front()), call.caller.user, reason),
             [message](const Committed& committed) { return changed(committed, message); }};
}

Result<Ok> read_patch_text(const Call& call, const std::vector<BodyField>& fields,
                           UpdateJob& update) {
  if (const BodyField* name = find_field(fields, "name")) {
    if (name->text.empty() || name->text.size() > 255 || !is_utf8(name->text))
      return {Errc::invalid, "name: must be text of 1 to 255 bytes"};
    update.name = name->text;
  }
  if (const BodyField* limit = find_field(fields, "time_limit")) {
    BUSBAR_TRY(span, parse_span(limit->text));
    update.time_limit = span;
  }
  const std::int64_t now = call.backend.unix_ms(call.backend.now());
  if (const BodyField* begin = find_field(fields, "begin")) {
    BUSBAR_TRY(moment, parse_moment(begin->text, now));
    update.begin_at = call.backend.tick_of_unix_ms(moment);
  }
  if (const BodyField* deadline = find_field(fields, "deadline")) {
    BUSBAR_TRY(moment, parse_moment(deadline->text, now));
    update.deadline_at = call.backend.tick_of_unix_ms(moment);
  }
  return Ok{};
}

Result<UpdateJob> read_patch(const Call& call) {
  static constexpr std::string_view allowed[] = {"name",  "priority", "time_limit",
                                                 "begin", "deadline", "parallel"};
  BUSBAR_TRY(fields, parse_body(call.request, allowed));
  if (fields.empty())
    return {Errc::invalid,
            "the body must name what to change: name, priority, time_limit, begin, deadline or "
            "parallel"};
  UpdateJob update;
  BUSBAR_TRY_OK(read_patch_text(call, fields, update));
  if (const BodyField* priority = find_field(fields, "priority")) {
    const bool negative = priority->text.starts_with('-');
    const auto number = parse_count(std::string_view(priority->text).substr(negative ? 1 : 0));
    if (!number.ok() || number.value() > 1000)  // as in a job file
      return {Errc::invalid, "priority: must be a whole number from -1000 to 1000"};
    update.priority = static_cast<std::int32_t>(negative ? -number.value() : number.value());
  }
  if (const BodyField* parallel = find_field(fields, "parallel")) {
    const auto number = parse_count(parallel->text);
    if (!number.ok() || number.value() > 1'000'000)
      return {Errc::invalid, "parallel: must be a whole number from 0 to 1000000; 0 is no limit"};
    update.parallel = static_cast<std::uint32_t>(number.value());
  }
  return update;
}

}  // namespace

Outcome list_jobs(const Call& call) {
  BUSBAR_API_TRY(filter, read_filter(call));
  BUSBAR_API_TRY(limit, query_integer(call, "limit", 1, page_entries_max, page_entries_usual));
  BUSBAR_API_TRY(from, query_integer(call, "page", 1, INT64_MAX, 0));
  const std::string_view order = call.query("order");
  if (!order.empty() && order != "newest" && order != "oldest")
    return error_response(Error{Errc::invalid, "order is newest or oldest"});
  const bool newest = order != "oldest";
  const JobId after(static_cast<std::uint64_t>(from));
  const auto size = static_cast<std::size_t>(limit);
  JobPage page;
  page.jobs.reserve(size);
  looking(call.replica, call.backend, [&](const Lens& lens) {
    page.revision = lens.view.state.revision();
    if (filter.which == JobFilter::Which::active) {
      fill_in_order(lens, filter, size, after, newest, lens.view.active, page);
    } else {
      fill_in_order(lens, filter, size, after, newest, lens.view.state.jobs(), page);
    }
    return 0;
  });
  return json_response(page);  // its text is written while others look
}

Outcome show_job(const Call& call) {
  const std::string& ref = call.parameter("ref");
  std::optional<JobDetail> detail;
  std::optional<Error> refusal;
  List<TaskGroup> groups;
  UserRef owner;
  looking(call.replica, call.backend, [&](const Lens& lens) {
    const auto id = resolve_job(lens.view.state, call.caller.user, ref);
    if (!id.ok()) return refusal = id.error(), 0;
    const core::JobRecord& record = *lens.view.state.find(id.value());
    groups = record.job.groups;
    owner = record.job.user;
    return detail = job_detail(lens, record), 0;
  });
  if (const auto number = job_number(ref); refusal && number) {
    const auto past = call.backend.history_job(*number);
    if (past.ok()) {
      groups = past->job.groups;
      owner = past->job.user;
      looking(call.replica, call.backend,
              [&](const Lens& lens) { return detail = job_detail(lens, past.value()), 0; });
    } else if (past.error().code != Errc::not_found) {
      refusal = past.error();
    }
  }
  if (!detail) return error_response(*refusal);
  if (call.may_see(owner)) add_payloads(call.backend, groups, *detail);
  return json_response(*detail);
}

Outcome cancel_job(const Call& call) {
  const std::string& ref = call.parameter("ref");
  if (const auto number = job_number(ref)) {
    const bool kept = looking(call.replica, call.backend, [&](const Lens& lens) {
      return lens.view.state.find(*number) != nullptr;
    });
    const auto past =
        kept ? Result<HistoryJob>(Errc::not_found, "") : call.backend.history_job(*number);
    if (past.ok())
      return changed({call.replica.revision(), {}},
                     ref + ": ended already: " + std::string(to_string(past->state)));
  }
  return change_units(
      call, {"cancelled", nothing_to_cancel,
             [](UnitSelector units, const UserRef& by, const std::string& reason) -> Command {
               return CancelUnits{std::move(units), by, reason};
             },
             true});
}

Outcome hold_job(const Call& call) {
  return change_units(call,
                      {"held", nothing_to_hold,
                       [](UnitSelector units, const UserRef& by, const std::string&) -> Command {
                         return HoldUnits{std::move(units), by};
                       }});
}

Outcome release_job(const Call& call) {
  return change_units(call,
                      {"released", nothing_to_release,
                       [](UnitSelector units, const UserRef& by, const std::string&) -> Command {
                         return ReleaseUnits{std::move(units), by};
                       }});
}

Outcome requeue_job(const Call& call) {
  return change_units(call,
                      {"requeued", nothing_to_requeue,
                       [](UnitSelector units, const UserRef& by, const std::string&) -> Command {
                         return RequeueUnits{std::move(units), by};
                       }});
}

Outcome update_job(const Call& call) {
  BUSBAR_API_TRY(update, read_patch(call));
  auto id = looking(call.replica, call.backend, [&](const Lens& lens) {
    return resolve_job(lens.view.state, call.caller.user, call.parameter("ref"));
  });
  if (!id.ok()) return error_response(id.error());
  update.job = id.value();
  update.by = call.caller.user;
  const std::string message = "job " + std::to_string(id->value) + " updated";
  return Ask{std::move(update),
             [message](const Committed& committed) { return changed(committed, message); }};
}

}  // namespace busbar::api
