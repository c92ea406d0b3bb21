// The State inside a snapshot: damaged bytes are refused with a reason; what is read keeps its own
// rules and writes a State that reads the same.
#include <string>
#include <string_view>

#include "core/state/state.hpp"
#include "require.hpp"

using namespace busbar;

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const auto state = core::decode_state({reinterpret_cast<const char*>(data), size});
  if (!state.ok()) {
    require(state.error().code == Errc::corrupt && !state.error().text.empty(), "a reason is told");
    return 0;
  }
  require(!state->invariants(), "a State that was read keeps its rules");
  const std::string written = core::encode_state(*state);
  const auto again = core::decode_state(written);
  require(again.ok(), "a State that was written can be read");
  require(core::encode_state(*again) == written, "a State survives being written");
  return 0;
}
