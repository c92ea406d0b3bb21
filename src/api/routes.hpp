// The one table of operations: what docs/openapi.json describes, exactly.
#pragma once

#include <cstddef>
#include <map>
#include <span>
#include <string>
#include <string_view>

#include "api/request.hpp"

namespace busbar::api {

enum class Who {
  everyone,  // without a token too
  user,      // everybody who is known; the handler looks who owns what
  op,        // operators; the handler refuses others with its own sentence
};

struct Route {
  std::string_view method;
  std::string_view pattern;  // "/v1/jobs/{ref}/units"
  Outcome (*handle)(const Call&);
  std::string_view query = "";  // names of its query parameters, by spaces; `revision` always
  Who who = Who::user;
  std::size_t body_max = body_bytes_max;
};

std::span<const Route> routes();

struct Routed {
  const Route* route = nullptr;
  std::map<std::string, std::string> parameters;
};
// not_found: no such path; invalid with `allowed` filled: the path is there, the method is not.
Result<Routed> find_route(std::string_view method, std::string_view path, std::string& allowed);

// Finds the route, checks who asks, and calls the handler. Waiting for a revision, idempotency and
// what the Outcome asks for are the caller's.
Outcome dispatch(const Request& request, const Caller& caller, const Replica& replica,
                 Backend& backend);

}  // namespace busbar::api
