// Frames to and from a supervisor or service. Engines' reconcilers speak through it, so that a
// simulated one runs the production reconciler under faults.
#pragma once

#include <functional>
#include <string>

namespace busbar {

class Transport {
 public:
  virtual ~Transport() = default;
  // False when not connected; the caller looks its attempts up after the next connect.
  virtual bool send(std::string frame) = 0;
  virtual void set_receiver(std::function<void(std::string frame)> on_frame,
                            std::function<void()> on_connected,
                            std::function<void()> on_disconnected) = 0;
};

}  // namespace busbar
