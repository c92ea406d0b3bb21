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
  if (reference.find_first_of("_.") != std::string::npos) return std::vector<Reader>{one};
  BUSBAR_TRY(page, context.get("/v1/jobs/" + escape(reference) + "/units", {{"limit", "1000"}}));
  const Json& runs = list_at(page, "units");
  std::vector<Reader> out;
  for (const auto& run : runs) {
    const std::int64_t first = integer_at(run, "first"), last = integer_at(run, "last");
    if (text_at(run, "state") == "PENDING") continue;
    for (std::int64_t i = first; i <= last && out.size() < 64; ++i) {
      Reader reader = one;
      reader.unit = text_at(run, "ref");
      const std::size_t bracket = reader.unit.find('[');
      if (bracket != std::string::npos)
        reader.unit = fmt::format("{}{}", reader.unit.substr(0, bracket), i);
      reader.prefix = fmt::format("({}) ", reader.unit);
      out.push_back(reader);
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

// Only the last lines of what is there.
Result<Ok> skip_to_tail(const Context& context, Reader& reader, std::int64_t lines) {
  Query query = {{"offset", "-1048576"},
                 {"length", "1048576"},
                 {"rank", reader.rank},
                 {"stream", reader.error ? "stderr" : "stdout"}};
  BUSBAR_TRY(response, context.client.get("/v1/units/" + escape(reader.unit) + "/log", query));
  std::size_t at = response.body.size();
  while (at > 0 && lines >= 0) {
    if (response.body[at - 1] == '\n' && at != response.body.size() && lines-- <= 1) break;
    if (at == response.body.size() && lines == 0) break;
    --at;
  }
  reader.offset = header_number(response, "x-busbar-offset") + static_cast<std::int64_t>(at);
  return Ok{};
}

}  // namespace

int logs(const Context& context, const std::string& reference, const LogOptions& options) {
  auto readers = readers_of(context, reference, options);
  if (!readers.ok()) return context.fail(readers.error());
  if (options.rank == "all") add_ranks(context, reference, *readers);
  const InterruptGuard guard;
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
  if (interrupted != 0) context.note("stopped following; the job goes on");
  return 0;
}

Result<int> wait_for_end(const Context& context, const std::string& reference) {
  while (true) {
    BUSBAR_TRY(answer, context.get("/v1/jobs/" + escape(reference) + "/wait", {{"timeout", "20"}}));
    if (flag_at(answer, "done")) return static_cast<int>(integer_at(answer, "exit_code"));
    if (interrupted != 0) return {Errc::unavailable, "interrupted; the job goes on"};
  }
}

int follow_to_end(const Context& context, const std::string& reference) {
  LogOptions options;
  options.follow = true;
  while (true) {
    auto started = context.get("/v1/jobs/" + escape(reference) + "/wait",
                               {{"timeout", "2"}, {"until", "running"}});
    if (!started.ok()) return context.fail(started.error()), exit_busbar_failed;
    if (flag_at(*started, "done")) break;
  }
  const int followed = logs(context, reference, options);
  if (interrupted != 0) return 130;
  if (followed != 0) return exit_busbar_failed;
  auto code = wait_for_end(context, reference);
  if (!code.ok()) return context.fail(code.error()), exit_busbar_failed;
  auto job = context.get("/v1/jobs/" + escape(reference));
  if (job.ok() && text_at(*job, "state") != "COMPLETED")
    context.note(fmt::format(
        "job {} ended {}{}", reference, text_at(*job, "state"),
        text_at(*job, "close_reason").empty() ? "" : ": " + text_at(*job, "close_reason")));
  return *code;
}

int attach(const Context& context, const std::string& reference) {
  return follow_to_end(context, reference);
}

int wait(const Context& context, const std::vector<std::string>& references,
         const std::string& until, double timeout_seconds) {
  const InterruptGuard guard;
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
        worst = std::max(worst, static_cast<int>(integer_at(*answer, "exit_code")));
        if (context.json) context.out(answer->dump(2) + "\n");
        break;
      }
      if (interrupted != 0) return 130;
      if (timeout_seconds >= 0 && left <= 0) {
        context.note(fmt::format("busbar: job {} is still {} after {}", reference,
                                 text_at(*answer, "state"), short_seconds(timeout_seconds)));
        return exit_busbar_failed;
      }
    }
  }
  return worst;
}

}  // namespace busbar::cli
