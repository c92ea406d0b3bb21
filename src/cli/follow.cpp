#include <fmt/format.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <deque>
#include <thread>

#include "base/text.hpp"
#include "base/units.hpp"
#include "cli/jobs.hpp"

namespace busbar::cli {
namespace {

volatile sig_atomic_t interrupted = 0;

void note_interrupt(int) { interrupted = 1; }

// While it lives, Ctrl-C only sets a flag.
class InterruptGuard {
 public:
  InterruptGuard() {
    interrupted = 0;
    struct sigaction action {};
    action.sa_handler = note_interrupt;
    sigaction(SIGINT, &action, &before_);
  }
  ~InterruptGuard() { sigaction(SIGINT, &before_, nullptr); }
  InterruptGuard(const InterruptGuard&) = delete;
  InterruptGuard& operator=(const InterruptGuard&) = delete;

 private:
  struct sigaction before_ {};
};

constexpr std::size_t readers_max = 256;  // logs shown at once

bool is_final(std::string_view state) {
  return !state.empty() && state != "PENDING" && state != "CONFIGURING" && state != "RUNNING" &&
         state != "SUSPENDED" && state != "COMPLETING";
}

std::int64_t header_number(const Response& response, const char* name) {
  const auto found = response.headers.find(name);
  const auto value =
      found == response.headers.end() ? Result<std::int64_t>(0) : parse_count(found->second);
  return value.ok() ? *value : 0;
}

std::string header_text(const Response& response, const char* name) {
  const auto found = response.headers.find(name);
  return found == response.headers.end() ? "" : found->second;
}

// One log being read: its unit, rank and how far we are.
struct Reader {
  std::string unit;
  std::string rank = "0";
  bool error = false;
  std::int64_t attempt = 0;
  std::int64_t offset = 0;
  std::string prefix;   // before each line, when several are shown at once
  std::string partial;  // an unfinished line, with a prefix only
  bool at_end = false;
};

void show_bytes(const Context& context, Reader& reader, const std::string& bytes) {
  if (reader.prefix.empty()) return context.out(bytes);
  reader.partial += bytes;
  std::size_t start = 0;
  for (std::size_t end = reader.partial.find('\n'); end != std::string::npos;
       end = reader.partial.find('\n', start)) {
    context.out(reader.prefix + reader.partial.substr(start, end + 1 - start));
    start = end + 1;
  }
  reader.partial.erase(0, start);
}

// One read; the number of bytes that came.
Result<std::size_t> read_on(const Context& context, Reader& reader, double follow_seconds) {
  Query query = {{"offset", fmt::format("{}", reader.offset)},
                 {"rank", reader.rank},
                 {"stream", reader.error ? "stderr" : "stdout"},
                 {"length", "1048576"}};
  if (follow_seconds > 0) query.push_back({"follow", fmt::format("{}", follow_seconds)});
  if (reader.attempt > 0) query.push_back({"attempt", fmt::format("{}", reader.attempt)});
  BUSBAR_TRY(response, context.client.get("/v1/units/" + escape(reader.unit) + "/log", query));
  const std::int64_t size = header_number(response, "x-busbar-size");
  reader.offset =
      header_number(response, "x-busbar-offset") + static_cast<std::int64_t>(response.body.size());
  show_bytes(context, reader, response.body);
  reader.at_end = is_final(header_text(response, "x-busbar-state")) && reader.offset >= size;
  return response.body.size();
}

// The units of a job, one reader each; a unit's own reference gives one.
Result<std::vector<Reader>> readers_of(const Context& context, const std::string& reference,
                                       const LogOptions& options) {
  Reader one;
  one.unit = reference;
  one.error = options.error;
  one.attempt = options.attempt;
  one.rank = options.rank == "all" ? "0" : options.rank;
  if (is_unit_reference(reference)) return std::vector<Reader>{one};
  BUSBAR_TRY(page, context.get("/v1/jobs/" + escape(reference) + "/units", {{"limit", "1000"}}));
  const Json& runs = list_at(page, "units");
  std::vector<Reader> out;
  for (const auto& run : runs) {
    if (text_at(run, "state") == "PENDING" && integer_at(run, "attempts") == 0) continue;
    for (const auto& unit : expand_reference(text_at(run, "ref"), readers_max - out.size())) {
      Reader reader = one;
      reader.unit = unit;
      reader.prefix = fmt::format("({}) ", unit);
      out.push_back(std::move(reader));
    }
  }
  if (out.empty()) out.push_back(one);
  if (out.size() == 1) out.front().prefix.clear();
  return out;
}

void add_ranks(const Context& context, const std::string& reference, std::vector<Reader>& readers) {
  auto unit = context.get("/v1/units/" + escape(reference));
  if (!unit.ok()) return;
  std::int64_t tasks = 0;
  for (const auto& claim : list_at(object_at(*unit, "attempt"), "claims"))
    tasks += integer_at(claim, "tasks");
  const Reader first = readers.front();
  for (std::int64_t rank = 1; rank < tasks; ++rank) {
    Reader reader = first;
    reader.rank = fmt::format("{}", rank);
    reader.prefix = fmt::format("({}) ", rank);
    readers.push_back(reader);
  }
  if (tasks > 1) readers.front().prefix = "(0) ";
}

// Where the last `lines` lines begin; an unfinished line counts as one.
std::size_t start_of_tail(std::string_view text, std::int64_t lines) {
  std::size_t at = text.size();
  while (at > 0 && lines > 0) {
    const std::size_t end = at >= 2 ? text.rfind('\n', at - 2) : std::string_view::npos;
    at = end == std::string_view::npos ? 0 : end + 1;
    --lines;
  }
  return at;
}

// Only the last lines of what is there.
Result<Ok> skip_to_tail(const Context& context, Reader& reader, std::int64_t lines) {
  Query query = {{"offset", "-1048576"},
                 {"length", "1048576"},
                 {"rank", reader.rank},
                 {"stream", reader.error ? "stderr" : "stdout"}};
  if (reader.attempt > 0) query.push_back({"attempt", fmt::format("{}", reader.attempt)});
  BUSBAR_TRY(response, context.client.get("/v1/units/" + escape(reader.unit) + "/log", query));
  const std::size_t at = start_of_tail(response.body, lines);
  reader.offset = header_number(response, "x-busbar-offset") + static_cast<std::int64_t>(at);
  return Ok{};
}

}  // namespace

namespace {

// Says once that nothing happens before somebody releases it, and why.
void note_held(const Context& context, const std::string& reference, const Json& job, bool& said) {
  const Json& units = object_at(job, "units");
  const bool held = integer_at(units, "held") > 0 && integer_at(units, "waiting") == 0 &&
                    integer_at(units, "running") == 0;
  if (held && !said)
    context.note(fmt::format("job {} does not start: {}; `busbar release {}` lets it go", reference,
                             text_at(job, "reason"), reference));
  said = held;
}

// Until the end, or until Ctrl-C; the exit code of trouble.
int print_logs(const Context& context, const std::string& reference, const LogOptions& options) {
  auto readers = readers_of(context, reference, options);
  if (!readers.ok()) return context.fail(readers.error());
  if (options.rank == "all") add_ranks(context, reference, *readers);
  for (auto& reader : *readers) {
    if (options.tail < 0) continue;
    auto skipped = skip_to_tail(context, reader, options.tail);
    if (!skipped.ok()) return context.fail(skipped.error());
  }
  while (interrupted == 0) {
    bool all_at_end = true;
    std::size_t got = 0;
    for (auto& reader : *readers) {
      if (reader.at_end) continue;
      const double follow = options.follow && readers->size() == 1 ? 1.0 : 0;
      auto bytes = read_on(context, reader, follow);
      if (!bytes.ok()) return context.fail(bytes.error());
      got += *bytes;
      all_at_end = all_at_end && reader.at_end;
    }
    if (all_at_end || (!options.follow && got == 0)) break;
    if (got == 0 && options.follow) std::this_thread::sleep_for(std::chrono::milliseconds(200));
  }
  for (auto& reader : *readers)
    if (!reader.partial.empty()) context.out(reader.prefix + reader.partial + "\n");
  return 0;
}

}  // namespace

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

int logs(const Context& context, const std::string& reference, const LogOptions& options) {
  const InterruptGuard guard;
  const int code = print_logs(context, reference, options);
  if (interrupted != 0) context.note("stopped following; the job goes on");
  return code;
}

int follow_to_end(const Context& context, const std::string& reference) {
  const InterruptGuard guard;
  const auto detach = [&] {
    context.note(fmt::format("stopped following; job {} goes on", reference));
    return exit_interrupted;
  };
  LogOptions options;
  options.follow = true;
  const std::string path = "/v1/jobs/" + escape(reference) + "/wait";
  bool said_held = false;
  while (true) {
    auto started = context.get(path, {{"timeout", "1"}, {"until", "running"}});
    if (interrupted != 0) return detach();
    if (!started.ok()) return context.fail(started.error()), exit_busbar_failed;
    if (flag_at(*started, "done")) break;
    note_held(context, reference, object_at(*started, "job"), said_held);
  }
  const int followed = print_logs(context, reference, options);
  if (interrupted != 0) return detach();
  if (followed != 0) return exit_busbar_failed;
  while (true) {
    auto answer = context.get(path, {{"timeout", "1"}});
    if (interrupted != 0) return detach();
    if (!answer.ok()) return context.fail(answer.error()), exit_busbar_failed;
    const Json& job = object_at(*answer, "job");
    if (!flag_at(*answer, "done")) {
      note_held(context, reference, job, said_held);
      continue;
    }
    if (text_at(job, "state") != "COMPLETED")
      context.note(fmt::format("job {} ended {}: {}", reference, text_at(job, "state"),
                               text_at(job, "reason")));
    return exit_code_of(*answer);
  }
}

int attach(const Context& context, const std::string& reference) {
  return follow_to_end(context, reference);
}

int wait(const Context& context, const std::vector<std::string>& references,
         const std::string& until, double timeout_seconds) {
  const auto start = now_unix_ms();
  int worst = 0;
  for (const auto& reference : references) {
    while (true) {
      const double left = timeout_seconds < 0
                              ? 20
                              : timeout_seconds - static_cast<double>(now_unix_ms() - start) / 1000;
      auto answer = context.get(
          "/v1/jobs/" + escape(reference) + "/wait",
          {{"timeout", fmt::format("{:.3f}", std::clamp(left, 0.0, 20.0))}, {"until", until}});
      if (!answer.ok()) return context.fail(answer.error()), exit_busbar_failed;
      if (flag_at(*answer, "done")) {
        worst = std::max(worst, exit_code_of(*answer));
        const std::string state = text_at(*answer, "state");
        if (is_final(state) && state != "COMPLETED")
          context.note(fmt::format("job {} ended {}: {}", reference, state,
                                   text_at(object_at(*answer, "job"), "reason")));
        if (context.json) context.out(answer->dump(2) + "\n");
        break;
      }
      if (timeout_seconds >= 0 && left <= 0) {
        context.note(fmt::format("job {} is still {} after {}", reference,
                                 text_at(*answer, "state"), short_seconds(timeout_seconds)));
        return exit_busbar_failed;
      }
    }
  }
  return worst;
}

}  // namespace busbar::cli
