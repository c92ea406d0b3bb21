// NVIDIA by NVML (the driver's libnvidia-ml). Prototypes are those of its public interface, version
// 2 and later; nothing of NVIDIA's headers is needed to build.
#include <fmt/format.h>

#include <array>
#include <numeric>
#include <string_view>

#include "base/text.hpp"
#include "engine/local/device_provider.hpp"
#include "engine/local/vendor_library.hpp"

namespace busbar::local {
namespace {

using NvmlReturn = int;
using NvmlDevice = struct NvmlDeviceOpaque*;
struct NvmlMemory {
  unsigned long long total, free, used;
};
struct NvmlPci {
  char bus_id_legacy[16];
  unsigned int domain, bus, device, pci_device_id, pci_subsystem_id;
  char bus_id[32];
};

constexpr NvmlReturn nvml_success = 0;
constexpr NvmlReturn nvml_driver_not_loaded = 9;
constexpr unsigned nvml_text_max = 96;
constexpr unsigned devices_max = 256;
constexpr unsigned links_max = 36;
constexpr int remote_gpu = 0;
constexpr int remote_switch = 2;

struct Nvml {
  NvmlReturn (*init)() = nullptr;
  const char* (*error_string)(NvmlReturn) = nullptr;
  NvmlReturn (*count)(unsigned*) = nullptr;
  NvmlReturn (*handle)(unsigned, NvmlDevice*) = nullptr;
  NvmlReturn (*name)(NvmlDevice, char*, unsigned) = nullptr;
  NvmlReturn (*uuid)(NvmlDevice, char*, unsigned) = nullptr;
  NvmlReturn (*memory)(NvmlDevice, NvmlMemory*) = nullptr;
  // Optional: older drivers lack some of them.
  NvmlReturn (*pci)(NvmlDevice, NvmlPci*) = nullptr;
  NvmlReturn (*link_state)(NvmlDevice, unsigned, int*) = nullptr;
  NvmlReturn (*link_remote_pci)(NvmlDevice, unsigned, NvmlPci*) = nullptr;
  NvmlReturn (*link_remote_type)(NvmlDevice, unsigned, int*) = nullptr;
  NvmlReturn (*mig_mode)(NvmlDevice, unsigned*, unsigned*) = nullptr;
  NvmlReturn (*mig_count)(NvmlDevice, unsigned*) = nullptr;
  NvmlReturn (*mig_handle)(NvmlDevice, unsigned, NvmlDevice*) = nullptr;

  bool bind(const VendorLibrary& library) {
    library.bind("nvmlErrorString", error_string);
    library.bind("nvmlDeviceGetPciInfo_v3", pci) || library.bind("nvmlDeviceGetPciInfo_v2", pci);
    library.bind("nvmlDeviceGetNvLinkState", link_state);
    library.bind("nvmlDeviceGetNvLinkRemotePciInfo_v2", link_remote_pci);
    library.bind("nvmlDeviceGetNvLinkRemoteDeviceType", link_remote_type);
    library.bind("nvmlDeviceGetMigMode", mig_mode);
    library.bind("nvmlDeviceGetMaxMigDeviceCount", mig_count);
    library.bind("nvmlDeviceGetMigDeviceHandleByIndex", mig_handle);
    return library.bind("nvmlInit_v2", init) && library.bind("nvmlDeviceGetCount_v2", count) &&
           library.bind("nvmlDeviceGetHandleByIndex_v2", handle) &&
           library.bind("nvmlDeviceGetName", name) && library.bind("nvmlDeviceGetUUID", uuid) &&
           library.bind("nvmlDeviceGetMemoryInfo", memory);
  }
};

// One card: its own identity beside its links.
struct Card {
  NvmlDevice handle = nullptr;
  std::string bus_id;  // lower case
  std::uint32_t domain = 0;
};

class NvidiaProvider : public DeviceProvider {
 public:
  NvidiaProvider(std::string library, std::string sysfs)
      : library_(std::move(library)), sysfs_(std::move(sysfs)) {}

  std::string vendor() const override { return "nvidia"; }

  DeviceScan scan() override {
    if (!ready_) {
      const Result<Ok> opened = open();
      if (!opened) {
        if (opened.error().code == Errc::not_found) return {};
        return {{}, opened.error().text};
      }
      ready_ = true;
    }
    unsigned count = 0;
    if (const NvmlReturn code = nvml_.count(&count); code != nvml_success)
      return {{}, fmt::format("NVML cannot count its devices: {}", words(code))};
    return read_devices(std::min(count, devices_max));
  }

 private:
  Result<Ok> open() {
    std::vector<std::string> names{"libnvidia-ml.so.1", "libnvidia-ml.so"};
    if (!library_.empty()) names = {library_};
    BUSBAR_TRY(library, VendorLibrary::open(names));
    if (!nvml_.bind(library))
      return {Errc::unavailable,
              library.name() + " lacks functions of NVML version 2; install a newer driver"};
    const NvmlReturn code = nvml_.init();
    // The library without a loaded driver is how many images without a card look.
    if (code == nvml_driver_not_loaded) return {Errc::not_found, "no driver loaded"};
    if (code != nvml_success)
      return {Errc::unavailable, fmt::format("NVML does not start: {}", words(code))};
    return Ok{};
  }

  DeviceScan read_devices(unsigned count) {
    DeviceScan scan;
    std::vector<Card> cards(count);
    for (unsigned i = 0; i < count; ++i) {
      if (nvml_.handle(i, &cards[i].handle) != nvml_success) cards[i].handle = nullptr;
      NvmlPci pci{};
      if (cards[i].handle != nullptr && nvml_.pci != nullptr &&
          nvml_.pci(cards[i].handle, &pci) == nvml_success)
        cards[i].bus_id = lower(bounded(pci.bus_id));
    }
    find_link_domains(cards);
    for (unsigned i = 0; i < count; ++i) read_card(i, cards[i], scan);
    return scan;
  }

  void read_card(unsigned index, const Card& card, DeviceScan& scan) {
    Device device;
    device.vendor = "nvidia";
    device.physical_index = index;
    device.link_domain = card.domain;
    if (card.handle == nullptr || !read_identity(card.handle, device)) {
      device.model = "NVIDIA device";
      device.uuid = fmt::format("nvidia-lost-{}", index);
      device.health = DeviceHealth::failed;
      scan.warning = fmt::format("NVIDIA device {} does not answer; see `nvidia-smi`", index);
      scan.devices.push_back(std::move(device));
      return;
    }
    if (!card.bus_id.empty()) device.numa = pci_numa(sysfs_, card.bus_id);
    if (!read_instances(card.handle, device, scan)) scan.devices.push_back(std::move(device));
  }

  bool read_identity(NvmlDevice handle, Device& device) {
    std::array<char, nvml_text_max> name{};
    std::array<char, nvml_text_max> uuid{};
    NvmlMemory memory{};
    if (nvml_.name(handle, name.data(), nvml_text_max) != nvml_success ||
        nvml_.uuid(handle, uuid.data(), nvml_text_max) != nvml_success)
      return false;
    if (nvml_.memory(handle, &memory) == nvml_success)
      device.memory = Bytes(static_cast<std::int64_t>(memory.total));
    device.model = printable(bounded(name));
    device.uuid = printable(bounded(uuid));
    return true;
  }

  // A card cut into instances is offered as its instances; true when it is cut.
  bool read_instances(NvmlDevice card, const Device& whole, DeviceScan& scan) {
    unsigned current = 0;
    unsigned pending = 0;
    unsigned count = 0;
    if (nvml_.mig_mode == nullptr || nvml_.mig_count == nullptr || nvml_.mig_handle == nullptr ||
        nvml_.mig_mode(card, &current, &pending) != nvml_success || current == 0 ||
        nvml_.mig_count(card, &count) != nvml_success)
      return false;
    for (unsigned i = 0; i < std::min(count, 64U); ++i) {
      NvmlDevice instance = nullptr;
      Device device = whole;
      if (nvml_.mig_handle(card, i, &instance) != nvml_success) continue;
      if (!read_identity(instance, device)) continue;
      device.link_domain = 0;
      scan.devices.push_back(std::move(device));
    }
    return true;
  }

  // Cards joined by direct links, or all to switches, form one domain.
  void find_link_domains(std::vector<Card>& cards) {
    if (nvml_.link_state == nullptr) return;
    std::vector<std::size_t> root(cards.size());
    std::iota(root.begin(), root.end(), 0);
    const auto find = [&](std::size_t i) {
      while (root[i] != i) i = root[i] = root[root[i]];
      return i;
    };
    std::size_t at_switch = cards.size();  // the first card with a link to a switch
    for (std::size_t i = 0; i < cards.size(); ++i) {
      for (unsigned link = 0; cards[i].handle != nullptr && link < links_max; ++link) {
        int active = 0;
        if (nvml_.link_state(cards[i].handle, link, &active) != nvml_success) break;
        if (active == 0) continue;
        const std::size_t peer = link_peer(cards, i, link, at_switch);
        if (peer < cards.size()) root[find(i)] = find(peer);
      }
    }
    std::vector<std::uint32_t> number(cards.size(), 0);
    std::vector<std::size_t> members(cards.size(), 0);
    for (std::size_t i = 0; i < cards.size(); ++i) ++members[find(i)];
    std::uint32_t next = 1;
    for (std::size_t i = 0; i < cards.size(); ++i) {
      if (members[find(i)] < 2) continue;
      std::uint32_t& domain = number[find(i)];
      if (domain == 0) domain = next++;
      cards[i].domain = domain;
    }
  }

  std::size_t link_peer(const std::vector<Card>& cards, std::size_t card, unsigned link,
                        std::size_t& at_switch) {
    int type = remote_gpu;
    if (nvml_.link_remote_type != nullptr &&
        nvml_.link_remote_type(cards[card].handle, link, &type) == nvml_success &&
        type == remote_switch) {
      if (at_switch == cards.size()) at_switch = card;
      return at_switch;
    }
    NvmlPci pci{};
    if (nvml_.link_remote_pci == nullptr ||
        nvml_.link_remote_pci(cards[card].handle, link, &pci) != nvml_success)
      return cards.size();
    const std::string bus_id = lower(bounded(pci.bus_id));
    std::size_t peer = 0;
    while (peer < cards.size() && (bus_id.empty() || cards[peer].bus_id != bus_id)) ++peer;
    return peer;
  }

  template <class Text>
  static std::string bounded(const Text& text) {
    const std::string_view all(std::data(text), std::size(text));
    return std::string(all.substr(0, all.find('\0')));
  }

  std::string words(NvmlReturn code) const {
    const char* text = nvml_.error_string == nullptr ? nullptr : nvml_.error_string(code);
    return fmt::format("{} (code {})", text == nullptr ? "unknown error" : printable(text), code);
  }

  std::string library_;
  std::string sysfs_;
  Nvml nvml_;
  bool ready_ = false;
};

}  // namespace

std::unique_ptr<DeviceProvider> nvidia_provider(const std::string& library,
                                                const std::string& sysfs) {
  return std::make_unique<NvidiaProvider>(library, sysfs);
}

}  // namespace busbar::local
