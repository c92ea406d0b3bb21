// Moments in text: RFC 3339, and what people write instead.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace busbar {

// "2026-01-31T08:00:00.000Z"
std::string format_moment(std::int64_t unix_ms);
// RFC 3339, a day (its beginning in UTC), "now", or "+90m" (from `now_unix_ms`), as milliseconds
// since 1970.
Result<std::int64_t> parse_moment(std::string_view text, std::int64_t now_unix_ms);

}  // namespace busbar
