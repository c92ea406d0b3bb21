// The one way to the daemon: HTTP over its Unix socket, or over TCP with a token.
//
// Errors   unavailable when nobody answers (a sentence says what to do); otherwise the API's own
//          error with its code. A POST carries an Idempotency-Key, so that it is safely repeated
//          when the connection breaks.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace busbar::cli {

struct Endpoint {
  std::string socket;      // path; used when `url` is empty
  std::string url;         // "http://127.0.0.1:7433"
  std::string token_file;  // for `url`
  std::string ca_file;     // for an `url` of https; "" trusts what the system trusts
};

struct Response {
  int status = 0;
  std::string body;
  std::map<std::string, std::string> headers;  // names in lower case
};

using Query = std::vector<std::pair<std::string, std::string>>;

class Client {
 public:
  explicit Client(Endpoint endpoint);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  Result<Response> get(const std::string& path, const Query& query = {});
  Result<Response> post(const std::string& path, const std::string& body = "",
                        const Query& query = {},
                        const std::string& content_type = "application/json");
  Result<Response> patch(const std::string& path, const std::string& body);
  Result<Response> remove(const std::string& path);
  // Hands on the body's bytes as they come until the server closes or `on_bytes` returns false.
  Result<Ok> stream(const std::string& path, const Query& query,
                    const std::function<bool(std::string_view)>& on_bytes);
  const Endpoint& endpoint() const { return endpoint_; }
  // Whether the last request was answered, be it by a refusal.
  bool answered() const { return answered_; }

 private:
  struct Handle;
  struct Request {
    std::string method;
    std::string path;
    Query query;
    std::string body;
    std::string content_type;
    std::string key;  // Idempotency-Key
    std::function<bool(std::string_view)> on_bytes;
  };
  void prepare(const Request& request);
  Result<Response> send(const Request& request);
  Result<Response> send_once(const Request& request, bool& safe_to_repeat);
  Error unreachable(std::string_view why) const;
  Error not_let_in() const;

  Endpoint endpoint_;
  std::unique_ptr<Handle> handle_;
  std::string token_;
  bool met_ = false;  // a connection was made once
  bool answered_ = false;
};

// One path segment, percent-encoded.
std::string escape(std::string_view segment);
// The Error that a response of status 400 and above carries.
Error api_error(const Response& response);

}  // namespace busbar::cli
