// The Transport to this machine's supervisor: starts busbar-shim when none is alive, connects, and
// connects again with growing pauses. Belongs to one thread, which polls `fd` for `events`.
#pragma once

#include <deque>
#include <string>

#include "base/result.hpp"
#include "base/units.hpp"
#include "ports/transport.hpp"

namespace busbar::local {

struct ShimPlace {
  std::string directory;  // 0700; made if missing
  std::string program;
  std::string installation;
};

// conflict: a supervisor lives there that belongs to another installation; it would answer nothing,
// and what it runs would use what is given out here.
Result<Ok> check_supervisor(const ShimPlace& place);

class ShimConnection : public Transport {
 public:
  ShimConnection(ShimPlace place, std::function<void(const std::string&)> warn);
  ~ShimConnection() override;
  ShimConnection(const ShimConnection&) = delete;
  ShimConnection& operator=(const ShimConnection&) = delete;

  bool send(std::string frame) override;
  void set_receiver(std::function<void(std::string)> on_frame, std::function<void()> on_connected,
                    std::function<void()> on_disconnected) override;

  // Connects when it is time to. May block while a shim starts.
  void maintain(Tick now);
  void handle(short ready);
  int fd() const { return fd_; }
  short events() const;

 private:
  bool try_connect();
  bool start_program();
  void flush();
  void drop();
  void warn_once(const std::string& sentence);

  ShimPlace place_;
  std::function<void(const std::string&)> warn_;
  std::function<void(std::string)> on_frame_;
  std::function<void()> on_connected_;
  std::function<void()> on_disconnected_;
  std::string warned_;
  int fd_ = -1;
  Tick retry_at_{0};
  Tick connected_at_ = tick_never;  // when the last connection was made
  Span pause_;
  std::deque<std::string> out_;
};

}  // namespace busbar::local
