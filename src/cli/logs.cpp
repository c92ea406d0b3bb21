#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>

#include "base/text.hpp"
#include "base/units.hpp"
#include "cli/interrupt.hpp"
#include "cli/jobs.hpp"

namespace busbar::cli {
namespace {

constexpr std::size_t readers_max = 256;  // read at once
constexpr std::int64_t chunk_bytes = 1 << 20;
constexpr std::int64_t look_again_ms = 1'000;

std::string header_text(const Response& response, const char* name) {
  const auto found = response.headers.find(name);
  return found == response.headers.end() ? "" : found->second;
}

std::int64_t header_number(const Response& response, const char* name) {
  const auto value = parse_count(header_text(response, name));
  return value.ok() ? *value : 0;
}

// One rank of one unit and how far it has been read.
struct Reader {
  std::string unit;
  std::int64_t rank = 0;
  std::int64_t offset = -1;  // in the file; -1: where the attempt's output begins
  std::int64_t attempt = 0;  // that was read last
  std::string path;          // of its file; "" as long as it has not started
  std::string prefix;        // before each line, where several are shown
  std::string partial;       // an unfinished line
  bool fresh = true;         // nothing was asked yet
  bool left_out = false;     // done only because it could not be read
  bool done = false;
};

// The output of a job or unit. A file that several ranks or units share is shown once: by one of
// its readers, and by the next when that one is done.
class LogView {
 public:
  LogView(const Context& context, std::string reference, LogOptions options)
      : context_(context), reference_(std::move(reference)), options_(std::move(options)) {}

  // Until the end, or until Ctrl-C; the exit code of trouble. Again: what later attempts wrote.
  Result<Ok> print();

 private:
  Result<Ok> look();
  Result<Json> units_page(const std::string& page) const;
  void reopen(const std::string& unit, std::int64_t attempts);
  void add_units(const Json& runs);
  void add_unit(const std::string& unit, bool of_several);
  std::int64_t ranks_of(const std::string& unit) const;
  Result<Response> ask(const Reader& reader, std::int64_t length, double follow_seconds,
                       std::int64_t attempt) const;
  void find_first_attempt(Reader& reader) const;
  Result<Ok> find_path(std::size_t at);
  Result<std::size_t> read(std::size_t at, double follow_seconds);
  Result<std::size_t> read_all();
  bool another_shows(std::size_t at);
  void show(Reader& reader, const std::string& bytes);
  void show_line(const Reader& reader, const std::string& line) const;
  void finish(Reader& reader);
  Result<Ok> leave_out(Reader& reader, const Error& error);
  std::size_t active() const;
  bool look_is_due();

  const Context& context_;
  std::string reference_;
  const LogOptions options_;
  std::vector<Reader> readers_;
  std::map<std::string, std::vector<std::size_t>> known_;  // units and their readers
  std::map<std::string, std::size_t> owners_;              // of a path: the reader that shows it
  bool one_unit_ = false;
  bool more_to_come_ = false;  // units that have not started
  bool any_started_ = false;
  std::set<std::string> told_;     // why something could not be read
  std::optional<Error> left_out_;  // the first of these reasons
  std::int64_t looked_ms_ = 0;
};

std::size_t LogView::active() const {
  return static_cast<std::size_t>(
      std::count_if(readers_.begin(), readers_.end(), [](const Reader& r) { return !r.done; }));
}

// Finds the units that have started since the last look; those of a job, or the unit itself.
Result<Ok> LogView::look() {
  looked_ms_ = now_unix_ms();
  if (one_unit_) {
    const std::string& unit = known_.begin()->first;
    const auto answer = context_.get("/v1/units/" + escape(unit));
    if (answer.ok()) reopen(unit, integer_at(*answer, "attempts"));
    return Ok{};
  }
  one_unit_ = is_unit_reference(reference_);
  more_to_come_ = false;
  std::string next;
  do {
    auto page = one_unit_ ? Result<Json>(Errc::not_found, "") : units_page(next);
    if (!page.ok()) {
      if (page.error().code != Errc::not_found) return page.error();
      one_unit_ = true;  // or a job of the history
      add_unit(reference_, false);
      return Ok{};
    }
    add_units(list_at(*page, "units"));
    next = text_at(*page, "next");
  } while (!next.empty() && active() < readers_max);
  more_to_come_ = more_to_come_ || !next.empty();
  return Ok{};
}

Result<Json> LogView::units_page(const std::string& page) const {
  Query query = {{"limit", "1000"}};
  if (!page.empty()) query.push_back({"page", page});
  return context_.get("/v1/jobs/" + escape(reference_) + "/units", query);
}

void LogView::add_units(const Json& runs) {
  one_unit_ = known_.empty() && runs.size() == 1 && integer_at(runs.front(), "count") == 1;
  for (const auto& run : runs) {
    const bool waits = text_at(run, "state") == "PENDING" && integer_at(run, "attempts") == 0;
    if (waits && !one_unit_) {
      more_to_come_ = more_to_come_ || !flag_at(run, "held");
      continue;
    }
    for (const auto& unit : expand_reference(text_at(run, "ref"), readers_max + known_.size())) {
      if (known_.contains(unit))
        reopen(unit, integer_at(run, "attempts"));
      else if (active() < readers_max)
        add_unit(unit, !one_unit_);
    }
  }
}

// A unit that was shown to the end of an attempt and has had another since.
void LogView::reopen(const std::string& unit, std::int64_t attempts) {
  for (const std::size_t at : known_.at(unit)) {
    Reader& reader = readers_[at];
    if (!reader.done || options_.attempt > 0 || attempts <= reader.attempt) continue;
    reader.done = false;
    reader.attempt = attempts;  // so that each opens it once
  }
}

// Those of its live attempt; of an ended one as many as there may have been, as the file of one
// that was not there is not there either.
std::int64_t LogView::ranks_of(const std::string& unit) const {
  std::int64_t ranks = 0;
  if (auto answer = context_.get("/v1/units/" + escape(unit)); answer.ok())
    for (const auto& claim : list_at(object_at(*answer, "attempt"), "claims"))
      ranks += integer_at(claim, "tasks");
  if (ranks > 0) return ranks;
  const auto job = context_.get("/v1/jobs/" + escape(unit.substr(0, unit.find_first_of("_."))));
  if (!job.ok() || text_at(*job, "coupling") == "loose") return 1;
  for (const auto& group : list_at(*job, "groups"))
    ranks += std::max<std::int64_t>(1, integer_at(group, "tasks_max"));
  return std::max<std::int64_t>(1, ranks);
}

void LogView::add_unit(const std::string& unit, bool of_several) {
  const bool all = options_.rank == "all";
  const auto one = parse_count(options_.rank);
  const std::int64_t first = all || !one.ok() ? 0 : *one;
  const std::int64_t ranks =
      all ? std::min<std::int64_t>(ranks_of(unit), static_cast<std::int64_t>(readers_max)) : 1;
  for (std::int64_t rank = first; rank < first + ranks; ++rank) {
    Reader reader;
    reader.unit = unit;
    reader.rank = rank;
    if (of_several) reader.prefix = unit;
    if (ranks > 1) reader.prefix += fmt::format("{}{}", of_several ? " rank " : "", rank);
    if (!reader.prefix.empty()) reader.prefix = "(" + reader.prefix + ") ";
    known_[unit].push_back(readers_.size());
    readers_.push_back(std::move(reader));
  }
}

Result<Response> LogView::ask(const Reader& reader, std::int64_t length, double follow_seconds,
                              std::int64_t attempt) const {
  const bool tail = reader.fresh && options_.tail >= 0;
  Query query = {{"rank", fmt::format("{}", reader.rank)},
                 {"stream", options_.error ? "stderr" : "stdout"},
                 {"length", fmt::format("{}", length)}};
  if (tail || reader.offset >= 0)
    query.push_back({"offset", fmt::format("{}", tail ? -chunk_bytes : reader.offset)});
  if (follow_seconds > 0) query.push_back({"follow", fmt::format("{}", follow_seconds)});
  if (attempt > 0) query.push_back({"attempt", fmt::format("{}", attempt)});
  return context_.client.get("/v1/units/" + escape(reader.unit) + "/log", query);
}

// Takes the file over when the reader that showed it is done. Lines of a file that is shared are
// nobody's.
bool LogView::another_shows(std::size_t at) {
  Reader& reader = readers_[at];
  if (reader.path.empty()) return false;
  const auto [owner, mine] = owners_.emplace(reader.path, at);
  if (mine || owner->second == at) return false;
  Reader& before = readers_[owner->second];
  before.prefix.clear();
  reader.prefix.clear();
  if (before.fresh) before.offset = std::min(before.offset, reader.offset);
  if (!before.done) return true;
  reader.offset = std::max(reader.offset, before.offset);
  owner->second = at;
  return false;
}

// Before the first byte is shown, so that it is known which files are shared.
Result<Ok> LogView::find_path(std::size_t at) {
  Reader& reader = readers_[at];
  if (reader.done || !reader.path.empty()) return Ok{};
  const auto response = ask(reader, 1, 0, options_.attempt);
  if (!response.ok()) {
    if (response.error().code != Errc::not_found) return leave_out(reader, response.error());
    finish(reader);
    return Ok{};
  }
  reader.path = header_text(*response, "x-busbar-path");
  if (options_.tail < 0 && !reader.path.empty())
    reader.offset = header_number(*response, "x-busbar-offset");
  another_shows(at);
  return Ok{};
}

// Who follows every attempt begins with the first: it may have ended before the first look.
void LogView::find_first_attempt(Reader& reader) const {
  const auto response = ask(reader, 1, 0, 1);
  if (!response.ok() || header_text(*response, "x-busbar-path").empty()) return;
  reader.path = header_text(*response, "x-busbar-path");
  reader.offset = header_number(*response, "x-busbar-offset");
}

// One read; the number of bytes that came.
Result<std::size_t> LogView::read(std::size_t at, double follow_seconds) {
  Reader& reader = readers_[at];
  const auto response = ask(reader, chunk_bytes, follow_seconds, options_.attempt);
  if (!response.ok()) {
    const bool empty = response.error().code == Errc::not_found &&
                       (options_.missing_is_empty || readers_.size() > 1);
    if (!empty) BUSBAR_TRY_OK(leave_out(reader, response.error()));
    finish(reader);
    return std::size_t{0};
  }
  const std::string path = header_text(*response, "x-busbar-path");
  if (path.empty()) {  // it does not run yet: nothing is known of its output
    if (!options_.follow || is_final(header_text(*response, "x-busbar-state"))) finish(reader);
    return std::size_t{0};
  }
  const std::int64_t attempt = header_number(*response, "x-busbar-attempt");
  if (options_.every_attempt && reader.offset < 0 && reader.fresh && attempt > 1) {
    find_first_attempt(reader);
    if (reader.offset >= 0) return std::size_t{0};
  }
  reader.attempt = std::max(reader.attempt, attempt);
  any_started_ = true;
  if (!reader.path.empty() && path != reader.path) {  // a later attempt has a file of its own
    reader.path = path;
    reader.offset = -1;
    return std::size_t{0};
  }
  if (reader.path.empty()) {
    reader.path = path;
    if (another_shows(at)) return std::size_t{0};
  }
  const std::int64_t begin = header_number(*response, "x-busbar-offset");
  const std::int64_t end = begin + static_cast<std::int64_t>(response->body.size());
  // What a reader before it has shown already.
  const std::int64_t shown = std::clamp<std::int64_t>(reader.offset - begin, 0, end - begin);
  std::string bytes = response->body.substr(static_cast<std::size_t>(shown));
  if (reader.fresh && options_.tail >= 0) bytes = bytes.substr(start_of_tail(bytes, options_.tail));
  reader.fresh = false;
  reader.offset = end;
  show(reader, bytes);
  const bool at_end = end >= header_number(*response, "x-busbar-size");
  if (at_end && (!options_.follow || is_final(header_text(*response, "x-busbar-state"))))
    finish(reader);
  return bytes.size();
}

Result<std::size_t> LogView::read_all() {
  for (std::size_t at = 0; at < readers_.size() && readers_.size() > 1 && !interrupted(); ++at)
    BUSBAR_TRY_OK(find_path(at));
  const bool alone = options_.follow && !more_to_come_ && active() == 1;
  std::size_t got = 0;
  for (std::size_t at = 0; at < readers_.size() && !interrupted(); ++at) {
    if (readers_[at].done || another_shows(at)) continue;
    BUSBAR_TRY(bytes, read(at, alone ? 1.0 : 0));
    got += bytes;
  }
  if (got == 0 && options_.follow && !alone) pause_ms(200);
  return got;
}

void LogView::show_line(const Reader& reader, const std::string& line) const {
  if (!context_.json) return context_.out(reader.prefix + line);
  const Json told = {{"unit", reader.unit},
                     {"rank", reader.rank},
                     {"stream", options_.error ? "stderr" : "stdout"},
                     {"text", line}};
  context_.out(told.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n");
}

void LogView::show(Reader& reader, const std::string& bytes) {
  reader.partial += bytes;
  if (reader.prefix.empty() && !context_.json) {
    context_.out(reader.partial);
    reader.partial.clear();
  }
  std::size_t start = 0;
  for (std::size_t end = reader.partial.find('\n'); end != std::string::npos;
       end = reader.partial.find('\n', start)) {
    show_line(reader, reader.partial.substr(start, end + 1 - start));
    start = end + 1;
  }
  reader.partial.erase(0, start);
}

void LogView::finish(Reader& reader) {
  reader.done = true;
  if (!reader.partial.empty()) show_line(reader, reader.partial + (context_.json ? "" : "\n"));
  reader.partial.clear();
}

// One of several that cannot be read hides no other, and none that is followed through all attempts
// hides what comes: it is told once.
Result<Ok> LogView::leave_out(Reader& reader, const Error& error) {
  const bool alone = readers_.size() == 1 && !options_.every_attempt;
  if (alone || error.code == Errc::unavailable) return error;
  if (told_.insert(error.text).second) context_.note(harmless(error.text));
  if (!left_out_) left_out_ = error;
  finish(reader);
  reader.left_out = true;
  return Ok{};
}

bool LogView::look_is_due() {
  if (active() == 0) return true;
  return options_.follow && more_to_come_ && now_unix_ms() - looked_ms_ >= look_again_ms;
}

Result<Ok> LogView::print() {
  for (auto& reader : readers_)  // what could not be read may be readable by now
    if (std::exchange(reader.left_out, false)) reader.done = false;
  while (!interrupted()) {
    if (look_is_due()) {
      const auto looked = look();
      if (interrupted()) break;
      if (!looked.ok()) return looked.error();
      if (active() == 0 && !(options_.follow && more_to_come_)) break;
    }
    const auto got = read_all();
    if (interrupted()) break;
    if (!got.ok()) return got.error();
  }
  for (auto& reader : readers_) finish(reader);
  if (!interrupted() && !any_started_ && !options_.missing_is_empty)
    context_.note(fmt::format("{} has not started, so there is no output yet", reference_));
  if (left_out_ && !options_.every_attempt && !interrupted()) return *left_out_;
  return Ok{};
}

}  // namespace

std::size_t start_of_tail(std::string_view text, std::int64_t lines) {
  std::size_t at = text.size();
  while (at > 0 && lines > 0) {
    const std::size_t end = at >= 2 ? text.rfind('\n', at - 2) : std::string_view::npos;
    at = end == std::string_view::npos ? 0 : end + 1;
    --lines;
  }
  return at;
}

std::function<Result<Ok>()> log_follower(const Context& context, const std::string& reference,
                                         const LogOptions& options) {
  return [view = std::make_shared<LogView>(context, reference, options)] { return view->print(); };
}

int logs(const Context& context, const std::string& reference, const LogOptions& options) {
  if (options.rank != "all" && !parse_count(options.rank).ok())
    return context.misuse("--rank: write a rank's number, or all");
  const InterruptGuard guard;
  const auto printed = LogView(context, reference, options).print();
  if (!printed.ok()) return context.fail(printed.error());
  if (interrupted()) context.note("stopped following; the job goes on");
  return 0;
}

}  // namespace busbar::cli
