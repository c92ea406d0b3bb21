// Ctrl-C as a flag, for commands that have something to say or to finish before they end.
#pragma once

#include <signal.h>

namespace busbar::cli {

// While it lives, Ctrl-C only sets the flag. One at a time.
class InterruptGuard {
 public:
  InterruptGuard();
  ~InterruptGuard();
  InterruptGuard(const InterruptGuard&) = delete;
  InterruptGuard& operator=(const InterruptGuard&) = delete;

 private:
  struct sigaction before_ {};
};

// Whether Ctrl-C came under the newest guard; requests to the daemon give up then.
bool interrupted();
// Sleeps, but not on after Ctrl-C.
void pause_ms(int milliseconds);

}  // namespace busbar::cli
