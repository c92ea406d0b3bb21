// steady_load PORT PATH AUTHORIZATION CONNECTIONS RATE: asks 127.0.0.1 for PATH, RATE times a
// second in all, on connections that stay open, until SIGTERM; then prints the answers per second,
// the 99th percentile of their milliseconds and the CPU per answer in microseconds, its own cost.
//
// A generator that costs much would take from a machine of two cores what the server is charged
// with. One thread; each millisecond asks for what is due, in turn on the connections that are
// free; what finds none free is asked later and counts as late from when it was due.
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <string>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

volatile sig_atomic_t told_to_stop = 0;

[[noreturn]] void fail(const std::string& what) {
  std::fprintf(stderr, "steady_load: %s\n", what.c_str());
  std::exit(1);
}

struct Connection {
  int fd = -1;
  bool waits = false;
  Clock::time_point due;
  std::string head;            // of the answer, until its end is seen
  std::size_t bytes_left = 0;  // of the answer's body, after that
};

class Load {
 public:
  Load(int port, std::string request, std::size_t connections)
      : request_(std::move(request)), connections_(connections) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (std::size_t i = 0; i < connections; ++i) {
      Connection& one = connections_[i];
      one.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
      if (connect(one.fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
        fail("nothing answers on the port");
      const int yes = 1;
      setsockopt(one.fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
      epoll_event event{EPOLLIN, {.u64 = i}};
      epoll_ctl(epoll_, EPOLL_CTL_ADD, one.fd, &event);
      free_.push_back(i);
    }
  }

  void run(double rate) {
    const auto begun = Clock::now();
    std::size_t asked = 0;
    std::vector<epoll_event> events(connections_.size());
    while (told_to_stop == 0) {
      const std::chrono::duration<double> past = Clock::now() - begun;
      for (const auto due = static_cast<std::size_t>(past.count() * rate); asked < due; ++asked)
        due_.push_back(begun + std::chrono::duration_cast<Clock::duration>(
                                   std::chrono::duration<double>(double(asked) / rate)));
      while (!due_.empty() && !free_.empty()) ask();
      const int count = epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), 1);
      for (int i = 0; i < count; ++i) hear(events[static_cast<std::size_t>(i)].data.u64);
    }
    report(Clock::now() - begun);
  }

 private:
  void ask() {
    Connection& one = connections_[free_.front()];
    one.due = due_.front();
    one.waits = true;
    free_.pop_front(), due_.pop_front();
    if (write(one.fd, request_.data(), request_.size()) != static_cast<ssize_t>(request_.size()))
      fail("a connection was closed");
  }

  void hear(std::size_t number) {
    Connection& one = connections_[number];
    static char part[64 << 10];
    const ssize_t n = read(one.fd, part, sizeof part);
    if (n <= 0 || !one.waits) fail("a connection was closed");
    std::size_t bytes = static_cast<std::size_t>(n);
    if (one.bytes_left == 0) {
      one.head.append(part, bytes);
      const std::size_t end = one.head.find("\r\n\r\n");
      if (end == std::string::npos) return;
      bytes = one.head.size() - end - 4;
      one.bytes_left = body_bytes(one.head.substr(0, end + 2));
      one.head.clear();
    }
    if (bytes > one.bytes_left) fail("an answer is longer than it says");
    one.bytes_left -= bytes;
    if (one.bytes_left > 0) return;
    one.waits = false;
    free_.push_back(number);
    took_ms_.push_back(std::chrono::duration<float, std::milli>(Clock::now() - one.due).count());
  }

  static std::size_t body_bytes(const std::string& head) {
    if (!head.starts_with("HTTP/1.1 200 ")) fail("refused: " + head.substr(0, 100));
    constexpr std::string_view name = "\r\nContent-Length: ";
    const std::size_t at = head.find(name);
    std::size_t bytes = 0;
    if (at != std::string::npos)
      std::from_chars(head.data() + at + name.size(), head.data() + head.size(), bytes);
    if (bytes == 0) fail("an answer without a length");
    return bytes;
  }

  void report(std::chrono::duration<double> took) {
    if (took_ms_.empty()) fail("nothing was answered");
    std::sort(took_ms_.begin(), took_ms_.end());
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    const auto us = [](const timeval& time) {
      return 1e6 * double(time.tv_sec) + double(time.tv_usec);
    };
    std::printf("%.1f %.2f %.1f\n", double(took_ms_.size()) / took.count(),
                double(took_ms_[took_ms_.size() * 99 / 100]),
                (us(usage.ru_utime) + us(usage.ru_stime)) / double(took_ms_.size()));
  }

  std::string request_;
  int epoll_ = epoll_create1(EPOLL_CLOEXEC);
  std::vector<Connection> connections_;
  std::deque<std::size_t> free_;
  std::deque<Clock::time_point> due_;
  std::vector<float> took_ms_;
};

}  // namespace

int main(int count, char** words) {
  if (count != 6) {
    std::fprintf(stderr, "usage: steady_load PORT PATH AUTHORIZATION CONNECTIONS RATE\n");
    return 2;
  }
  signal(SIGTERM, [](int) { told_to_stop = 1; });
  const std::string request = std::string("GET ") + words[2] +
                              " HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: " + words[3] +
                              "\r\n\r\n";
  Load(std::atoi(words[1]), request, static_cast<std::size_t>(std::atoi(words[4])))
      .run(std::atof(words[5]));
  return 0;
}
