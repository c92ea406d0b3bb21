#include "host/places.hpp"

#include <unistd.h>

#include <climits>
#include <cstdlib>

namespace busbar::host {

std::string program_beside(const std::string& name) {
  char path[PATH_MAX];
  const ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
  if (length <= 0) return name;
  std::string beside(path, static_cast<std::size_t>(length));
  beside = beside.substr(0, beside.rfind('/') + 1) + name;
  return access(beside.c_str(), X_OK) == 0 ? beside : name;
}

std::string default_state_directory() {
  const char* said = std::getenv("BUSBAR_STATE");
  if (said != nullptr && said[0] != '\0') return said;
  if (geteuid() == 0) return "/var/lib/busbar";
  const char* state = std::getenv("XDG_STATE_HOME");
  if (state != nullptr && state[0] == '/') return std::string(state) + "/busbar";
  const char* home = std::getenv("HOME");
  return std::string(home == nullptr ? "/tmp" : home) + "/.local/state/busbar";
}

}  // namespace busbar::host
