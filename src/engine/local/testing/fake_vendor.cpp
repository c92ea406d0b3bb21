// Three cards as NVML, two as ROCm SMI and two chips as DCMI would tell them. FAKE_VENDOR_BROKEN
// makes the libraries refuse to start.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

struct Card {
  const char* name;
  const char* uuid;
  unsigned long long memory;
  const char* bus_id;
  int peer;  // card at the other end of link 0; -1 none
};
Card cards[] = {
    {"NVIDIA H100 80GB HBM3", "GPU-aaaaaaaa-0000-0000-0000-000000000000", 80ULL << 30,
     "00000000:1B:00.0", 1},
    {"NVIDIA H100 80GB HBM3", "GPU-aaaaaaaa-0000-0000-0000-000000000001", 80ULL << 30,
     "00000000:43:00.0", 0},
    {"NVIDIA A2", "GPU-bbbbbbbb-0000-0000-0000-000000000002", 16ULL << 30, "00000000:9D:00.0", -1},
};

bool broken() { return std::getenv("FAKE_VENDOR_BROKEN") != nullptr; }

struct Memory {
  unsigned long long total, free, used;
};
struct Pci {
  char legacy[16];
  unsigned domain, bus, device, pci_device_id, pci_subsystem_id;
  char bus_id[32];
};

int copy(char* to, unsigned length, const char* from) {
  if (std::strlen(from) + 1 > length) return 7;  // INSUFFICIENT_SIZE
  std::memcpy(to, from, std::strlen(from) + 1);
  return 0;
}
void fill(Pci* pci, const char* bus_id) {
  std::memset(pci, 0, sizeof *pci);
  std::snprintf(pci->bus_id, sizeof pci->bus_id, "%s", bus_id);
}

}  // namespace

extern "C" {

int nvmlInit_v2() { return broken() ? 999 : 0; }
const char* nvmlErrorString(int) { return "Unknown Error"; }
int nvmlDeviceGetCount_v2(unsigned* count) { return *count = 3, 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned index, Card** card) {
  if (index >= 3) return 2;
  *card = &cards[index];
  return 0;
}
int nvmlDeviceGetName(Card* card, char* name, unsigned length) {
  return copy(name, length, card->name);
}
int nvmlDeviceGetUUID(Card* card, char* uuid, unsigned length) {
  return copy(uuid, length, card->uuid);
}
int nvmlDeviceGetMemoryInfo(Card* card, Memory* memory) {
  *memory = {card->memory, card->memory, 0};
  return 0;
}
int nvmlDeviceGetPciInfo_v3(Card* card, Pci* pci) { return fill(pci, card->bus_id), 0; }
int nvmlDeviceGetNvLinkState(Card* card, unsigned link, int* active) {
  if (link >= 2) return 2;
  *active = link == 0 && card->peer >= 0;
  return 0;
}
int nvmlDeviceGetNvLinkRemotePciInfo_v2(Card* card, unsigned, Pci* pci) {
  return fill(pci, cards[card->peer].bus_id), 0;
}

int rsmi_init(std::uint64_t) { return broken() ? 8 : 0; }
int rsmi_num_monitor_devices(std::uint32_t* count) { return *count = 2, 0; }
int rsmi_dev_name_get(std::uint32_t, char* name, std::size_t length) {
  std::snprintf(name, length, "AMD Instinct MI300X");
  return 0;
}
int rsmi_dev_memory_total_get(std::uint32_t, int, std::uint64_t* total) {
  return *total = 192ULL << 30, 0;
}
int rsmi_dev_unique_id_get(std::uint32_t index, std::uint64_t* id) {
  return *id = 0x18f8a2f1b2c3d400ULL + index, 0;
}
int rsmi_topo_get_numa_node_number(std::uint32_t index, std::uint32_t* numa) {
  return *numa = index, 0;
}
int rsmi_topo_get_link_type(std::uint32_t, std::uint32_t, std::uint64_t* hops, int* type) {
  return *hops = 1, *type = 2, 0;
}

int dcmi_init() { return broken() ? -8005 : 0; }
int dcmi_get_card_list(int* count, int* list, int) {
  return *count = 2, list[0] = 0, list[1] = 1, 0;
}
int dcmi_get_device_num_in_card(int, int* count) { return *count = 1, 0; }
int dcmi_get_device_chip_info(int, int, unsigned char* info) {
  std::memset(info, 0, 100);
  std::memcpy(info, "Ascend", 7);
  std::memcpy(info + 32, "910B2", 6);
  return 0;
}
int dcmi_get_device_hbm_info(int, int, unsigned long long* info) { return info[0] = 65536, 0; }
int dcmi_get_device_logic_id(int* logic, int card, int) { return *logic = card, 0; }
}
