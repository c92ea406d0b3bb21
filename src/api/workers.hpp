// Threads of the server, each with a context of its own: a connection stays with one of them, so
// that a request wakes one thread only and what belongs to a connection needs no lock. The doors
// have one more, so that nobody waits outside while a worker is busy with a long answer.
// For .cpp files of the server only.
#pragma once

#include <cstddef>
#include <memory>
#include <thread>
#include <vector>

#include "api/asio.hpp"

namespace busbar::api {

class Workers {
 public:
  explicit Workers(std::size_t count) {
    for (std::size_t i = 0; i <= count; ++i)
      contexts_.push_back(std::make_unique<asio::io_context>(1));
  }
  ~Workers() { stop(); }
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  asio::any_io_executor doors() const { return contexts_.front()->get_executor(); }
  // Each in its turn; called by one thread.
  asio::any_io_executor next() {
    turn_ = turn_ % (contexts_.size() - 1) + 1;
    return contexts_[turn_]->get_executor();
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
  std::vector<std::unique_ptr<asio::io_context>> contexts_;  // the doors' first
  std::vector<std::thread> threads_;
  std::size_t turn_ = 0;
};

}  // namespace busbar::api
