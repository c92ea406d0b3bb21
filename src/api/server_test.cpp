// The doors as clients meet them, decent ones and others, over real sockets.
#include "api/server.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <openssl/ssl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "api/testing.hpp"
#include "api/wire_test.hpp"
#include "base/rng.hpp"

namespace busbar::api {
namespace {

using core::testing::loose;
using core::testing::node;
using core::testing::unit;
using nlohmann::json;
using testing::TestBackend;
using testing::Wire;
using testing::WireAnswer;
using namespace std::chrono_literals;

constexpr const char* token = "0123456789abcdef0123456789abcdef0123456789abcdef";

struct Folder {
  std::string path = ::testing::TempDir() + "/busbar_api_XXXXXX";
  Folder() { mkdtemp(path.data()); }
  ~Folder() { std::filesystem::remove_all(path); }
};

class ServerTest : public ::testing::Test {
 protected:
  ServerTest() {
    options_.unix_door = UnixDoor{folder_ + "/socket"};
    options_.tcp_door = TcpDoor{};
    TokenFacts facts;
    facts.uid = geteuid();
    EXPECT_TRUE(backend_.tokens().add(token, facts).ok());
    options_.timings.header = 300ms;
    options_.timings.body = 300ms;
    options_.timings.revision = 100ms;
  }
  void start() {
    auto server = Server::open(options_, backend_.replica(), backend_);
    ASSERT_TRUE(server.ok()) << server.error().text;
    server_ = std::move(server).value();
    server_->start();
  }
  std::string socket() const { return folder_ + "/socket"; }
  std::string bearer() const { return std::string("Authorization: Bearer ") + token + "\r\n"; }
  std::string open_error(const ServerOptions& options) {
    const auto server = Server::open(options, backend_.replica(), backend_);
    return server.ok() ? "" : server.error().text;
  }
  double metric(const std::string& name) {
    double sum = 0;
    for (const Metric& found : server_->metrics()) sum += found.name == name ? found.value : 0;
    return sum;
  }

  Folder home_;  // goes last
  const std::string& folder_ = home_.path;
  TestBackend backend_;
  ServerOptions options_;
  std::unique_ptr<Server> server_;
};

TEST_F(ServerTest, OnTheSocketTheUserIsKnownByTheSystem) {
  start();
  Wire wire(socket());
  const WireAnswer answer = wire.ask("GET", "/v1/status");
  ASSERT_EQ(answer.status, 200);
  EXPECT_EQ(json::parse(answer.body)["user"]["uid"], geteuid());
  EXPECT_EQ(json::parse(answer.body)["user"]["operator"], true);
  struct stat facts {};
  stat(socket().c_str(), &facts);
  EXPECT_EQ(facts.st_mode & 0777, 0666U);
}

TEST_F(ServerTest, TcpNeedsATokenAndANameOfThisServer) {
  start();
  struct Row {
    std::string headers;
    int status;
  };
  for (const Row& row : {
           Row{"Host: localhost\r\n", 401},
           Row{"Host: localhost\r\nAuthorization: Bearer wrong-wrong-wrong-wrong-wrong\r\n", 401},
           Row{"Host: localhost\r\nAuthorization: Basic eDp5\r\n", 401},
           Row{"Host: localhost\r\n" + bearer(), 200},
           Row{"Host: evil.example\r\n" + bearer(), 403},
           Row{bearer(), 400},
           Row{"Host: localhost\r\nOrigin: http://evil.example\r\n" + bearer(), 403},
           Row{"Host: localhost\r\nSec-Fetch-Site: cross-site\r\n" + bearer(), 403},
           Row{"Host: localhost\r\nHost: evil.example\r\n" + bearer(), 400},
       }) {
    Wire wire(server_->tcp_port());
    ASSERT_TRUE(wire.put("GET /v1/status HTTP/1.1\r\n" + row.headers + "\r\n"));
    const WireAnswer answer = wire.read();
    EXPECT_EQ(answer.status, row.status) << row.headers;
    EXPECT_EQ(answer.header.find("Access-Control"), std::string::npos);
  }
}

// Stops a plan on the thread on which it is worked out, until it is let go.
class SlowPlans : public TestBackend {
 public:
  std::int64_t unix_ms(Tick at) const override {
    // The first call is of the thread that read the file.
    auto none = std::thread::id();
    const auto here = std::this_thread::get_id();
    if (!reader_.compare_exchange_strong(none, here) && none != here) {
      stands_ = true;
      stands_.notify_all();
      held_.wait(true);
    }
    return TestBackend::unix_ms(at);
  }
  void wait_until_it_stands() const { stands_.wait(false); }
  void let_go() {
    held_ = false;
    held_.notify_all();
  }

 private:
  mutable std::atomic<std::thread::id> reader_{};
  mutable std::atomic<bool> stands_{false};
  std::atomic<bool> held_{true};
};

TEST_F(ServerTest, NobodyWaitsForAPlanButWhoAskedForIt) {
  SlowPlans backend;
  backend.add_node(node("n1", 4));
  backend.settle();
  options_.tcp_door.reset();
  auto server = Server::open(options_, backend.replica(), backend);
  ASSERT_TRUE(server.ok()) << server.error().text;
  server.value()->start();
  Wire planner(socket());
  const std::string file = "name: p\nrun: 'true'\ndirectory: /tmp\n";
  ASSERT_TRUE(planner.put("POST /v1/plan HTTP/1.1\r\nHost: x\r\nContent-Length: " +
                          std::to_string(file.size()) + "\r\n\r\n" + file));
  backend.wait_until_it_stands();
  for (int i = 0; i < 6; ++i) {
    Wire other(socket());
    EXPECT_EQ(other.ask("GET", "/healthz").status, 200);
  }
  backend.let_go();
  EXPECT_EQ(planner.read().status, 200);
}

TEST_F(ServerTest, ConnectionsAreKeptAndRequestsMayBePipelined) {
  start();
  Wire wire(socket());
  EXPECT_EQ(wire.ask("GET", "/healthz").status, 200);
  EXPECT_EQ(wire.ask("HEAD", "/v1/status").status, 200);
  ASSERT_TRUE(
      wire.put("GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n"
               "GET /v1/nothing HTTP/1.1\r\nHost: x\r\n\r\n"
               "GET /v1/nodes HTTP/1.1\r\nHost: x\r\n\r\n"));
  EXPECT_EQ(wire.read().status, 200);
  EXPECT_EQ(wire.read().status, 404);
  EXPECT_TRUE(json::parse(wire.read().body).contains("nodes"));
}

TEST_F(ServerTest, AStallingClientIsDroppedAndOthersAreServed) {
  start();
  Wire silent(socket());
  ASSERT_TRUE(silent.put("GET /v1/st"));
  Wire drip(socket());
  const auto begun = std::chrono::steady_clock::now();
  for (const char c : std::string("GET /v1/status HTTP/1.1\r\nHost: localhost\r\n")) {
    if (!drip.put(std::string(1, c))) break;
    std::this_thread::sleep_for(20ms);
  }
  EXPECT_TRUE(drip.closed_by_peer());
  EXPECT_TRUE(silent.closed_by_peer());
  EXPECT_LT(std::chrono::steady_clock::now() - begun, 8s);
  Wire body(socket());
  ASSERT_TRUE(body.put("POST /v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nname"));
  EXPECT_TRUE(body.closed_by_peer());
  for (int i = 0; i < 400 && metric("api_timed_out_total") < 3; ++i)
    std::this_thread::sleep_for(5ms);
  EXPECT_EQ(metric("api_timed_out_total"), 3);
  EXPECT_EQ(Wire(socket()).ask("GET", "/healthz").status, 200);
}

TEST_F(ServerTest, WhatIsTooLargeIsRefusedWithTheLimit) {
  start();
  Wire announced(socket());
  ASSERT_TRUE(
      announced.put("POST /v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n\r\n"));
  const WireAnswer refused = announced.read();
  EXPECT_EQ(refused.status, 413);
  EXPECT_NE(refused.body.find("1 MB"), std::string::npos) << refused.body;
  // The whole 10 MB are sent before the answer is looked at: it must still be there.
  EXPECT_EQ(Wire(socket()).ask("POST", "/v1/jobs", "", std::string(10 << 20, 'x')).status, 413);
  Wire chunked(socket());
  std::string request = "POST /v1/jobs HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (int i = 0; i < 20; ++i) request += "10000\r\n" + std::string(65536, '#') + "\r\n";
  chunked.put(request + "0\r\n\r\n");
  EXPECT_EQ(chunked.read().status, 413);
  const WireAnswer small =
      Wire(socket()).ask("POST", "/v1/jobs/1/cancel", "", std::string(70'000, ' '));
  EXPECT_EQ(small.status, 413);
  EXPECT_NE(small.body.find("64 KB"), std::string::npos);
  const std::string header = "X-Long: " + std::string(20'000, 'a') + "\r\n";
  EXPECT_EQ(Wire(socket()).ask("GET", "/healthz", header).status, 431);
  std::string many;
  for (int i = 0; i < 200; ++i) many += "X-" + std::to_string(i) + ": 1\r\n";
  EXPECT_EQ(Wire(socket()).ask("GET", "/healthz", many).status, 431);
}

TEST_F(ServerTest, AJobFileOfOneMegabyteIsRead) {
  start();
  backend_.add_node(node("n1", 8));
  std::string file = "name: a\nrun: echo hello\ndirectory: /tmp\n";
  while (file.size() < (1 << 20) - 100) file += "# " + std::string(90, 'x') + "\n";
  const WireAnswer answer = Wire(socket()).ask("POST", "/v1/jobs", "", file);
  EXPECT_EQ(answer.status, 201) << answer.body.substr(0, 300);
}

TEST_F(ServerTest, GarbageIsRefusedAndTheServerGoesOn) {
  start();
  Rng rng(7);
  for (int round = 0; round < 100; ++round) {
    std::string bytes;
    if (round % 2 == 0) bytes = "GET /v1/jobs?a=";
    for (std::uint64_t i = rng.below(400); i > 0; --i) bytes += static_cast<char>(rng.below(256));
    Wire wire(socket());
    wire.put(bytes + "\r\n\r\n");
    shutdown(wire.descriptor(), SHUT_WR);
    EXPECT_TRUE(wire.closed_by_peer());
  }
  for (const char* line : {"GET", "GET /", "GET / HTTP/9.9", "get /healthz HTTP/1.1\r\nHost: x",
                           "GET healthz HTTP/1.1\r\nHost: x", "\x16\x03\x01\x02"}) {
    Wire wire(socket());
    ASSERT_TRUE(wire.put(std::string(line) + "\r\n\r\n"));
    const WireAnswer answer = wire.read();
    EXPECT_TRUE(answer.status >= 400 && answer.status < 600) << line << " " << answer.status;
  }
  EXPECT_EQ(Wire(socket()).ask("GET", "/healthz").status, 200);
}

TEST_F(ServerTest, ARepeatedKeyChangesNothingTwice) {
  start();
  backend_.add_node(node("n1", 8));
  backend_.add_job(loose("a"));
  backend_.settle();
  Wire wire(socket());
  const std::string key = "Idempotency-Key: k1\r\n";
  const WireAnswer first = wire.ask("POST", "/v1/jobs/1/hold", key);
  ASSERT_EQ(first.status, 200) << first.body;
  const Revision held = backend_.state().revision();
  EXPECT_EQ(wire.ask("POST", "/v1/jobs/1/release").status, 200);
  const WireAnswer again = wire.ask("POST", "/v1/jobs/1/hold", key);
  EXPECT_EQ(again.body, first.body);
  EXPECT_GT(backend_.state().revision(), held);
  EXPECT_EQ(json::parse(wire.ask("GET", "/v1/jobs/1").body)["units"]["held"], 0);

  const std::string file = "name: b\nrun: x\ndirectory: /tmp\n";
  const WireAnswer one = wire.ask("POST", "/v1/jobs", key, file);
  const WireAnswer two = wire.ask("POST", "/v1/jobs", key, file);
  EXPECT_EQ(json::parse(one.body)["jobs"], json::parse(two.body)["jobs"]);
  EXPECT_EQ(wire.ask("POST", "/v1/jobs/1/cancel", "Idempotency-Key: k2\r\n").status, 200);
  EXPECT_EQ(
      wire.ask("POST", "/v1/jobs/1/cancel", "Idempotency-Key: k2\r\n", R"({"reason":"x"})").status,
      409);
}

TEST_F(ServerTest, AReadWaitsForTheRevisionItNames) {
  start();
  backend_.add_node(node("n1", 8));
  Wire wire(socket());
  const WireAnswer late = wire.ask("GET", "/v1/jobs?revision=1000");
  EXPECT_EQ(late.status, 503);
  EXPECT_EQ(wire.ask("GET", "/v1/jobs?revision=x").status, 400);
  const std::string next = std::to_string(backend_.state().revision().value + 1);
  ASSERT_TRUE(wire.put("GET /v1/jobs?revision=" + next + " HTTP/1.1\r\nHost: x\r\n\r\n"));
  backend_.add_job(loose("a"));
  EXPECT_EQ(json::parse(wire.read().body)["jobs"].size(), 1U);
}

TEST_F(ServerTest, ALongPollEndsWhenTheJobEnds) {
  start();
  const NodeId n1 = backend_.add_node(node("n1", 8));
  backend_.add_job(loose("a"));
  const AttemptId attempt = backend_.grant(unit(1), n1);
  backend_.run(attempt);
  backend_.settle();
  Wire wire(socket());
  ASSERT_TRUE(wire.put("GET /v1/jobs/1/wait?timeout=30 HTTP/1.1\r\nHost: x\r\n\r\n"));
  std::this_thread::sleep_for(50ms);
  backend_.end(attempt, RunState::failed, 4);
  const json answer = json::parse(wire.read().body);
  EXPECT_EQ(answer["done"], true);
  EXPECT_EQ(answer["exit_code"], 4);
}

TEST_F(ServerTest, EventsArriveAsTheyHappenAndResume) {
  start();
  backend_.add_node(node("n1", 8));
  backend_.settle();
  Wire wire(socket());
  ASSERT_TRUE(wire.put("GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n"));
  std::string text;
  ASSERT_TRUE(wire.read_until(": busbar\n\n", text));
  EXPECT_NE(text.find("text/event-stream"), std::string::npos);
  backend_.add_job(loose("first"));
  ASSERT_TRUE(wire.read_until("\n\n", text));
  EXPECT_NE(text.find("event: submitted"), std::string::npos) << text;
  const std::string seen = std::to_string(backend_.state().revision().value);
  wire.end();
  backend_.add_job(loose("second"));
  backend_.settle();
  Wire again(socket());
  ASSERT_TRUE(
      again.put("GET /v1/events HTTP/1.1\r\nHost: x\r\nLast-Event-ID: " + seen + "\r\n\r\n"));
  ASSERT_TRUE(again.read_until("second", text));
  EXPECT_EQ(text.find("first"), std::string::npos);
  Wire ahead(socket());
  ASSERT_TRUE(ahead.put("GET /v1/events?since=999999 HTTP/1.1\r\nHost: x\r\n\r\n"));
  EXPECT_TRUE(ahead.read_until("event: reset", text));
  Wire bounded(socket());
  ASSERT_TRUE(
      bounded.put("GET /v1/events?since=0&until=" + seen + "&job=999 HTTP/1.1\r\nHost: x\r\n\r\n"));
  EXPECT_FALSE(bounded.read_until("event: submitted", text)) << "no event is of that job";
  EXPECT_TRUE(bounded.closed_by_peer()) << "all up to `until` was told";
}

TEST_F(ServerTest, AStreamEndsSoonAfterItsTokenIsRevoked) {
  options_.timings.token_check = 50ms;
  TokenFacts facts;
  facts.uid = geteuid();
  const auto made = backend_.tokens().make(facts, 0);
  ASSERT_TRUE(made.ok());
  start();
  const auto open = [&](const std::string& secret) {
    auto wire = std::make_unique<Wire>(server_->tcp_port());
    std::string text;
    EXPECT_TRUE(wire->put("GET /v1/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " +
                          secret + "\r\n\r\n"));
    EXPECT_TRUE(wire->read_until(": busbar\n\n", text));
    return wire;
  };
  const auto revoked = open(*made);
  const auto good = open(token);
  ASSERT_TRUE(backend_.tokens().revoke(facts.id).ok());
  EXPECT_TRUE(revoked->closed_by_peer());
  backend_.add_job(loose("later"));
  std::string text;
  EXPECT_TRUE(good->read_until("later", text)) << "streams of other tokens go on";
}

TEST_F(ServerTest, ManyConnectionsAreServedByFewThreadsAndBounded) {
  options_.connections_max = 300;
  start();
  std::vector<std::unique_ptr<Wire>> wires;
  for (int i = 0; i < 300; ++i) {
    wires.push_back(std::make_unique<Wire>(socket()));
    ASSERT_EQ(wires.back()->ask("GET", "/healthz").status, 200) << i;
  }
  EXPECT_EQ(Wire(socket()).read().status, 503);
  wires.resize(10);
  for (int i = 0; i < 400 && metric("api_connections") > 10; ++i) std::this_thread::sleep_for(5ms);
  EXPECT_EQ(Wire(socket()).ask("GET", "/healthz").status, 200);
}

TEST_F(ServerTest, StrangersCannotTakeEveryConnection) {
  options_.connections_max = 16;
  start();
  std::vector<std::unique_ptr<Wire>> strangers;  // they send nothing
  for (int i = 0; i < 8; ++i) strangers.push_back(std::make_unique<Wire>(server_->tcp_port()));
  for (int i = 0; i < 400 && metric("api_connections") < 8; ++i) std::this_thread::sleep_for(5ms);
  EXPECT_EQ(Wire(server_->tcp_port()).read().status, 503) << "half of them are taken over TCP";
  EXPECT_EQ(Wire(socket()).ask("GET", "/healthz").status, 200);
}

TEST_F(ServerTest, StoppingAnswersWhatIsUnderWay) {
  start();
  backend_.add_node(node("n1", 8));
  backend_.add_job(loose("a"));
  backend_.settle();
  Wire polling(socket());
  Wire idle(socket());
  Wire streaming(socket());
  ASSERT_EQ(idle.ask("GET", "/healthz").status, 200);
  ASSERT_TRUE(polling.put("GET /v1/jobs/1/wait?timeout=60 HTTP/1.1\r\nHost: x\r\n\r\n"));
  ASSERT_TRUE(streaming.put("GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n"));
  std::string text;
  ASSERT_TRUE(streaming.read_until(": busbar\n\n", text));
  std::this_thread::sleep_for(50ms);
  const auto begun = std::chrono::steady_clock::now();
  server_->stop(5s);
  EXPECT_LT(std::chrono::steady_clock::now() - begun, 4s);
  const WireAnswer answer = polling.read();
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(json::parse(answer.body)["done"], false);
  EXPECT_TRUE(idle.closed_by_peer());
  EXPECT_TRUE(streaming.closed_by_peer());
  EXPECT_FALSE(Wire(socket()).connected());
  EXPECT_NE(access(socket().c_str(), F_OK), 0);
}

TEST_F(ServerTest, ADeadDaemonsSocketIsReplacedALiveOnesIsNot) {
  {
    const int dead = ::socket(AF_UNIX, SOCK_STREAM, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, socket().c_str(), sizeof address.sun_path - 1);
    ASSERT_EQ(bind(dead, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    close(dead);
  }
  start();
  EXPECT_EQ(Wire(socket()).ask("GET", "/healthz").status, 200);
  ServerOptions second = options_;
  second.tcp_door.reset();
  EXPECT_NE(open_error(second).find(socket()), std::string::npos);
  EXPECT_EQ(Wire(socket()).ask("GET", "/healthz").status, 200);
}

TEST_F(ServerTest, WhatCannotBeOpenedIsNamed) {
  start();
  const auto tcp_only = [&](TcpDoor door) {
    ServerOptions options;
    options.tcp_door = std::move(door);
    return open_error(options);
  };
  TcpDoor taken;
  taken.port = server_->tcp_port();
  EXPECT_NE(tcp_only(taken).find("port " + std::to_string(taken.port) + " on 127.0.0.1 is in use"),
            std::string::npos);
  TcpDoor open_to_all;
  open_to_all.address = "0.0.0.0";
  EXPECT_NE(tcp_only(open_to_all).find("TLS"), std::string::npos);
  TcpDoor name;
  name.address = "localhost";
  EXPECT_NE(tcp_only(name).find("IP address"), std::string::npos);
  ServerOptions file;
  std::ofstream(folder_ + "/file") << "x";
  file.unix_door = UnixDoor{folder_ + "/file"};
  EXPECT_NE(open_error(file).find("not a socket"), std::string::npos);
  file.unix_door = UnixDoor{folder_ + "/" + std::string(120, 'x')};
  EXPECT_NE(open_error(file).find("107 bytes"), std::string::npos);
  file.unix_door = UnixDoor{"/nowhere/at/all/socket"};
  EXPECT_NE(open_error(file).find("/nowhere/at/all"), std::string::npos);
  EXPECT_FALSE(open_error(ServerOptions{}).empty());
}

// One request over TLS with OpenSSL's own client, the certificate checked.
std::string ask_over_tls(std::uint16_t port, const std::string& certificate,
                         const std::string& request) {
  const std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context(SSL_CTX_new(TLS_client_method()),
                                                                  SSL_CTX_free);
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  if (SSL_CTX_load_verify_locations(context.get(), certificate.c_str(), nullptr) != 1) return "";
  Wire wire(port);
  const std::unique_ptr<SSL, decltype(&SSL_free)> tls(SSL_new(context.get()), SSL_free);
  SSL_set_fd(tls.get(), wire.descriptor());
  if (SSL_connect(tls.get()) != 1) return "";
  SSL_write(tls.get(), request.data(), static_cast<int>(request.size()));
  std::string answer;
  char bytes[4096];
  for (int count = 0; (count = SSL_read(tls.get(), bytes, sizeof bytes)) > 0;)
    answer.append(bytes, static_cast<std::size_t>(count));
  return answer;
}

TEST_F(ServerTest, OverTlsTheSameRulesHold) {
#ifdef BUSBAR_WITHOUT_TLS
  GTEST_SKIP() << "this build speaks no TLS: see BUSBAR_TLS";
#endif
  const std::string certificate = folder_ + "/certificate.pem";
  const std::string key = folder_ + "/key.pem";
  const std::string make =
      "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost "
      "-keyout " +
      key + " -out " + certificate + " 2>/dev/null";
  if (std::system(make.c_str()) != 0) GTEST_SKIP() << "openssl is not installed";
  options_.tcp_door->address = "0.0.0.0";
  options_.tcp_door->hosts = {"localhost"};
  options_.tcp_door->certificate = certificate;
  options_.tcp_door->key = key;
  start();
  const std::string line = "GET /v1/status HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n";
  const std::string good = ask_over_tls(server_->tcp_port(), certificate, line + bearer() + "\r\n");
  EXPECT_EQ(good.substr(0, 12), "HTTP/1.1 200") << good;
  EXPECT_EQ(ask_over_tls(server_->tcp_port(), certificate, line + "\r\n").substr(0, 12),
            "HTTP/1.1 401");
  Wire plain(server_->tcp_port());
  ASSERT_TRUE(plain.put(line + bearer() + "\r\n"));
  EXPECT_TRUE(plain.closed_by_peer());
  ServerOptions wrong = options_;
  wrong.unix_door.reset();
  wrong.tcp_door->key = certificate;
  EXPECT_NE(open_error(wrong).find(certificate), std::string::npos);
}

TEST_F(ServerTest, WithoutDescriptorsItWaitsAndGoesOn) {
  start();
  Wire kept(socket());
  ASSERT_EQ(kept.ask("GET", "/healthz").status, 200);
  Wire waiting(socket());  // accepted before or after, both are right
  rlimit before{};
  getrlimit(RLIMIT_NOFILE, &before);
  rlimit few = before;
  few.rlim_cur = 3;
  std::vector<int> client;
  client.push_back(::socket(AF_UNIX, SOCK_STREAM, 0));
  setrlimit(RLIMIT_NOFILE, &few);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, socket().c_str(), sizeof address.sun_path - 1);
  EXPECT_EQ(connect(client[0], reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  EXPECT_EQ(kept.ask("GET", "/healthz").status, 200);
  std::this_thread::sleep_for(150ms);
  setrlimit(RLIMIT_NOFILE, &before);
  EXPECT_EQ(waiting.ask("GET", "/healthz").status, 200);
  std::this_thread::sleep_for(200ms);
  EXPECT_EQ(Wire(socket()).ask("GET", "/healthz").status, 200);
  close(client[0]);
}

}  // namespace
}  // namespace busbar::api
