// Messages between daemon and supervisor: any packet is a message or refused, and a message that
// was read is written to bytes that read the same.
#include <string>
#include <string_view>
#include <variant>

#include "require.hpp"
#include "shim/protocol.hpp"

using namespace busbar;

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const auto message = shim::decode({reinterpret_cast<const char*>(data), size});
  if (!message.ok()) return 0;
  const auto write = [](const auto& body) { return shim::encode(body); };
  const std::string bytes = std::visit(write, message.value());
  const auto again = shim::decode(bytes);
  require(again.ok(), "a message that was written can be read");
  require(std::visit(write, again.value()) == bytes, "a message survives being written");
  return 0;
}
