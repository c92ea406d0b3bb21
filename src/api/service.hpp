// Carries out what handlers ask for, on the coroutine of the connection: commands, waiting,
// logs, idempotency. Knows neither sockets nor HTTP parsing. For .cpp files of the server only.
#pragma once

#include <atomic>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <variant>

#include "api/asio.hpp"
#include "api/guard.hpp"
#include "api/people.hpp"
#include "api/request.hpp"
#include "api/server.hpp"
#include "api/workers.hpp"

namespace busbar::api {

// Wakes coroutines whenever the replica has moved on.
class Pulse {
 public:
  std::uint64_t beats() const { return beats_.load(); }
  // From any thread.
  void beat();
  // Returns at the first beat after `seen`, or at `until`.
  asio::awaitable<void> wait(std::uint64_t seen, std::chrono::steady_clock::time_point until);

 private:
  std::atomic<std::uint64_t> beats_{0};
  std::mutex lock_;
  std::list<std::shared_ptr<asio::steady_timer>> waiting_;
};

// Answers of requests that carried an Idempotency-Key, for a day, at most `entries_max`.
class Answered {
 public:
  enum class Found { fresh, pending, other_body, done };
  // Takes the key for a request that is now under way, or says what is known of it.
  Found begin(const std::string& key, std::uint64_t body_digest, Response& response);
  void finish(const std::string& key, const Response& response);
  void forget(const std::string& key);

 private:
  struct Entry {
    std::uint64_t body_digest = 0;
    bool done = false;
    Response response;
    std::chrono::steady_clock::time_point at;
    std::list<std::string>::iterator order;
  };
  static constexpr std::size_t entries_max = 4096;

  std::mutex lock_;
  std::map<std::string, Entry> entries_;
  std::list<std::string> order_;  // oldest first
};

struct Counters {
  std::atomic<std::uint64_t> connections{0};  // open now
  std::atomic<std::uint64_t> streams{0};      // open now
  std::atomic<std::uint64_t> accepted{0};
  std::atomic<std::uint64_t> turned_away{0};
  std::atomic<std::uint64_t> timed_out{0};
  std::atomic<std::uint64_t> malformed{0};
  std::atomic<std::uint64_t> requests{0};
  std::atomic<std::uint64_t> answers[6]{};  // by status / 100
};

using Answer = std::variant<Response, EventStream>;

class Service {
 public:
  // `workers` run the coroutines: answers that come late keep them.
  Service(const ServerOptions& options, std::shared_ptr<Workers> workers, Replica& replica,
          Backend& backend);
  ~Service();

  // The request's answer; never throws.
  asio::awaitable<Answer> answer(const Request& request, const Caller& caller);
  // Who sends this over TCP, by its token.
  Caller caller_of_token(const Request& request);
  UserRef user_of(std::uint32_t uid, std::uint32_t gid) { return people_.by_uid(uid, gid); }
  void replace(OperatorRule operators) { people_.replace(std::move(operators)); }
  std::size_t tokens_known() const;

  // Of the doors themselves.
  std::vector<Metric> metrics() const;

  const Timings& timings() const { return timings_; }
  std::size_t streams_max() const { return streams_max_; }
  Replica& replica() { return replica_; }
  Pulse& pulse() { return pulse_; }
  Counters& counters() { return counters_; }
  bool stopping() const { return stopping_.load(); }
  void set_stopping();

 private:
  asio::awaitable<Answer> carry_out(Outcome& outcome);
  asio::awaitable<Response> ask(Ask& ask);
  asio::awaitable<Response> wait_later(Later& later);
  asio::awaitable<Response> labour_elsewhere(Labour& labour);
  asio::awaitable<Response> follow(FollowLog& follow);
  asio::awaitable<Result<LogChunk>> read_chunk(const LogRequest& request);
  asio::awaitable<bool> reach(Revision revision, std::chrono::milliseconds timeout);
  asio::awaitable<void> pause(std::chrono::milliseconds span);
  asio::awaitable<Answer> answer_once(const Request& request, const Caller& caller);

  std::shared_ptr<Workers> workers_;
  Replica& replica_;
  Backend& backend_;
  const Timings timings_;
  const std::size_t streams_max_;
  People people_;
  Pulse pulse_;
  Answered answered_;
  Counters counters_;
  std::atomic<bool> stopping_{false};
};

}  // namespace busbar::api
