// Events from a journal: damaged bytes are refused; what is read writes the same event again.
#include <string_view>

#include "model/event.hpp"
#include "require.hpp"

using namespace busbar;

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const auto event = decode_event({reinterpret_cast<const char*>(data), size});
  if (!event.ok()) return 0;
  const auto again = decode_event(encode_event(event.value()));
  require(again.ok() && again.value() == event.value(), "an event survives being written");
  event_json(event.value());
  return 0;
}
