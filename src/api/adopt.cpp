// GET and POST /v1/adopt: attempts that engines show and that are newer than the journal.
#include "api/answers.hpp"
#include "api/handlers.hpp"
#include "base/text.hpp"
#include "model/names.hpp"

namespace busbar::api {
namespace {

struct SightedView {
  std::string cluster;
  std::string name;
  std::string ref;
  JobId job;
  bool job_known = false;
  bool running = false;
  bool adopted = false;
  bool keep = false;
};
template <class V>
void describe(V& visit, Like<SightedView> auto& view) {
  visit("cluster", view.cluster);
  visit("name", view.name);
  visit("ref", view.ref);
  visit("job", view.job);
  visit("job_known", view.job_known);
  visit("running", view.running);
  visit("adopted", view.adopted);
  visit("keep", view.keep);
}
struct SightedList {
  std::vector<SightedView> attempts;
  bool read_only = false;
  Revision revision;
};
template <class V>
void describe(V& visit, Like<SightedList> auto& list) {
  visit("attempts", list.attempts);
  visit("read_only", list.read_only);
  visit("revision", list.revision);
}

SightedView view_of(const Lens& lens, const AttemptId& id, const core::SightedRecord& sighted) {
  const core::JobRecord* record = lens.view.state.find(id.unit.job);
  SightedView view;
  view.cluster = sighted.cluster;
  view.name = attempt_name(lens.backend.installation(), id);
  view.ref = record != nullptr
                 ? attempt_display(record->job, id)
                 : std::to_string(id.unit.job.value) + "#" + std::to_string(id.number);
  view.job = id.unit.job;
  view.job_known = record != nullptr;
  view.running = sighted.running;
  view.adopted = sighted.adopted;
  view.keep = sighted.keep;
  return view;
}

}  // namespace

Outcome list_sighted(const Call& call) {
  return looking(call.replica, call.backend, [&](const Lens& lens) {
    SightedList list;
    for (const auto& [id, sighted] : lens.view.state.sighted())
      list.attempts.push_back(view_of(lens, id, sighted));
    list.read_only = lens.view.state.behind_engines();
    list.revision = lens.view.state.revision();
    return json_response(list);
  });
}

Outcome adopt_sighted(const Call& call) {
  if (!call.caller.user.is_operator)
    return error_response(Error{Errc::denied, "only operators may adopt what a cluster runs"});
  static constexpr std::string_view allowed[] = {"cluster", "leftovers"};
  BUSBAR_API_TRY(fields, parse_body(call.request, allowed));
  const BodyField* cluster = find_field(fields, "cluster");
  const BodyField* leftovers = find_field(fields, "leftovers");
  if (leftovers != nullptr && leftovers->text != "end" && leftovers->text != "keep")
    return error_response(Error{
        Errc::invalid, "leftovers: must be end or keep, not '" + printable(leftovers->text) + "'"});
  const bool keep = leftovers != nullptr && leftovers->text == "keep";
  const std::string message =
      keep ? "adopted: what is left over ends by itself, and nothing starts before"
           : "adopted: what is left over is ended, and then waiting jobs start";
  return Ask{AdoptCluster{cluster == nullptr ? "" : cluster->text, keep, call.caller.user},
             [message](const Committed& committed) { return changed(committed, message); }};
}

}  // namespace busbar::api
