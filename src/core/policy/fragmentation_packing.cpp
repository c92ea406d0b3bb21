// Fragmentation gradient descent (Weng et al., "Beware of Fragmentation", USENIX ATC 2023): a task
// goes where the fragmentation of the node grows least.
//
// Mathematics  The fragmentation of a node is, summed over typical requests by their weight, what
//              is idle of its devices that such a request could not use there: all of it where the
//              request fits not at all or wants no device, else the parts too small for it. The
//              score is 100 / (1 + exp(-d)), rounded down, d being how many devices' worth the
//              fragmentation falls; the rounding is theirs and decides much.
#include <algorithm>
#include <array>

#include "base/check.hpp"
#include "base/rng.hpp"
#include "core/policy/packing.hpp"

namespace busbar::core {
namespace {

// ln(k / (100 - k)) x 2^20 for k from 51 to 99: from there on the score is k. Below 50 by symmetry.
constexpr std::array<std::int64_t, 49> thresholds_q20 = {
    41949,   83931,   125980,  168131,  210418,  252877,  295542,  338452,  381645,  425161,
    469041,  513329,  558070,  603313,  649110,  695514,  742586,  790387,  838986,  888456,
    938878,  990340,  1042937, 1096778, 1151978, 1208672, 1267006, 1327147, 1389285, 1453635,
    1520446, 1590006, 1662651, 1738778, 1818861, 1903469, 1993300, 2089214, 2192301, 2303957,
    2426022, 2560986, 2712340, 2885194, 3087468, 3332431, 3644954, 4080869, 4818332};

// floor(100 / (1 + exp(-fall / unit))); unit > 0.
std::int64_t rounded_sigmoid(std::int64_t fall, std::int64_t unit) {
  const Wide scaled = Wide{fall < 0 ? -fall : fall} << 20;
  std::int64_t reached = 0;  // thresholds at or below
  for (const std::int64_t threshold : thresholds_q20) {
    if (fall >= 0 ? scaled < threshold * unit : scaled <= threshold * unit) break;
    ++reached;
  }
  return fall >= 0 ? 50 + reached : 49 - reached;
}

class FragmentationPacking : public Packing {
 public:
  explicit FragmentationPacking(const PolicyConfig& config) : demand_(config.demand) {
    for (const TypicalRequest& request : demand_) weight_ += request.weight;
    check(weight_ > 0, "fragmentation is counted by what is typically asked for");
  }
  Score score(const NodeCondition& at) const override {
    const std::int64_t before = fragmentation(at, at.free.cores, at.free.devices);
    const std::int64_t after = fragmentation(at, at.free.cores - at.cores(), devices_after(at));
    return {rounded_sigmoid(before - after, weight_ * 1000), 0, 0, 0};
  }
  bool chooses_device() const override { return true; }
  bool is_local() const override { return true; }

 private:
  // In thousandths of a device times the demand's weight.
  std::int64_t fragmentation(const NodeCondition& at, MilliCores cores,
                             std::vector<MilliDevices> left) const {
    std::sort(left.begin(), left.end());
    const std::uint64_t hardware = at.index.shapes()[at.node.id.value - 1].hardware;
    std::uint64_t key = mix(hardware, at.state.config_version());
    key = mix(key, static_cast<std::uint64_t>(cores.value));
    for (const MilliDevices each : left) key = mix(key, static_cast<std::uint64_t>(each.value));
    if (const std::int64_t* known = at.memory_of.scores.find(key)) return *known;
    std::int64_t idle = 0;
    for (const MilliDevices each : left) idle += each.value;
    std::int64_t sum = 0;
    if (idle > 0)
      for (const TypicalRequest& request : demand_)
        sum += request.weight * unusable(at, request, cores, left, idle);
    at.memory_of.scores.put(key, sum);
    return sum;
  }

  static std::int64_t unusable(const NodeCondition& at, const TypicalRequest& request,
                               MilliCores cores, const std::vector<MilliDevices>& left,
                               std::int64_t idle) {
    if (request.devices == 0 || request.cores > cores || !accessible(at.node, request)) return idle;
    std::int64_t too_small = 0;
    std::size_t fits = left.size();
    for (const MilliDevices each : left) {
      if (each >= request.share) break;
      too_small += each.value;
      --fits;
    }
    return fits >= request.devices ? too_small : idle;
  }

  std::vector<TypicalRequest> demand_;
  std::int64_t weight_ = 0;
};

}  // namespace

std::unique_ptr<Packing> make_fragmentation_packing(const PolicyConfig& config) {
  return std::make_unique<FragmentationPacking>(config);
}

}  // namespace busbar::core
