// What jobs tell of their progress, bounded: at most one report of an attempt goes on per interval;
// of those between, the newest is kept until its time has come.
//
// Threads  any.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <vector>

#include "model/command.hpp"

namespace busbar::api {

inline constexpr Span progress_interval = seconds(5);

class ProgressGate {
 public:
  explicit ProgressGate(Span interval = progress_interval) : interval_(interval) {}

  // The report, when it may go on at once.
  std::optional<AttemptProgress> offer(const AttemptProgress& report, Tick now);
  // Those that were kept and may go on now. To be asked about once per interval.
  std::vector<AttemptProgress> due(Tick now);

 private:
  struct Entry {
    Tick sent;
    std::optional<AttemptProgress> kept;
  };
  const Span interval_;
  std::mutex lock_;
  std::map<AttemptId, Entry> entries_;
};

}  // namespace busbar::api
