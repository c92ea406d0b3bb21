// Time that went by unseen is withheld until an operator says whether it counts.
#include <gtest/gtest.h>

#include "core/state/testing.hpp"

namespace busbar::core {
namespace {

using namespace testing;

TEST(ClockRules, WhatIsWithheldAddsUpUntilAnOperatorAnswers) {
  World w;
  EXPECT_EQ(w.state.clock_withheld(), Span(0));
  EXPECT_EQ(w.refusal(AnswerClock{true, op()}),
            "the clock withholds no time, so there is nothing to answer");
  w.must(ClockJumped{hours(3)});
  w.must(ClockJumped{hours(2)});
  EXPECT_EQ(w.state.clock_withheld(), hours(5));
  EXPECT_EQ(w.refusal(AnswerClock{true, user()}),
            "answering for the clock needs an operator, and ada is not one; ask an operator");
  EXPECT_TRUE(w.tell(ClockJumped{Span(0)})->events.empty());

  const auto answer = w.tell(AnswerClock{true, op()});
  ASSERT_EQ(answer->events.size(), 1u);
  EXPECT_EQ(std::get<ClockAnswered>(answer->events[0]), (ClockAnswered{true, hours(5), "root"}));
  EXPECT_EQ(w.state.clock_withheld(), Span(0));
  EXPECT_EQ(w.broken, "");
}

TEST(ClockRules, ASnapshotKeepsWhatIsWithheld) {
  World w;
  w.must(ClockJumped{hours(3)});
  const auto read = decode_state(encode_state(w.state));
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(read->clock_withheld(), hours(3));
  EXPECT_TRUE(*read == w.state);
}

}  // namespace
}  // namespace busbar::core
