// The daemon's configuration: any text is a configuration, which is written and read again as the
// same one, or an error that begins with its place.
#include <string_view>

#include "daemon/config.hpp"
#include "require.hpp"

using namespace busbar;

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto read = daemon::read_config(text, "busbard.yaml");
  if (!read.ok()) {
    require(read.error().text.starts_with("busbard.yaml"), "an error begins with its place");
    return 0;
  }
  const auto again = daemon::read_config(daemon::config_text(read.value()), "busbard.yaml");
  require(again.ok(), "a configuration that was written can be read");
  require(again.value() == read.value(), "a configuration survives being written");
  require(daemon::needs_restart(read.value(), again.value()).empty(), "nothing has changed");
  return 0;
}
