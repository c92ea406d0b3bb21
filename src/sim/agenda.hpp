// What will happen when, in virtual time: the simulator's clock and its queue of happenings.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <utility>

#include "ports/clock.hpp"

namespace busbar::sim {

// Happenings at equal ticks come in the order in which they were added.
class Agenda {
 public:
  void add(Tick at, std::function<void()> happening) {
    queue_.emplace(std::pair(at < now_ ? now_ : at, ++added_), std::move(happening));
  }
  bool empty() const { return queue_.empty(); }
  Tick next_at() const { return queue_.empty() ? tick_never : queue_.begin()->first.first; }
  Tick now() const { return now_; }
  void advance(Tick to) { now_ = to < now_ ? now_ : to; }
  std::function<void()> take() {
    advance(next_at());
    auto happening = std::move(queue_.begin()->second);
    queue_.erase(queue_.begin());
    return happening;
  }

 private:
  std::map<std::pair<Tick, std::uint64_t>, std::function<void()>> queue_;
  std::uint64_t added_ = 0;
  Tick now_{1000};
};

class SimClock : public Clock {
 public:
  explicit SimClock(const Agenda& agenda) : agenda_(agenda) {}
  Tick now() override { return agenda_.now(); }
  std::int64_t unix_ms(Tick at) const override { return at.value; }
  Tick tick_of_unix_ms(std::int64_t unix_ms) const override { return Tick(unix_ms); }
  ClockMark mark() const override { return {agenda_.now(), "sim", 0, agenda_.now().value}; }

 private:
  const Agenda& agenda_;
};

}  // namespace busbar::sim
