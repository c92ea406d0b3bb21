#include "base/result.hpp"

#include <cstdio>
#include <cstdlib>

namespace busbar {

std::string_view to_string(Errc code) {
  switch (code) {
    case Errc::invalid:
      return "invalid";
    case Errc::unsatisfiable:
      return "unsatisfiable";
    case Errc::conflict:
      return "conflict";
    case Errc::not_found:
      return "not_found";
    case Errc::denied:
      return "denied";
    case Errc::unavailable:
      return "unavailable";
    case Errc::corrupt:
      return "corrupt";
  }
  return "unknown";
}

void check_failed(std::string_view what, const char* file, int line) {
  std::fprintf(stderr, "busbar: internal error: %.*s (%s:%d). This is a bug; please report it.\n",
               static_cast<int>(what.size()), what.data(), file, line);
  std::abort();
}

}  // namespace busbar
