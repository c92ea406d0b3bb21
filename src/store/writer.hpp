// The journal's own thread: queue, group commit, and tasks that run in small steps between commits.
//
// Threads  append, post, wait and the getters may be called by any thread.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "ports/journal.hpp"
#include "store/files.hpp"
#include "store/rows.hpp"
#include "store/sqlite.hpp"

namespace busbar::store {

class Writer {
 public:
  // One transaction's worth of work; true when there is no more.
  using Step = std::function<Result<bool>(Connection&)>;

  Writer(Connection connection, Reserve reserve, Revision last, std::uint64_t chain);
  ~Writer();  // drains
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  void append(Batch batch);
  // Runs the steps, each in a transaction of its own, and blocks until the last. unavailable: the
  // disk is full or the journal failed.
  Result<Ok> run(Step step);
  // The bytes of a payload that is appended and perhaps not yet committed.
  std::shared_ptr<const std::string> find_pending(PayloadHash hash);
  bool wait(Revision revision, Span patience);

  Revision durable() const { return Revision(durable_.load()); }
  JournalHealth health() const { return health_.load(); }
  Tick tick() const { return Tick(tick_.load()); }  // of the last durable batch
  void set_listener(std::function<void(Revision)> listener);

 private:
  struct Task {
    Step step;
    std::promise<Result<Ok>> done;
  };

  void loop();
  std::vector<Pending> take_group();
  void write_group(std::vector<Pending> group);
  Result<Ok> try_group(const std::vector<Pending>& group, std::uint64_t& chain);
  // True: worth another try. Moves health.
  bool after_failure(Failure failure);
  void published(const std::vector<Pending>& group);
  void run_step();
  void tend();
  void fail_tasks();

  Connection connection_;
  Reserve reserve_;
  const std::int64_t reserve_margin_bytes_;
  std::uint64_t chain_;

  std::mutex mutex_;
  std::condition_variable wake_;   // for the writer
  std::condition_variable moved_;  // durable or health moved
  std::deque<Pending> queue_;
  std::deque<Task> tasks_;
  struct Waiting {
    std::shared_ptr<const std::string> bytes;
    Revision until;
  };
  std::map<PayloadHash, Waiting> waiting_payloads_;
  std::function<void(Revision)> listener_;
  Revision appended_;
  bool stop_ = false;

  std::atomic<std::uint64_t> durable_;
  std::atomic<JournalHealth> health_{JournalHealth::ok};
  std::atomic<std::int64_t> tick_{0};
  std::thread thread_;
};

}  // namespace busbar::store
