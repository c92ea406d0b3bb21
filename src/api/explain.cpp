// GET /v1/jobs/{ref}/explain and GET /v1/jobs/{ref}/wait.
#include <algorithm>

#include "api/answers.hpp"
#include "api/handlers.hpp"
#include "api/refs.hpp"
#include "base/text.hpp"
#include "core/explain/estimate.hpp"
#include "core/explain/verdict.hpp"
#include "core/policy/policy.hpp"

namespace busbar::api {
namespace {

constexpr std::int64_t wait_seconds_max = 60;
constexpr std::int64_t wait_seconds_usual = 30;

struct VerdictView {
  std::string group;
  core::Verdict verdict;
  std::string sentence;
  std::optional<Moment> predicted_start;
};
template <class V>
void describe(V& visit, Like<VerdictView> auto& view) {
  visit("group", view.group);
  visit("units", view.verdict.units);
  visit("reason", view.verdict.reason);
  visit("sentence", view.sentence);
  visit("resource", view.verdict.resource);
  visit("wanted", view.verdict.wanted);
  visit("free", view.verdict.free);
  visit("capacity", view.verdict.capacity);
  visit("nodes_fit", view.verdict.nodes_fit);
  visit("nodes_wanted", view.verdict.nodes_wanted);
  visit("where", view.verdict.where);
  visit("predicted_start", view.predicted_start);
  visit("blockers", view.verdict.blockers);
}

struct Explanation {
  JobId job;
  std::string name;
  RunState state = RunState::pending;
  std::string summary;
  std::vector<VerdictView> verdicts;
  std::optional<Moment> predicted_start;
  std::optional<Seconds> predicted_in;
  std::optional<std::uint64_t> position;
  std::uint64_t waiting = 0;
  std::vector<JobId> blockers;
  Revision revision;
  bool start_told = false;  // by the first verdict's sentence
};
template <class V>
void describe(V& visit, Like<Explanation> auto& view) {
  visit("job", view.job);
  visit("name", view.name);
  visit("state", view.state);
  visit("summary", view.summary);
  visit("verdicts", view.verdicts);
  visit("predicted_start", view.predicted_start);
  visit("predicted_in_seconds", view.predicted_in);
  visit("position", view.position);
  visit("waiting_jobs", view.waiting);
  visit("blockers", view.blockers);
  visit("revision", view.revision);
}

std::string units_text(std::uint64_t count) {
  return std::to_string(count) + (count == 1 ? " unit" : " units");
}

// The first of units that are not held.
const VerdictView* waiting_verdict(const Explanation& out) {
  for (const VerdictView& view : out.verdicts)
    if (view.verdict.reason != core::Reason::held) return &view;
  return nullptr;
}

// `likely` is when the job's first waiting unit should start.
void add_verdicts(const Lens& lens, const core::JobRecord& record, const Verdicts& verdicts,
                  Tick likely, Explanation& out) {
  for (const core::Verdict& verdict : verdicts) {
    const Tick start = waiting_verdict(out) == nullptr ? likely : tick_never;
    VerdictView view{record.job.groups[verdict.group].name, verdict,
                     core::explain(lens.view.state, verdict, lens.now, start),
                     lens.moment_if(std::min(verdict.start_estimate, start))};
    if (waiting_verdict(out) == nullptr) out.start_told = core::tells_start(verdict, start);
    out.verdicts.push_back(std::move(view));
    for (const JobId blocker : verdict.blockers) {
      if (std::count(out.blockers.begin(), out.blockers.end(), blocker) == 0)
        out.blockers.push_back(blocker);
    }
  }
}

std::optional<UnitId> first_waiting(const core::JobRecord& record) {
  for (std::uint32_t g = 0; g < record.groups.size(); ++g) {
    if (const auto index = record.groups[g].waiting.next(0))
      return UnitId{record.job.id, g, *index};
  }
  return {};
}

// A promise or what the last cycle estimated; else computed now.
Tick likely_start(const Lens& lens, const core::Policy& policy, const core::JobRecord& record,
                  const Verdicts& verdicts) {
  const Tick known = predicted_start(lens, record, verdicts);
  const auto unit = first_waiting(record);
  if (known != tick_never || !unit) return known;
  const core::View view{lens.view.state, lens.view.index, lens.now};
  return core::estimate_start(view, policy, *unit).value_or(tick_never);
}

// Gives the likely start.
Tick add_order(const Lens& lens, const core::JobRecord& record, const Verdicts& verdicts,
               Explanation& out) {
  const auto policy = core::make_policy(lens.view.state.config().policy);
  const core::View view{lens.view.state, lens.view.index, lens.now};
  if (const auto place = core::position(view, *policy, record.job.id)) {
    out.position = place->position;
    out.waiting = place->out_of;
  }
  const Tick start = likely_start(lens, *policy, record, verdicts);
  out.predicted_start = lens.moment_if(start);
  if (!out.predicted_start) return tick_never;
  const Span in = start > lens.now ? start - lens.now : Span();
  out.predicted_in = Seconds{Span(in.value < 1000 ? in.value : in.value / 1000 * 1000)};
  return start;
}

// Why nothing starts at all; "" where something may.
std::string standstill(const core::State& state) {
  if (state.behind_engines())
    return "nothing starts, because an engine shows attempts that the journal does not know, as "
           "after a restored backup; an operator goes on with 'busbar adopt'.";
  if (!state.sighted().empty())
    return "nothing starts before the attempts that are left over from before the restore have "
           "ended; 'busbar adopt --dry-run' lists them.";
  return "";
}

std::string summary_of(const core::State& state, const core::JobRecord& record,
                       const Explanation& out) {
  if (record.ended_all()) {
    const std::string why = core::ended_reason(record);
    return why.empty() ? "It has ended." : "It has ended: " + why + ".";
  }
  std::string text;
  const std::uint64_t staged = record.staged();
  const std::uint64_t running = record.live - staged;
  if (running > 0) text = units_text(running) + (running == 1 ? " runs" : " run");
  if (staged > 0)
    text += ", " + std::to_string(staged) + " more " + (staged == 1 ? "is" : "are") +
            " staged to start as these end";
  if (record.live > 0) text += record.waiting + record.held > 0 ? ". " : ".";
  if (record.waiting + record.held == 0) return text;
  if (record.waiting > 0) {
    if (record.live > 0) text += units_text(record.waiting) + " more: ";
    if (const std::string stands = standstill(state); !stands.empty()) return text + stands;
    const VerdictView* first = waiting_verdict(out);
    text += first != nullptr ? first->sentence
                             : "the scheduler has not looked at it yet; ask again in a moment";
    if (text.back() != '.') text += ".";
    if (out.predicted_in && out.predicted_in->span > Span() && !out.start_told)
      text += " It should start in " + format_span(out.predicted_in->span) + ".";
  }
  if (record.held > 0) {
    if (record.live + record.waiting > 0)
      text += (text.back() == ' ' ? "" : " ") + units_text(record.held) + " more: ";
    text += core::held_text(record) + ".";
  }
  return text;
}

Explanation explanation_of(const Lens& lens, const core::JobRecord& record) {
  Explanation out;
  out.job = record.job.id;
  out.name = record.job.name;
  out.state = core::job_state(record);
  out.revision = lens.view.state.revision();
  if (!record.ended_all()) {
    const Verdicts verdicts = verdicts_of(lens, record);
    const Tick likely =
        lens.view.state.sighted().empty() ? add_order(lens, record, verdicts, out) : tick_never;
    add_verdicts(lens, record, verdicts, likely, out);
  }
  out.summary = summary_of(lens.view.state, record, out);
  return out;
}

struct WaitView {
  bool done = false;
  JobView job;
  Revision revision;
};
template <class V>
void describe(V& visit, Like<WaitView> auto& view) {
  visit("done", view.done);
  visit("state", view.job.state);
  visit("exit_code", view.job.exit_code);
  visit("job", view.job);
  visit("revision", view.revision);
}

enum class Until { ended, ready, running };

bool reached(const core::JobRecord& record, Until until) {
  if (record.ended_all()) return true;
  if (until == Until::ready)
    return record.waiting + record.held == 0 && record.ready == record.live;
  if (until == Until::running) return record.live > 0;
  return false;
}

std::optional<Response> look_at_end(const Kept& kept, JobId job, Until until, bool last) {
  struct Look {
    bool in_state = false;
    std::optional<WaitView> view;
    Revision revision;
  };
  const Look look = looking(*kept.replica, *kept.backend, [&](const Lens& lens) {
    Look seen;
    seen.revision = lens.view.state.revision();
    const core::JobRecord* record = lens.view.state.find(job);
    seen.in_state = record != nullptr;
    const bool done = record != nullptr && reached(*record, until);
    if (done || (last && record != nullptr))
      seen.view = WaitView{done, job_view(lens, *record), seen.revision};
    return seen;
  });
  if (look.view) return json_response(*look.view);
  if (look.in_state) return {};
  const auto past = kept.backend->history_job(job);
  if (!past.ok()) return error_response(past.error());
  return looking(*kept.replica, *kept.backend, [&](const Lens& lens) {
    return json_response(WaitView{true, job_view(lens, past.value()), look.revision});
  });
}

}  // namespace

Outcome explain_job(const Call& call) {
  return looking(call.replica, call.backend, [&](const Lens& lens) {
    const auto id = resolve_job(lens.view.state, call.caller.user, call.parameter("ref"));
    if (!id.ok()) return error_response(id.error());
    return json_response(explanation_of(lens, *lens.view.state.find(id.value())));
  });
}

Outcome wait_job(const Call& call) {
  BUSBAR_API_TRY(timeout, query_seconds(call, "timeout", wait_seconds_max, wait_seconds_usual));
  const std::string_view word = call.query("until");
  if (!word.empty() && word != "ended" && word != "ready" && word != "running")
    return error_response(Error{Errc::invalid, "until is ended, ready or running"});
  const Until until = word == "ready"     ? Until::ready
                      : word == "running" ? Until::running
                                          : Until::ended;
  const std::string& ref = call.parameter("ref");
  const auto id = looking(call.replica, call.backend, [&](const Lens& lens) {
    return resolve_job(lens.view.state, call.caller.user, ref);
  });
  JobId job;
  if (id.ok()) {
    job = id.value();
  } else if (const auto number = job_number(ref);
             number && call.backend.history_job(*number).ok()) {
    job = *number;
  } else {
    return error_response(id.error());
  }
  return Later{timeout, [kept = keep(call), job, until](bool last) {
                 return look_at_end(kept, job, until, last);
               }};
}

}  // namespace busbar::api
