// The loop of one connection over any Beast stream. Included by session_plain.cpp and
// session_tls.cpp only: it takes long to compile (tidy: heavy).
#pragma once

// clang-format off
#include <array>
#include <limits>
#include <utility>  // before Asio 1.74's coroutines, which use std::exchange without it
// clang-format on

#include <boost/asio/write.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <limits>

#include "api/routes.hpp"
#include "api/session.hpp"
#include "base/text.hpp"

namespace busbar::api {

namespace beast = boost::beast;
namespace http = boost::beast::http;

inline constexpr std::size_t headers_max = 100;
inline constexpr std::size_t events_per_write = 256;
inline constexpr std::size_t drained_bytes_max = 16 << 20;  // of a body that was refused

using Parser = http::request_parser<http::string_body>;
using PlainStream = beast::basic_stream<asio::generic::stream_protocol>;

template <class Stream>
class SessionLoop {
 public:
  SessionLoop(Stream& stream, Session& session)
      : stream_(stream), session_(session), service_(session.service) {}

  asio::awaitable<void> run() {
    bool go_on = true;
    while (go_on && !service_.stopping()) go_on = co_await serve_one();
  }

 private:
  auto token(ErrorCode& error) { return asio::redirect_error(asio::use_awaitable, error); }
  void set_deadline(std::chrono::milliseconds span) {
    beast::get_lowest_layer(stream_).expires_after(span);
  }
  void count_failure(const ErrorCode& error) {
    if (error == beast::error::timeout) service_.counters().timed_out.fetch_add(1);
  }

  // Waits for the first byte of the next request.
  asio::awaitable<bool> wait_for_bytes() {
    if (buffer_.size() > 0) co_return true;
    set_deadline(service_.timings().idle);
    ErrorCode error;
    const std::size_t count = co_await stream_.async_read_some(buffer_.prepare(4096), token(error));
    if (error) co_return false;
    buffer_.commit(count);
    co_return true;
  }

  asio::awaitable<bool> serve_one() {
    session_.busy = false;
    const bool any = co_await wait_for_bytes();
    if (!any) co_return false;
    session_.busy = true;
    Parser parser;
    parser.header_limit(header_bytes_max);
    parser.body_limit(std::numeric_limits<std::uint64_t>::max());  // none is broken in 1.74
    ErrorCode error;
    buffer_.consume(parser.put(buffer_.data(), error));  // mostly all of it is there already
    if (error == http::error::need_more) {
      error = {};
      set_deadline(service_.timings().header);
      co_await http::async_read_header(stream_, buffer_, parser, token(error));
    }
    if (error) {
      co_await refuse_header(error);
      co_return false;
    }
    Request request;
    if (auto bad = take_header(parser.get(), request)) {
      co_await refuse(request, *bad);
      co_return false;
    }
    if (!parser.is_done()) {
      const bool whole = co_await read_body(parser, request);
      if (!whole) co_return false;
    }
    request.body = std::move(parser.get().body());
    const bool keep_alive = parser.get().keep_alive();
    co_return co_await answer(request, keep_alive);
  }

  asio::awaitable<bool> read_body(Parser& parser, const Request& request) {
    const std::size_t body_max = body_limit_of(request);
    const auto length = parser.content_length();
    if (length && *length > body_max) {
      Response response = too_large(body_max);
      co_await refuse(request, response);
      co_return false;
    }
    parser.body_limit(body_max);
    set_deadline(service_.timings().body);
    ErrorCode error;
    if (lower(request.header("expect")) == "100-continue") {
      static constexpr std::string_view go_on = "HTTP/1.1 100 Continue\r\n\r\n";
      co_await asio::async_write(stream_, asio::buffer(go_on), token(error));
      if (error) co_return false;
    }
    co_await http::async_read(stream_, buffer_, parser, token(error));
    if (!error) co_return true;
    count_failure(error);
    Response response;
    if (error == http::error::body_limit) {
      response = too_large(body_max);
    } else if (gone(error)) {
      co_return false;
    } else {
      service_.counters().malformed.fetch_add(1);
      response = error_response(400, "invalid", "the body is not HTTP: " + error.message());
    }
    co_await refuse(request, response);
    co_return false;
  }

  // There is nobody left to answer to.
  static bool gone(const ErrorCode& error) {
    return error == http::error::end_of_stream || error == http::error::partial_message ||
           error == beast::error::timeout || error.category() == asio::error::get_misc_category() ||
           error.category() == asio::error::get_system_category();
  }

  asio::awaitable<void> refuse_header(ErrorCode error) {
    count_failure(error);
    if (gone(error)) co_return;
    service_.counters().malformed.fetch_add(1);
    Response response;
    if (error == http::error::header_limit || error == http::error::buffer_overflow) {
      response = error_response(431, "invalid", "the header is over 16 KB; send less");
    } else {
      response = error_response(400, "invalid", "this is not HTTP/1.1: " + error.message());
    }
    const Request unread;
    co_await refuse(unread, response);
  }

  // Sends an answer to what will not be read to its end, then reads and drops the rest, so that
  // the client is not reset before it has seen the answer.
  asio::awaitable<void> refuse(const Request& request, Response& response) {
    co_await send(request, response, false);
    ErrorCode error;
    beast::get_lowest_layer(stream_).socket().shutdown(Socket::shutdown_send, error);
    set_deadline(std::chrono::seconds(2));
    for (std::size_t drained = 0; !error && drained < drained_bytes_max;) {
      buffer_.clear();
      drained += co_await stream_.async_read_some(buffer_.prepare(8192), token(error));
    }
  }

  static Response too_large(std::size_t body_max) {
    const std::string limit = body_max >= (1 << 20) ? std::to_string(body_max >> 20) + " MB"
                                                    : std::to_string(body_max >> 10) + " KB";
    return error_response(413, "invalid", "the body is over the limit of " + limit,
                          body_max == job_file_bytes_max
                              ? "a job file is a description; put data into files and name them"
                              : "");
  }

  static std::size_t body_limit_of(const Request& request) {
    std::string allowed;
    const auto routed = find_route(request.method, request.path, allowed);
    return routed.ok() ? routed->route->body_max : body_bytes_max;
  }

  template <class Header>
  std::optional<Response> take_header(const Header& header, Request& request) {
    request.method = std::string(header.method_string());
    std::size_t count = 0;
    for (const auto& field : header) {
      if (++count > headers_max) return error_response(431, "invalid", "over 100 header fields");
      const std::string name =
          lower(std::string_view(field.name_string().data(), field.name_string().size()));
      const auto value = field.value();
      const bool added =
          request.headers.emplace(name, std::string(value.data(), value.size())).second;
      if (!added && (name == "host" || name == "authorization" || name == "origin" ||
                     name == "idempotency-key"))
        return error_response(400, "invalid", "the header field " + name + " is given twice");
    }
    const auto target = parse_target({header.target().data(), header.target().size()}, request);
    if (!target.ok()) return error_response(target.error());
    if (header.version() != 11 && header.version() != 10)
      return error_response(505, "invalid", "this server speaks HTTP/1.1");
    if (header.version() == 11 && request.header("host").empty() && session_.guard.browser_door)
      return error_response(400, "invalid", "the header field Host is missing");
    const auto sender = check_sender(request, session_.guard);
    if (!sender.ok()) return error_response(sender.error());
    return {};
  }

  asio::awaitable<bool> answer(const Request& request, bool keep_alive) {
    beast::get_lowest_layer(stream_).expires_never();
    // Asked anew for every request: an operator may have ceased to be one.
    const Caller caller =
        session_.peer ? Caller{service_.user_of(session_.peer->uid, session_.peer->gid), true, true}
                      : service_.caller_of_token(request);
    Answer result = co_await service_.answer(request, caller);
    const auto* events = std::get_if<EventStream>(&result);
    if (events != nullptr && request.method == "HEAD") {
      Response header;
      header.content_type = "text/event-stream";
      co_return co_await send(request, header, keep_alive);
    }
    if (events != nullptr) {
      co_await stream_events(*events, request);
      co_return false;
    }
    keep_alive = keep_alive && !service_.stopping();
    co_return co_await send(request, std::get<Response>(result), keep_alive);
  }

  // Beast's message and serializer cost more than the page that they carry: the header is a line
  // and a few fields.
  static std::string header_of(const Response& response, bool keep_alive) {
    const auto status = static_cast<http::status>(response.status);
    const auto reason = http::obsolete_reason(status);
    std::string text = "HTTP/1.1 " + std::to_string(response.status) + " ";
    text.append(reason.data(), reason.size());
    text += "\r\nContent-Type: " + response.content_type;
    text += "\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff";
    for (const auto& [name, value] : response.headers) text += "\r\n" + name + ": " + value;
    if (!keep_alive) text += "\r\nConnection: close";
    text += "\r\nContent-Length: " + std::to_string(response.body.size()) + "\r\n\r\n";
    return text;
  }

  asio::awaitable<bool> send(const Request& request, const Response& response, bool keep_alive) {
    service_.counters().answers[std::min(response.status / 100, 5)].fetch_add(1);
    const std::string header = header_of(response, keep_alive);
    const std::string_view body = request.method == "HEAD" ? "" : std::string_view(response.body);
    const bool sent = co_await write_all({asio::buffer(header), asio::buffer(body)});
    co_return sent&& keep_alive;
  }

  using Parts = std::array<asio::const_buffer, 2>;

  // What the socket takes at once needs neither a deadline nor a turn of the event loop.
  asio::awaitable<bool> write_all(Parts parts) {
    ErrorCode error;
    if constexpr (std::is_same_v<Stream, PlainStream>) {
      std::size_t sent = stream_.socket().write_some(parts, error);
      for (asio::const_buffer& part : parts) {
        const std::size_t of_this = std::min(sent, part.size());
        part += of_this;
        sent -= of_this;
      }
      if (asio::buffer_size(parts) == 0) co_return true;
      if (error == asio::error::would_block) error = {};
    }
    set_deadline(service_.timings().write);
    if (!error) co_await asio::async_write(stream_, parts, token(error));
    count_failure(error);
    beast::get_lowest_layer(stream_).expires_never();
    co_return !error;
  }

  // Until all that was asked for is told, the client goes, does not read, its token is worthless,
  // or the server stops.
  asio::awaitable<void> stream_events(const EventStream& events, const Request& request) {
    auto& open = service_.counters().streams;
    if (open.fetch_add(1) >= service_.streams_max()) {
      open.fetch_sub(1);
      Response busy = error_response(503, "unavailable", "too many event streams are open");
      co_await send(request, busy, false);
      co_return;
    }
    co_await write_events(events, request);
    open.fetch_sub(1);
  }

  asio::awaitable<void> write_events(const EventStream& events, const Request& request) {
    session_.busy = false;  // a stream never ends by itself: it is closed at once on stop
    service_.counters().answers[2].fetch_add(1);
    std::string text =
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\n"
        "X-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n: busbar\n\n";
    bool going = co_await write_all({asio::buffer(text), {}});
    Revision after = events.since;
    auto quiet_until = std::chrono::steady_clock::now() + service_.timings().heartbeat;
    auto known_until = std::chrono::steady_clock::time_point::max();
    if (!session_.peer) known_until = std::chrono::steady_clock::now();
    const auto told_all = [&] { return events.until && after >= *events.until; };
    while (going && !told_all() && !service_.stopping()) {
      if (std::chrono::steady_clock::now() >= known_until) {
        if (!service_.caller_of_token(request).known) co_return;
        known_until = std::chrono::steady_clock::now() + service_.timings().token_check;
      }
      const std::uint64_t seen = service_.pulse().beats();
      const EventRead read = service_.replica().read_events(after, events_per_write);
      text.clear();
      if (read.lost)
        text = "id: " + std::to_string(read.next.value) +
               "\nevent: reset\ndata: {\"revision\":" + std::to_string(read.next.value) +
               ",\"text\":\"events up to this revision are no longer kept; read the lists\"}\n\n";
      for (const auto& event : read.events)
        if (!events.until || event->revision <= *events.until) text += events.write(*event);
      const bool moved = read.lost || !read.events.empty();
      after = read.next;
      const auto now = std::chrono::steady_clock::now();
      if (text.empty() && now >= quiet_until) text = ": still here\n\n";
      if (!text.empty()) {
        quiet_until = now + service_.timings().heartbeat;
        going = co_await write_all({asio::buffer(text), {}});
      } else if (!moved) {
        co_await service_.pulse().wait(seen, std::min(quiet_until, known_until));
      }
    }
  }

  Stream& stream_;
  Session& session_;
  Service& service_;
  beast::flat_buffer buffer_{header_bytes_max + (64 << 10)};
};

}  // namespace busbar::api
