// Potential: a task goes where the most of what typically comes can still be placed afterwards.
//
// Mathematics  The potential of a node is what stays idle of its devices once sequences of typical
//              requests were offered to it, each placed on the smallest device that fits, on the
//              average of fixed sequences; plus a part of what would stay idle if requests of one
//              kind alone came, on the average of the kinds: it keeps whole nodes for those who
//              want several devices. A place costs the potential it adds, and a price: what is
//              asked for by the name of a model makes the devices of that model dear, so that
//              whoever could go elsewhere does. Sequences are drawn by strata, which leaves less
//              noise than independent draws. Integers only; the demand is the seed.
#include <algorithm>
#include <numeric>
#include <utility>

#include "base/maths.hpp"
#include "base/rng.hpp"
#include "core/policy/packing.hpp"

namespace busbar::core {
namespace {

constexpr std::size_t sequence_count = 48;
constexpr std::size_t sequence_length = 80;
constexpr std::int64_t micro = 1000;  // in a thousandth of a device

using Left = std::vector<std::int64_t>;  // idle parts of devices above zero, ascending
using Sequence = std::array<std::uint16_t, sequence_length>;

struct Kind {  // of request, with devices
  TypicalRequest request;
  std::int64_t devices = 0;  // thousandths, in all
  std::int64_t keep_weight = 0;
};

std::int64_t sum_of(const Left& left) {
  return std::accumulate(left.begin(), left.end(), std::int64_t{0});
}

Kind kind_of(const TypicalRequest& request, std::int64_t several_milli) {
  Kind kind{request, request.share.value * request.devices, 0};
  const auto root =
      static_cast<std::int64_t>(square_root(static_cast<std::uint64_t>(kind.devices) * 1000));
  kind.keep_weight = request.weight * root * (request.devices > 1 ? several_milli : 1000) / 1000;
  return kind;
}

// Takes the smallest parts that fit; false when there are too few.
bool place(const TypicalRequest& request, Left& left) {
  const auto first = std::lower_bound(left.begin(), left.end(), request.share.value);
  if (left.end() - first < static_cast<std::ptrdiff_t>(request.devices)) return false;
  if (request.devices > 1 || *first == request.share.value) {
    left.erase(first, first + static_cast<std::ptrdiff_t>(request.devices));
    return true;
  }
  const std::int64_t rest = *first - request.share.value;
  const auto to = std::lower_bound(left.begin(), first, rest);
  std::move_backward(to, first, first + 1);
  *to = rest;
  return true;
}

// What stays idle when as many as fit of one kind come.
std::int64_t idle_of_kind(const Kind& kind, MilliCores cores, Bytes memory, const Left& left) {
  const TypicalRequest& request = kind.request;
  std::int64_t copies = 0;
  for (const std::int64_t each : left) copies += each / request.share.value;
  copies /= request.devices;
  if (request.cores.value > 0) copies = std::min(copies, cores.value / request.cores.value);
  if (request.memory.value > 0) copies = std::min(copies, memory.value / request.memory.value);
  return sum_of(left) - copies * kind.devices;
}

class PotentialPacking : public Packing {
 public:
  explicit PotentialPacking(const PolicyConfig& config)
      : keep_milli_(config.potential_keep_milli),
        price_milli_(config.potential_price_milli),
        pressure_max_milli_(config.potential_pressure_max_milli) {
    for (const TypicalRequest& request : config.demand)
      if (request.devices > 0) kinds_.push_back(kind_of(request, config.potential_several_milli));
    for (const Kind& kind : kinds_) keep_weight_ += kind.keep_weight;
    if (!kinds_.empty()) draw();
  }

  Score score(const NodeCondition& at) const override {
    if (kinds_.empty()) return {};
    std::vector<MilliDevices> after = devices_after(at);
    std::int64_t idle = 0;
    for (const MilliDevices left : at.free.devices) idle += left.value;
    const std::int64_t before = potential(at, at.free.cores, at.free.memory, at.free.devices);
    const std::int64_t then =
        potential(at, at.free.cores - at.cores(), at.free.memory - at.memory(), std::move(after));
    return {before - then, -idle, 0, 0};
  }
  std::int64_t surcharge(const NodeCondition& at) const override {
    std::int64_t taken = 0;
    for (const DeviceRequest& request : at.wanted.devices)
      taken += request.share.value * request.count;
    return taken == 0 || kinds_.empty() ? 0 : price(at) * taken * at.tasks / 1000;
  }
  bool chooses_device() const override { return true; }
  bool is_local() const override { return true; }

 private:
  void draw() {
    std::int64_t total = 0;
    std::vector<std::int64_t> until;
    for (const Kind& kind : kinds_) until.push_back(total += kind.request.weight);
    Rng rng(mix(static_cast<std::uint64_t>(total), kinds_.size()));
    constexpr std::int64_t fine = 1 << 16;
    constexpr auto length = static_cast<std::int64_t>(sequence_length);
    for (Sequence& sequence : sequences_) {
      for (std::int64_t i = 0; i < length; ++i) {
        const std::int64_t at = i * fine + static_cast<std::int64_t>(rng.below(fine));
        const std::int64_t drawn = multiply_divide(at, total, fine * length);
        const auto kind = std::upper_bound(until.begin(), until.end(), drawn) - until.begin();
        sequence[static_cast<std::size_t>(i)] = static_cast<std::uint16_t>(kind);
      }
      for (std::size_t i = sequence_length; i > 1; --i)
        std::swap(sequence[i - 1], sequence[rng.below(i)]);
    }
  }

  // In millionths of a device.
  std::int64_t potential(const NodeCondition& at, MilliCores cores, Bytes memory,
                         std::vector<MilliDevices> devices) const {
    std::sort(devices.begin(), devices.end());
    const std::uint64_t hardware = at.index.shapes()[at.node.id.value - 1].hardware;
    std::uint64_t key = mix(hardware, at.state.config_version());
    key = mix(key, static_cast<std::uint64_t>(cores.value));
    key = mix(key, static_cast<std::uint64_t>(memory.value));
    for (const MilliDevices each : devices) key = mix(key, static_cast<std::uint64_t>(each.value));
    if (const std::int64_t* known = at.memory_of.scores.find(key)) return *known;
    Left left;
    for (const MilliDevices each : devices)
      if (each.value > 0) left.push_back(each.value);
    const std::int64_t sum = left.empty() ? 0 : work_out(open_on(at), cores, memory, left);
    at.memory_of.scores.put(key, sum);
    return sum;
  }

  // By kind: whether it may have a device of this hardware.
  const std::vector<bool>& open_on(const NodeCondition& at) const {
    const std::uint64_t hardware = at.index.shapes()[at.node.id.value - 1].hardware;
    auto& open = at.memory_of.accessible[mix(hardware, at.state.config_version())];
    if (open.empty())
      for (const Kind& kind : kinds_) open.push_back(accessible(at.node, kind.request));
    return open;
  }

  std::int64_t work_out(const std::vector<bool>& open, MilliCores cores, Bytes memory,
                        const Left& left) const {
    std::int64_t idle = 0;
    for (const Sequence& sequence : sequences_)
      idle += idle_after(sequence, open, cores, memory, left);
    Wide kept = 0;  // times keep_weight_
    for (std::size_t k = 0; k < kinds_.size(); ++k)
      kept += Wide{kinds_[k].keep_weight} *
              (open[k] ? idle_of_kind(kinds_[k], cores, memory, left) : sum_of(left));
    const Wide keep = kept * keep_milli_ / std::max<std::int64_t>(keep_weight_, 1);
    return idle * micro / static_cast<std::int64_t>(sequence_count) +
           static_cast<std::int64_t>(keep);
  }

  std::int64_t idle_after(const Sequence& sequence, const std::vector<bool>& open, MilliCores cores,
                          Bytes memory, Left left) const {
    for (const std::uint16_t k : sequence) {
      const TypicalRequest& request = kinds_[k].request;
      if (!open[k] || request.cores > cores || request.memory > memory) continue;
      if (!place(request, left)) continue;
      cores -= request.cores;
      memory -= request.memory;
      if (left.empty()) return 0;
    }
    return sum_of(left);
  }

  // Of a whole device of this node's hardware, in millionths of a device: how much of the demand
  // names its model, over how much of what is free is of that model.
  std::int64_t price(const NodeCondition& at) const {
    const NodeShape& shape = at.index.shapes()[at.node.id.value - 1];
    if (shape.model == 0) return 0;
    constexpr std::uint64_t names = 0x6e616d6573;  // apart from the keys of potentials
    const std::uint64_t key = mix(mix(shape.hardware, at.state.config_version()), names);
    const std::int64_t* known = at.memory_of.scores.find(key);
    const std::int64_t named = known != nullptr ? *known : named_micro(open_on(at));
    if (known == nullptr) at.memory_of.scores.put(key, named);
    if (named == 0) return 0;
    std::int64_t all = 0;
    for (const auto& [model, free] : at.index.devices_free()) all += free.devices.value;
    const std::int64_t own = at.index.devices_free().at(shape.model).devices.value;
    if (own <= 0) return price_milli_ * pressure_max_milli_;
    return price_milli_ * std::min(multiply_divide(named, all, own) / 1000, pressure_max_milli_);
  }

  // Of the demand, what names such devices; of several models that are named each counts in part.
  std::int64_t named_micro(const std::vector<bool>& open) const {
    std::int64_t named = 0;
    std::int64_t asked = 0;
    for (std::size_t k = 0; k < kinds_.size(); ++k) {
      const std::int64_t amount = kinds_[k].request.weight * kinds_[k].devices;
      asked += amount;
      const auto models = static_cast<std::int64_t>(kinds_[k].request.models.size());
      if (models > 0 && open[k]) named += amount / models;
    }
    return multiply_divide(named, 1'000'000, asked);
  }

  std::int64_t keep_milli_;
  std::int64_t price_milli_;
  std::int64_t pressure_max_milli_;
  std::vector<Kind> kinds_;
  std::int64_t keep_weight_ = 0;
  std::array<Sequence, sequence_count> sequences_{};
};

}  // namespace

std::unique_ptr<Packing> make_potential_packing(const PolicyConfig& config) {
  return std::make_unique<PotentialPacking>(config);
}

}  // namespace busbar::core
