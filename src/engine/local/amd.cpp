// AMD by ROCm SMI (librocm_smi64), prototypes of its public C interface.
#include <fmt/format.h>

#include <array>

#include "base/text.hpp"
#include "engine/local/device_provider.hpp"
#include "engine/local/vendor_library.hpp"

namespace busbar::local {
namespace {

using RsmiStatus = int;
constexpr RsmiStatus rsmi_success = 0;
constexpr int rsmi_memory_vram = 0;
constexpr int rsmi_link_xgmi = 2;
constexpr std::uint32_t devices_max = 256;

struct Rsmi {
  RsmiStatus (*init)(std::uint64_t) = nullptr;
  RsmiStatus (*count)(std::uint32_t*) = nullptr;
  RsmiStatus (*name)(std::uint32_t, char*, std::size_t) = nullptr;
  RsmiStatus (*memory)(std::uint32_t, int, std::uint64_t*) = nullptr;
  // Optional.
  RsmiStatus (*unique_id)(std::uint32_t, std::uint64_t*) = nullptr;
  RsmiStatus (*numa)(std::uint32_t, std::uint32_t*) = nullptr;
  RsmiStatus (*link)(std::uint32_t, std::uint32_t, std::uint64_t*, int*) = nullptr;

  bool bind(const VendorLibrary& library) {
    library.bind("rsmi_dev_unique_id_get", unique_id);
    library.bind("rsmi_topo_get_numa_node_number", numa);
    library.bind("rsmi_topo_get_link_type", link);
    return library.bind("rsmi_init", init) && library.bind("rsmi_num_monitor_devices", count) &&
           library.bind("rsmi_dev_name_get", name) &&
           library.bind("rsmi_dev_memory_total_get", memory);
  }
};

class AmdProvider : public DeviceProvider {
 public:
  explicit AmdProvider(std::string library) : library_(std::move(library)) {}

  std::string vendor() const override { return "amd"; }

  DeviceScan scan() override {
    if (!ready_) {
      const Result<Ok> opened = open();
      if (!opened) {
        if (opened.error().code == Errc::not_found) return {};
        return {{}, opened.error().text};
      }
      ready_ = true;
    }
    std::uint32_t count = 0;
    if (const RsmiStatus status = rsmi_.count(&count); status != rsmi_success)
      return {{}, fmt::format("ROCm SMI cannot count its devices (status {})", status)};
    DeviceScan scan;
    for (std::uint32_t i = 0; i < std::min(count, devices_max); ++i)
      scan.devices.push_back(read_device(i, scan.warning));
    find_link_domains(scan.devices);
    return scan;
  }

 private:
  Result<Ok> open() {
    std::vector<std::string> names{"librocm_smi64.so.7", "librocm_smi64.so.6", "librocm_smi64.so.5",
                                   "librocm_smi64.so", "/opt/rocm/lib/librocm_smi64.so"};
    if (!library_.empty()) names = {library_};
    BUSBAR_TRY(library, VendorLibrary::open(names));
    if (!rsmi_.bind(library))
      return {Errc::unavailable, library.name() + " lacks functions of ROCm SMI; install ROCm 5"};
    // Without the kernel driver the library is only left over in an image.
    if (library_.empty() && first_line("/sys/module/amdgpu/initstate").empty())
      return {Errc::not_found, "no driver loaded"};
    if (const RsmiStatus status = rsmi_.init(0); status != rsmi_success)
      return {Errc::unavailable, fmt::format("ROCm SMI does not start (status {})", status)};
    return Ok{};
  }

  Device read_device(std::uint32_t index, std::string& warning) {
    Device device;
    device.vendor = "amd";
    device.physical_index = index;
    std::array<char, 128> name{};
    std::uint64_t number = 0;
    if (rsmi_.name(index, name.data(), name.size() - 1) == rsmi_success) {
      device.model = printable(name.data());
    } else {
      device.model = "AMD device";
      device.health = DeviceHealth::suspect;
      warning = fmt::format("AMD device {} does not tell its name; see `rocm-smi`", index);
    }
    if (rsmi_.memory(index, rsmi_memory_vram, &number) == rsmi_success)
      device.memory = Bytes(static_cast<std::int64_t>(number));
    device.uuid = fmt::format("amd-{}", index);
    if (rsmi_.unique_id != nullptr && rsmi_.unique_id(index, &number) == rsmi_success &&
        number != 0)
      device.uuid = fmt::format("GPU-{:016x}", number);  // the form ROCR_VISIBLE_DEVICES takes
    std::uint32_t numa = 0;
    if (rsmi_.numa != nullptr && rsmi_.numa(index, &numa) == rsmi_success && numa < 1024)
      device.numa = static_cast<std::int32_t>(numa);
    return device;
  }

  // Devices joined by xGMI, found from the first of each domain.
  void find_link_domains(std::vector<Device>& devices) {
    if (rsmi_.link == nullptr) return;
    std::uint32_t next = 1;
    for (std::uint32_t i = 0; i < devices.size(); ++i) {
      if (devices[i].link_domain != 0) continue;
      bool joined = false;
      for (std::uint32_t j = i + 1; j < devices.size(); ++j) {
        std::uint64_t hops = 0;
        int type = 0;
        if (devices[j].link_domain != 0 || rsmi_.link(i, j, &hops, &type) != rsmi_success ||
            type != rsmi_link_xgmi)
          continue;
        devices[i].link_domain = devices[j].link_domain = next;
        joined = true;
      }
      if (joined) ++next;
    }
  }

  std::string library_;
  Rsmi rsmi_;
  bool ready_ = false;
};

}  // namespace

std::unique_ptr<DeviceProvider> amd_provider(const std::string& library) {
  return std::make_unique<AmdProvider>(library);
}

}  // namespace busbar::local
