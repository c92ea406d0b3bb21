// A request and what is to be done about it, as values: handlers are functions from one to the
// other and know nothing of sockets, threads or waiting.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "api/backend.hpp"
#include "api/replica.hpp"
#include "base/result.hpp"
#include "model/command.hpp"

namespace busbar::api {

inline constexpr std::size_t job_file_bytes_max = 1 << 20;
inline constexpr std::size_t body_bytes_max = 64 << 10;  // of every other request
inline constexpr std::size_t header_bytes_max = 16 << 10;

// Who asks, as the door knows it.
struct Caller {
  UserRef user;
  bool known = false;      // false: no valid token; only public routes answer
  bool local = false;      // came through the Unix socket
  bool read_only = false;  // a token that may only look
};

struct Request {
  std::string method;                          // "GET"
  std::string path;                            // as sent, percent-encoded, without the query
  std::map<std::string, std::string> query;    // decoded
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;

  std::string_view header(const std::string& name) const {
    const auto found = headers.find(name);
    return found == headers.end() ? std::string_view() : std::string_view(found->second);
  }
};

// Splits a target ("/v1/jobs?user=ada") into path and query. invalid: bad percent-encoding.
Result<Ok> parse_target(std::string_view target, Request& request);
Result<std::string> percent_decode(std::string_view text, bool plus_is_space);
std::string percent_encode(std::string_view text);

struct Response {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;
};

// The JSON body of an error, with its status: see docs/api.md.
Response error_response(const Error& error);
Response error_response(int status, std::string_view code, std::string_view message,
                        std::string_view hint = "");

// Put a command to the loop; `answer` is called once it is durable, and after the replica shows it.
struct Ask {
  Command command;
  std::function<Response(const Committed&)> answer;
  // Once it is durable, in the order of such commands, whether or not anybody still waits for the
  // answer; on the loop's thread.
  std::function<void()> committed = {};
};

// Ask again whenever the replica has moved on; with `last` set there must be an answer.
struct Later {
  std::chrono::milliseconds timeout{0};
  std::function<std::optional<Response>(bool last)> look;
};

// Read a log, again and again until there is an answer. `request` is asked before each try; it
// gives nothing where there is nothing to read yet. With `last` set `answer` must give a response.
struct LogStep {
  std::optional<Response> response;
  bool at_once = false;  // no response: try again without waiting
};
struct FollowLog {
  std::chrono::milliseconds timeout{0};
  std::function<Result<std::optional<LogRequest>>()> request;
  std::function<LogStep(Result<LogChunk>, bool last)> answer;
};

// Server-sent events after `since`, for ever or until the one of `until` was told; `write` gives
// the text of one event, "" where it is filtered out.
struct EventStream {
  Revision since;
  std::function<std::string(const Event&)> write;
  std::optional<Revision> until = std::nullopt;
};

// An answer that takes long to compute: on a thread of its own, one after the other.
struct Labour {
  std::function<Response()> run;
};

using Outcome = std::variant<Response, Ask, Later, FollowLog, EventStream, Labour>;

// All that a handler may look at. `parameters` are the decoded parts of the path, by name.
struct Call {
  const Request& request;
  const std::map<std::string, std::string>& parameters;
  const Caller& caller;
  const Replica& replica;
  Backend& backend;

  // A query parameter, or "" when it is absent.
  std::string_view query(const std::string& name) const {
    const auto found = request.query.find(name);
    return found == request.query.end() ? std::string_view() : std::string_view(found->second);
  }
  const std::string& parameter(const std::string& name) const { return parameters.at(name); }
  bool may_see(const UserRef& owner) const {
    return caller.user.is_operator || caller.user.uid == owner.uid;
  }
};

// What outlives a Call: for outcomes that look again later.
struct Kept {
  std::map<std::string, std::string> parameters;
  Caller caller;
  const Replica* replica;
  Backend* backend;
};
inline Kept keep(const Call& call) {
  return {call.parameters, call.caller, &call.replica, &call.backend};
}

// An integer query parameter between min and max, `otherwise` when absent; invalid with the name
// and what is allowed.
Result<std::int64_t> query_integer(const Call& call, const std::string& name, std::int64_t min,
                                   std::int64_t max, std::int64_t otherwise);
// Seconds, with decimals, as milliseconds.
Result<std::chrono::milliseconds> query_seconds(const Call& call, const std::string& name,
                                                std::int64_t seconds_max,
                                                std::int64_t seconds_otherwise);

// Returns the error as a response from the calling handler, or binds the value.
#define BUSBAR_API_TRY(name, expression)                                 \
  auto BUSBAR_TRY_CONCAT(result_, __LINE__) = (expression);              \
  if (!BUSBAR_TRY_CONCAT(result_, __LINE__).ok())                        \
    return error_response(BUSBAR_TRY_CONCAT(result_, __LINE__).error()); \
  auto name = std::move(BUSBAR_TRY_CONCAT(result_, __LINE__)).value()

}  // namespace busbar::api
