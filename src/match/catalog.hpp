// The catalogue of known accelerators: their relative weight for shares of unlike hardware.
//
// Units    thousandths of one NVIDIA A100 (312 TFLOPS). Source: the vendors' public data sheets,
//          dense FP16/BF16 matrix throughput without sparsity.
#pragma once

#include <cstdint>

#include "model/node.hpp"

namespace busbar::match {

// Relative throughput of the device, 1000 for one A100 and for a device that is not in the table.
// Depends on vendor and model text only; a failed device weighs what a healthy one weighs.
std::int64_t device_weight(const Device& device);

}  // namespace busbar::match
