// How configurations are written back: YAML that its reader reads as the same values.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/units.hpp"
#include "model/resources.hpp"

namespace busbar::jobfile {

// In double quotes, with every character escaped that would not be read back as it is.
std::string yaml_quoted(std::string_view text);
std::string list_of(const std::vector<std::string>& items);
// As a person would write it, and exact: "24h", "90d", "1h30m", "1s500ms".
std::string span_of(Span span);
// In the largest unit that is exact: "50G".
std::string bytes_of(std::int64_t bytes);
// A map of names to amounts; with `by_resource` each in the unit that follows from its name.
std::string amounts_of(const List<NamedCount>& amounts, bool by_resource);
// Whether amounts of this resource count bytes, not thousandths.
bool in_bytes(std::string_view resource);

}  // namespace busbar::jobfile
