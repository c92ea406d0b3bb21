#include "api/session_loop.hpp"

namespace busbar::api {

asio::awaitable<void> serve_plain(Socket socket, std::shared_ptr<Session> session) {
  PlainStream stream(std::move(socket));
  ErrorCode ignored;
  stream.socket().non_blocking(true, ignored);  // write_all asks it to take what it can
  session->close_now = [&stream] { stream.close(); };
  try {
    co_await SessionLoop(stream, *session).run();
  } catch (const std::exception&) {
    // Nothing to answer to: the connection ends.
  }
  session->close_now = nullptr;
}

}  // namespace busbar::api
