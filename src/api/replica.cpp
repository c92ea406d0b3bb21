#include "api/replica.hpp"

#include <algorithm>

namespace busbar::api {
namespace {

// Events applied under one hold of the lock: what a reader waits for at most.
constexpr std::size_t events_per_hold = 256;

template <class Note>
void for_each_job(const Event& event, const Note& note) {
  std::visit(
      [&](const auto& body) {
        if constexpr (requires { body.jobs; }) {
          for (const Job& job : body.jobs) note(job.id);
        } else if constexpr (requires { body.attempt.unit; }) {
          note(body.attempt.unit.job);
        } else if constexpr (requires { body.unit.job; }) {
          note(body.unit.job);
        } else if constexpr (requires { body.job.id; }) {
          note(body.job.id);
        } else if constexpr (requires { body.job.value; }) {
          note(body.job);
        }
      },
      event.body);
}

}  // namespace

Replica::Replica(core::State start, std::size_t events_kept)
    : events_kept_(events_kept),
      state_(std::move(start)),
      index_(state_),
      kept_after_(state_.revision()),
      revision_(state_.revision().value) {
  for (const auto& [id, record] : state_.jobs()) {
    if (!record.ended_all()) active_.emplace(id, &record);
  }
  thread_ = std::thread([this] { run(); });
}

Replica::~Replica() { stop(); }

void Replica::feed(Events events) {
  const std::lock_guard hold(fed_lock_);
  queue_.push_back({std::move(events), {}, false});
  fed_.notify_one();
}

void Replica::publish(core::Verdicts verdicts, bool finished) {
  const std::lock_guard hold(fed_lock_);
  queue_.push_back({{}, std::move(verdicts), finished});
  fed_.notify_one();
}

void Replica::stop() {
  {
    const std::lock_guard hold(fed_lock_);
    if (closing_) return;
    closing_ = true;
    fed_.notify_one();
  }
  thread_.join();
  const std::lock_guard hold(kept_lock_);
  stopped_ = true;
  advanced_.notify_all();
}

void Replica::run() {
  for (;;) {
    std::deque<Fed> batch;
    {
      std::unique_lock hold(fed_lock_);
      fed_.wait(hold, [this] { return closing_ || !queue_.empty(); });
      if (queue_.empty()) return;
      batch.swap(queue_);
    }
    for (Fed& fed : batch) {
      if (!fed.events.empty()) apply(fed.events);
      if (fed.verdicts.empty() && !fed.finished) continue;
      const std::lock_guard gate(gate_);
      const std::unique_lock hold(lock_);
      verdicts_.put(fed.verdicts, fed.finished);
    }
    const std::lock_guard hold(listener_lock_);
    if (listener_) listener_(revision());
  }
}

void Replica::apply(const Events& events) {
  for (std::size_t from = 0; from < events.size(); from += events_per_hold) {
    const std::size_t to = std::min(events.size(), from + events_per_hold);
    {
      const std::lock_guard gate(gate_);
      const std::unique_lock hold(lock_);
      for (std::size_t i = from; i < to; ++i) {
        check(events[i].revision.value == state_.revision().value + 1,
              "the replica was fed events out of order");
        state_.apply(events[i]);
        index_.apply(state_, events[i]);
        note_jobs(events[i]);
      }
    }
    const std::lock_guard hold(kept_lock_);
    for (std::size_t i = from; i < to; ++i)
      kept_.push_back(std::make_shared<const Event>(events[i]));
    while (kept_.size() > events_kept_) {
      kept_after_ = kept_.front()->revision;
      kept_.pop_front();
    }
    revision_ = events[to - 1].revision.value;
    advanced_.notify_all();
  }
}

// Keeps the set of active jobs and forgets the verdicts of jobs that no longer wait.
void Replica::note_jobs(const Event& event) {
  for_each_job(event, [&](JobId id) {
    const core::JobRecord* record = state_.find(id);
    const bool active = record != nullptr && !record->ended_all();
    if (active) {
      active_.emplace(id, record);
    } else {
      active_.erase(id);
    }
    if (active && record->waiting + record->held > 0) return;
    verdicts_.forget(id);
  });
}

Revision Replica::revision() const { return Revision(revision_.load()); }

void Replica::with(const std::function<void(const ReadView&)>& read) const {
  std::unique_lock gate(gate_);
  const std::shared_lock hold(lock_);
  gate.unlock();
  read({state_, index_, verdicts_, active_});
}

bool Replica::wait_for(Revision revision, std::chrono::milliseconds timeout) const {
  std::unique_lock hold(kept_lock_);
  advanced_.wait_for(hold, timeout, [&] { return stopped_ || revision_ >= revision.value; });
  return revision_ >= revision.value;
}

core::State Replica::copy() const {
  std::optional<core::State> copied;
  with([&](const ReadView& view) { copied = view.state; });
  return std::move(*copied);
}

EventRead Replica::read_events(Revision after, std::size_t count_max) const {
  const std::lock_guard hold(kept_lock_);
  const Revision newest(revision_.load());
  if (after < kept_after_) return {{}, kept_after_, true};
  if (after > newest) return {{}, newest, true};
  EventRead result{{}, after, false};
  const std::size_t first = after.value - kept_after_.value;  // revisions are consecutive
  for (std::size_t i = first; i < kept_.size() && result.events.size() < count_max; ++i) {
    result.events.push_back(kept_[i]);
    result.next = kept_[i]->revision;
  }
  return result;
}

void Replica::set_listener(std::function<void(Revision)> on_advance) {
  const std::lock_guard hold(listener_lock_);
  listener_ = std::move(on_advance);
}

}  // namespace busbar::api
