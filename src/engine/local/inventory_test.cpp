#include "engine/local/inventory.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "engine/local/testing/folder.hpp"

namespace busbar::local {
namespace {

namespace fs = std::filesystem;

TEST(Inventory, describes_this_machine_and_twice_the_same) {
  std::vector<std::string> warnings;
  Inventory inventory({.node_name = "n1", .scratch_directory = "/tmp"}, vendor_providers(),
                      [&](const std::string& text) { warnings.push_back(text); });
  const Node node = inventory.take();
  EXPECT_EQ(node.name, "n1");
  EXPECT_EQ(node.cluster, "local");
  EXPECT_GE(node.cores, whole_cores(1));
  EXPECT_GE(node.memory, mebibytes(100));
  ASSERT_FALSE(node.numa.empty());
  EXPECT_FALSE(node.numa[0].core_ids.empty());
  EXPECT_EQ(node.boot_id.size(), 36U);
  EXPECT_FALSE(node.features.empty());
  EXPECT_GT(node.port_count, 0U);
  EXPECT_EQ(node, inventory.take());
  for (const Device& device : node.devices)
    printf("device: %s %s %s %s numa %d domain %u\n", device.vendor.c_str(), device.model.c_str(),
           device.uuid.c_str(), format_bytes(device.memory).c_str(), device.numa,
           device.link_domain);
  for (const std::string& warning : warnings) printf("warning: %s\n", warning.c_str());
}

TEST(Inventory, ports_avoid_what_the_kernel_hands_out) {
  EXPECT_EQ(without_ephemeral({20000, 1000}, "32768\t60999"), (PortRange{20000, 1000}));
  EXPECT_EQ(without_ephemeral({20000, 1000}, "20900 60999"), (PortRange{20000, 900}));
  EXPECT_EQ(without_ephemeral({20000, 1000}, "1024\t20299"), (PortRange{20300, 700}));
  EXPECT_EQ(without_ephemeral({20000, 1000}, "20100\t20199"), (PortRange{20200, 800}));
  EXPECT_EQ(without_ephemeral({20000, 1000}, "1024\t65535").count, 0U);
  EXPECT_EQ(without_ephemeral({20000, 1000}, ""), (PortRange{20000, 1000}));
}

TEST(Inventory, features_are_those_people_select_by) {
  const std::string intel =
      "processor\t: 0\nvendor_id\t: GenuineIntel\nmodel name\t: Xeon 8480\n"
      "flags\t\t: fpu avx avx2 avx512f amx_tile amx_bf16 ht\n\nprocessor\t: 1\n";
  EXPECT_EQ(cpu_features(intel, "x86_64"),
            (std::vector<std::string>{"amx", "amx_bf16", "avx", "avx2", "avx512f", "cpu-intel",
                                      "x86_64"}));
  EXPECT_EQ(cpu_model(intel), "Xeon 8480");
  const std::string kunpeng = "processor : 0\nFeatures : fp asimd sve\nCPU implementer : 0x48\n";
  EXPECT_EQ(cpu_features(kunpeng, "aarch64"),
            (std::vector<std::string>{"aarch64", "cpu-huawei", "neon", "sve"}));
}

TEST(Inventory, limits_above_the_process_count) {
  const Folder root;
  root.write("a/b/memory.max", "max\n");
  root.write("a/memory.max", "1073741824\n");
  root.write("a/cpu.max", "150000 100000\n");
  root.write("memory/c/memory.limit_in_bytes", "536870912\n");
  root.write("memory/memory.limit_in_bytes", "9223372036854771712\n");
  root.write("cpu/c/cpu.cfs_quota_us", "-1\n");
  root.write("cpu/c/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(cgroup_memory_limit("0::/a/b\n", root.path), gibibytes(1));
  EXPECT_EQ(cgroup_core_limit("0::/a/b\n", root.path), MilliCores(1500));
  EXPECT_EQ(cgroup_memory_limit("4:memory:/c\n1:cpu:/c\n0::/\n", root.path), mebibytes(512));
  EXPECT_EQ(cgroup_core_limit("1:cpu:/c\n0::/\n", root.path), MilliCores(0));
  EXPECT_EQ(cgroup_memory_limit("0::/none\n", root.path), Bytes(0));
}

TEST(Devices, nvidia_by_a_library_opened_at_run_time) {
  const Folder sysfs;
  sysfs.write("bus/pci/devices/0000:43:00.0/numa_node", "1\n");
  const DeviceScan scan = nvidia_provider(FAKE_VENDOR_LIBRARY, sysfs.path)->scan();
  EXPECT_EQ(scan.warning, "");
  ASSERT_EQ(scan.devices.size(), 3U);
  EXPECT_EQ(scan.devices[0].model, "NVIDIA H100 80GB HBM3");
  EXPECT_EQ(scan.devices[0].uuid, "GPU-aaaaaaaa-0000-0000-0000-000000000000");
  EXPECT_EQ(scan.devices[0].memory, gibibytes(80));
  EXPECT_EQ(scan.devices[0].numa, -1);
  EXPECT_EQ(scan.devices[1].numa, 1);
  EXPECT_EQ(scan.devices[0].link_domain, 1U);
  EXPECT_EQ(scan.devices[1].link_domain, 1U);
  EXPECT_EQ(scan.devices[2].link_domain, 0U);
  EXPECT_FALSE(scan.devices[0].simulated);
}

TEST(Devices, amd_by_a_library_opened_at_run_time) {
  const DeviceScan scan = amd_provider(FAKE_VENDOR_LIBRARY)->scan();
  ASSERT_EQ(scan.devices.size(), 2U);
  EXPECT_EQ(scan.devices[1].uuid, "GPU-18f8a2f1b2c3d401");
  EXPECT_EQ(scan.devices[1].memory, gibibytes(192));
  EXPECT_EQ(scan.devices[1].numa, 1);
  EXPECT_EQ(scan.devices[0].link_domain, 1U);
}

TEST(Devices, ascend_by_a_library_or_by_its_device_files) {
  const DeviceScan scan = ascend_provider(FAKE_VENDOR_LIBRARY)->scan();
  ASSERT_EQ(scan.devices.size(), 2U);
  EXPECT_EQ(scan.devices[1].model, "Ascend 910B2");
  EXPECT_EQ(scan.devices[1].memory, gibibytes(64));
  const Folder dev;
  dev.write("davinci1", "");
  dev.write("davinci0", "");
  dev.write("davinci_manager", "");
  const DeviceScan files = ascend_provider("", dev.path)->scan();
  ASSERT_EQ(files.devices.size(), 2U);
  EXPECT_EQ(files.devices[1].physical_index, 1U);
}

TEST(Devices, intel_by_the_kernel_and_only_cards_with_own_memory) {
  const Folder sysfs;
  const auto card = [&](const std::string& name, const std::string& address,
                        const std::string& device, const std::string& memory) {
    sysfs.write("bus/pci/devices/" + address + "/vendor", "0x8086\n");
    sysfs.write("bus/pci/devices/" + address + "/device", device + "\n");
    sysfs.write("bus/pci/devices/" + address + "/numa_node", "1\n");
    if (!memory.empty()) sysfs.write("class/drm/" + name + "/lmem_total_bytes", memory + "\n");
    fs::create_directories(sysfs.path + "/class/drm/" + name);
    fs::create_symlink(sysfs.path + "/bus/pci/devices/" + address,
                       sysfs.path + "/class/drm/" + name + "/device");
  };
  card("card0", "0000:00:02.0", "0x4680", "");
  card("card1", "0000:9a:00.0", "0x0bd5", "137438953472");
  fs::create_directories(sysfs.path + "/class/drm/card1-DP-1");
  const DeviceScan scan = intel_provider(sysfs.path)->scan();
  ASSERT_EQ(scan.devices.size(), 1U);
  EXPECT_EQ(scan.devices[0].model, "Intel Data Center GPU Max 1550");
  EXPECT_EQ(scan.devices[0].memory, gibibytes(128));
  EXPECT_EQ(scan.devices[0].numa, 1);
}

TEST(Devices, absent_is_silent_and_broken_is_one_sentence) {
  EXPECT_EQ(nvidia_provider("libbusbar-absent.so.1")->scan().warning, "");
  setenv("FAKE_VENDOR_BROKEN", "1", 1);
  EXPECT_NE(nvidia_provider(FAKE_VENDOR_LIBRARY)->scan().warning, "");
  EXPECT_NE(amd_provider(FAKE_VENDOR_LIBRARY)->scan().warning, "");
  EXPECT_NE(ascend_provider(FAKE_VENDOR_LIBRARY)->scan().warning, "");
  std::vector<std::string> warnings;
  std::vector<std::unique_ptr<DeviceProvider>> providers;
  providers.push_back(nvidia_provider(FAKE_VENDOR_LIBRARY));
  Inventory inventory({.scratch_directory = "/tmp"}, std::move(providers),
                      [&](const std::string& text) { warnings.push_back(text); });
  inventory.take();
  inventory.take();
  EXPECT_EQ(warnings.size(), 1U);
  unsetenv("FAKE_VENDOR_BROKEN");
  const Folder folder;
  folder.write("libdamaged.so", "this is no library");
  const std::string damaged = nvidia_provider(folder.path + "/libdamaged.so")->scan().warning;
  EXPECT_NE(damaged.find("does not load"), std::string::npos) << damaged;
}

TEST(Devices, simulated_ones_of_any_vendor_are_marked_everywhere) {
  std::vector<std::unique_ptr<DeviceProvider>> providers;
  providers.push_back(simulated_provider(
      {{"nvidia", "H100", gibibytes(80), 4, 2}, {"AMD", "MI300X", gibibytes(192), 2, 0}}));
  Inventory inventory({.scratch_directory = "/tmp"}, std::move(providers), {});
  const Node node = inventory.take();
  ASSERT_EQ(node.devices.size(), 6U);
  for (const Device& device : node.devices) EXPECT_TRUE(device.simulated);
  EXPECT_EQ(node.devices[1].link_domain, 1U);
  EXPECT_EQ(node.devices[2].link_domain, 2U);
  EXPECT_EQ(node.devices[4].link_domain, 0U);
  EXPECT_EQ(node.devices[5].vendor, "amd");
  EXPECT_TRUE(std::find(node.features.begin(), node.features.end(), "simulated-devices") !=
              node.features.end());
}

}  // namespace
}  // namespace busbar::local
