#include "store/writer.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

namespace busbar::store {
namespace {

constexpr std::size_t group_events_max = 8192;
constexpr int checkpoint_pages = 1000;
constexpr std::chrono::milliseconds retry_wait{200};
constexpr int tries_at_end_max = 3;  // against another process that locks the database

}  // namespace

Writer::Writer(Connection connection, Reserve reserve, Revision last, std::uint64_t chain)
    : connection_(std::move(connection)),
      reserve_(std::move(reserve)),
      reserve_margin_bytes_(reserve_.bytes()),
      chain_(chain),
      appended_(last),
      durable_(last.value) {
  if (!reserve_.hold(0)) health_ = JournalHealth::full;
  thread_ = std::thread([this] { loop(); });
}

Writer::~Writer() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  thread_.join();
  if (health() == JournalHealth::failed)
    connection_.abandon();
  else
    (void)connection_.checkpoint(true);
}

void Writer::append(Batch batch) {
  Pending pending;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& event : batch.events) {
      check(event.revision.value == appended_.value + 1, "events are appended without a gap");
      appended_ = event.revision;
    }
    pending.last = appended_;
    for (auto& blob : batch.payloads) {
      auto bytes = std::make_shared<const std::string>(std::move(blob.bytes));
      waiting_payloads_[blob.hash] = {bytes, appended_};
      pending.payloads.emplace_back(blob.hash, std::move(bytes));
    }
    pending.events = std::move(batch.events);
    pending.history = std::move(batch.history);
    pending.retired = std::move(batch.retired);
    pending.mark = std::move(batch.mark);
    queue_.push_back(std::move(pending));
  }
  wake_.notify_one();
}

Result<Ok> Writer::run(Step step) {
  check(std::this_thread::get_id() != thread_.get_id(), "the listener does not wait for itself");
  std::future<Result<Ok>> done;
  {
    const std::lock_guard lock(mutex_);
    if (stop_ || health() == JournalHealth::failed)
      return {Errc::unavailable, "the journal is closed or has failed"};
    Task& task = tasks_.emplace_back(Task{std::move(step), {}});
    done = task.done.get_future();
  }
  wake_.notify_one();
  return done.get();
}

std::shared_ptr<const std::string> Writer::find_pending(PayloadHash hash) {
  const std::lock_guard lock(mutex_);
  const auto found = waiting_payloads_.find(hash);
  return found == waiting_payloads_.end() ? nullptr : found->second.bytes;
}

bool Writer::wait(Revision revision, Span patience) {
  std::unique_lock lock(mutex_);
  const auto settled = [&] { return durable() >= revision || health() == JournalHealth::failed; };
  moved_.wait_for(lock, std::chrono::milliseconds(std::min(patience.value, hours(24).value)),
                  settled);
  return durable() >= revision;
}

void Writer::set_listener(std::function<void(Revision)> listener) {
  const std::lock_guard lock(mutex_);
  listener_ = std::move(listener);
}

void Writer::loop() {
  while (true) {
    {
      std::unique_lock lock(mutex_);
      const auto has_work = [&] { return stop_ || !queue_.empty() || !tasks_.empty(); };
      if (health() == JournalHealth::ok)
        wake_.wait(lock, has_work);
      else
        wake_.wait_for(lock, retry_wait, has_work);
      if (health() == JournalHealth::failed) queue_.clear();
      if (stop_ && queue_.empty()) break;
    }
    if (health() == JournalHealth::failed) {
      fail_tasks();
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [&] { return stop_ || !queue_.empty() || !tasks_.empty(); });
      continue;
    }
    if (auto group = take_group(); !group.empty()) write_group(std::move(group));
    run_step();
    tend();
  }
  fail_tasks();
}

std::vector<Pending> Writer::take_group() {
  const std::lock_guard lock(mutex_);
  std::vector<Pending> group;
  std::size_t events = 0;
  while (!queue_.empty() && (group.empty() || events < group_events_max)) {
    events += queue_.front().events.size();
    group.push_back(std::move(queue_.front()));
    queue_.pop_front();
    // Small transactions when space is scarce: as much as possible still fits.
    if (health() != JournalHealth::ok) break;
  }
  return group;
}

void Writer::write_group(std::vector<Pending> group) {
  for (int tries = 0;; ++tries) {
    std::uint64_t chain = chain_;
    if (try_group(group, chain).ok()) {
      chain_ = chain;
      return published(group);
    }
    const Failure failure = connection_.failure();
    connection_.rollback();
    const bool had_reserve = reserve_.held();
    if (!after_failure(failure)) return;
    if (failure == Failure::full && had_reserve) continue;
    std::unique_lock lock(mutex_);
    if (stop_ && (failure == Failure::full || tries >= tries_at_end_max)) {
      queue_.clear();  // nothing of it was acknowledged
      return;
    }
    if (!stop_) wake_.wait_for(lock, retry_wait, [&] { return stop_; });
  }
}

Result<Ok> Writer::try_group(const std::vector<Pending>& group, std::uint64_t& chain) {
  BUSBAR_TRY_OK(connection_.begin());
  for (const auto& batch : group) {
    BUSBAR_TRY(next, write_batch(connection_, batch, chain));
    chain = next;
  }
  return connection_.commit();
}

bool Writer::after_failure(Failure failure) {
  if (failure == Failure::busy) return true;
  std::function<void(Revision)> listener;
  {
    const std::lock_guard lock(mutex_);
    if (failure == Failure::full) {
      health_ = JournalHealth::full;
      if (reserve_.held()) reserve_.release();
    } else {
      health_ = JournalHealth::failed;
      queue_.clear();
      listener = listener_;  // who sleeps until something is durable must hear that nothing will be
    }
  }
  moved_.notify_all();
  if (listener) listener(durable());
  return failure == Failure::full;
}

void Writer::published(const std::vector<Pending>& group) {
  const Revision last = group.back().last;
  std::function<void(Revision)> listener;
  bool is_new = false;
  {
    const std::lock_guard lock(mutex_);
    is_new = last > durable();
    durable_ = last.value;
    tick_ = group.back().mark.tick.value;
    for (const auto& batch : group) {
      for (const auto& [hash, bytes] : batch.payloads) {
        const auto found = waiting_payloads_.find(hash);
        if (found != waiting_payloads_.end() && found->second.until <= last)
          waiting_payloads_.erase(found);
      }
    }
    listener = listener_;
  }
  moved_.notify_all();
  if (listener && is_new) listener(last);
}

void Writer::run_step() {
  Task* task = nullptr;
  {
    const std::lock_guard lock(mutex_);
    if (tasks_.empty()) return;
    task = &tasks_.front();  // a deque keeps its elements where they are
  }
  Failure failure = Failure::none;
  Result<bool> finished = false;
  if (const auto begun = connection_.begin(); !begun.ok()) {
    finished = begun.error();
  } else if (finished = task->step(connection_); finished.ok()) {
    if (const auto committed = connection_.commit(); !committed.ok()) finished = committed.error();
  }
  if (!finished.ok()) {
    failure = connection_.failure();
    connection_.rollback();
    if (failure == Failure::broken) after_failure(failure);
  }
  if (finished.ok() && !*finished) return;
  Task ended;
  {
    const std::lock_guard lock(mutex_);
    ended = std::move(tasks_.front());
    tasks_.pop_front();
  }
  ended.done.set_value(finished.ok() ? Result<Ok>(Ok{}) : Result<Ok>(finished.error()));
}

void Writer::tend() {
  if (health() == JournalHealth::failed) return;
  if (connection_.wal_pages() >= checkpoint_pages && !connection_.checkpoint(false).ok() &&
      connection_.failure() == Failure::broken)
    after_failure(Failure::broken);
  if (health() == JournalHealth::full && reserve_.hold(reserve_margin_bytes_)) {
    const std::lock_guard lock(mutex_);
    health_ = JournalHealth::ok;
    moved_.notify_all();
  }
}

void Writer::fail_tasks() {
  std::deque<Task> failed;
  {
    const std::lock_guard lock(mutex_);
    failed.swap(tasks_);
  }
  for (auto& task : failed)
    task.done.set_value({Errc::unavailable, "the journal is closed or has failed"});
}

}  // namespace busbar::store
