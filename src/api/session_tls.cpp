// clang-format off
#include <utility>  // before Asio 1.74's coroutines, which use std::exchange without it
// clang-format on

#include <boost/asio/ssl.hpp>
#include <boost/beast/ssl.hpp>

#include "api/session_loop.hpp"

namespace busbar::api {

asio::awaitable<void> serve_tls(Socket socket, std::shared_ptr<asio::ssl::context> context,
                                std::shared_ptr<Session> session) {
  beast::ssl_stream<PlainStream> stream(std::move(socket), *context);
  auto& lowest = beast::get_lowest_layer(stream);
  session->close_now = [&lowest] { lowest.close(); };
  try {
    ErrorCode error;
    lowest.expires_after(session->service.timings().header);
    co_await stream.async_handshake(asio::ssl::stream_base::server,
                                    asio::redirect_error(asio::use_awaitable, error));
    if (!error) {
      co_await SessionLoop(stream, *session).run();
      lowest.expires_after(std::chrono::seconds(2));
      co_await stream.async_shutdown(asio::redirect_error(asio::use_awaitable, error));
    }
  } catch (const std::exception&) {
    // Nothing to answer to: the connection ends.
  }
  session->close_now = nullptr;
}

Result<std::shared_ptr<asio::ssl::context>> make_tls_context(const std::string& certificate,
                                                             const std::string& key) {
  auto context = std::make_shared<asio::ssl::context>(asio::ssl::context::tls_server);
  context->set_options(asio::ssl::context::default_workarounds | asio::ssl::context::no_tlsv1 |
                       asio::ssl::context::no_tlsv1_1);
  ErrorCode error;
  context->use_certificate_chain_file(certificate, error);
  if (error)
    return {Errc::invalid,
            "the TLS certificate " + certificate + " cannot be used: " + error.message()};
  context->use_private_key_file(key, asio::ssl::context::pem, error);
  if (error)
    return {Errc::invalid,
            "the TLS key " + key + " cannot be used with " + certificate + ": " + error.message()};
  return context;
}

}  // namespace busbar::api
