// The thread that turns the ring. Anybody posts; the loop takes what has gathered, turns until
// there is nothing to do, and sleeps until something is posted, becomes durable or is due.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "daemon/clock.hpp"
#include "ring/ring.hpp"

namespace busbar::daemon {

// How long after a turn the next one waits for more commands, so that they share a turn, a plan and
// a transaction: `gap` was waited before the turn that took `commands`. It grows while several come
// at a time and shrinks while they come one by one; after a pause nothing waits. A turn costs about
// half a millisecond of CPU over all threads, which on few cores is taken from the jobs themselves.
std::chrono::microseconds next_gap(std::chrono::microseconds gap, std::size_t commands,
                                   unsigned cores);

class Loop {
 public:
  Loop(ring::Ring& ring, SystemClock& clock, Journal& journal);
  ~Loop();

  void start();
  // Refuses further posts and ends the thread after a last turn.
  void stop();
  // False once stopped: `done` is then never called.
  bool post(Command command, ring::Done done);
  void notice_durable();  // for the journal's listener
  // Called once on the loop's thread when the journal reports failure; the process must end.
  void on_journal_failed(std::function<void()> act) { on_failed_ = std::move(act); }

 private:
  struct Posted {
    Command command;
    ring::Done done;
  };
  void run();
  void wait(Tick until);
  void gather(std::chrono::steady_clock::time_point until);

  ring::Ring& ring_;
  SystemClock& clock_;
  Journal& journal_;
  std::function<void()> on_failed_;
  std::mutex lock_;
  std::condition_variable woken_;
  std::vector<Posted> posted_;
  bool durable_moved_ = false;
  bool gathering_ = false;  // posts need not wake the loop
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace busbar::daemon
