// What becomes of time that went by unseen: withheld, then counted or not as an operator says.
#include "core/state/rules.hpp"

namespace busbar::core {

Result<Decision> rule(Facts, const ClockJumped& command) {
  if (command.by <= Span(0)) return Decision{};
  return decided({ClockWithheld{command.by}});
}

Result<Decision> rule(Facts facts, const AnswerClock& command) {
  BUSBAR_TRY_OK(require_operator(command.by, "answering for the clock"));
  const Span withheld = facts.state.clock_withheld();
  if (withheld == Span(0))
    return {Errc::conflict, "the clock withholds no time, so there is nothing to answer"};
  return decided({ClockAnswered{command.accept, withheld, command.by.name}});
}

}  // namespace busbar::core
