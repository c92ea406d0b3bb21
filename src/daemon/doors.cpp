#include "daemon/doors.hpp"

#include <fmt/format.h>

#include <mutex>

#include "api/server.hpp"
#include "api/tokens.hpp"
#include "daemon/log.hpp"

namespace busbar::daemon {
namespace {

Result<api::TcpDoor> tcp_door(const ListenConfig& listen) {
  BUSBAR_TRY(where, tcp_address(listen));
  return api::TcpDoor{where.address, where.port, listen.hosts, listen.tls_certificate,
                      listen.tls_key};
}

api::OperatorRule operators_of(const DaemonConfig& config) {
  return {config.users.operators, config.users.operator_groups};
}

}  // namespace

struct Doors::Impl {
  api::Backend& backend;
  api::Replica& replica;
  DaemonConfig config;
  std::unique_ptr<api::Server> server;
  std::mutex server_lock;  // a reload and the end of the server come on different threads

  Result<Ok> load_tokens() {
    const std::int64_t now = backend.unix_ms(backend.now());
    BUSBAR_TRY(left_out, backend.tokens().load(!config.listen.tcp.empty(), now));
    for (const auto& sentence : left_out) log_warning(sentence);
    return Ok{};
  }
};

Doors::Doors(api::Backend& backend, api::Replica& replica, const DaemonConfig& config)
    : impl_(new Impl{backend, replica, config, nullptr, {}}) {}

Doors::~Doors() { close(); }

Result<Ok> Doors::open() {
  const DaemonConfig& config = impl_->config;
  api::ServerOptions options;
  options.unix_door = api::UnixDoor{config.listen.socket};
  options.operators = operators_of(config);
  options.connections_max = config.listen.connections_max;
  if (!config.listen.tcp.empty()) {
    BUSBAR_TRY(door, tcp_door(config.listen));
    options.tcp_door = std::move(door);
  }
  BUSBAR_TRY_OK(impl_->load_tokens());
  BUSBAR_TRY(server, api::Server::open(std::move(options), impl_->replica, impl_->backend));
  impl_->server = std::move(server);
  impl_->server->start();
  if (impl_->server->tcp_port() != 0)
    log_info(fmt::format("listens on TCP port {}; tokens are in {}/tokens",
                         impl_->server->tcp_port(), config.state_directory));
  return Ok{};
}

Result<Ok> Doors::renew(const DaemonConfig& config) {
  const std::lock_guard guard(impl_->server_lock);
  if (!impl_->server) return Ok{};
  impl_->server->replace(operators_of(config));
  return impl_->load_tokens();
}

void Doors::close() {
  const std::lock_guard guard(impl_->server_lock);
  if (!impl_->server) return;
  impl_->server->stop(std::chrono::milliseconds(2000));
  impl_->server.reset();
}

}  // namespace busbar::daemon
