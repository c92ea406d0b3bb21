// Threads of the server, each with a context of its own: a connection stays with one of them, so
// that a request wakes one thread only and what belongs to a connection needs no lock. One more is
// for the doors, one for answers that take long, so that nobody waits for those.
// For .cpp files of the server only.
#pragma once

#include <cstddef>
#include <memory>
#include <thread>
#include <vector>

#include "api/asio.hpp"
#include "base/check.hpp"

namespace busbar::api {

class Workers {
 public:
  explicit Workers(std::size_t count) {
    check(count > 0, "a server has a thread for its connections");
    for (std::size_t i = 0; i < first_worker + count; ++i)
      contexts_.push_back(std::make_unique<asio::io_context>(1));
  }
  // The doors' context goes first: what waits in it may hold a socket of a worker's.
  ~Workers() {
    stop();
    for (auto& context : contexts_) context.reset();
  }
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  asio::any_io_executor doors() const { return contexts_[0]->get_executor(); }
  asio::any_io_executor labour() const { return contexts_[1]->get_executor(); }
  // Each worker in its turn; called by one thread.
  asio::any_io_executor next() {
    turn_ = (turn_ + 1) % (contexts_.size() - first_worker);
    return contexts_[first_worker + turn_]->get_executor();
  }
  bool running() const { return !threads_.empty(); }
  void start() {
    for (const auto& context : contexts_)
      threads_.emplace_back([&context = *context] {
        const auto work = asio::make_work_guard(context);  // it runs until it is stopped
        context.run();
      });
  }
  // Ends the threads; what they had begun stays as it is.
  void stop() {
    for (const auto& context : contexts_) context->stop();
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }

 private:
  static constexpr std::size_t first_worker = 2;

  std::vector<std::unique_ptr<asio::io_context>> contexts_;
  std::vector<std::thread> threads_;
  std::size_t turn_ = 0;
};

}  // namespace busbar::api
