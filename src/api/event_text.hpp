// An event as a person reads it, and as the data of a server-sent event.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/state/state.hpp"
#include "model/event.hpp"

namespace busbar::api {

struct EventLine {
  std::vector<JobId> jobs;         // concerned
  std::optional<std::string> ref;  // unit or attempt
  std::string text;
};

// `state` may be later than the event: names of jobs that have gone are left out.
EventLine event_line(const core::State& state, const Event& event);
// One line of JSON: the StreamEvent of docs/openapi.json.
std::string event_data(const Event& event, const EventLine& line, std::int64_t unix_ms);

}  // namespace busbar::api
