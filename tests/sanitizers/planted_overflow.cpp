// Reads one byte behind a heap block.
#include <cstdlib>

int main(int count, char**) {
  const auto size = static_cast<std::size_t>(count) + 7;
  auto* bytes = static_cast<volatile char*>(std::malloc(size));
  bytes[0] = 1;
  const int read = bytes[size];
  std::free(const_cast<char*>(bytes));
  return read > 300 ? 1 : 0;
}
