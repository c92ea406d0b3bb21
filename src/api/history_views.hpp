// Ended attempts as the history keeps them: the HistoryRow of docs/openapi.json.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "api/json_out.hpp"
#include "api/request.hpp"

namespace busbar::api {

struct UsageView {
  Seconds cpu;
  Bytes memory_peak;
  Bytes read;
  Bytes written;
  Seconds wall;
  bool exact = true;
};
template <class V>
void describe(V& visit, Like<UsageView> auto& usage) {
  visit("cpu_seconds", usage.cpu);
  visit("memory_peak_bytes", usage.memory_peak);
  visit("read_bytes", usage.read);
  visit("written_bytes", usage.written);
  visit("wall_seconds", usage.wall);
  visit("exact", usage.exact);
}

struct HistoryRowView {
  std::string ref;
  JobId job;
  std::string job_name;
  std::uint32_t attempt = 0;
  std::uint64_t units = 1;
  std::string user;
  std::string tenant;
  std::vector<std::string> nodes;
  RunState state = RunState::completed;
  Exit exit;
  UsageView usage;
  Moment submitted;
  std::optional<Moment> granted;
  std::optional<Moment> started;
  Moment ended;
  Seconds wait;
  Thousandths cores;
  Thousandths devices;
  Bytes memory;
  bool final = true;
  bool simulated = false;
};
template <class V>
void describe(V& visit, Like<HistoryRowView> auto& row) {
  visit("ref", row.ref);
  visit("job", row.job);
  visit("job_name", row.job_name);
  visit("attempt", row.attempt);
  visit("units", row.units);
  visit("user", row.user);
  visit("tenant", row.tenant);
  visit("nodes", row.nodes);
  visit("state", row.state);
  visit("exit", row.exit);
  visit("usage", row.usage);
  visit("submitted", row.submitted);
  visit("granted", row.granted);
  visit("started", row.started);
  visit("ended", row.ended);
  visit("wait_seconds", row.wait);
  visit("cores", row.cores);
  visit("devices", row.devices);
  visit("memory_bytes", row.memory);
  visit("final", row.final);
  visit("simulated", row.simulated);
}

HistoryRowView history_row_view(const Backend& backend, const HistoryRow& row);

}  // namespace busbar::api
