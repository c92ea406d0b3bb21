// Forgets a heap block.
#include <cstdlib>

int main(int count, char**) {
  volatile void* kept = std::malloc(static_cast<std::size_t>(count) * 64);
  const bool made = kept != nullptr;
  kept = nullptr;
  return made ? 0 : 1;
}
