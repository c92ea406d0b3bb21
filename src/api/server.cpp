#include "api/server.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <set>
#include <thread>

#include "api/session.hpp"
#include "base/text.hpp"

namespace busbar::api {
namespace {

using Clock = std::chrono::steady_clock;

bool somebody_listens(const std::string& path) {
  const int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (probe < 0) return true;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  const bool answered =
      connect(probe, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  const bool refused = !answered && (errno == ECONNREFUSED || errno == ENOENT);
  close(probe);
  return !refused;
}

// Clears the way for the socket file: replaces what a dead daemon left, refuses what lives.
Result<Ok> clear_socket_path(const UnixDoor& door) {
  if (door.path.empty() || door.path[0] != '/')
    return {Errc::invalid, "the socket path '" + printable(door.path) + "' is not absolute"};
  if (door.path.size() >= sizeof(sockaddr_un::sun_path))
    return {Errc::invalid, "the socket path " + printable(door.path, 200) +
                               " is longer than 107 bytes; choose a shorter one"};
  const std::string folder = door.path.substr(0, door.path.rfind('/'));
  if (!folder.empty() && mkdir(folder.c_str(), door.folder_mode) != 0 && errno != EEXIST)
    return {Errc::unavailable,
            "the socket's folder " + folder + " cannot be made: " + std::strerror(errno)};
  struct stat facts {};
  if (lstat(door.path.c_str(), &facts) != 0) return Ok{};
  if (!S_ISSOCK(facts.st_mode))
    return {Errc::invalid, door.path + " exists and is not a socket; move it away"};
  if (somebody_listens(door.path))
    return {Errc::unavailable, "another daemon listens at " + door.path +
                                   "; stop it, or give this one a socket of its own"};
  if (unlink(door.path.c_str()) != 0)
    return {Errc::unavailable,
            "the old socket " + door.path + " cannot be replaced: " + std::strerror(errno)};
  return Ok{};
}

Error cannot_listen(const std::string& where, const ErrorCode& error) {
  if (error == asio::error::address_in_use)
    return {Errc::unavailable,
            where + " is in use by another program; stop it, or choose another port"};
  if (error == asio::error::access_denied)
    return {Errc::denied, where + " may not be opened by this user; ports below 1024 need root"};
  return {Errc::invalid, where + " cannot be opened: " + error.message()};
}

struct UnixPeer {
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
};
std::optional<UnixPeer> peer_of(int descriptor) {
  ucred credentials{};
  socklen_t size = sizeof credentials;
  if (getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) return {};
  return UnixPeer{credentials.uid, credentials.gid};
}

class HttpServer : public Server {
 public:
  HttpServer(ServerOptions options, Replica& replica, Backend& backend)
      : options_(std::move(options)),
        workers_(std::make_shared<Workers>(options_.threads)),
        service_(options_, workers_, replica, backend),
        doors_(workers_->doors()),
        unix_acceptor_(doors_),
        tcp_acceptor_(doors_) {}
  ~HttpServer() override { stop(std::chrono::milliseconds(0)); }

  Result<Ok> open_unix();
  Result<Ok> open_tcp();
  void start() override;
  void stop(std::chrono::milliseconds grace) override;
  std::uint16_t tcp_port() const override { return port_; }
  std::vector<Metric> metrics() const override { return service_.metrics(); }
  void replace(OperatorRule operators) override { service_.replace(std::move(operators)); }

 private:
  struct Entry {
    asio::any_io_executor executor;
    std::shared_ptr<Session> session;
  };
  using Place = std::list<Entry>::iterator;
  using Holder = std::optional<std::uint32_t>;  // a user at the socket; all of TCP together

  static Holder holder_of(const Session& session) {
    return session.peer ? Holder(session.peer->uid) : Holder();
  }
  bool has_room_for(const Session& session) const;

  template <class Acceptor>
  asio::awaitable<void> accept_loop(Acceptor& acceptor, bool local);
  void admit(Socket socket, const asio::any_io_executor& executor, bool local);
  asio::awaitable<void> hold(Socket socket, Place place, bool local);
  void leave(Place place);
  void close_sessions(bool busy_too);
  bool all_left();

  ServerOptions options_;
  std::shared_ptr<Workers> workers_;
  Service service_;
  asio::any_io_executor doors_;  // both acceptors live on it
  asio::local::stream_protocol::acceptor unix_acceptor_;
  asio::ip::tcp::acceptor tcp_acceptor_;
  std::shared_ptr<asio::ssl::context> tls_;
  GuardRule tcp_guard_;
  std::uint16_t port_ = 0;
  struct stat socket_file_ {};
  bool socket_made_ = false;

  std::mutex lock_;
  std::list<Entry> sessions_;
  std::map<Holder, std::size_t> held_;  // connections
  bool stopped_ = false;
};

Result<Ok> HttpServer::open_unix() {
  const UnixDoor& door = *options_.unix_door;
  BUSBAR_TRY_OK(clear_socket_path(door));
  ErrorCode error;
  unix_acceptor_.open(asio::local::stream_protocol(), error);
  if (!error) unix_acceptor_.bind(door.path, error);
  if (error) return cannot_listen("the socket " + door.path, error);
  socket_made_ = lstat(door.path.c_str(), &socket_file_) == 0;
  if (chmod(door.path.c_str(), door.mode) != 0)
    return {Errc::unavailable,
            "the mode of the socket " + door.path + " cannot be set: " + std::strerror(errno)};
  unix_acceptor_.listen(asio::socket_base::max_listen_connections, error);
  if (error) return cannot_listen("the socket " + door.path, error);
  return Ok{};
}

Result<Ok> HttpServer::open_tcp() {
  const TcpDoor& door = *options_.tcp_door;
  const std::string where = "port " + std::to_string(door.port) + " on " + door.address;
  ErrorCode error;
  const auto address = asio::ip::make_address(door.address, error);
  if (error)
    return {Errc::invalid, "the TCP address '" + printable(door.address) +
                               "' is not an IP address such as 127.0.0.1 or ::1"};
  if (door.certificate.empty() != door.key.empty())
    return {Errc::invalid, "TLS needs both a certificate and a key"};
  if (!address.is_loopback() && door.certificate.empty())
    return {Errc::invalid,
            "the address " + door.address +
                " can be reached from other machines, so it needs TLS: give a certificate and a "
                "key, or listen on 127.0.0.1"};
  if (service_.tokens_known() == 0) return {Errc::invalid, "the TCP door needs at least one token"};
  if (!door.certificate.empty()) {
    BUSBAR_TRY(tls, make_tls_context(door.certificate, door.key));
    tls_ = std::move(tls);
  }
  const asio::ip::tcp::endpoint endpoint(address, door.port);
  tcp_acceptor_.open(endpoint.protocol(), error);
  if (!error) tcp_acceptor_.set_option(asio::socket_base::reuse_address(true), error);
  if (!error) tcp_acceptor_.bind(endpoint, error);
  if (!error) tcp_acceptor_.listen(asio::socket_base::max_listen_connections, error);
  if (error) return cannot_listen(where, error);
  port_ = tcp_acceptor_.local_endpoint().port();
  tcp_guard_ = {true, tls_ != nullptr, {lower(door.address)}, port_};
  if (address.is_loopback()) {
    for (const char* name : {"localhost", "127.0.0.1", "::1"}) tcp_guard_.hosts.emplace_back(name);
  }
  for (const std::string& host : door.hosts) tcp_guard_.hosts.push_back(lower(host));
  return Ok{};
}

void HttpServer::start() {
  if (options_.unix_door) asio::co_spawn(doors_, accept_loop(unix_acceptor_, true), asio::detached);
  if (options_.tcp_door) asio::co_spawn(doors_, accept_loop(tcp_acceptor_, false), asio::detached);
  workers_->start();
}

template <class Acceptor>
asio::awaitable<void> HttpServer::accept_loop(Acceptor& acceptor, bool local) {
  while (!service_.stopping()) {
    const asio::any_io_executor worker = workers_->next();
    typename Acceptor::protocol_type::socket socket(worker);
    ErrorCode error;
    co_await acceptor.async_accept(socket, asio::redirect_error(asio::use_awaitable, error));
    if (service_.stopping() || error == asio::error::operation_aborted) co_return;
    if (error) {
      // No descriptors or no memory: those that are open go on, new ones wait in the queue.
      service_.counters().turned_away.fetch_add(1);
      asio::steady_timer timer(co_await asio::this_coro::executor);
      timer.expires_after(std::chrono::milliseconds(100));
      co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, error));
      continue;
    }
    service_.counters().accepted.fetch_add(1);
    admit(Socket(std::move(socket)), worker, local);
  }
}

bool HttpServer::has_room_for(const Session& session) const {
  const std::size_t all = options_.connections_max;
  if (session.peer && session.peer->is_operator) return sessions_.size() < all;
  const auto held = held_.find(holder_of(session));
  const std::size_t mine = held == held_.end() ? 0 : held->second;
  return sessions_.size() < all - all / 8 && mine < std::max<std::size_t>(1, all / 2);
}

void HttpServer::admit(Socket socket, const asio::any_io_executor& executor, bool local) {
  auto session = std::make_shared<Session>(Session{service_, local ? GuardRule{} : tcp_guard_});
  if (local) {
    const auto peer = peer_of(socket.native_handle());
    if (!peer) return;
    session->peer = service_.user_of(peer->uid, peer->gid);
  }
  const std::lock_guard hold_lock(lock_);
  if (!has_room_for(*session)) {
    service_.counters().turned_away.fetch_add(1);
    // One write into an empty socket buffer does not wait.
    static constexpr std::string_view busy =
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\n"
        "Content-Length: 67\r\nConnection: close\r\n\r\n"
        "{\"error\":{\"code\":\"unavailable\",\"message\":\"too many connections\"}}\n\n";
    ErrorCode ignored;
    socket.non_blocking(true, ignored);
    socket.send(asio::buffer(busy), 0, ignored);
    return;
  }
  ++held_[holder_of(*session)];
  service_.counters().connections.fetch_add(1);
  sessions_.push_back({executor, std::move(session)});
  asio::co_spawn(executor, hold(std::move(socket), std::prev(sessions_.end()), local),
                 asio::detached);
}

asio::awaitable<void> HttpServer::hold(Socket socket, Place place, bool local) {
  const auto session = place->session;
  if (!local && tls_ != nullptr) {
    co_await serve_tls(std::move(socket), tls_, session);
  } else {
    co_await serve_plain(std::move(socket), session);
  }
  leave(place);
}

void HttpServer::leave(Place place) {
  const std::lock_guard hold_lock(lock_);
  const auto holder = held_.find(holder_of(*place->session));
  if (--holder->second == 0) held_.erase(holder);
  service_.counters().connections.fetch_sub(1);
  sessions_.erase(place);
}

void HttpServer::close_sessions(bool busy_too) {
  const std::lock_guard hold_lock(lock_);
  for (const Entry& entry : sessions_) {
    asio::post(entry.executor, [session = entry.session, busy_too] {
      if (session->close_now && (busy_too || !session->busy)) session->close_now();
    });
  }
}

bool HttpServer::all_left() {
  const std::lock_guard hold_lock(lock_);
  return sessions_.empty();
}

void HttpServer::stop(std::chrono::milliseconds grace) {
  if (stopped_) return;
  stopped_ = true;
  service_.set_stopping();
  asio::post(doors_, [this] {
    ErrorCode ignored;
    unix_acceptor_.close(ignored);
    tcp_acceptor_.close(ignored);
  });
  if (socket_made_) {
    // Only our own file: a newer daemon may have replaced it.
    struct stat now {};
    const std::string& path = options_.unix_door->path;
    if (lstat(path.c_str(), &now) == 0 && now.st_ino == socket_file_.st_ino &&
        now.st_dev == socket_file_.st_dev)
      unlink(path.c_str());
  }
  if (workers_->running()) {
    const auto until = Clock::now() + grace;
    for (bool hard = false; !all_left();
         std::this_thread::sleep_for(std::chrono::milliseconds(5))) {
      close_sessions(hard);
      if (hard && Clock::now() > until + std::chrono::seconds(2)) break;
      hard = Clock::now() >= until;
    }
  }
  workers_->stop();
}

}  // namespace

Result<std::unique_ptr<Server>> Server::open(ServerOptions options, Replica& replica,
                                             Backend& backend) {
  const bool local = options.unix_door.has_value();
  const bool tcp = options.tcp_door.has_value();
  if (!local && !tcp)
    return {Errc::invalid, "no door is configured: give a socket path or a TCP address"};
  auto server = std::make_unique<HttpServer>(std::move(options), replica, backend);
  if (tcp) BUSBAR_TRY_OK(server->open_tcp());
  if (local) BUSBAR_TRY_OK(server->open_unix());
  return std::unique_ptr<Server>(std::move(server));
}

}  // namespace busbar::api
