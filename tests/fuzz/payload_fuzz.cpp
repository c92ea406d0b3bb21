// Payloads from the store: damaged bytes are refused; what is read writes the same payload again.
#include <string_view>

#include "model/payload.hpp"
#include "require.hpp"

using namespace busbar;

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const auto payload = decode_payload({reinterpret_cast<const char*>(data), size});
  if (!payload.ok()) return 0;
  const auto again = decode_payload(encode_payload(payload.value()).bytes);
  require(again.ok() && again.value() == payload.value(), "a payload survives being written");
  return 0;
}
