// The doors of the API as the configuration wants them: the Unix socket, TCP with a token, who is
// an operator.
#pragma once

#include <memory>

#include "api/backend.hpp"
#include "api/replica.hpp"
#include "base/result.hpp"
#include "daemon/config.hpp"

namespace busbar::daemon {

class Doors {
 public:
  Doors(api::Backend& backend, api::Replica& replica, const DaemonConfig& config);
  ~Doors();
  Doors(const Doors&) = delete;
  Doors& operator=(const Doors&) = delete;

  // unavailable: another daemon answers there, or the port is in use; denied: no right to it.
  Result<Ok> open();
  void close();
  // Operators and tokens as they are now.
  Result<Ok> renew(const DaemonConfig& config);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace busbar::daemon
