#include "daemon/loop.hpp"

#include <algorithm>
#include <chrono>

namespace busbar::daemon {
namespace {

constexpr std::int64_t look_ms_max = 60'000;
constexpr std::chrono::microseconds gap_min{1500};
constexpr std::chrono::microseconds gap_budget{16'000};  // divided by the number of cores

}  // namespace

std::chrono::microseconds next_gap(std::chrono::microseconds gap, std::size_t commands,
                                   unsigned cores) {
  const auto gap_max = std::max(gap_min, gap_budget / std::max(1U, cores));
  return std::clamp(commands > 1 ? gap * 2 : gap / 2, gap_min, gap_max);
}

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
  bool asleep = false;
  {
    const std::lock_guard guard(lock_);
    if (stopping_) return false;
    asleep = posted_.empty() && !gathering_;
    posted_.push_back({std::move(command), std::move(done)});
  }
  if (asleep) woken_.notify_one();
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
  // The boot-time clock runs on in suspend, this wait may not: look again every minute at least.
  // The clock knows by that a jump from an hour in which nothing was due.
  const std::int64_t wait_ms =
      until == tick_never ? look_ms_max
                          : std::clamp<std::int64_t>((until - clock_.read()).value, 0, look_ms_max);
  woken_.wait_for(guard, std::chrono::milliseconds(wait_ms), woken);
}

// What is durable leaves at once; only turns are apart.
void Loop::gather(std::chrono::steady_clock::time_point until) {
  std::unique_lock guard(lock_);
  gathering_ = true;
  while (!stopping_ && std::chrono::steady_clock::now() < until) {
    woken_.wait_until(guard, until, [this] { return durable_moved_ || stopping_; });
    if (!std::exchange(durable_moved_, false)) continue;
    guard.unlock();
    ring_.externalise();
    guard.lock();
  }
  gathering_ = false;
}

void Loop::run() {
  bool more = true;
  const unsigned cores = std::thread::hardware_concurrency();
  std::chrono::steady_clock::time_point turned_at;
  std::chrono::microseconds gap{};
  while (true) {
    if (!more) wait(ring_.next_wake());
    if (!more) gather(turned_at + gap);
    std::vector<Posted> taken;
    bool stopping = false;
    {
      const std::lock_guard guard(lock_);
      taken.swap(posted_);
      durable_moved_ = false;
      stopping = stopping_;
    }
    if (!more) gap = next_gap(gap, taken.size(), cores);
    for (auto& posted : taken) ring_.post(std::move(posted.command), std::move(posted.done));
    more = ring_.turn();
    turned_at = std::chrono::steady_clock::now();
    if (journal_.health() == JournalHealth::failed && on_failed_) std::exchange(on_failed_, {})();
    if (stopping && taken.empty()) return;
  }
}

}  // namespace busbar::daemon
