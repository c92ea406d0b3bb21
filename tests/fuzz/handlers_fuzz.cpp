// Whole operations of the API: whatever comes as target, header fields and body, the answer can be
// shown, nobody sees or changes what is another's, and what was refused or only asked for changes
// nothing.
//
// Input    up to eight requests, each: a line `WHO METHOD TARGET`, lines `name: value` up to an
//          empty one, and the body up to a line of one full stop. WHO is ada, bob, op, looker (a
//          token that may only look) or nobody.
#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "api/testing.hpp"
#include "base/text.hpp"
#include "request_text.hpp"
#include "require.hpp"

using namespace busbar;
using namespace busbar::api;

namespace {

constexpr int requests_max = 8;
constexpr std::uint64_t jobs_of_ada = 3;
constexpr std::string_view secret = "echo what-only-ada-may-read";

// Output of attempts is the same few bytes, whatever path a job names.
class Furnished : public api::testing::TestBackend {
 public:
  void read_log(const LogRequest& request, LogSink sink) override {
    LogChunk chunk;
    chunk.size = static_cast<std::int64_t>(secret.size());
    const std::int64_t from = std::clamp<std::int64_t>(request.offset, 0, chunk.size);
    chunk.bytes =
        secret.substr(static_cast<std::size_t>(from), static_cast<std::size_t>(request.length_max));
    sink(std::move(chunk));
  }
};

Caller caller_of(std::string_view who) {
  if (who == "ada") return api::testing::caller();
  if (who == "bob") return api::testing::caller("bob", 1001);
  if (who == "op") return api::testing::operator_caller();
  Caller caller = api::testing::caller("bob", 1001);
  caller.local = false;
  caller.read_only = who == "looker";
  caller.known = caller.read_only;
  return caller;
}

Request read_request(std::string_view method, std::string_view& text) {
  Request request;
  request.method = std::string(method);
  take_headers(text, request);
  while (!text.empty()) {
    const std::string_view line = take_line(text);
    if (line == ".") break;
    request.body.append(line).append("\n");
  }
  return request;
}

void look_at_answer(const Request& request, const Caller& caller, const Response& response) {
  require(response.status >= 200 && response.status < 500, "no input is our own fault");
  const bool json = response.content_type == "application/json";
  require(!json || response.body.empty() || nlohmann::json::accept(response.body), "JSON is JSON");
  require(json || is_utf8(response.body), "text can be shown");
  for (const auto& [name, value] : response.headers)
    require((name + value).find_first_of("\r\n") == std::string::npos, "a field is one line");
  if (response.status >= 400) {
    const auto error = nlohmann::json::parse(response.body).at("error");
    require(!error.at("message").get<std::string>().empty(), "an error says what is wrong");
  } else {
    const bool open = request.path == "/healthz" || request.path == "/v1/openapi.json";
    require(caller.known || open, "a stranger sees nothing");
  }
  const bool may = caller.known && (caller.user.name == "ada" || caller.user.is_operator);
  require(may || response.body.find(secret) == std::string::npos, "ada's is hers alone");
}

// What only ada and operators may change.
struct Guarded {
  std::vector<core::JobRecord> jobs;
  std::vector<core::AttemptRecord> attempts;
  std::vector<core::NodeRecord> nodes;
  std::map<ReservationId, Reservation> reservations;
  std::uint64_t config_version = 0;
  friend bool operator==(const Guarded&, const Guarded&) = default;
};

Guarded guarded_of(const core::State& state) {
  Guarded guarded{{}, {}, state.nodes(), state.reservations(), state.config_version()};
  for (const auto& [id, record] : state.jobs())
    if (id.value <= jobs_of_ada) guarded.jobs.push_back(record);
  for (const auto& [id, record] : state.attempts())
    if (id.unit.job.value <= jobs_of_ada) guarded.attempts.push_back(record);
  return guarded;
}

// Two machines, and what ada has: a job that runs, one that waits, one that ended.
void furnish(Furnished& backend) {
  using namespace core::testing;
  backend.add_node(node("n1", 8, gibibytes(64), 2));
  backend.add_node(node("n2", 4));
  const std::string file = "name: mine\nrun: " + std::string(secret) + "\ndirectory: /home/ada\n";
  for (std::uint64_t i = 0; i < jobs_of_ada; ++i) {
    Request request;
    request.method = "POST";
    request.path = "/v1/jobs";
    request.body = file + (i == 2 ? "array: 1-9\ncores: 2\n" : "");
    backend.settle();
    const Response made =
        carry_out(backend, dispatch(request, caller_of("ada"), backend.replica(), backend));
    require(made.status == 201, "ada's job is taken");
  }
  const AttemptId running = backend.grant(unit(1), NodeId(1));
  backend.run(running);
  const AttemptId ended = backend.grant(unit(2), NodeId(2));
  backend.run(ended);
  backend.advance(seconds(5));
  backend.end(ended);
  backend.settle();
}

bool only_asks(const Request& request) {
  return request.method == "GET" || request.method == "HEAD" || request.path == "/v1/plan";
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  Furnished backend;
  furnish(backend);
  for (int i = 0; i < requests_max && !text.empty(); ++i) {
    const auto words = split(take_line(text), ' ');
    Request request = read_request(words.size() > 1 ? words[1] : "GET", text);
    const Caller caller = caller_of(words[0]);
    const auto target = parse_target(words.size() > 2 ? words[2] : "/", request);
    if (!target.ok()) {
      look_at_answer(request, caller, error_response(target.error()));
      continue;
    }
    if (request.body.find(secret.substr(0, 12)) != std::string::npos) return 0;  // not hers alone
    const std::uint64_t before = backend.state().digest();
    const std::size_t tokens_before = backend.tokens().size();
    const Guarded guarded_before = guarded_of(backend.state());
    const Response response =
        carry_out(backend, dispatch(request, caller, backend.replica(), backend));
    look_at_answer(request, caller, response);
    const bool changes = response.status < 400 && !only_asks(request) && caller.known;
    if (!changes || caller.read_only) {
      require(backend.state().digest() == before, "this changes nothing");
      require(backend.tokens().size() == tokens_before, "this changes no token");
    }
    if (caller.user.name == "bob")
      require(guarded_of(backend.state()) == guarded_before, "what is another's stays as it is");
    require(!backend.state().invariants(), "the State keeps its rules");
    backend.settle();
  }
  return 0;
}
