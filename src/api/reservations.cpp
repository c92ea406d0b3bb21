// GET and POST /v1/reservations, DELETE /v1/reservations/{name}.
#include "api/answers.hpp"
#include "api/handlers.hpp"
#include "base/text.hpp"

namespace busbar::api {
namespace {

struct ReservationView {
  std::string name;
  std::vector<std::string> nodes;
  Moment start;
  Moment end;
  std::string by;
  bool active = false;
};
template <class V>
void describe(V& visit, Like<ReservationView> auto& view) {
  visit("name", view.name);
  visit("nodes", view.nodes);
  visit("start", view.start);
  visit("end", view.end);
  visit("by", view.by);
  visit("active", view.active);
}
struct ReservationList {
  std::vector<ReservationView> reservations;
  Revision revision;
};
template <class V>
void describe(V& visit, Like<ReservationList> auto& list) {
  visit("reservations", list.reservations);
  visit("revision", list.revision);
}

const Error only_operators{Errc::denied, "only operators may make or end reservations"};

Result<MakeReservation> read_reservation(const Call& call) {
  static constexpr std::string_view allowed[] = {"name", "nodes", "start", "end", "duration"};
  BUSBAR_TRY(fields, parse_body(call.request, allowed));
  const BodyField* name = find_field(fields, "name");
  const BodyField* nodes = find_field(fields, "nodes");
  const BodyField* start = find_field(fields, "start");
  const BodyField* end = find_field(fields, "end");
  const BodyField* duration = find_field(fields, "duration");
  if (name == nullptr || name->text.empty() || name->text.size() > 255 || !is_utf8(name->text))
    return {Errc::invalid, "name: must be text of 1 to 255 bytes"};
  if ((end == nullptr) == (duration == nullptr))
    return {Errc::invalid, "give either end (a moment) or duration (such as 2h)"};
  if (nodes != nullptr && !nodes->is_list)
    return {Errc::invalid, "nodes: must be a list of node names; absent means all nodes"};
  const std::int64_t now = call.backend.unix_ms(call.backend.now());
  BUSBAR_TRY(from, parse_moment(start == nullptr ? "now" : start->text, now));
  std::int64_t to = 0;
  if (end != nullptr) {
    BUSBAR_TRY(moment, parse_moment(end->text, now));
    to = moment;
  } else {
    BUSBAR_TRY(span, parse_span(duration->text));
    if (span == span_unlimited) return {Errc::invalid, "duration: must have an end"};
    to = (call.backend.tick_of_unix_ms(from) + span) == tick_never ? INT64_MAX : from + span.value;
  }
  if (to <= from || to == INT64_MAX)
    return {Errc::invalid, "the reservation must end after it starts, within reach"};
  return MakeReservation{name->text, nodes == nullptr ? std::vector<std::string>() : nodes->items,
                         call.backend.tick_of_unix_ms(from), call.backend.tick_of_unix_ms(to),
                         call.caller.user};
}

}  // namespace

Outcome list_reservations(const Call& call) {
  return looking(call.replica, call.backend, [&](const Lens& lens) {
    ReservationList list;
    list.revision = lens.view.state.revision();
    for (const auto& [id, reservation] : lens.view.state.reservations()) {
      ReservationView view;
      view.name = reservation.name;
      for (const NodeId node : reservation.nodes) {
        const core::NodeRecord* record = lens.view.state.find(node);
        if (record != nullptr) view.nodes.push_back(record->node.name);
      }
      view.start = lens.moment(reservation.start);
      view.end = lens.moment(reservation.end);
      view.by = reservation.by;
      view.active = reservation.start <= lens.now && lens.now < reservation.end;
      list.reservations.push_back(std::move(view));
    }
    return json_response(list);
  });
}

Outcome make_reservation(const Call& call) {
  if (!call.caller.user.is_operator) return error_response(only_operators);
  BUSBAR_API_TRY(reservation, read_reservation(call));
  const std::string message = "reservation " + printable(reservation.name) + " made";
  return Ask{std::move(reservation),
             [message](const Committed& committed) { return changed(committed, message, 201); }};
}

Outcome end_reservation(const Call& call) {
  if (!call.caller.user.is_operator) return error_response(only_operators);
  const std::string& name = call.parameter("name");
  const std::string message = "reservation " + printable(name) + " ended";
  return Ask{EndReservation{name, call.caller.user},
             [message](const Committed& committed) { return changed(committed, message); }};
}

}  // namespace busbar::api
