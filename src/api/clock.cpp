// POST /v1/clock/accept and /v1/clock/ignore: what becomes of time that the clock withholds.
#include "api/answers.hpp"
#include "api/handlers.hpp"

namespace busbar::api {
namespace {

Outcome answer_clock(const Call& call, bool accept) {
  if (!call.caller.user.is_operator)
    return error_response(Error{Errc::denied, "only operators may answer for the clock"});
  const std::string message = accept ? "the time counts: what fell due in it expires now"
                                     : "the time never counts: what fell due in it comes later";
  return Ask{AnswerClock{accept, call.caller.user},
             [message](const Committed& committed) { return changed(committed, message); }};
}

}  // namespace

Outcome accept_clock(const Call& call) { return answer_clock(call, true); }
Outcome ignore_clock(const Call& call) { return answer_clock(call, false); }

}  // namespace busbar::api
