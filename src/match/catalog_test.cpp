#include "match/catalog.hpp"

#include <gtest/gtest.h>

namespace busbar::match {
namespace {

std::int64_t weight(const char* model) {
  Device device;
  device.model = model;
  return device_weight(device);
}

TEST(Catalog, WeighsKnownAcceleratorsInThousandthsOfAnA100) {
  const struct {
    const char* model;
    std::int64_t weight;
  } rows[] = {
      {"NVIDIA A100-SXM4-80GB", 1000},          // 312 TFLOPS
      {"NVIDIA H100 80GB HBM3", 3170},          // 989 / 312
      {"NVIDIA H100 PCIe", 2423},               // 756 / 312: the variant before the plain name
      {"H200", 3170},                           // same die, more memory
      {"Tesla T4", 208},                        // 65 / 312
      {"NVIDIA L40S", 1160},                    // not an L40, not an L4
      {"NVIDIA L4", 388},                       //
      {"AMD Instinct MI300X", 4190},            // 1307.4 / 312
      {"Ascend 910B", 1003},                    // 313 / 312
      {"Intel Data Center GPU Max 1550", 2667}  // 832 / 312
  };
  for (const auto& row : rows) EXPECT_EQ(weight(row.model), row.weight) << row.model;
}

TEST(Catalog, UnknownDevicesWeighAsMuchAsOneA100) {
  EXPECT_EQ(weight(""), 1000);
  EXPECT_EQ(weight("Abacus 3000"), 1000);
  EXPECT_EQ(weight("XH100Y"), 1000);  // a part of a word is no match
}

}  // namespace
}  // namespace busbar::match
