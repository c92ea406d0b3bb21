#include "daemon/loop.hpp"

#include <algorithm>
#include <chrono>

namespace busbar::daemon {

Loop::Loop(ring::Ring& ring, SystemClock& clock, Journal& journal)
    : ring_(ring), clock_(clock), journal_(journal) {}

Loop::~Loop() { stop(); }

void Loop::start() {
  thread_ = std::thread([this] { run(); });
}

void Loop::stop() {
  {
    const std::lock_guard guard(lock_);
    stopping_ = true;
  }
  woken_.notify_one();
  if (thread_.joinable()) thread_.join();
}

bool Loop::post(Command command, ring::Done done) {
  {
    const std::lock_guard guard(lock_);
    if (stopping_) return false;
    posted_.push_back({std::move(command), std::move(done)});
  }
  woken_.notify_one();
  return true;
}

void Loop::notice_durable() {
  {
    const std::lock_guard guard(lock_);
    durable_moved_ = true;
  }
  woken_.notify_one();
}

void Loop::wait(Tick until) {
  std::unique_lock guard(lock_);
  const auto woken = [this] { return !posted_.empty() || durable_moved_ || stopping_; };
  if (until == tick_never) {
    woken_.wait(guard, woken);
    return;
  }
  // The boot-time clock runs on in suspend, this wait may not: look again every minute at least.
  const std::int64_t wait_ms = std::clamp<std::int64_t>((until - clock_.read()).value, 0, 60'000);
  woken_.wait_for(guard, std::chrono::milliseconds(wait_ms), woken);
}

void Loop::run() {
  bool more = true;
  while (true) {
    if (!more) wait(ring_.next_wake());
    std::vector<Posted> taken;
    bool stopping = false;
    {
      const std::lock_guard guard(lock_);
      taken.swap(posted_);
      durable_moved_ = false;
      stopping = stopping_;
    }
    for (auto& posted : taken) ring_.post(std::move(posted.command), std::move(posted.done));
    more = ring_.turn();
    if (journal_.health() == JournalHealth::failed && on_failed_) std::exchange(on_failed_, {})();
    if (stopping && taken.empty()) return;
  }
}

}  // namespace busbar::daemon
