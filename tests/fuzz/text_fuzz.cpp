// Quantities as users write them: any text is read or refused, and what was read can be written and
// read again.
#include <string_view>

#include "base/text.hpp"
#include "base/units.hpp"
#include "require.hpp"

using namespace busbar;

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto bytes = parse_bytes(text); bytes.ok()) {
    require(bytes.value().value >= 0, "bytes are not negative");
    require(parse_bytes(format_bytes(bytes.value())).ok(), "formatted bytes can be read");
  }
  if (const auto span = parse_span(text); span.ok())
    require(span.value().value >= 0, "a span is not negative");
  if (const auto milli = parse_milli(text); milli.ok())
    require(parse_milli(format_milli(milli.value())).value() == milli.value(),
            "thousandths survive being written");
  if (const auto count = parse_count(text); count.ok())
    require(count.value() >= 0, "a count is not negative");
  require(is_utf8(printable(text)), "printable text is UTF-8");
  const std::string_view names[] = {"memory", "cores", "time"};
  nearest(text.substr(0, 64), names);
  return 0;
}
