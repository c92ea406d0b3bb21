#include "api/routes.hpp"

#include <iterator>

#include "api/handlers.hpp"
#include "base/text.hpp"

namespace busbar::api {
namespace {

constexpr Route table[] = {
    {"POST", "/v1/jobs", submit_jobs, Who::user, job_file_bytes_max},
    {"POST", "/v1/plan", plan_jobs, Who::user, job_file_bytes_max},
    {"GET", "/v1/jobs", list_jobs},
    {"GET", "/v1/jobs/{ref}", show_job},
    {"PATCH", "/v1/jobs/{ref}", update_job},
    {"GET", "/v1/jobs/{ref}/units", list_units},
    {"GET", "/v1/jobs/{ref}/explain", explain_job},
    {"GET", "/v1/jobs/{ref}/wait", wait_job},
    {"POST", "/v1/jobs/{ref}/cancel", cancel_job},
    {"POST", "/v1/jobs/{ref}/hold", hold_job},
    {"POST", "/v1/jobs/{ref}/release", release_job},
    {"POST", "/v1/jobs/{ref}/requeue", requeue_job},
    {"GET", "/v1/units/{ref}", show_unit},
    {"GET", "/v1/units/{ref}/log", read_log},
    {"GET", "/v1/nodes", list_nodes},
    {"GET", "/v1/nodes/{name}", show_node},
    {"POST", "/v1/nodes/{name}/drain", drain_node, Who::op},
    {"POST", "/v1/nodes/{name}/resume", resume_node, Who::op},
    {"POST", "/v1/nodes/{name}/fence", fence_node, Who::op},
    {"GET", "/v1/reservations", list_reservations},
    {"POST", "/v1/reservations", make_reservation, Who::op},
    {"DELETE", "/v1/reservations/{name}", end_reservation, Who::op},
    {"GET", "/v1/tenants", list_tenants},
    {"GET", "/v1/history", list_history},
    {"GET", "/v1/events", stream_events},
    {"GET", "/v1/status", show_status},
    {"GET", "/v1/config", show_config, Who::op},
    {"POST", "/v1/config/reload", reload_config, Who::op},
    {"GET", "/v1/adopt", list_sighted},
    {"POST", "/v1/adopt", adopt_sighted, Who::op},
    {"POST", "/v1/clock/accept", accept_clock, Who::op},
    {"POST", "/v1/clock/ignore", ignore_clock, Who::op},
    {"GET", "/v1/openapi.json", show_openapi, Who::everyone},
    {"GET", "/metrics", show_metrics},
    {"GET", "/healthz", show_health, Who::everyone},
};

// Whether the path has the pattern's parts; fills the parameters.
Result<bool> matches(std::string_view pattern, std::string_view path,
                     std::map<std::string, std::string>& parameters) {
  const auto wanted = split(pattern, '/');
  const auto given = split(path, '/');
  if (wanted.size() != given.size()) return false;
  parameters.clear();
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (!wanted[i].starts_with('{')) {
      if (wanted[i] != given[i]) return false;
      continue;
    }
    if (given[i].empty()) return false;
    BUSBAR_TRY(value, percent_decode(given[i], false));
    parameters.emplace(wanted[i].substr(1, wanted[i].size() - 2), std::move(value));
  }
  return true;
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
    Response response =
        error_response(401, "unauthenticated", "this address needs a token",
                       "send 'Authorization: Bearer TOKEN' with the token of your token file");
    response.headers.emplace_back("WWW-Authenticate", "Bearer");
    return response;
  }
  return routed->route->handle(Call{request, routed->parameters, caller, replica, backend});
}

}  // namespace busbar::api
