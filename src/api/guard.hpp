// Against pages of other sites that make a browser talk to the TCP door: DNS rebinding shows in
// Host, cross-site requests in Origin and Sec-Fetch-Site.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "api/request.hpp"

namespace busbar::api {

struct GuardRule {
  bool browser_door = false;  // TCP: Host must be one of `hosts`
  bool tls = false;
  std::vector<std::string> hosts;  // names and addresses in lower case, without port
  std::uint16_t port = 0;
};

// denied: which header was refused and what is allowed.
Result<Ok> check_sender(const Request& request, const GuardRule& rule);

// "localhost:7770" -> "localhost", "[::1]:80" -> "::1"; empty when it is no host.
std::string host_name(std::string_view host);

}  // namespace busbar::api
