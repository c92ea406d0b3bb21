#include "cli/interrupt.hpp"

#include <gtest/gtest.h>

#include <chrono>

#include "cli/client.hpp"

namespace busbar::cli {
namespace {

TEST(Interrupt, IsNotedUnderAGuardAndForgottenAfterIt) {
  EXPECT_FALSE(interrupted());
  {
    const InterruptGuard guard;
    EXPECT_FALSE(interrupted());
    raise(SIGINT);
    EXPECT_TRUE(interrupted());
  }
  EXPECT_FALSE(interrupted());
}

TEST(Interrupt, EndsWaitingAtOnce) {
  const auto start = std::chrono::steady_clock::now();
  const InterruptGuard guard;
  raise(SIGINT);
  pause_ms(60'000);
  Client client({"/nonexistent/busbar.sock", "", "", ""});
  EXPECT_FALSE(client.get("/v1/status").ok());
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(10));
}

}  // namespace
}  // namespace busbar::cli
