#include "engine/local/vendor_library.hpp"

#include <dlfcn.h>
#include <fmt/format.h>

#include <cctype>
#include <charconv>
#include <fstream>

#include "base/text.hpp"

namespace busbar::local {

Result<VendorLibrary> VendorLibrary::open(std::span<const std::string> names) {
  std::string broken;
  for (const std::string& name : names) {
    void* handle = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (handle != nullptr) return VendorLibrary(handle, name);
    const char* why = dlerror();
    const std::string text = why == nullptr ? "unknown reason" : why;
    // The loader names the file it missed: another file's name means that a dependency is missing.
    const bool absent = text.starts_with(name + ":") && text.find("No such file") != text.npos;
    if (!absent && broken.empty())
      broken = fmt::format("{} is installed but does not load: {}", name, printable(text, 200));
  }
  if (broken.empty()) return {Errc::not_found, "not installed"};
  return {Errc::unavailable, broken};
}

void* VendorLibrary::find(const char* symbol) const { return dlsym(handle_, symbol); }

std::string read_small_file(const std::string& path, std::size_t length_max) {
  std::ifstream in(path, std::ios::binary);
  std::string text;
  char buffer[4096];
  while (in && text.size() < length_max) {
    in.read(buffer,
            static_cast<std::streamsize>(std::min(sizeof buffer, length_max - text.size())));
    text.append(buffer, static_cast<std::size_t>(in.gcount()));
  }
  return text;
}

std::string first_line(const std::string& path) {
  const std::string text = read_small_file(path, 4096);
  return std::string(trim(text.substr(0, text.find('\n'))));
}

std::int32_t pci_numa(const std::string& sysfs, const std::string& address) {
  std::string lowered = lower(address);
  for (const char c : lowered) {
    if (!std::isxdigit(static_cast<unsigned char>(c)) && c != ':' && c != '.') return -1;
  }
  // Vendors write the domain with eight digits, the kernel with four.
  const std::size_t colon = lowered.find(':');
  if (colon != std::string::npos && colon > 4) lowered.erase(0, colon - 4);
  const std::string text = first_line(sysfs + "/bus/pci/devices/" + lowered + "/numa_node");
  std::int32_t numa = -1;
  std::from_chars(text.data(), text.data() + text.size(), numa);
  return numa;
}

}  // namespace busbar::local
