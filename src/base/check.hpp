// check() guards what only a bug of ours can break; it is on in every build and stops the process,
// because going on with a broken invariant could lose or double somebody's work.
#pragma once

#include <string_view>

namespace busbar {

[[noreturn]] void check_failed(std::string_view what, const char* file, int line);

inline void check(bool holds, std::string_view what, const char* file = __builtin_FILE(),
                  int line = __builtin_LINE()) {
  if (!holds) [[unlikely]]
    check_failed(what, file, line);
}

}  // namespace busbar
