#include "api/routes.hpp"

#include <algorithm>
#include <iterator>
#include <vector>

#include "api/handlers.hpp"
#include "base/text.hpp"

namespace busbar::api {
namespace {

constexpr Route table[] = {
    {"POST", "/v1/jobs", submit_jobs, "directory file check", Who::user, job_file_bytes_max},
    {"POST", "/v1/plan", plan_jobs, "directory file", Who::user, job_file_bytes_max},
    {"GET", "/v1/jobs", list_jobs, "state user tenant name label order limit page"},
    {"GET", "/v1/jobs/{ref}", show_job},
    {"PATCH", "/v1/jobs/{ref}", update_job},
    {"GET", "/v1/jobs/{ref}/units", list_units, "state limit page"},
    {"GET", "/v1/jobs/{ref}/explain", explain_job},
    {"GET", "/v1/jobs/{ref}/wait", wait_job, "timeout until"},
    {"POST", "/v1/jobs/{ref}/cancel", cancel_job},
    {"POST", "/v1/jobs/{ref}/hold", hold_job},
    {"POST", "/v1/jobs/{ref}/release", release_job},
    {"POST", "/v1/jobs/{ref}/requeue", requeue_job},
    {"POST", "/v1/attempts/{name}/progress", report_progress},
    {"GET", "/v1/units/{ref}", show_unit},
    {"GET", "/v1/units/{ref}/log", read_log, "stream rank attempt offset length follow"},
    {"GET", "/v1/nodes", list_nodes, "state cluster feature limit page"},
    {"GET", "/v1/nodes/{name}", show_node},
    {"POST", "/v1/nodes/{name}/drain", drain_node, "", Who::op},
    {"POST", "/v1/nodes/{name}/resume", resume_node, "", Who::op},
    {"POST", "/v1/nodes/{name}/fence", fence_node, "", Who::op},
    {"GET", "/v1/reservations", list_reservations},
    {"POST", "/v1/reservations", make_reservation, "", Who::op},
    {"DELETE", "/v1/reservations/{name}", end_reservation, "", Who::op},
    {"GET", "/v1/tenants", list_tenants},
    {"GET", "/v1/history", list_history, "job user tenant state from to limit page"},
    {"GET", "/v1/events", stream_events, "since until job kind"},
    {"GET", "/v1/tokens", list_tokens},
    {"POST", "/v1/tokens", make_token},
    {"DELETE", "/v1/tokens/{id}", revoke_token},
    {"GET", "/v1/status", show_status},
    {"GET", "/v1/config", show_config, "", Who::op},
    {"POST", "/v1/config/reload", reload_config, "", Who::op},
    {"GET", "/v1/adopt", list_sighted},
    {"POST", "/v1/adopt", adopt_sighted, "", Who::op},
    {"POST", "/v1/clock/accept", accept_clock, "", Who::op},
    {"POST", "/v1/clock/ignore", ignore_clock, "", Who::op},
    {"GET", "/v1/openapi.json", show_openapi, "", Who::everyone},
    {"GET", "/metrics", show_metrics},
    {"GET", "/healthz", show_health, "", Who::everyone},
};

// Whether the path has the pattern's parts; fills the parameters.
Result<bool> matches(std::string_view pattern, std::string_view path,
                     std::map<std::string, std::string>& parameters) {
  bool more = true;
  while (more) {
    const std::size_t wanted_end = pattern.find('/'), given_end = path.find('/');
    const std::string_view wanted = pattern.substr(0, wanted_end);
    const std::string_view given = path.substr(0, given_end);
    more = wanted_end != std::string_view::npos;
    if (more != (given_end != std::string_view::npos)) return false;
    if (wanted.starts_with('{')) {
      if (given.empty()) return false;
      BUSBAR_TRY(value, percent_decode(given, false));
      parameters.emplace(wanted.substr(1, wanted.size() - 2), std::move(value));
    } else if (wanted != given) {
      return false;
    }
    pattern.remove_prefix(more ? wanted_end + 1 : pattern.size());
    path.remove_prefix(more ? given_end + 1 : path.size());
  }
  return true;
}

// A mistyped filter would silently show something else than was asked for.
Result<Ok> check_query(const Request& request, const Route& route) {
  if (!request.path.starts_with("/v1/")) return Ok{};
  std::vector<std::string_view> allowed;
  for (const std::string_view name : split(route.query, ' '))
    if (!name.empty()) allowed.push_back(name);
  allowed.emplace_back("revision");
  for (const auto& [name, value] : request.query) {
    if (std::find(allowed.begin(), allowed.end(), name) != allowed.end()) continue;
    std::string text = "'" + printable(name) + "' is not a parameter of " +
                       std::string(route.method) + " " + std::string(route.pattern);
    const std::string_view near = nearest(name, allowed);
    if (!near.empty()) return {Errc::invalid, text + "; did you mean " + std::string(near) + "?"};
    text += "; it takes";
    for (const std::string_view known : allowed)
      text += (known == allowed.front() ? " " : ", ") + std::string(known);
    return {Errc::invalid, text};
  }
  return Ok{};
}

bool wanted_to_look(const Request& request) {
  return request.method == "GET" || request.method == "HEAD" || request.path == "/v1/plan";
}

}  // namespace

std::span<const Route> routes() { return table; }

Result<Routed> find_route(std::string_view method, std::string_view path, std::string& allowed) {
  Routed routed;
  allowed.clear();
  const std::string_view wanted = method == "HEAD" ? "GET" : method;
  for (const Route& route : table) {
    std::map<std::string, std::string> parameters;
    BUSBAR_TRY(found, matches(route.pattern, path, parameters));
    if (!found) continue;
    if (route.method == wanted) return Routed{&route, std::move(parameters)};
    allowed += (allowed.empty() ? "" : ", ") + std::string(route.method);
  }
  if (!allowed.empty())
    return {Errc::invalid, printable(path) + " takes " + allowed + ", not " + printable(method)};
  return {Errc::not_found,
          "there is nothing at " + printable(path) + "; GET /v1/openapi.json lists all operations"};
}

Outcome dispatch(const Request& request, const Caller& caller, const Replica& replica,
                 Backend& backend) {
  std::string allowed;
  const auto routed = find_route(request.method, request.path, allowed);
  if (!routed.ok()) {
    if (allowed.empty()) return error_response(routed.error());
    Response response = error_response(405, "invalid", routed.error().text);
    response.headers.emplace_back("Allow", allowed);
    return response;
  }
  if (routed->route->who != Who::everyone && !caller.known) {
    const bool tried = !request.header("authorization").empty();
    Response response =
        error_response(401, "unauthenticated",
                       tried ? "the token was not accepted: it is wrong, has expired or was revoked"
                             : "this address needs a token",
                       "send 'Authorization: Bearer TOKEN' with the token of your token file");
    response.headers.emplace_back("WWW-Authenticate", "Bearer");
    return response;
  }
  const bool looks = wanted_to_look(request);
  if (caller.read_only && !looks)
    return error_response(
        Error{Errc::denied, "this token may only look; make one without --read-only"});
  const auto query = check_query(request, *routed->route);
  if (!query.ok()) return error_response(query.error());
  return routed->route->handle(Call{request, routed->parameters, caller, replica, backend});
}

}  // namespace busbar::api
