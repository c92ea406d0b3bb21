// One connection: its socket, who is at the other end, and how it is told to go.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>

#include "api/asio.hpp"
#include "api/guard.hpp"
#include "api/service.hpp"

namespace boost::asio::ssl {
class context;
}

namespace busbar::api {

// Shared by the coroutine of a connection and by whoever stops the server.
struct Session {
  Service& service;
  GuardRule guard;
  std::optional<UserRef> peer;      // on the Unix socket
  bool busy = false;                // a request is being answered; on the session's own thread
  std::function<void()> close_now;  // closes the socket; on the session's own thread
};

// Serves a connection until it ends. Never throws.
asio::awaitable<void> serve_plain(Socket socket, std::shared_ptr<Session> session);
asio::awaitable<void> serve_tls(Socket socket, std::shared_ptr<asio::ssl::context> context,
                                std::shared_ptr<Session> session);
// The TLS settings of a door, 1.2 and later; invalid when the files are not a pair.
Result<std::shared_ptr<asio::ssl::context>> make_tls_context(const std::string& certificate,
                                                             const std::string& key);

}  // namespace busbar::api
