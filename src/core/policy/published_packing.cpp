// The rules that the literature on sharing accelerators compares itself with, as Weng et al. define
// them ("Beware of Fragmentation", USENIX ATC 2023); scores are from 0 to 100 and whole.
#include <algorithm>

#include "base/rng.hpp"
#include "core/policy/packing.hpp"

namespace busbar::core {
namespace {

constexpr std::int64_t score_max = 100;
constexpr std::int64_t cores_scale = 128'000;  // thousandths: the largest node they know
constexpr std::int64_t devices_scale = 8'000;

std::int64_t devices_free(const NodeCondition& at) {
  std::int64_t sum = 0;
  for (const MilliDevices left : at.free.devices) sum += left.value;
  return sum;
}

std::int64_t devices_wanted(const NodeCondition& at) {
  std::int64_t sum = 0;
  for (const DeviceRequest& request : at.wanted.devices) sum += request.share.value * request.count;
  return sum * at.tasks;
}

// Any node that fits, each as likely: a digest of unit and node stands for the dice.
class RandomPacking : public Packing {
 public:
  Score score(const NodeCondition& at) const override {
    const std::uint64_t unit = mix(at.unit.job.value, mix(at.unit.group, at.unit.index));
    const std::uint64_t mixed = mix(unit, at.node.id.value);
    return {static_cast<std::int64_t>(mixed >> 1), 0, 0, 0};
  }
};

// Half of what is left of the cores and half of what is left of the devices, the less the better.
class BestFitPacking : public Packing {
 public:
  Score score(const NodeCondition& at) const override {
    const std::int64_t cores = (at.free.cores - at.cores()).value;
    const std::int64_t devices = devices_free(at) - devices_wanted(at);
    const std::int64_t left = cores * (devices_scale / 1000) + devices * (cores_scale / 1000);
    const std::int64_t whole = 2 * cores_scale * devices_scale / 1000;
    return {(whole - left) * score_max / whole, 0, 0, 0};
  }
};

// The less what is free and what is asked for point the same way, the better (Panigrahy et al.,
// 2011, turned round as in the comparison).
class DotProductPacking : public Packing {
 public:
  Score score(const NodeCondition& at) const override {
    const std::int64_t cores = at.free.cores.value * at.cores().value / cores_scale;
    const std::int64_t devices = devices_free(at) * devices_wanted(at) / devices_scale;
    const std::int64_t product =
        cores * (devices_scale / 1000) + devices * (cores_scale / 1000);  // of 2 x whole
    const std::int64_t whole = 2 * cores_scale * devices_scale / 1000;
    return {(whole - product) * score_max / whole, 0, 0, 0};
  }
};

// Devices that are shared already, the fuller the better; then idle devices of used nodes; then
// idle nodes, small ones first.
class GpuPacking : public Packing {
 public:
  Score score(const NodeCondition& at) const override {
    const std::int64_t wanted = devices_wanted(at);
    if (wanted == 0) return {};
    const auto idle = static_cast<std::int64_t>(at.devices_idle);
    if (idle == static_cast<std::int64_t>(at.node.devices.size()))
      return {std::max(score_max / 3 - idle, idle), 0, 0, 0};
    std::int64_t opened = 0;
    std::int64_t left_on_used = 0;
    const std::vector<MilliDevices> after = devices_after(at);
    for (std::size_t i = 0; i < after.size(); ++i) {
      if (after[i] == at.free.devices[i]) continue;
      if (at.free.devices[i].value == 1000)
        ++opened;
      else
        left_on_used += at.free.devices[i].value / 10;
    }
    if (opened > 0) return {std::max(score_max / 2 - opened, score_max / 3), 0, 0, 0};
    return {std::max(score_max - left_on_used / 10, score_max / 2), 0, 0, 0};
  }
};

// Beside tasks of the same kind (a part of a device, or as many whole ones), best where there is no
// other kind; fuller nodes first. Tasks placed in the same cycle are not seen yet.
class GpuClustering : public Packing {
 public:
  Score score(const NodeCondition& at) const override {
    if (!at.wants_devices()) return {};
    const std::int64_t own = at.wants_shares() ? 0 : devices_wanted(at) / 1000;
    bool same = false;
    bool other = false;
    for (const AttemptId& id : at.index.attempts_on(at.node.id)) {
      for (const Claim& claim : at.index.attempts().at(id).claims) {
        if (claim.node != at.node.id || claim.devices.empty()) continue;
        const std::int64_t kind = claim.devices[0].share.value < 1000
                                      ? 0
                                      : static_cast<std::int64_t>(claim.devices.size());
        (kind == own ? same : other) = true;
      }
    }
    const std::int64_t base = same ? (other ? 2 : 3) : (other ? 0 : 1);
    const std::int64_t fuller = score_max / 4 * (devices_scale - devices_free(at)) / devices_scale;
    return {base * score_max / 4 + fuller, 0, 0, 0};
  }
};

}  // namespace

std::unique_ptr<Packing> make_published_packing(PackRule rule) {
  switch (rule) {
    case PackRule::random:
      return std::make_unique<RandomPacking>();
    case PackRule::best_fit:
      return std::make_unique<BestFitPacking>();
    case PackRule::dot_product:
      return std::make_unique<DotProductPacking>();
    case PackRule::gpu_packing:
      return std::make_unique<GpuPacking>();
    case PackRule::gpu_clustering:
      return std::make_unique<GpuClustering>();
    case PackRule::tight:
    case PackRule::fragmentation:
    case PackRule::potential:
      break;
  }
  return nullptr;
}

}  // namespace busbar::core
