#include "api/guard.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace busbar::api {
namespace {

// By name only: a forwarded port is another number, and rebinding cannot change the name.
bool known_host(std::string_view host, const GuardRule& rule) {
  const std::string name = host_name(host);
  return !name.empty() && std::count(rule.hosts.begin(), rule.hosts.end(), name) > 0;
}

}  // namespace

std::string host_name(std::string_view host) {
  if (host.starts_with('[')) {
    const std::size_t end = host.find(']');
    return end == std::string_view::npos ? "" : lower(host.substr(1, end - 1));
  }
  return lower(host.substr(0, host.find(':')));
}

Result<Ok> check_sender(const Request& request, const GuardRule& rule) {
  const std::string_view host = request.header("host");
  if (rule.browser_door && !known_host(host, rule))
    return {Errc::denied,
            "the Host '" + printable(host) + "' is not a name of this server; say localhost:" +
                std::to_string(rule.port) + ", or list the name in the configuration"};
  const std::string_view site = request.header("sec-fetch-site");
  if (!site.empty() && site != "same-origin" && site != "none")
    return {Errc::denied, "a page of another site may not use this interface"};
  const std::string_view origin = request.header("origin");
  if (origin.empty()) return Ok{};
  const std::string_view scheme = rule.tls ? "https://" : "http://";
  const bool same = rule.browser_door && origin.starts_with(scheme) &&
                    lower(origin.substr(scheme.size())) == lower(host);
  if (same) return Ok{};
  return {Errc::denied,
          "a page of '" + printable(origin) + "' may not use this interface: Origin is refused"};
}

}  // namespace busbar::api
