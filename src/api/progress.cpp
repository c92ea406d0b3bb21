// POST /v1/attempts/{name}/progress: how far a job says it is.
#include <iterator>

#include "api/answers.hpp"
#include "api/handlers.hpp"
#include "api/progress_gate.hpp"
#include "base/text.hpp"
#include "model/names.hpp"

namespace busbar::api {
namespace {

constexpr std::int64_t work_max = 1'000'000'000'000'000;

struct Noted {
  std::string message;
};
template <class V>
void describe(V& visit, Like<Noted> auto& noted) {
  visit("message", noted.message);
}

Result<std::int64_t> amount_of(const std::vector<BodyField>& fields, std::string_view name) {
  const BodyField* field = find_field(fields, name);
  if (field == nullptr) return std::int64_t{0};
  const auto number = parse_count(field->text);
  if (!number.ok() || *number > work_max)
    return {Errc::invalid,
            std::string(name) + ": must be a whole number from 0 to " + std::to_string(work_max)};
  return *number;
}

Result<AttemptProgress> read_progress(const Call& call) {
  static constexpr std::string_view allowed[] = {"done", "total", "rate_per_hour"};
  BUSBAR_TRY(fields, parse_body(call.request, allowed));
  if (find_field(fields, "done") == nullptr)
    return {Errc::invalid, "done: say how much work is done, a whole number of your own units"};
  AttemptProgress report;
  BUSBAR_TRY(done, amount_of(fields, "done"));
  BUSBAR_TRY(total, amount_of(fields, "total"));
  BUSBAR_TRY(rate, amount_of(fields, "rate_per_hour"));
  report.work_done = done;
  report.work_total = total;
  report.rate_per_hour = rate;
  BUSBAR_TRY(id, parse_attempt_name(call.backend.installation(), call.parameter("name")));
  report.attempt = id;
  return report;
}

}  // namespace

std::optional<AttemptProgress> ProgressGate::offer(const AttemptProgress& report, Tick now) {
  const std::lock_guard hold(lock_);
  const auto [entry, is_new] = entries_.try_emplace(report.attempt);
  if (is_new || now >= entry->second.sent + interval_) {
    entry->second = {now, {}};
    return report;
  }
  entry->second.kept = report;
  return {};
}

std::vector<AttemptProgress> ProgressGate::due(Tick now) {
  std::vector<AttemptProgress> reports;
  const std::lock_guard hold(lock_);
  for (auto entry = entries_.begin(); entry != entries_.end();) {
    Entry& mine = entry->second;
    const bool over = now >= mine.sent + interval_ && !mine.kept;
    if (now >= mine.sent + interval_ && mine.kept) {
      reports.push_back(*mine.kept);
      mine = {now, {}};
    }
    entry = over ? entries_.erase(entry) : std::next(entry);
  }
  return reports;
}

Outcome report_progress(const Call& call) {
  BUSBAR_API_TRY(report, read_progress(call));
  std::optional<Error> refusal;
  looking(call.replica, call.backend, [&](const Lens& lens) {
    const core::JobRecord* job = lens.view.state.find(report.attempt.unit.job);
    if (job == nullptr || lens.view.state.find(report.attempt) == nullptr)
      refusal = Error{Errc::not_found, "the attempt " + printable(call.parameter("name")) +
                                           " does not run (any more)"};
    else if (job->job.user.uid != call.caller.user.uid)
      refusal = Error{Errc::denied, "only the job's own user, " + printable(job->job.user.name) +
                                        ", may tell its progress"};
    return 0;
  });
  if (refusal) return error_response(*refusal);
  call.backend.take_progress(report);
  return json_response(Noted{"noted"}, 202);
}

}  // namespace busbar::api
