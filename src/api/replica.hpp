// The read replica: a State of its own, fed by durable events only, that serves every GET, stream
// and plan.
//
// Shape    feed and publish put into a queue and return; the replica's own thread applies them, so
//          the loop never waits for a reader. Readers share a lock; a waiting writer goes first.
// Streams  the newest `events_kept` events stay in memory, so that a stream resumes after a
//          revision it has seen. A subscription holds a position, not a queue of its own: a reader
//          that falls behind what is kept is told so (`lost`) and starts again from a fresh read.
// Threads  feed, publish and stop: the loop. All else: any thread.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "core/explain/verdict_book.hpp"
#include "core/fit/index.hpp"
#include "core/state/state.hpp"
#include "model/event.hpp"

namespace busbar::api {

// Jobs of which a unit waits, is held or lives: a page of them is asked for often, so that none is
// looked up among all that State keeps.
using ActiveJobs = std::map<JobId, const core::JobRecord*>;

// All that a reader may look at while it holds the lock.
struct ReadView {
  const core::State& state;
  const core::Index& index;
  const core::VerdictBook& verdicts;
  const ActiveJobs& active;
};

// What a stream receives next.
struct EventRead {
  std::vector<std::shared_ptr<const Event>> events;
  Revision next;      // ask for what comes after this
  bool lost = false;  // events between were dropped from memory: `next` is where it goes on
};

class Replica {
 public:
  // `start` is the State recovered from the journal, all of it durable.
  explicit Replica(core::State start, std::size_t events_kept = 16384);
  ~Replica();
  Replica(const Replica&) = delete;
  Replica& operator=(const Replica&) = delete;

  void feed(Events events);
  // Verdicts of one slice; `finished` when it was the last of its cycle.
  void publish(core::Verdicts verdicts, bool finished);
  // Wakes everybody who waits and ends the thread; what was fed before is applied.
  void stop();

  Revision revision() const;
  // Calls `read` with a consistent view; it must not block or keep references.
  void with(const std::function<void(const ReadView&)>& read) const;
  // True once the replica has reached `revision`; false when the time is over first.
  bool wait_for(Revision revision, std::chrono::milliseconds timeout) const;
  // A copy of the State for what-if questions; it takes as long as State is large.
  core::State copy() const;

  // Up to `count_max` kept events after `after`, oldest first.
  EventRead read_events(Revision after, std::size_t count_max) const;
  // Called on the replica's thread after each step forward; must return at once. When this
  // returns, the listener before is not running any more.
  void set_listener(std::function<void(Revision)> on_advance);

 private:
  void run();
  void apply(const Events& events);
  void note_jobs(const Event& event);

  struct Fed {
    Events events;
    core::Verdicts verdicts;
    bool finished = false;  // a cycle
  };

  const std::size_t events_kept_;
  mutable std::mutex gate_;  // readers pass through it, a writer holds it: writers are not starved
  mutable std::shared_mutex lock_;
  core::State state_;
  core::Index index_;
  core::VerdictBook verdicts_;
  ActiveJobs active_;

  mutable std::mutex kept_lock_;
  mutable std::condition_variable advanced_;
  std::deque<std::shared_ptr<const Event>> kept_;
  Revision kept_after_;  // events up to here are no longer kept
  std::atomic<std::uint64_t> revision_;
  bool stopped_ = false;

  std::mutex listener_lock_;  // held while it is called: after set_listener no old one runs
  std::function<void(Revision)> listener_;

  std::mutex fed_lock_;
  std::condition_variable fed_;
  std::deque<Fed> queue_;
  bool closing_ = false;
  std::thread thread_;
};

}  // namespace busbar::api
