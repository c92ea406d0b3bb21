// How much of its work each unit has behind it, where jobs save what they have done.
//
// Work     is counted in the time it takes on a node of speed 1. A job with a checkpoint interval
//          keeps whole intervals; every attempt behind the first begins with its restart cost.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "model/launch.hpp"
#include "ports/journal.hpp"
#include "sim/replay/cluster.hpp"
#include "sim/trace/trace.hpp"

namespace busbar::sim {

class WorkBook {
 public:
  explicit WorkBook(const Cluster& cluster);

  // How long the attempt runs when nobody stops it.
  Span run_time(const TraceJob& job, const Launch& launch) const;
  // A node stands still from now on, with all that runs there.
  void node_failed(const std::string& node, Tick at);
  // An attempt is over and its unit will run again: keeps what was saved, and gives the time that
  // this took on its nodes.
  Span interrupted(const TraceJob& job, const HistoryRow& attempt);

 private:
  // In thousandths; the slowest counts.
  std::int64_t speed_of(std::string_view node) const;
  std::int64_t speed_of(const Launch& launch) const;
  std::int64_t speed_of(const HistoryRow& attempt) const;

  std::map<std::string, std::int64_t, std::less<>> slow_;  // by node, not 1000
  std::map<std::string, Tick, std::less<>> failed_;        // the last time, by node
  std::map<UnitId, Span> done_;
};

}  // namespace busbar::sim
