// The commands about nodes, reservations, tenants and the daemon itself.
#pragma once

#include <string>
#include <vector>

#include "cli/context.hpp"

namespace busbar::cli {

int nodes(const Context& context, const std::string& name);
int change_node(const Context& context, const std::string& verb, const std::string& name,
                const std::string& reason);
int reservations(const Context& context);
struct ReservationOptions {
  std::string name, start, end, duration;
  std::vector<std::string> nodes;
};
int make_reservation(const Context& context, const ReservationOptions& options);
int end_reservation(const Context& context, const std::string& name);
int tenants(const Context& context);
int status(const Context& context);
int config_show(const Context& context);
int config_reload(const Context& context);
struct AdoptOptions {
  std::string cluster;
  bool keep = false;
  bool dry_run = false;
};
int adopt(const Context& context, const AdoptOptions& options);
int config_clock(const Context& context, const std::string& answer);
struct TokenOptions {
  std::string user, expires, file, id;
  bool read_only = false;
};
int token_create(const Context& context, const TokenOptions& options);
int token_list(const Context& context);
int token_revoke(const Context& context, const std::string& id);
int events(const Context& context, bool follow, const std::string& job);

}  // namespace busbar::cli
