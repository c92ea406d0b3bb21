// How the tasks of one group are dealt over the nodes that could hold some.
#include <algorithm>

#include "core/fit/search.hpp"

namespace busbar::core {
namespace {

// Tasks on each of `nodes` nodes, as even as can be: the first (tasks % nodes) hold one more.
std::uint32_t even_share(std::uint32_t tasks, std::uint32_t nodes, std::uint32_t position) {
  return tasks / nodes + (position < tasks % nodes ? 1 : 0);
}

// Whether every position p < nodes can hold its even share. Seats stand by falling capacity or by
// turns, so each position needs its own share only.
bool holds_evenly(const std::vector<std::uint32_t>& caps, std::uint32_t tasks,
                  std::uint32_t nodes) {
  for (std::uint32_t p = 0; p < nodes; ++p)
    if (caps[p] < even_share(tasks, nodes, p)) return false;
  return true;
}

}  // namespace

// Best first: most room, then the policy's score; with spread one seat of each part in turn.
void Search::sort_seats(Seats& seats, bool spread) {
  std::stable_sort(seats.begin(), seats.end(), [](const Seat& a, const Seat& b) {
    if (a.cap != b.cap) return a.cap > b.cap;
    if (a.score != b.score) return a.score > b.score;
    return a.node < b.node;
  });
  if (!spread) return;
  std::map<std::uint64_t, std::uint32_t> turn;
  std::vector<std::pair<std::uint32_t, Seat>> turns;
  for (const auto& seat : seats) turns.push_back({turn[seat.spread_part]++, seat});
  std::stable_sort(turns.begin(), turns.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  seats.clear();
  for (auto& [round, seat] : turns) seats.push_back(seat);
}

// Exactly group.nodes nodes, evenly.
std::vector<Search::Dealt> Search::deal_nodes(const TaskGroup& group, const Seats& seats, Size size,
                                              std::uint32_t most) {
  const std::uint32_t nodes = group.nodes;
  if (seats.size() < nodes) return {};
  std::vector<std::uint32_t> caps;
  for (const auto& seat : seats) caps.push_back(seat.cap);
  for (std::uint32_t want = most; want >= group.count.min && want >= nodes; --want) {
    if (holds_evenly(caps, want, nodes)) {
      std::vector<Dealt> dealt;
      for (std::uint32_t p = 0; p < nodes; ++p)
        dealt.push_back({seats[p].node, even_share(want, nodes, p)});
      return dealt;
    }
    if (size == Size::whole) return {};
  }
  return {};
}

// Full nodes of group.tasks_per_node tasks; the last one holds the rest.
std::vector<Search::Dealt> Search::deal_full(const TaskGroup& group, const Seats& seats, Size size,
                                             std::uint32_t most) {
  std::vector<Dealt> dealt;
  std::uint32_t left = most;
  for (const auto& seat : seats) {
    if (left == 0) break;
    const std::uint32_t tasks = std::min(left, group.tasks_per_node);
    if (seat.cap < tasks) continue;
    dealt.push_back({seat.node, tasks});
    left -= tasks;
  }
  if (left > 0 && (size == Size::whole || most - left < group.count.min)) return {};
  return dealt;
}

// Rounds of one task per node in turn.
std::vector<Search::Dealt> Search::deal_rounds(const Seats& seats, std::uint32_t want) {
  std::vector<Dealt> dealt;
  for (const auto& seat : seats) dealt.push_back({seat.node, 0});
  for (std::uint32_t left = want; left > 0;)
    for (std::size_t i = 0; i < seats.size() && left > 0; ++i)
      if (dealt[i].tasks < seats[i].cap) {
        dealt[i].tasks += 1;
        left -= 1;
      }
  std::erase_if(dealt, [](const Dealt& each) { return each.tasks == 0; });
  return dealt;
}

// As few nodes as can be; the last is the one with the least room that is enough.
std::vector<Search::Dealt> Search::deal_packed(const Seats& seats, std::uint32_t want) {
  std::vector<Dealt> dealt;
  std::uint32_t left = want;
  for (std::size_t i = 0; i < seats.size() && left > 0; ++i) {
    std::size_t use = i;
    if (seats[i].cap >= left)
      for (std::size_t j = i; j < seats.size() && seats[j].cap >= left; ++j)
        if (seats[j].cap < seats[use].cap) use = j;
    const std::uint32_t tasks = std::min(left, seats[use].cap);
    dealt.push_back({seats[use].node, tasks});
    left -= tasks;
  }
  return dealt;
}

// Empty when at least group.count.min tasks cannot be dealt, or with Size::whole fewer than `most`.
std::vector<Search::Dealt> Search::deal(const TaskGroup& group, Seats seats, Size size,
                                        std::uint32_t most, bool spread, bool roomiest) {
  const auto bound = [&] {
    if (group.tasks_per_node == 0) return;
    for (auto& seat : seats) seat.cap = std::min(seat.cap, group.tasks_per_node);
  };
  if (!roomiest) bound();
  sort_seats(seats, spread);
  bound();
  if (group.nodes > 0) return deal_nodes(group, seats, size, most);
  if (group.tasks_per_node > 0) return deal_full(group, seats, size, most);
  std::uint64_t room = 0;
  for (const auto& seat : seats) room += seat.cap;
  if (room < most && (size == Size::whole || room < group.count.min)) return {};
  const auto want = static_cast<std::uint32_t>(std::min<std::uint64_t>(room, most));
  return spread ? deal_rounds(seats, want) : deal_packed(seats, want);
}

}  // namespace busbar::core
