#include "core/state/decide.hpp"

#include <fmt/format.h>

#include "base/text.hpp"
#include "core/state/rules.hpp"

namespace busbar::core {

namespace {

template <class... Kinds>
bool is_one_of(const Command& command) {
  return (std::holds_alternative<Kinds>(command) || ...);
}

}  // namespace

bool is_request(const Command& command) {
  return is_one_of<SubmitJobs, CancelUnits, HoldUnits, ReleaseUnits, RequeueUnits, UpdateJob,
                   DrainNode, ResumeNode, FenceNode, MakeReservation, EndReservation, AnswerClock,
                   AdoptCluster>(command);
}

Result<Decision> decide(const State& state, const Command& command, Tick now) {
  if (is_request(command) && !is_one_of<AnswerClock, AdoptCluster>(command))
    BUSBAR_TRY_OK(require_journal_up_to_date(state));
  return std::visit([&](const auto& one) { return rule(Facts{state, now}, one); }, command);
}

Result<Ok> require_operator(const UserRef& by, std::string_view what) {
  if (by.is_operator) return Ok{};
  return {Errc::denied, fmt::format("{} needs an operator, and {} is not one; ask an operator",
                                    what, printable(by.name))};
}

Error unknown_name(std::string_view kind, std::string_view name,
                   const std::vector<std::string_view>& known) {
  std::string text = fmt::format("there is no {} \"{}\"", kind, printable(name));
  if (const auto near = nearest(name, known); !near.empty()) {
    text += fmt::format("; did you mean \"{}\"?", near);
  } else if (known.empty()) {
    text += fmt::format("; no {} is known", kind);
  } else {
    text += fmt::format(
        "; known: {}",
        fmt::join(known.begin(),
                  known.begin() + static_cast<long>(std::min<std::size_t>(known.size(), 10)),
                  ", "));
    if (known.size() > 10) text += fmt::format(" and {} more", known.size() - 10);
  }
  return {Errc::not_found, std::move(text)};
}

Result<NodeId> node_named(const State& state, std::string_view name) {
  if (const NodeRecord* record = state.find_node(name)) return record->node.id;
  std::vector<std::string_view> known;
  for (const auto& record : state.nodes()) known.push_back(record.node.name);
  return unknown_name("node", name, known);
}

bool claims_node(const Allocation& allocation, NodeId node) {
  for (const auto& claim : allocation.claims)
    if (claim.node == node) return true;
  return false;
}

void void_promises_on(const State& state, NodeId node, VoidCause cause, Bodies& out) {
  for (const auto& [unit, promise] : state.promises())
    if (claims_node(promise.allocation, node)) out.push_back(PromiseVoided{unit, cause});
}

void void_promises_of(const State& state, JobId job, std::uint32_t group, const IndexSet& indices,
                      VoidCause cause, Bodies& out) {
  for (auto it = state.promises().lower_bound({job, group, 0});
       it != state.promises().end() && it->first.job == job && it->first.group == group; ++it)
    if (indices.contains(it->first.index)) out.push_back(PromiseVoided{it->first, cause});
}

void lose_attempts(Facts facts, NodeId node, std::string_view why, Bodies& out) {
  for (const auto& [id, attempt] : facts.state.attempts()) {
    if (!attempt.staged() || !claims_node(attempt.allocation, node)) continue;
    Ended ended = never_ran(facts, attempt);  // it loses nothing but its place in the line
    ended.exit.cause = EndCause::node_lost;
    ended.exit.detail = std::string(why);
    out.push_back(std::move(ended));
  }
  for (const auto& [id, attempt] : facts.state.attempts()) {
    if (attempt.staged() || !claims_node(attempt.allocation, node)) continue;
    Exit exit;
    exit.cause = EndCause::node_lost;
    exit.detail = std::string(why);
    out.push_back(end_of(facts, attempt, std::move(exit), {}));
  }
}

}  // namespace busbar::core
