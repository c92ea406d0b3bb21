// Room for one more in a vector that is large and lives long: it grows by an eighth, so that little
// of it lies unused.
#pragma once

#include <vector>

namespace busbar {

template <class T>
void grow_slowly(std::vector<T>& vector) {
  if (vector.size() == vector.capacity()) vector.reserve(vector.size() + vector.size() / 8 + 8);
}

}  // namespace busbar
