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

// Ticks are the agenda's, less what was withheld: absences and sleeps above an hour.
class SimClock : public Clock {
 public:
  explicit SimClock(const Agenda& agenda) : agenda_(agenda) {}
  Tick now() override { return Tick(agenda_.now().value - behind_.value); }
  std::int64_t unix_ms(Tick at) const override { return (at + behind_).value; }
  Tick tick_of_unix_ms(std::int64_t unix_ms) const override {
    return Tick(unix_ms - behind_.value);
  }
  ClockMark mark() const override {
    return {Tick(agenda_.now().value - behind_.value), "sim", 0, agenda_.now().value};
  }
  Span take_jump() override { return std::exchange(jump_, Span(0)); }
  void advance(Span withheld) override { behind_ -= withheld; }

  void resume(const ClockMark& mark) {
    const Span passed(agenda_.now().value - mark.unix_ms);
    jump_ = passed > hours(1) ? passed : Span(0);
    behind_ = Tick(mark.unix_ms) - mark.tick + jump_;
  }
  // The machine slept: the agenda has moved on by that.
  void sleep(Span span) {
    jump_ += span;
    behind_ += span;
  }
  // When the agenda will stand where this tick is now.
  Tick agenda_at(Tick tick) const { return tick == tick_never ? tick : tick + behind_; }

 private:
  const Agenda& agenda_;
  Span behind_;
  Span jump_;
};

}  // namespace busbar::sim
