#include "api/service.hpp"

#include "api/metrics.hpp"
#include "api/routes.hpp"
#include "api/tokens.hpp"
#include "base/codec.hpp"
#include "base/text.hpp"

namespace busbar::api {
namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

constexpr std::size_t key_length_max = 128;
constexpr auto answers_kept_for = std::chrono::hours(24);
constexpr auto log_poll = 200ms;
constexpr auto look_again_min = 20ms;  // between two looks of one waiting request

// A value that another thread gives to a coroutine.
template <class T>
struct Slot {
  Slot(std::shared_ptr<Workers> keeps, const asio::any_io_executor& executor)
      : workers(std::move(keeps)), timer(executor) {}
  std::shared_ptr<Workers> workers;
  asio::steady_timer timer;
  std::optional<T> value;
};

template <class T>
std::function<void(T)> filler(std::shared_ptr<Slot<T>> slot) {
  return [slot](T value) {
    asio::post(slot->timer.get_executor(), [slot, value = std::move(value)]() mutable {
      slot->value = std::move(value);
      slot->timer.cancel();
    });
  };
}

template <class T>
asio::awaitable<void> wait_for_value(std::shared_ptr<Slot<T>> slot, Clock::duration span) {
  if (slot->value) co_return;
  slot->timer.expires_after(span);
  ErrorCode ignored;
  co_await slot->timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
}

std::optional<Revision> wanted_revision(const Request& request, std::optional<Error>& refusal) {
  std::string_view text = request.header("x-busbar-revision");
  const auto query = request.query.find("revision");
  if (text.empty() && query != request.query.end()) text = query->second;
  if (text.empty()) return {};
  const auto number = parse_count(text);
  if (!number.ok()) {
    refusal = Error{Errc::invalid, "the revision '" + printable(text) + "' is not a number"};
    return {};
  }
  return Revision(static_cast<std::uint64_t>(number.value()));
}

Response internal_problem(const char* what) {
  return error_response(
      500, "corrupt", std::string("the request could not be carried out: ") + printable(what, 200));
}

}  // namespace

void Pulse::beat() {
  beats_.fetch_add(1);
  std::list<std::shared_ptr<asio::steady_timer>> waiting;
  {
    const std::lock_guard hold(lock_);
    waiting.swap(waiting_);
  }
  for (const auto& timer : waiting) {
    asio::post(timer->get_executor(), [timer] { timer->cancel(); });
  }
}

asio::awaitable<void> Pulse::wait(std::uint64_t seen, Clock::time_point until) {
  auto timer = std::make_shared<asio::steady_timer>(co_await asio::this_coro::executor);
  timer->expires_at(until);
  {
    const std::lock_guard hold(lock_);
    if (beats_.load() != seen) co_return;
    waiting_.push_back(timer);
  }
  ErrorCode ignored;
  co_await timer->async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  const std::lock_guard hold(lock_);
  waiting_.remove(timer);
}

Answered::Found Answered::begin(const std::string& key, std::uint64_t body_digest,
                                Response& response) {
  const std::lock_guard hold(lock_);
  const auto now = Clock::now();
  while (!order_.empty() && (order_.size() >= entries_max ||
                             now - entries_.at(order_.front()).at > answers_kept_for)) {
    entries_.erase(order_.front());
    order_.pop_front();
  }
  const auto found = entries_.find(key);
  if (found != entries_.end()) {
    if (found->second.body_digest != body_digest) return Found::other_body;
    if (!found->second.done) return Found::pending;
    response = found->second.response;
    return Found::done;
  }
  order_.push_back(key);
  entries_.emplace(key, Entry{body_digest, false, {}, now, std::prev(order_.end())});
  return Found::fresh;
}

void Answered::finish(const std::string& key, const Response& response) {
  const std::lock_guard hold(lock_);
  const auto found = entries_.find(key);
  if (found == entries_.end()) return;
  found->second.done = true;
  found->second.response = response;
}

void Answered::forget(const std::string& key) {
  const std::lock_guard hold(lock_);
  const auto found = entries_.find(key);
  if (found == entries_.end()) return;
  order_.erase(found->second.order);
  entries_.erase(found);
}

Service::Service(const ServerOptions& options, std::shared_ptr<Workers> workers, Replica& replica,
                 Backend& backend)
    : workers_(std::move(workers)),
      replica_(replica),
      backend_(backend),
      timings_(options.timings),
      streams_max_(options.streams_max),
      people_(options.operators) {
  replica_.set_listener([this](Revision) { pulse_.beat(); });
}

Service::~Service() { replica_.set_listener({}); }

std::size_t Service::tokens_known() const { return backend_.tokens().size(); }

void Service::set_stopping() {
  stopping_ = true;
  pulse_.beat();
}

std::vector<Metric> Service::metrics() const {
  const auto number = [](const std::atomic<std::uint64_t>& value) {
    return static_cast<double>(value.load());
  };
  std::vector<Metric> metrics = {
      {"api_connections", "Connections open now.", false, number(counters_.connections), ""},
      {"api_streams", "Event streams open now.", false, number(counters_.streams), ""},
      {"api_accepted_total", "Connections taken.", true, number(counters_.accepted), ""},
      {"api_turned_away_total", "Connections refused for lack of room.", true,
       number(counters_.turned_away), ""},
      {"api_timed_out_total", "Clients that were too slow.", true, number(counters_.timed_out), ""},
      {"api_malformed_total", "Requests that were not HTTP.", true, number(counters_.malformed),
       ""},
      {"api_requests_total", "Requests taken.", true, number(counters_.requests), ""}};
  for (int kind = 2; kind <= 5; ++kind)
    metrics.push_back({"api_answers_total", "Answers by status.", true,
                       number(counters_.answers[kind]),
                       "status=\"" + std::to_string(kind) + "xx\""});
  return metrics;
}

Caller Service::caller_of_token(const Request& request) {
  const std::string_view header = request.header("authorization");
  constexpr std::string_view scheme = "bearer ";
  if (header.size() <= scheme.size() || lower(header.substr(0, scheme.size())) != scheme) return {};
  const auto facts =
      backend_.tokens().find(trim(header.substr(scheme.size())), backend_.unix_ms(backend_.now()));
  if (!facts) return {};
  return {people_.by_uid(facts->uid, facts->uid), true, false, facts->read_only};
}

asio::awaitable<void> Service::pause(std::chrono::milliseconds span) {
  asio::steady_timer timer(co_await asio::this_coro::executor);
  timer.expires_after(span);
  ErrorCode ignored;
  co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
}

asio::awaitable<bool> Service::reach(Revision revision, std::chrono::milliseconds timeout) {
  const auto until = Clock::now() + timeout;
  for (;;) {
    const std::uint64_t seen = pulse_.beats();
    if (replica_.revision() >= revision) co_return true;
    if (stopping() || Clock::now() >= until) co_return false;
    co_await pulse_.wait(seen, until);
  }
}

asio::awaitable<Response> Service::ask(Ask& ask) {
  auto slot =
      std::make_shared<Slot<Result<Committed>>>(workers_, co_await asio::this_coro::executor);
  backend_.submit(std::move(ask.command),
                  [fill = filler(slot), then = std::move(ask.committed)](Result<Committed> done) {
                    if (done.ok() && then) then();
                    fill(std::move(done));
                  });
  co_await wait_for_value(slot, timings_.commit);
  if (!slot->value)
    co_return error_response(503, "unavailable",
                             "the request was taken but is not durable yet; it may still happen",
                             "ask again with the same Idempotency-Key, or look before you repeat "
                             "it");
  if (!slot->value->ok()) co_return error_response(slot->value->error());
  const Committed& committed = slot->value->value();
  // So that the next read of the same client shows it.
  co_await reach(committed.revision, timings_.revision);
  co_return ask.answer(committed);
}

asio::awaitable<Response> Service::wait_later(Later& later) {
  const auto until = Clock::now() + later.timeout;
  for (;;) {
    const std::uint64_t seen = pulse_.beats();
    const bool last = stopping() || Clock::now() >= until;
    auto response = later.look(last);
    if (response) co_return std::move(*response);
    if (last) co_return error_response(503, "unavailable", "the daemon is stopping");
    co_await pause(look_again_min);
    co_await pulse_.wait(seen, until);
  }
}

// What it throws is thrown here.
asio::awaitable<Response> Service::labour_elsewhere(Labour& labour) {
  const auto work = [&labour]() -> asio::awaitable<Response> { co_return labour.run(); };
  co_return co_await asio::co_spawn(workers_->labour(), work(), asio::use_awaitable);
}

asio::awaitable<Result<LogChunk>> Service::read_chunk(const LogRequest& request) {
  auto slot =
      std::make_shared<Slot<Result<LogChunk>>>(workers_, co_await asio::this_coro::executor);
  backend_.read_log(request, filler(slot));
  co_await wait_for_value(slot, timings_.commit);
  if (slot->value) co_return std::move(*slot->value);
  co_return Result<LogChunk>(Errc::unavailable, "the node did not give the log in time; try again");
}

asio::awaitable<Response> Service::follow(FollowLog& follow) {
  const auto until = Clock::now() + follow.timeout;
  for (;;) {
    const bool last = stopping() || Clock::now() >= until;
    auto request = follow.request();
    if (!request.ok()) co_return error_response(request.error());
    Result<LogChunk> chunk = LogChunk{};
    if (request->has_value()) chunk = co_await read_chunk(**request);
    LogStep step = follow.answer(std::move(chunk), last);
    if (step.response) co_return std::move(*step.response);
    if (!step.at_once) co_await pause(log_poll);
  }
}

asio::awaitable<Answer> Service::carry_out(Outcome& outcome) {
  if (auto* response = std::get_if<Response>(&outcome)) co_return std::move(*response);
  if (auto* stream = std::get_if<EventStream>(&outcome)) co_return std::move(*stream);
  Response response;
  if (auto* wanted = std::get_if<Ask>(&outcome)) {
    response = co_await ask(*wanted);
  } else if (auto* later = std::get_if<Later>(&outcome)) {
    response = co_await wait_later(*later);
  } else if (auto* labour = std::get_if<Labour>(&outcome)) {
    response = co_await labour_elsewhere(*labour);
  } else {
    response = co_await follow(std::get<FollowLog>(outcome));
  }
  co_return response;
}

asio::awaitable<Answer> Service::answer_once(const Request& request, const Caller& caller) {
  std::optional<Error> refusal;
  const auto revision = wanted_revision(request, refusal);
  if (refusal) co_return error_response(*refusal);
  if (revision) {
    const bool reached = co_await reach(*revision, timings_.revision);
    if (!reached)
      co_return error_response(503, "unavailable",
                               "revision " + std::to_string(revision->value) +
                                   " is not visible yet; now it is " +
                                   std::to_string(replica_.revision().value));
  }
  Outcome outcome = dispatch(request, caller, replica_, backend_);
  auto* response = std::get_if<Response>(&outcome);
  if (request.path == "/metrics" && response != nullptr && response->status == 200)
    response->body += metrics_text(metrics());
  co_return co_await carry_out(outcome);
}

asio::awaitable<Answer> Service::answer(const Request& request, const Caller& caller) {
  counters_.requests.fetch_add(1);
  std::string key;
  const std::string_view given = request.header("idempotency-key");
  // A submission's key goes into the journal, a plan changes nothing; the others are kept here.
  const bool keyed = !given.empty() && request.method == "POST" && caller.known;
  if (keyed && (given.size() > key_length_max || !is_utf8(given)))
    co_return error_response(
        Error{Errc::invalid, "an Idempotency-Key is text of at most 128 bytes"});
  if (keyed && request.path != "/v1/jobs" && request.path != "/v1/plan") {
    key = std::to_string(caller.user.uid) + " " + request.path + " " + std::string(given);
    Response known;
    switch (answered_.begin(key, digest(request.body), known)) {
      case Answered::Found::fresh:
        break;
      case Answered::Found::done:
        co_return known;
      case Answered::Found::pending:
        co_return error_response(409, "conflict",
                                 "a request with this Idempotency-Key is still being carried out");
      case Answered::Found::other_body:
        co_return error_response(409, "conflict",
                                 "this Idempotency-Key was used for another request");
    }
  }
  Answer result;
  std::optional<Response> problem;
  try {
    result = co_await answer_once(request, caller);
  } catch (const std::exception& raised) {
    problem = internal_problem(raised.what());
  }
  if (problem) result = std::move(*problem);
  if (!key.empty()) {
    const Response* response = std::get_if<Response>(&result);
    // What may be repeated is not kept.
    if (response != nullptr && response->status < 500) {
      answered_.finish(key, *response);
    } else {
      answered_.forget(key);
    }
  }
  co_return result;
}

}  // namespace busbar::api
