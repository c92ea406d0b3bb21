#include "cli/interrupt.hpp"

#include <algorithm>
#include <chrono>
#include <thread>

namespace busbar::cli {
namespace {

volatile sig_atomic_t flag = 0;

void note_interrupt(int) { flag = 1; }

}  // namespace

InterruptGuard::InterruptGuard() {
  flag = 0;
  struct sigaction action {};
  action.sa_handler = note_interrupt;
  sigaction(SIGINT, &action, &before_);
}

InterruptGuard::~InterruptGuard() {
  sigaction(SIGINT, &before_, nullptr);
  flag = 0;
}

bool interrupted() { return flag != 0; }

void pause_ms(int milliseconds) {
  constexpr int step_ms = 50;
  for (int left = milliseconds; left > 0 && !interrupted(); left -= step_ms)
    std::this_thread::sleep_for(std::chrono::milliseconds(std::min(left, step_ms)));
}

}  // namespace busbar::cli
