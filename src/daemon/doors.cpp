#include "daemon/doors.hpp"

#include <fmt/format.h>

#include "api/server.hpp"
#include "api/tokens.hpp"
#include "daemon/log.hpp"

namespace busbar::daemon {
namespace {

Result<api::TcpDoor> tcp_door(const ListenConfig& listen) {
  api::TcpDoor door;
  const std::size_t colon = listen.tcp.rfind(':');
  const auto port = colon == std::string::npos
                        ? Result<std::int64_t>(-1)
                        : parse_count(std::string_view(listen.tcp).substr(colon + 1));
  if (!port.ok() || *port < 0 || *port > 65535)
    return {Errc::invalid, fmt::format("listen.tcp is \"{}\"; write an address and a port, such as "
                                       "127.0.0.1:7433",
                                       listen.tcp)};
  door.address = listen.tcp.substr(0, colon);
  door.port = static_cast<std::uint16_t>(*port);
  door.hosts = listen.hosts;
  door.certificate = listen.tls_certificate;
  door.key = listen.tls_key;
  return door;
}

}  // namespace

struct Doors::Impl {
  api::Backend& backend;
  api::Replica& replica;
  DaemonConfig config;
  std::unique_ptr<api::Server> server;
};

Doors::Doors(api::Backend& backend, api::Replica& replica, const DaemonConfig& config)
    : impl_(new Impl{backend, replica, config, nullptr}) {}

Doors::~Doors() { close(); }

Result<Ok> Doors::open() {
  const DaemonConfig& config = impl_->config;
  api::ServerOptions options;
  options.unix_door = api::UnixDoor{config.listen.socket};
  options.operators.users = config.users.operators;
  options.connections_max = config.listen.connections_max;
  if (!config.listen.tcp.empty()) {
    BUSBAR_TRY(door, tcp_door(config.listen));
    options.tcp_door = std::move(door);
    BUSBAR_TRY(tokens, api::load_tokens(config.state_directory + "/tokens"));
    for (const auto& sentence : tokens.left_out()) log_warning(sentence);
    options.tokens = std::move(tokens);
  }
  BUSBAR_TRY(server, api::Server::open(std::move(options), impl_->replica, impl_->backend));
  impl_->server = std::move(server);
  impl_->server->start();
  if (impl_->server->tcp_port() != 0)
    log_info(fmt::format("listens on TCP port {}; tokens are in {}/tokens",
                         impl_->server->tcp_port(), config.state_directory));
  return Ok{};
}

void Doors::close() {
  if (!impl_->server) return;
  impl_->server->stop(std::chrono::milliseconds(2000));
  impl_->server.reset();
}

}  // namespace busbar::daemon
