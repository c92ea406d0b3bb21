#include "engine/local/probe_runner.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <optional>

#include "base/text.hpp"

namespace busbar::local {
namespace {

constexpr int thread_count = 4;
constexpr int socket_wait_ms = 2'000;
constexpr Span command_limit = seconds(10);
constexpr Span interval_min = Span(100);

bool wait_for(int fd, short what) {
  pollfd wait{fd, what, 0};
  return poll(&wait, 1, socket_wait_ms) == 1 && (wait.revents & what) != 0;
}

// A connected socket to this machine, or -1.
int connect_here(int family, std::uint32_t port) {
  const int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  sockaddr_in v4{};
  v4.sin_family = AF_INET;
  v4.sin_port = htons(static_cast<std::uint16_t>(port));
  v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  v6.sin6_port = v4.sin_port;
  v6.sin6_addr = in6addr_loopback;
  const bool is_v4 = family == AF_INET;
  const auto* address =
      is_v4 ? reinterpret_cast<const sockaddr*>(&v4) : reinterpret_cast<const sockaddr*>(&v6);
  const socklen_t size = is_v4 ? sizeof v4 : sizeof v6;
  int error = connect(fd, address, size) == 0 ? 0 : errno;
  if (error == EINPROGRESS && wait_for(fd, POLLOUT)) {
    socklen_t length = sizeof error;
    getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length);
  }
  if (error == 0) return fd;
  close(fd);
  return -1;
}

// Whether a GET of `target` is answered by 2xx.
bool answers_well(int fd, const std::string& target, std::uint32_t port) {
  std::string path = target.empty() ? "/" : target;
  if (path[0] != '/') path.insert(0, "/");
  std::erase_if(path, [](char c) { return static_cast<unsigned char>(c) <= ' '; });
  const std::string request = fmt::format(
      "GET {} HTTP/1.0\r\nHost: 127.0.0.1:{}\r\nUser-Agent: busbar\r\nConnection: close\r\n\r\n",
      path, port);
  if (::send(fd, request.data(), request.size(), MSG_NOSIGNAL) !=
      static_cast<ssize_t>(request.size()))
    return false;
  std::string answer;
  std::array<char, 256> part{};
  constexpr std::size_t status_line = 12;  // "HTTP/1.1 200"
  while (answer.size() < status_line) {
    if (!wait_for(fd, POLLIN)) return false;
    const ssize_t got = recv(fd, part.data(), part.size(), 0);
    if (got <= 0) return false;
    answer.append(part.data(), static_cast<std::size_t>(got));
  }
  return answer.starts_with("HTTP/") && answer[8] == ' ' && answer[9] == '2' &&
         std::isdigit(static_cast<unsigned char>(answer[10])) != 0;
}

std::string described(const ProbePlan& plan) {
  switch (plan.probe.kind) {
    case ProbeKind::http:
      return fmt::format("GET {} on port {} gave no 2xx answer", printable(plan.probe.target),
                         plan.port);
    case ProbeKind::tcp:
      return fmt::format("nothing accepts connections on port {}", plan.port);
    default:
      return fmt::format("the command \"{}\" did not succeed", printable(plan.probe.target));
  }
}

}  // namespace

ProbeAnswer try_probe(const ProbePlan& plan, const Account& account) {
  const bool has_port = plan.port > 0 && plan.port < 65'536;
  const std::string address = has_port ? fmt::format("127.0.0.1:{}", plan.port) : "";
  if (plan.probe.kind == ProbeKind::command)
    return {run_as(account, {"/bin/sh", "-c", plan.probe.target}, plan.environment,
                   plan.working_directory, command_limit),
            address};
  if (!has_port) return {};
  for (const int family : {AF_INET, AF_INET6}) {
    const int fd = connect_here(family, plan.port);
    if (fd < 0) continue;
    const bool ready =
        plan.probe.kind == ProbeKind::tcp || answers_well(fd, plan.probe.target, plan.port);
    close(fd);
    if (ready) return {true, family == AF_INET ? address : fmt::format("[::1]:{}", plan.port)};
  }
  return {};
}

ProbeRunner::ProbeRunner(Ready ready, GaveUp gave_up)
    : ready_(std::move(ready)), gave_up_(std::move(gave_up)) {
  for (int i = 0; i < thread_count; ++i) threads_.emplace_back([this] { work(); });
}

ProbeRunner::~ProbeRunner() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void ProbeRunner::start(const std::string& name, std::vector<ProbePlan> probes, Account account) {
  if (probes.empty()) return;
  const std::lock_guard lock(mutex_);
  Probing probing;
  probing.probes = std::move(probes);
  probing.account = std::move(account);
  probing.started = probing.due = Clock::now();
  probing_.emplace(name, std::move(probing));
  changed_.notify_one();
}

void ProbeRunner::stop(const std::string& name) {
  const std::lock_guard lock(mutex_);
  probing_.erase(name);
}

void ProbeRunner::work() {
  std::unique_lock lock(mutex_);
  while (!closing_) {
    auto first = probing_.end();
    for (auto at = probing_.begin(); at != probing_.end(); ++at) {
      if (at->second.busy) continue;
      if (first == probing_.end() || at->second.due < first->second.due) first = at;
    }
    if (first == probing_.end()) {
      changed_.wait(lock);
      continue;
    }
    if (first->second.due > Clock::now()) {
      const Clock::time_point due = first->second.due;
      changed_.wait_until(lock, due);
      continue;
    }
    first->second.busy = true;
    const std::string name = first->first;
    const ProbePlan plan = first->second.probes[first->second.next];
    const Account account = first->second.account;
    lock.unlock();
    const ProbeAnswer answer = try_probe(plan, account);
    settle(name, answer);
    lock.lock();
  }
}

void ProbeRunner::settle(const std::string& name, const ProbeAnswer& answer) {
  std::optional<std::string> address;
  std::optional<std::string> sentence;
  {
    const std::lock_guard lock(mutex_);
    const auto at = probing_.find(name);
    if (at == probing_.end()) return;
    Probing& probing = at->second;
    const ProbePlan& plan = probing.probes[probing.next];
    const auto now = Clock::now();
    probing.busy = false;
    if (answer.ready) {
      if (probing.address.empty()) probing.address = answer.address;
      if (++probing.next == probing.probes.size()) address = probing.address;
    } else if (plan.probe.timeout != span_unlimited &&
               now - probing.started >= std::chrono::milliseconds(plan.probe.timeout.value)) {
      sentence =
          fmt::format("not ready within {}: {}", format_span(plan.probe.timeout), described(plan));
    } else {
      probing.due =
          now + std::chrono::milliseconds(std::max(plan.probe.interval, interval_min).value);
    }
    if (address || sentence) probing_.erase(at);
  }
  changed_.notify_one();
  if (address) ready_(name, *address);
  if (sentence) gave_up_(name, *sentence);
}

}  // namespace busbar::local
