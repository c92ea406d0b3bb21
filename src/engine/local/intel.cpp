// Intel by the kernel's own description of its graphics cards: it needs no library and no rights.
// Only cards with memory of their own count; a processor's built-in graphics is no accelerator.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>

#include "engine/local/device_provider.hpp"
#include "engine/local/vendor_library.hpp"

namespace busbar::local {
namespace {

struct Model {
  std::string_view pci_device;
  std::string_view name;
};
constexpr std::array models{
    Model{"0x0bd5", "Intel Data Center GPU Max 1550"},
    Model{"0x0bd6", "Intel Data Center GPU Max"},
    Model{"0x0bda", "Intel Data Center GPU Max 1100"},
    Model{"0x56c0", "Intel Flex 170"},
    Model{"0x56c1", "Intel Flex 140"},
    Model{"0x56a0", "Intel Arc A770"},
    Model{"0x56a1", "Intel Arc A750"},
    Model{"0xe20b", "Intel Arc B580"},
    Model{"0xe20c", "Intel Arc B570"},
};

std::int64_t to_number(const std::string& text) {
  std::int64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

class IntelProvider : public DeviceProvider {
 public:
  explicit IntelProvider(std::string sysfs) : sysfs_(std::move(sysfs)) {}

  std::string vendor() const override { return "intel"; }

  DeviceScan scan() override {
    std::vector<std::pair<std::string, std::string>> cards;  // PCI address, path
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator(sysfs_ + "/class/drm", ignored)) {
      const std::string name = entry.path().filename().string();
      const std::string path = entry.path().string();
      if (!name.starts_with("card") || name.find('-') != std::string::npos) continue;
      if (first_line(path + "/device/vendor") != "0x8086") continue;
      const auto target = std::filesystem::read_symlink(path + "/device", ignored);
      cards.emplace_back(target.empty() ? name : target.filename().string(), path);
    }
    // The order of PCI addresses is that of the vendor's run time, by default.
    std::sort(cards.begin(), cards.end());
    DeviceScan scan;
    for (const auto& [address, path] : cards) {
      const Bytes memory = own_memory(path);
      if (memory.value <= 0) continue;
      Device device;
      device.vendor = "intel";
      device.physical_index = static_cast<std::uint32_t>(scan.devices.size());
      device.model = model_name(first_line(path + "/device/device"));
      device.uuid = "intel-" + address;
      device.memory = memory;
      device.numa = pci_numa(sysfs_, address);
      scan.devices.push_back(std::move(device));
    }
    return scan;
  }

 private:
  static std::string model_name(const std::string& pci_device) {
    for (const Model& model : models) {
      if (model.pci_device == pci_device) return std::string(model.name);
    }
    return "Intel GPU " + pci_device;
  }

  // i915 tells it; xe maps it as a whole through the third bar.
  static Bytes own_memory(const std::string& card) {
    const std::int64_t told = to_number(first_line(card + "/lmem_total_bytes"));
    if (told > 0) return Bytes(told);
    std::error_code missing;
    if (!std::filesystem::exists(card + "/device/tile0", missing)) return Bytes(0);
    const auto size = std::filesystem::file_size(card + "/device/resource2", missing);
    return missing ? Bytes(0) : Bytes(static_cast<std::int64_t>(size));
  }

  std::string sysfs_;
};

}  // namespace

std::unique_ptr<DeviceProvider> intel_provider(const std::string& sysfs) {
  return std::make_unique<IntelProvider>(sysfs);
}

}  // namespace busbar::local
