// A client of raw bytes, to send what no decent client would.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace busbar::api::testing {

struct WireAnswer {
  int status = 0;  // 0: no answer
  std::string header;
  std::string body;
};

class Wire {
 public:
  explicit Wire(const std::string& path) {
    descriptor_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
    connect_to(address);
  }
  explicit Wire(std::uint16_t port) {
    descriptor_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connect_to(address);
  }
  ~Wire() { end(); }
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;

  bool connected() const { return connected_; }
  int descriptor() const { return descriptor_; }
  void end() {
    if (descriptor_ >= 0) close(descriptor_);
    descriptor_ = -1;
  }
  // False when the other side does not take it.
  bool put(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t count = send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (count <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(count));
    }
    return true;
  }
  // Reads until `text` has come, the connection ended, or 10 s are over.
  bool read_until(std::string_view text, std::string& into) {
    into = rest_;
    rest_.clear();
    while (into.find(text) == std::string::npos) {
      if (!read_some(into)) return false;
    }
    return true;
  }
  bool closed_by_peer() {
    std::string ignored;
    while (read_some(ignored)) {
    }
    return ended_;
  }
  WireAnswer read(bool head = false) {
    WireAnswer answer;
    std::string bytes = std::move(rest_);
    rest_.clear();
    std::size_t end = 0;
    while ((end = bytes.find("\r\n\r\n")) == std::string::npos) {
      if (!read_some(bytes)) return answer;
    }
    answer.header = bytes.substr(0, end + 2);
    answer.status = std::atoi(bytes.substr(9, 3).c_str());
    std::size_t length = 0;
    if (const auto at = answer.header.find("Content-Length: "); at != std::string::npos && !head)
      length = std::stoul(answer.header.substr(at + 16));
    while (bytes.size() < end + 4 + length) {
      if (!read_some(bytes)) return {};
    }
    answer.body = bytes.substr(end + 4, length);
    rest_ = bytes.substr(end + 4 + length);
    return answer;
  }
  WireAnswer ask(std::string_view method, std::string_view target, std::string_view headers = "",
                 std::string_view body = "") {
    std::string request;
    request.append(method).append(" ").append(target).append(" HTTP/1.1\r\nHost: localhost\r\n");
    request.append(headers);
    if (!body.empty()) request += "Content-Length: " + std::to_string(body.size()) + "\r\n";
    request.append("\r\n").append(body);
    if (!put(request)) return {};
    return read(method == "HEAD");
  }

 private:
  template <class Address>
  void connect_to(const Address& address) {
    connected_ =
        ::connect(descriptor_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  }
  bool read_some(std::string& into) {
    pollfd waiting{descriptor_, POLLIN, 0};
    if (poll(&waiting, 1, 10'000) <= 0) return false;
    char bytes[8192];
    const ssize_t count = recv(descriptor_, bytes, sizeof bytes, 0);
    ended_ = count <= 0;
    if (count > 0) into.append(bytes, static_cast<std::size_t>(count));
    return count > 0;
  }

  int descriptor_ = -1;
  bool connected_ = false;
  bool ended_ = false;
  std::string rest_;
};

}  // namespace busbar::api::testing
