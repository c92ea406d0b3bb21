// Names of units and attempts: an attempt's name that is accepted is written back as it was.
#include <string_view>

#include "model/names.hpp"
#include "require.hpp"

using namespace busbar;

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto unit = parse_unit_reference(text); unit.ok())
    for (const auto& range : unit.value().indices)
      require(range.first <= range.last, "a range runs upwards");
  if (const auto attempt = parse_attempt_name("abc123", text); attempt.ok())
    require(attempt_name("abc123", attempt.value()) == text, "the name is the identity");
  return 0;
}
