#include "cli/client.hpp"

#include <curl/curl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>

#include "base/text.hpp"
#include "base/units.hpp"
#include "cli/interrupt.hpp"

namespace busbar::cli {
namespace {

constexpr std::size_t body_bytes_max = std::size_t{256} << 20;
constexpr int tries_max = 20;  // about 15 s, so that a daemon may be started again meanwhile

struct Sink {
  Response response;
  std::function<bool(std::string_view)> on_bytes;
};

std::size_t take_body(char* bytes, std::size_t size, std::size_t count, void* user) {
  auto* sink = static_cast<Sink*>(user);
  const std::string_view piece(bytes, size * count);
  if (sink->on_bytes && sink->response.status < 400)
    return sink->on_bytes(piece) ? piece.size() : 0;
  if (sink->response.body.size() + piece.size() > body_bytes_max) return 0;
  sink->response.body.append(piece);
  return piece.size();
}

std::size_t take_header(char* bytes, std::size_t size, std::size_t count, void* user) {
  auto* sink = static_cast<Sink*>(user);
  const std::string_view line = trim(std::string_view(bytes, size * count));
  const std::size_t colon = line.find(':');
  if (line.starts_with("HTTP/")) {
    const auto words = split(line, ' ');
    const auto status = words.size() > 1 ? parse_count(words[1]) : Result<std::int64_t>(0);
    sink->response.status = status.ok() ? static_cast<int>(*status) : 0;
  } else if (colon != std::string_view::npos) {
    sink->response.headers[lower(line.substr(0, colon))] =
        std::string(trim(line.substr(colon + 1)));
  }
  return size * count;
}

int give_up(void*, curl_off_t, curl_off_t, curl_off_t, curl_off_t) { return interrupted() ? 1 : 0; }

std::string fresh_key() {
  std::random_device device;
  return fmt::format("cli-{:08x}{:08x}{:08x}{:08x}", device(), device(), device(), device());
}

std::string read_token(const std::string& path) {
  std::ifstream file(path);
  std::string token;
  std::getline(file, token);
  return std::string(trim(token));
}

}  // namespace

struct Client::Handle {
  CURL* curl = curl_easy_init();
  ~Handle() { curl_easy_cleanup(curl); }
};

Client::Client(Endpoint endpoint)
    : endpoint_(std::move(endpoint)), handle_(std::make_unique<Handle>()) {
  if (!endpoint_.url.empty() && !endpoint_.token_file.empty())
    token_ = read_token(endpoint_.token_file);
}

Client::~Client() = default;

std::string escape(std::string_view segment) {
  std::string out;
  for (const char c : segment) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '_' || c == '.' || c == '~';
    if (plain) {
      out += c;
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

Error api_error(const Response& response) {
  Error out{Errc::unavailable, fmt::format("the daemon answered HTTP {}", response.status)};
  if (response.status == 400 || response.status == 413 || response.status == 405)
    out.code = Errc::invalid;
  if (response.status == 401 || response.status == 403) out.code = Errc::denied;
  if (response.status == 404) out.code = Errc::not_found;
  if (response.status == 409) out.code = Errc::conflict;
  if (response.status == 422) out.code = Errc::unsatisfiable;
  const auto body = nlohmann::json::parse(response.body, nullptr, false);
  if (!body.is_object() || !body.contains("error") || !body["error"].is_object()) return out;
  const auto& error = body["error"];
  if (error.contains("message") && error["message"].is_string()) out.text = error["message"];
  if (error.contains("hint") && error["hint"].is_string())
    out.text += "\n" + error["hint"].get<std::string>();
  return out;
}

Error Client::unreachable(std::string_view why) const {
  if (!endpoint_.url.empty())
    return {Errc::unavailable, fmt::format("no daemon answers at {} ({}). Does it run there, and "
                                           "is the address right?",
                                           endpoint_.url, why)};
  if (access(endpoint_.socket.c_str(), W_OK) != 0 && errno == EACCES)
    return {Errc::denied,
            fmt::format("you may not use the socket {}: permission denied. Ask the operator of "
                        "this daemon to let you, or use --url with a token",
                        endpoint_.socket)};
  return {Errc::unavailable,
          fmt::format("no daemon answers at {} ({}). Start one with `busbar up`, or say where it "
                      "is with --socket, --url or BUSBAR_STATE",
                      endpoint_.socket, why)};
}

Error Client::not_let_in() const {
  if (token_.empty())
    return {Errc::denied,
            fmt::format("{} needs a token; name the file it is in by --token-file or "
                        "BUSBAR_TOKEN_FILE. `busbar token create` makes one, on that machine",
                        endpoint_.url)};
  return {Errc::denied,
          fmt::format("{} did not accept the token in {}: it is wrong, has expired or was revoked. "
                      "Name another file by --token-file or BUSBAR_TOKEN_FILE; `busbar token "
                      "create` makes a new token, on that machine",
                      endpoint_.url, endpoint_.token_file)};
}

void Client::prepare(const Request& request) {
  CURL* curl = handle_->curl;
  curl_easy_reset(curl);
  std::string url =
      (endpoint_.url.empty() ? std::string("http://localhost") : endpoint_.url) + request.path;
  char separator = '?';
  for (const auto& [name, value] : request.query) {
    url += separator + name + "=" + escape(value);
    separator = '&';
  }
  curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  if (endpoint_.url.empty())
    curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, endpoint_.socket.c_str());
  if (!endpoint_.ca_file.empty()) curl_easy_setopt(curl, CURLOPT_CAINFO, endpoint_.ca_file.c_str());
  curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request.method.c_str());
  if (request.method != "GET" && request.method != "DELETE") {
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE,
                     static_cast<curl_off_t>(request.body.size()));
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request.body.data());
  }
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, give_up);
  curl_easy_setopt(curl, CURLOPT_PROXY, "");
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, 10L);
}

Result<Response> Client::send_once(const Request& request, bool& safe_to_repeat) {
  CURL* curl = handle_->curl;
  Sink sink;
  sink.on_bytes = request.on_bytes;
  curl_slist* headers = nullptr;
  const auto add_header = [&](const std::string& line) {
    headers = curl_slist_append(headers, line.c_str());
  };
  if (!request.content_type.empty()) add_header("Content-Type: " + request.content_type);
  if (!request.key.empty()) add_header("Idempotency-Key: " + request.key);
  if (!token_.empty()) add_header("Authorization: Bearer " + token_);
  add_header("Expect:");
  prepare(request);
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &sink);
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, take_header);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, &sink);
  const CURLcode code = curl_easy_perform(curl);
  curl_slist_free_all(headers);
  const bool stopped = code == CURLE_WRITE_ERROR && request.on_bytes;
  answered_ = (code == CURLE_OK || stopped) && sink.response.status != 0;
  met_ = met_ || (code != CURLE_COULDNT_CONNECT && code != CURLE_COULDNT_RESOLVE_HOST);
  if (code != CURLE_OK && !stopped) {
    safe_to_repeat = met_;
    if (code == CURLE_PEER_FAILED_VERIFICATION)
      return {Errc::denied, fmt::format("the certificate of {} is not trusted; name a file with "
                                        "the certificate of its authority by --ca-file",
                                        endpoint_.url)};
    return unreachable(curl_easy_strerror(code));
  }
  if (sink.response.status == 401) return not_let_in();
  if (sink.response.status >= 400) return api_error(sink.response);
  return std::move(sink.response);
}

// Once a daemon was met, a connection that breaks or is refused is tried again: reads change
// nothing, and a POST carries its key. Without one, the answer is at once that there is none.
Result<Response> Client::send(const Request& request) {
  if (!endpoint_.url.empty() && !endpoint_.token_file.empty() && token_.empty())
    return {Errc::denied, fmt::format("the token file {} cannot be read or is empty; ask the "
                                      "operator for a token and write it there",
                                      endpoint_.token_file)};
  for (int attempt = 1;; ++attempt) {
    bool safe_to_repeat = false;
    auto response = send_once(request, safe_to_repeat);
    const bool repeat = safe_to_repeat && !request.on_bytes && request.method != "PATCH";
    if (response.ok() || !repeat || attempt == tries_max || interrupted()) return response;
    pause_ms(std::min(100 * attempt, 1000));
    if (interrupted()) return response;
  }
}

Result<Response> Client::get(const std::string& path, const Query& query) {
  return send({"GET", path, query, "", "", "", {}});
}

Result<Response> Client::post(const std::string& path, const std::string& body, const Query& query,
                              const std::string& content_type) {
  return send({"POST", path, query, body, content_type, fresh_key(), {}});
}

Result<Response> Client::patch(const std::string& path, const std::string& body) {
  return send({"PATCH", path, {}, body, "application/json", "", {}});
}

Result<Response> Client::remove(const std::string& path) {
  return send({"DELETE", path, {}, "", "", "", {}});
}

Result<Ok> Client::stream(const std::string& path, const Query& query,
                          const std::function<bool(std::string_view)>& on_bytes) {
  BUSBAR_TRY_OK(send({"GET", path, query, "", "", "", on_bytes}));
  return Ok{};
}

}  // namespace busbar::cli
