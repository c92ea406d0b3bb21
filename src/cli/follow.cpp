#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/text.hpp"
#include "base/units.hpp"
#include "cli/interrupt.hpp"
#include "cli/jobs.hpp"

namespace busbar::cli {
namespace {

// Of a person's hold something may come; after launches that failed nobody else will look at it.
bool failed_to_start(const Context& context, const std::string& reference) {
  const auto page = context.get("/v1/jobs/" + escape(reference) + "/units", {{"limit", "1000"}});
  if (!page.ok()) return false;
  for (const auto& run : list_at(*page, "units"))
    if (flag_at(run, "held") && integer_at(run, "attempts") > 0) return true;
  return false;
}

// One job that is waited for.
class Watch {
 public:
  Watch(const Context& context, std::string reference)
      : context_(context),
        reference_(std::move(reference)),
        path_("/v1/jobs/" + escape(reference_) + "/wait") {}

  Result<Json> ask(const std::string& until, double seconds) const {
    return context_.get(path_, {{"timeout", fmt::format("{:.3f}", seconds)}, {"until", until}});
  }

  // Says once that nothing happens before somebody releases it, and why. Whether to give up.
  bool given_up(const Json& job) {
    const Json& units = object_at(job, "units");
    const bool held = integer_at(units, "held") > 0 && integer_at(units, "waiting") == 0 &&
                      integer_at(units, "running") == 0;
    const bool said = said_held_;
    said_held_ = held;
    if (!held || said) return false;
    const std::string reason = text_at(job, "reason");
    const bool remedy_said = reason.find("busbar release") != std::string::npos;
    context_.note(fmt::format(
        "job {} does not start: {}{}", reference_, reason,
        remedy_said ? "" : fmt::format("; `busbar release {}` lets it go", reference_)));
    return failed_to_start(context_, reference_);
  }

  // Says what failed and when it is tried again, once for each time; of an array, for each reason.
  void tell_failure(const Json& job) {
    const std::string again = text_at(job, "predicted_start");
    if (text_at(job, "reason") != "Backoff" || again == asked_again_) return;
    asked_again_ = again;
    const auto why = context_.get("/v1/jobs/" + escape(reference_) + "/explain");
    const std::string summary = why.ok() ? text_at(*why, "summary") : "";
    const std::size_t reason_end = summary.find(" and is tried again");
    const bool alone = integer_at(object_at(job, "units"), "total") == 1;
    if (reason_end == std::string::npos ||
        !told_.insert(summary.substr(0, reason_end) + (alone ? again : "")).second)
      return;
    context_.note(fmt::format("job {} waits: {}", reference_, summary));
  }

  int ended(const Json& answer) const {
    const Json& job = object_at(answer, "job");
    const std::string state = text_at(answer, "state");
    const std::string reason = text_at(job, "reason");
    if (is_final(state) && state != "COMPLETED")
      context_.note(fmt::format("job {} ended {}{}{}", reference_, state,
                                reason.empty() ? "" : ": ", reason));
    return exit_code_of(answer);
  }

  int detached() const {
    context_.note(fmt::format("stopped following; job {} goes on", reference_));
    return exit_interrupted;
  }

 private:
  const Context& context_;
  std::string reference_;
  std::string path_;
  bool said_held_ = false;
  std::string asked_again_;
  std::set<std::string> told_;
};

// What came of waiting for one of several jobs.
struct Waited {
  int code = 0;
  bool lost = false;  // the daemon answers no more
};

Waited wait_for_one(const Context& context, const std::string& reference, const std::string& until,
                    double timeout_seconds, std::int64_t start_ms) {
  constexpr double ask_seconds = 2;
  Watch watch(context, reference);
  while (true) {
    const double left =
        timeout_seconds < 0
            ? ask_seconds
            : timeout_seconds - static_cast<double>(now_unix_ms() - start_ms) / 1000;
    const auto answer = watch.ask(until, std::clamp(left, 0.0, ask_seconds));
    if (interrupted()) return {watch.detached(), true};
    if (!answer.ok())
      return {run_refused(context, answer.error()), answer.error().code == Errc::unavailable};
    if (flag_at(*answer, "done")) {
      if (context.json) context.out(answer->dump(2) + "\n");
      return {watch.ended(*answer), false};
    }
    if (watch.given_up(object_at(*answer, "job"))) return {exit_busbar_failed, false};
    if (timeout_seconds >= 0 && left <= 0) {
      if (context.json) context.out(answer->dump(2) + "\n");
      context.note(fmt::format("job {} is still {} after {}", reference, text_at(*answer, "state"),
                               short_seconds(timeout_seconds)));
      return {exit_busbar_failed, false};
    }
  }
}

}  // namespace

bool is_final(std::string_view state) {
  return !state.empty() && state != "PENDING" && state != "CONFIGURING" && state != "RUNNING" &&
         state != "SUSPENDED" && state != "COMPLETING";
}

bool is_unit_reference(const std::string& reference) {
  const std::size_t digits = reference.find_first_not_of("0123456789");
  return digits != 0 && digits != std::string::npos &&
         (reference[digits] == '_' || reference[digits] == '.');
}

std::vector<std::string> expand_reference(const std::string& reference, std::size_t count_max) {
  const std::size_t open = reference.find('[');
  if (open == std::string::npos || reference.back() != ']') {
    if (count_max == 0) return {};
    return {reference};
  }
  std::vector<std::string> out;
  const std::string before = reference.substr(0, open);
  const std::string inside = reference.substr(open + 1, reference.size() - open - 2);
  for (const auto& range : split(inside, ',')) {
    const std::size_t dash = range.find('-');
    const auto first = parse_count(range.substr(0, dash));
    const auto last = dash == std::string_view::npos ? first : parse_count(range.substr(dash + 1));
    if (!first.ok() || !last.ok()) continue;
    for (std::int64_t i = *first; i <= *last && out.size() < count_max; ++i)
      out.push_back(fmt::format("{}{}", before, i));
  }
  return out;
}

int exit_code_of(const Json& answer) {
  const auto code = integer_at(answer, "exit_code");
  const std::string state = text_at(answer, "state");
  if (code == 0 && is_final(state) && state != "COMPLETED") return exit_busbar_failed;
  return static_cast<int>(code);
}

int follow_to_end(const Context& context, const std::string& reference) {
  const InterruptGuard guard;
  Watch watch(context, reference);
  LogOptions options;
  options.follow = true;
  options.missing_is_empty = true;
  options.every_attempt = true;
  const auto show = log_follower(context, reference, options);
  bool followed = false;
  while (true) {
    const auto answer = watch.ask(followed ? "ended" : "running", 1);
    if (interrupted()) return watch.detached();
    if (!answer.ok()) return run_refused(context, answer.error());
    const bool done = flag_at(*answer, "done");
    const Json& job = object_at(*answer, "job");
    if (!done && watch.given_up(job)) return exit_busbar_failed;
    if (!done) watch.tell_failure(job);
    const bool runs_again = followed && integer_at(object_at(job, "units"), "running") > 0;
    if (!done && !runs_again) continue;
    // At the end too: an attempt may have come and gone since.
    const auto shown = show();
    if (interrupted()) return watch.detached();
    if (!shown.ok()) return context.fail(shown.error()), exit_busbar_failed;
    if (done && followed) {
      if (context.json) context.out(answer->dump() + "\n");
      return watch.ended(*answer);
    }
    followed = true;
  }
}

int attach(const Context& context, const std::string& reference) {
  return follow_to_end(context, reference);
}

int wait(const Context& context, const std::vector<std::string>& references,
         const std::string& until, double timeout_seconds) {
  const InterruptGuard guard;
  const auto start_ms = now_unix_ms();
  int worst = 0;
  for (const auto& reference : references) {
    const Waited waited = wait_for_one(context, reference, until, timeout_seconds, start_ms);
    worst = std::max(worst, waited.code);
    if (waited.lost) break;
  }
  return worst;
}

}  // namespace busbar::cli
