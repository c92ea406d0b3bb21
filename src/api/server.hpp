// The doors: HTTP/1.1 over a Unix socket and over TCP, answered from the replica.
//
// Doors    On the Unix socket a user is known by peer credentials. TCP, loopback included, needs a
//          token; Host and Origin are checked, no other site's page gets through; addresses that
//          are not loopback need TLS.
// Bounds   16 KB of header within 10 s, the body within 30 s, 1 MB of job file; an idle connection
//          lasts 75 s; connections are bounded in all and per user; a client that does not read
//          its answer for 30 s is dropped.
// Threads  a few; each connection is a coroutine that stays on one. Handlers run on these threads.
// Errors   open: unavailable when a live daemon owns the socket or the port is in use, invalid for
//          what the configuration must change; each names the path or address.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/backend.hpp"
#include "api/people.hpp"
#include "api/replica.hpp"
#include "base/result.hpp"

namespace busbar::api {

struct UnixDoor {
  std::string path;
  std::uint32_t mode = 0666;
  std::uint32_t folder_mode = 0755;  // of its folder, when that is made here
};

struct TcpDoor {
  std::string address = "127.0.0.1";
  std::uint16_t port = 0;          // 0: any free one
  std::vector<std::string> hosts;  // further names that requests may say in Host
  std::string certificate;         // PEM files; both or none
  std::string key;
};

struct Timings {
  std::chrono::milliseconds idle{75'000};
  std::chrono::milliseconds header{10'000};
  std::chrono::milliseconds body{30'000};
  std::chrono::milliseconds write{30'000};
  std::chrono::milliseconds commit{30'000};      // a Command becoming durable
  std::chrono::milliseconds revision{10'000};    // a read waiting for its revision
  std::chrono::milliseconds heartbeat{15'000};   // of event streams
  std::chrono::milliseconds token_check{1'000};  // is a stream's token still good
};

struct ServerOptions {
  std::optional<UnixDoor> unix_door;
  std::optional<TcpDoor> tcp_door;
  OperatorRule operators;
  std::size_t threads = 2;
  // One user holds at most half of them, TCP too; the last eighth is kept for operators at the
  // socket. Operators there are not bounded otherwise.
  std::size_t connections_max = 2048;
  std::size_t streams_max = 512;
  Timings timings;
};

class Server {
 public:
  // Binds and listens; nothing is answered before start().
  static Result<std::unique_ptr<Server>> open(ServerOptions options, Replica& replica,
                                              Backend& backend);
  virtual ~Server() = default;

  virtual void start() = 0;
  // Takes no new connection, lets answers under way be sent, closes the rest after `grace`.
  virtual void stop(std::chrono::milliseconds grace) = 0;
  virtual std::uint16_t tcp_port() const = 0;  // 0 without a TCP door
  // Requests answered, connections open, and so on; /metrics has them too.
  virtual std::vector<Metric> metrics() const = 0;
  // New operators after a reload; tokens are the backend's.
  virtual void replace(OperatorRule operators) = 0;
};

}  // namespace busbar::api
