// Requests as they come through a door: target, headers and JSON body are read within bounds or
// refused with a sentence that can be shown, and no page of another site gets by.
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "api/answers.hpp"
#include "api/guard.hpp"
#include "base/text.hpp"
#include "request_text.hpp"
#include "require.hpp"

using namespace busbar;
using namespace busbar::api;

namespace {

void require_shown(const Error& error) {
  require(!error.text.empty() && is_utf8(error.text), "an error can be shown");
  require(nlohmann::json::accept(error_response(error).body), "an error is JSON");
}

void look_at_sender(const Request& request, const GuardRule& rule) {
  const auto sender = check_sender(request, rule);
  if (!sender.ok()) return require_shown(sender.error());
  const std::string_view host = request.header("host");
  if (rule.browser_door) require(host_name(host) == "localhost", "the Host is a name of ours");
  const std::string origin = lower(request.header("origin"));
  require(origin.empty() || origin == "https://" + lower(host), "the Origin is our own");
}

void look_at_query(const Request& request) {
  for (const auto& [name, value] : request.query) {
    const auto decoded = percent_decode(percent_encode(value), false);
    require(decoded.ok() && decoded.value() == value, "a value survives being encoded");
    if (const auto states = parse_states(value); !states.ok()) require_shown(states.error());
    if (const auto at = parse_moment(value, 1'793'491'200'000); !at.ok()) require_shown(at.error());
    require(matches_pattern(value, "*"), "a star matches everything");
    matches_pattern(name, value);
    split_list(value);
  }
}

void look_at_body(const Request& request) {
  static constexpr std::string_view allowed[] = {"reason", "name", "priority", "attempts"};
  const auto fields = parse_body(request, allowed);
  if (!fields.ok()) return require_shown(fields.error());
  for (const BodyField& field : fields.value()) {
    require(find_field(fields.value(), field.name) != nullptr, "a field is found by its name");
    require(field.text.size() <= 1000, "a text is bounded");
    require(std::ranges::count(allowed, field.name) == 1, "a field is one of those allowed");
  }
  if (const auto reason = parse_reason(request); reason.ok())
    require(is_utf8(reason.value()), "a reason can be shown");
}

}  // namespace

// A target, lines `name: value` up to an empty one, and the body.
extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  Request request;
  request.method = "POST";
  const auto target = parse_target(take_line(text), request);
  take_headers(text, request);
  request.body = std::string(text);
  if (!target.ok()) require_shown(target.error());
  look_at_query(request);
  look_at_sender(request, {true, true, {"localhost"}, 7433});
  look_at_sender(request, {});
  look_at_body(request);
  return 0;
}
