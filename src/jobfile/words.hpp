// The small languages inside a job file's texts. Each reads one text and answers with the value or
// a sentence "what was found; what is allowed", without place: the caller knows it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "model/job.hpp"
#include "model/resources.hpp"

namespace busbar::jobfile {

inline constexpr std::int64_t units_max = 1'000'000;  // of one job

// "1-100%10", "1,3,7-9", "0-100:5".
struct ArrayText {
  List<ArrayRange> ranges;
  std::uint32_t count = 0;     // indices in all, at least 1
  std::uint32_t parallel = 0;  // after '%'; 0: not stated
};
Result<ArrayText> parse_array(std::string_view text);

// "4" or "4..16".
Result<CountRange> parse_tasks(std::string_view text);

// "2", "H100", "H100:2", "nvidia:1", "any:1", "any".
Result<DeviceRequest> parse_devices(std::string_view text);
// "0.25", "H100:0.5".
Result<DeviceRequest> parse_device_share(std::string_view text);
Result<MilliDevices> parse_share(std::string_view text);

// "TERM", "SIGTERM", "15" -> 15.
Result<std::int32_t> parse_signal(std::string_view text);

// "avx512 & !old | gpu" to any of all: at most 64 clauses of at most 32 terms. Terms are sorted,
// doubles and clauses that cannot hold left out.
Result<List<FeatureClause>> parse_constraint(std::string_view text);

// "+10m", "now+1h" (relative), or a moment: RFC 3339, "2026-12-01 08:00" and "08:00" (the next one)
// in this machine's time zone.
struct When {
  Span after;                // relative; zero: none
  std::int64_t unix_ms = 0;  // absolute; 0: none
};
Result<When> parse_when(std::string_view text, std::int64_t now_unix_ms);

// Names of jobs (allow UTF-8 letters), groups and features, labels, variables.
Result<Ok> check_job_name(std::string_view text);
Result<Ok> check_group_name(std::string_view text);
Result<Ok> check_word(std::string_view text, std::string_view what);
Result<Ok> check_variable_name(std::string_view text);

// A path of at most 4096 bytes with the %-letters of `letters`.
Result<Ok> check_pattern(std::string_view text, std::string_view letters);

}  // namespace busbar::jobfile
