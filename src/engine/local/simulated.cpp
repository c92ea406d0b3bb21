// Devices that exist only in the books: an operator names them to try queues and policies.
#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "engine/local/device_provider.hpp"

namespace busbar::local {
namespace {

constexpr std::uint32_t devices_max = 4096;

class SimulatedProvider : public DeviceProvider {
 public:
  explicit SimulatedProvider(std::vector<SimulatedDevices> simulated)
      : simulated_(std::move(simulated)) {}

  std::string vendor() const override { return "simulated"; }

  DeviceScan scan() override {
    DeviceScan scan;
    std::uint32_t domain = 0;
    for (const SimulatedDevices& wish : simulated_) {
      for (std::uint32_t i = 0; i < wish.count && scan.devices.size() < devices_max; ++i) {
        if (wish.link_domain_size > 0 && i % wish.link_domain_size == 0) ++domain;
        const std::size_t ordinal = scan.devices.size();
        Device device;
        device.vendor = lower(wish.vendor);
        device.model = wish.model;
        device.uuid = fmt::format("SIM-{}-{}", lower(wish.vendor), ordinal);
        device.memory = wish.memory;
        device.physical_index = static_cast<std::uint32_t>(ordinal);
        device.link_domain = wish.link_domain_size > 0 ? domain : 0;
        device.simulated = true;
        scan.devices.push_back(std::move(device));
      }
    }
    return scan;
  }

 private:
  std::vector<SimulatedDevices> simulated_;
};

}  // namespace

std::unique_ptr<DeviceProvider> simulated_provider(std::vector<SimulatedDevices> simulated) {
  return std::make_unique<SimulatedProvider>(std::move(simulated));
}

std::vector<std::unique_ptr<DeviceProvider>> vendor_providers() {
  std::vector<std::unique_ptr<DeviceProvider>> all;
  all.push_back(nvidia_provider());
  all.push_back(amd_provider());
  all.push_back(intel_provider());
  all.push_back(ascend_provider());
  return all;
}

}  // namespace busbar::local
