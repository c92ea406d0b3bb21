// Stands for session_tls.cpp where BUSBAR_TLS is off: TLS takes minutes to compile under a
// sanitizer.
#include "api/session.hpp"
#include "base/check.hpp"

namespace busbar::api {

asio::awaitable<void> serve_tls(Socket, std::shared_ptr<asio::ssl::context>,
                                std::shared_ptr<Session>) {
  check(false, "a door of this build has a TLS context");
  co_return;
}

Result<std::shared_ptr<asio::ssl::context>> make_tls_context(const std::string&,
                                                             const std::string&) {
  return {Errc::invalid, "this build speaks no TLS: it was configured with BUSBAR_TLS off"};
}

}  // namespace busbar::api
