// What a vendor's library or the kernel says of the accelerators of this machine.
//
// Shape    one provider per vendor, each in its own file; providers never link a vendor's library,
//          they open it at run time.
// Units    Device::numa is the operating system's node number here; the inventory turns it into a
//          position. Link domains count from 1 per provider.
// Errors   a machine without the vendor is normal: no devices, no warning. A library that is there
//          but does not work gives no devices and one sentence. `scan` may block for seconds.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "model/node.hpp"

namespace busbar::local {

struct DeviceScan {
  std::vector<Device> devices;
  std::string warning;  // "" unless something is broken
};

class DeviceProvider {
 public:
  virtual ~DeviceProvider() = default;
  virtual std::string vendor() const = 0;
  virtual DeviceScan scan() = 0;
};

// `count` devices that exist only in the books, for trying things out. `link_domain_size` devices
// in a row share a fast link; 0: none do.
struct SimulatedDevices {
  std::string vendor = "nvidia";
  std::string model = "Simulated GPU";
  Bytes memory = gibibytes(16);
  std::uint32_t count = 1;
  std::uint32_t link_domain_size = 0;
  friend bool operator==(const SimulatedDevices&, const SimulatedDevices&) = default;
};

// `library` and the roots are for tests; "" means the usual places.
std::unique_ptr<DeviceProvider> nvidia_provider(const std::string& library = "",
                                                const std::string& sysfs = "/sys");
std::unique_ptr<DeviceProvider> amd_provider(const std::string& library = "");
std::unique_ptr<DeviceProvider> intel_provider(const std::string& sysfs = "/sys");
std::unique_ptr<DeviceProvider> ascend_provider(const std::string& library = "",
                                                const std::string& dev = "/dev");
std::unique_ptr<DeviceProvider> simulated_provider(std::vector<SimulatedDevices> simulated);

// Those of all vendors Busbar knows, in a fixed order.
std::vector<std::unique_ptr<DeviceProvider>> vendor_providers();

}  // namespace busbar::local
