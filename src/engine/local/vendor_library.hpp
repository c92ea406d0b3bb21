// A vendor's shared library, opened at run time and kept open until the process ends (some crash
// when unloaded).
#pragma once

#include <span>
#include <string>

#include "base/result.hpp"

namespace busbar::local {

class VendorLibrary {
 public:
  // The first of `names` that opens. not_found: none is installed. unavailable: one is there but
  // does not load, with the loader's reason.
  static Result<VendorLibrary> open(std::span<const std::string> names);

  const std::string& name() const { return name_; }
  // Sets `function` to the symbol; false when the library lacks it.
  template <class F>
  bool bind(const char* symbol, F*& function) const {
    function = reinterpret_cast<F*>(find(symbol));
    return function != nullptr;
  }

 private:
  VendorLibrary(void* handle, std::string name) : handle_(handle), name_(std::move(name)) {}
  void* find(const char* symbol) const;

  void* handle_;
  std::string name_;
};

// Device::numa from the kernel's view of a PCI function such as "0000:3b:00.0"; -1 unknown.
std::int32_t pci_numa(const std::string& sysfs, const std::string& address);
// The first line of a small file without its end; "" when it cannot be read.
std::string first_line(const std::string& path);
// At most `length_max` bytes of a file; "" when it cannot be read.
std::string read_small_file(const std::string& path, std::size_t length_max = 1 << 20);

}  // namespace busbar::local
