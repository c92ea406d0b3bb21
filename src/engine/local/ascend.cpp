// Huawei Ascend by DCMI (libdcmi.so of the driver); without it by the driver's device files.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <filesystem>

#include "base/text.hpp"
#include "engine/local/device_provider.hpp"
#include "engine/local/vendor_library.hpp"

namespace busbar::local {
namespace {

constexpr int cards_max = 64;

// The structures of the driver, with room behind for versions that grew.
struct ChipInfo {
  unsigned char type[32], name[32], version[32];
  unsigned int core_count;
  unsigned char room[256];
};
struct HbmInfo {
  unsigned long long memory_megabytes;
  unsigned int frequency;
  unsigned long long used_megabytes;
  int temperature;
  unsigned int bandwidth_used;
  unsigned char room[256];
};

struct Dcmi {
  int (*init)() = nullptr;
  int (*card_list)(int*, int*, int) = nullptr;
  int (*device_count)(int, int*) = nullptr;
  int (*chip_info)(int, int, ChipInfo*) = nullptr;
  int (*hbm_info)(int, int, HbmInfo*) = nullptr;
  int (*logic_id)(int*, int, int) = nullptr;

  bool bind(const VendorLibrary& library) {
    library.bind("dcmi_get_device_hbm_info", hbm_info);
    library.bind("dcmi_get_device_logic_id", logic_id);
    return library.bind("dcmi_init", init) && library.bind("dcmi_get_card_list", card_list) &&
           library.bind("dcmi_get_device_num_in_card", device_count) &&
           library.bind("dcmi_get_device_chip_info", chip_info);
  }
};

class AscendProvider : public DeviceProvider {
 public:
  AscendProvider(std::string library, std::string dev)
      : library_(std::move(library)), dev_(std::move(dev)) {}

  std::string vendor() const override { return "huawei"; }

  DeviceScan scan() override {
    const std::vector<std::uint32_t> files = device_files();
    if (library_.empty() && files.empty()) return {};
    if (!ready_) {
      const Result<Ok> opened = open();
      if (!opened) {
        DeviceScan scan = from_files(files);
        if (opened.error().code != Errc::not_found) scan.warning = opened.error().text;
        return scan;
      }
      ready_ = true;
    }
    return from_library();
  }

 private:
  Result<Ok> open() {
    std::vector<std::string> names{"libdcmi.so", "/usr/local/dcmi/libdcmi.so",
                                   "/usr/local/Ascend/driver/lib64/driver/libdcmi.so"};
    if (!library_.empty()) names = {library_};
    BUSBAR_TRY(library, VendorLibrary::open(names));
    if (!dcmi_.bind(library))
      return {Errc::unavailable, library.name() + " lacks functions of DCMI; update the driver"};
    if (const int code = dcmi_.init(); code != 0)
      return {Errc::unavailable, fmt::format("DCMI does not start (code {})", code)};
    return Ok{};
  }

  std::vector<std::uint32_t> device_files() const {
    std::vector<std::uint32_t> found;
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator(dev_, ignored)) {
      const std::string name = entry.path().filename().string();
      constexpr std::string_view prefix = "davinci";
      if (!name.starts_with(prefix)) continue;
      std::uint32_t index = 0;
      const char* end = name.data() + name.size();
      const auto parsed = std::from_chars(name.data() + prefix.size(), end, index);
      if (parsed.ec == std::errc() && parsed.ptr == end) found.push_back(index);
    }
    std::sort(found.begin(), found.end());
    return found;
  }

  static Device make_device(std::uint32_t index) {
    Device device;
    device.vendor = "huawei";
    device.model = "Ascend";
    device.physical_index = index;
    device.uuid = fmt::format("ascend-{}", index);
    return device;
  }

  static DeviceScan from_files(const std::vector<std::uint32_t>& files) {
    DeviceScan scan;
    for (const std::uint32_t index : files) scan.devices.push_back(make_device(index));
    return scan;
  }

  DeviceScan from_library() {
    DeviceScan scan;
    int count = 0;
    std::array<int, cards_max> cards{};
    if (const int code = dcmi_.card_list(&count, cards.data(), cards_max); code != 0)
      return {{}, fmt::format("DCMI cannot list its cards (code {})", code)};
    for (int c = 0; c < std::clamp(count, 0, cards_max); ++c) {
      int chips = 0;
      if (dcmi_.device_count(cards[static_cast<std::size_t>(c)], &chips) != 0) continue;
      for (int chip = 0; chip < std::clamp(chips, 0, 8); ++chip)
        read_chip(cards[static_cast<std::size_t>(c)], chip, scan);
    }
    std::sort(scan.devices.begin(), scan.devices.end(),
              [](const Device& a, const Device& b) { return a.physical_index < b.physical_index; });
    return scan;
  }

  void read_chip(int card, int chip, DeviceScan& scan) {
    ChipInfo info{};
    // A card's management controller is counted too, but is no chip.
    if (dcmi_.chip_info(card, chip, &info) != 0) return;
    int logic = static_cast<int>(scan.devices.size());
    if (dcmi_.logic_id != nullptr) dcmi_.logic_id(&logic, card, chip);
    Device device = make_device(static_cast<std::uint32_t>(std::max(logic, 0)));
    const auto text = [](const unsigned char(&bytes)[32]) {
      const char* begin = reinterpret_cast<const char*>(bytes);
      return printable(std::string_view(begin, strnlen(begin, sizeof bytes)));
    };
    device.model = std::string(trim(text(info.type) + " " + text(info.name)));
    HbmInfo memory{};
    if (dcmi_.hbm_info != nullptr && dcmi_.hbm_info(card, chip, &memory) == 0)
      device.memory = mebibytes(static_cast<std::int64_t>(memory.memory_megabytes));
    scan.devices.push_back(std::move(device));
  }

  std::string library_;
  std::string dev_;
  Dcmi dcmi_;
  bool ready_ = false;
};

}  // namespace

std::unique_ptr<DeviceProvider> ascend_provider(const std::string& library,
                                                const std::string& dev) {
  return std::make_unique<AscendProvider>(library, dev);
}

}  // namespace busbar::local
