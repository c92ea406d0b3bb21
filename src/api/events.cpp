// GET /v1/events: facts as server-sent events.
#include <algorithm>

#include "api/answers.hpp"
#include "api/event_text.hpp"
#include "api/handlers.hpp"
#include "base/text.hpp"

namespace busbar::api {
namespace {

struct EventFilter {
  std::optional<JobId> job;
  std::vector<std::string> kinds;  // empty: all but the scheduler's own bookkeeping

  bool matches(const EventLine& line, std::string_view kind) const {
    if (job && std::count(line.jobs.begin(), line.jobs.end(), *job) == 0) return false;
    if (kinds.empty()) return kind != "slice_decided";
    return std::count(kinds.begin(), kinds.end(), kind) > 0;
  }
};

Result<EventFilter> read_event_filter(const Call& call) {
  EventFilter filter;
  BUSBAR_TRY(job, query_integer(call, "job", 1, INT64_MAX, 0));
  if (job > 0) filter.job = JobId(static_cast<std::uint64_t>(job));
  filter.kinds = split_list(call.query("kind"));
  for (const std::string& kind : filter.kinds) {
    const auto& words = event_words;
    if (std::find(std::begin(words), std::end(words), kind) != std::end(words)) continue;
    const std::string_view near = nearest(kind, words);
    return {Errc::invalid, "'" + printable(kind) + "' is no kind of event" +
                               (near.empty() ? "" : "; did you mean " + std::string(near) + "?")};
  }
  return filter;
}

std::string event_frame(const Kept& kept, const EventFilter& filter, const Event& event) {
  const EventLine line = looking(*kept.replica, *kept.backend, [&](const Lens& lens) {
    return event_line(lens.view.state, event);
  });
  const std::string_view kind = event_words[event.body.index()];
  if (!filter.matches(line, kind)) return {};
  std::string frame = "id: " + std::to_string(event.revision.value) + "\nevent: ";
  frame += kind;
  frame += "\ndata: " + event_data(event, line, kept.backend->unix_ms(event.tick)) + "\n\n";
  return frame;
}

}  // namespace

Outcome stream_events(const Call& call) {
  BUSBAR_API_TRY(filter, read_event_filter(call));
  const auto newest = static_cast<std::int64_t>(call.replica.revision().value);
  BUSBAR_API_TRY(asked, query_integer(call, "since", 0, INT64_MAX, newest));
  BUSBAR_API_TRY(until, query_integer(call, "until", 0, INT64_MAX, INT64_MAX));
  std::int64_t since = asked;
  if (const std::string_view last = call.request.header("last-event-id"); !last.empty()) {
    const auto number = parse_count(last);
    if (!number.ok())
      return error_response(
          Error{Errc::invalid, "Last-Event-ID '" + printable(last) + "' is not a revision"});
    since = number.value();
  }
  EventStream stream{Revision(static_cast<std::uint64_t>(since)),
                     [kept = keep(call), filter = std::move(filter)](const Event& event) {
                       return event_frame(kept, filter, event);
                     }};
  if (until < INT64_MAX) stream.until = Revision(static_cast<std::uint64_t>(until));
  return stream;
}

}  // namespace busbar::api
