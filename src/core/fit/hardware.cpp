#include "core/fit/hardware.hpp"

#include <algorithm>
#include <map>

#include "base/check.hpp"

namespace busbar::core {
namespace {

bool big_enough(const Node& node, const Resources& wanted) {
  if (wanted.cores > node.cores || wanted.memory > node.memory || wanted.scratch > node.scratch ||
      wanted.ports > node.port_count)
    return false;
  return std::all_of(wanted.named.begin(), wanted.named.end(), [&](const NamedCount& named) {
    return named.count <= count_of(node.named, named.name);
  });
}

bool obeys(const DeviceRule* rule, const Device& device) {
  if (rule == nullptr) return true;
  return rule->vendor == device.vendor && rule->model == device.model &&
         (!rule->link_domain || *rule->link_domain == device.link_domain);
}

// Of `usable` ordinals the `count` that lie in one domain, as `domain_of` sees it: the domain with
// the fewest that is enough, the lowest number among equals. Empty when there is none.
template <class DomainOf>
std::vector<std::uint32_t> inside_one(const std::vector<std::uint32_t>& usable, std::size_t count,
                                      DomainOf domain_of) {
  std::map<std::int64_t, std::vector<std::uint32_t>> domains;
  for (const std::uint32_t ordinal : usable)
    if (const auto domain = domain_of(ordinal)) domains[*domain].push_back(ordinal);
  const std::vector<std::uint32_t>* best = nullptr;
  for (const auto& [domain, members] : domains)
    if (members.size() >= count && (best == nullptr || members.size() < best->size()))
      best = &members;
  if (best == nullptr) return {};
  return {best->begin(), best->begin() + static_cast<std::ptrdiff_t>(count)};
}

using Domain = std::optional<std::int64_t>;

std::vector<std::uint32_t> pick_whole(const Node& node, const std::vector<std::uint32_t>& usable,
                                      std::size_t count) {
  if (usable.size() < count) return {};
  auto picked = inside_one(usable, count, [&](std::uint32_t ordinal) {
    const std::uint32_t link = node.devices[ordinal].link_domain;
    return link != 0 ? Domain(link) : Domain();
  });
  if (picked.empty())
    picked = inside_one(usable, count, [&](std::uint32_t ordinal) {
      const std::int32_t numa = node.devices[ordinal].numa;
      return numa >= 0 ? Domain(numa) : Domain();
    });
  if (picked.empty())
    picked.assign(usable.begin(), usable.begin() + static_cast<std::ptrdiff_t>(count));
  return picked;
}

// Devices already shared, least left first; then untouched ones, from where fewest are untouched.
std::vector<std::uint32_t> pick_shares(const Node& node, std::vector<std::uint32_t> usable,
                                       const std::vector<MilliDevices>& left, std::size_t count) {
  if (usable.size() < count) return {};
  std::stable_sort(usable.begin(), usable.end(),
                   [&](std::uint32_t a, std::uint32_t b) { return left[a] < left[b]; });
  if (count == 1 && left[usable.front()].value == 1000) return pick_whole(node, usable, 1);
  usable.resize(count);
  std::sort(usable.begin(), usable.end());
  return usable;
}

// Takes the devices of one task out of `left` and appends them to `out`; false when they are not
// there.
bool pick_task(const NodeAsk& ask, std::vector<MilliDevices>& left, std::vector<DeviceShare>* out) {
  const auto& requests = ask.per_task.devices;
  for (std::size_t r = 0; r < requests.size(); ++r) {
    const DeviceRequest& request = requests[r];
    if (request.count == 0) continue;
    std::vector<std::uint32_t> usable;
    for (const std::uint32_t ordinal : ask.fit.ordinals[r])
      if (left[ordinal] >= request.share && obeys(ask.rule, ask.node.devices[ordinal]))
        usable.push_back(ordinal);
    if (ask.device) std::erase_if(usable, [&](std::uint32_t o) { return o != *ask.device; });
    const auto picked = request.share.value >= 1000
                            ? pick_whole(ask.node, usable, request.count)
                            : pick_shares(ask.node, usable, left, request.count);
    if (picked.empty()) return false;
    for (const std::uint32_t ordinal : picked) {
      left[ordinal] -= request.share;
      if (out != nullptr) out->push_back({ordinal, request.share});
    }
  }
  return true;
}

std::uint32_t tasks_by_devices(const NodeAsk& ask, const NodeFree& free, std::uint32_t tasks_max) {
  const auto& requests = ask.per_task.devices;
  if (requests.empty()) return tasks_max;
  if (requests.size() == 1 && requests[0].share.value >= 1000 && requests[0].count > 0) {
    std::uint32_t usable = 0;
    for (const std::uint32_t ordinal : ask.fit.ordinals[0])
      usable += free.devices[ordinal].value >= 1000 && obeys(ask.rule, ask.node.devices[ordinal]);
    return std::min(tasks_max, usable / requests[0].count);
  }
  std::vector<MilliDevices> left = free.devices;
  std::uint32_t tasks = 0;
  while (tasks < tasks_max && pick_task(ask, left, nullptr)) ++tasks;
  return tasks;
}

void bound(std::uint32_t& tasks, std::int64_t free, std::int64_t per_task) {
  if (per_task <= 0) return;
  const std::int64_t fit = std::max<std::int64_t>(free, 0) / per_task;
  if (fit < tasks) tasks = static_cast<std::uint32_t>(fit);
}

std::vector<std::uint32_t> pick_ports(const Node& node, const NodeFree& free, std::uint32_t count,
                                      std::uint64_t seed) {
  std::vector<std::uint32_t> ports;
  for (std::uint32_t i = 0; i < node.port_count && ports.size() < count; ++i) {
    const auto at = static_cast<std::uint32_t>((seed * count + i) % node.port_count);
    const std::uint32_t port = node.port_first + at;
    if (!free.ports_taken.contains(port)) ports.push_back(port);
  }
  return ports;
}

}  // namespace

HardwareFit hardware_fit(const Node& node, const Alternative& alternative) {
  HardwareFit fit;
  const Resources& wanted = alternative.resources;
  fit.matches = features_match(alternative.constraint, node.features);
  fit.possible = fit.matches && big_enough(node, wanted);
  for (const auto& request : wanted.devices) {
    auto& ordinals = fit.ordinals.emplace_back();
    for (std::uint32_t i = 0; i < node.devices.size(); ++i)
      if (device_matches(request, node.devices[i])) ordinals.push_back(i);
    if (request.count > 0 && ordinals.empty()) fit.matches = false;
    if (ordinals.size() < request.count) fit.possible = false;
    if (request.share.value >= 1000)
      fit.devices_whole += request.count;
    else if (request.count > 0)
      fit.share_max = std::max(fit.share_max, request.share.value);
  }
  return fit;
}

std::uint32_t tasks_that_fit(const NodeAsk& ask, const NodeFree& free, std::uint32_t tasks_max) {
  if (!ask.fit.possible) return 0;
  if (ask.exclusive ? free.claims > ask.own_claims : free.exclusive > 0) return 0;
  std::uint32_t tasks = tasks_max;
  const Resources& wanted = ask.per_task;
  bound(tasks, free.cores.value, wanted.cores.value);
  bound(tasks, free.memory.value, wanted.memory.value);
  bound(tasks, free.scratch.value, wanted.scratch.value);
  for (const auto& named : wanted.named)
    bound(tasks, count_of(free.named, named.name), named.count);
  if (wanted.ports > 0)
    bound(tasks, std::int64_t{ask.node.port_count} - std::int64_t(free.ports_taken.size()),
          wanted.ports);
  return tasks == 0 ? 0 : tasks_by_devices(ask, free, tasks);
}

Claim make_claim(const NodeAsk& ask, const NodeFree& free, std::uint32_t tasks,
                 std::uint64_t port_seed) {
  const Resources& wanted = ask.per_task;
  Claim claim;
  claim.tasks = tasks;
  claim.cores = wanted.cores * tasks;
  claim.memory = wanted.memory * tasks;
  claim.scratch = wanted.scratch * tasks;
  claim.named = wanted.named;
  for (auto& named : claim.named) named.count *= tasks;
  claim.exclusive = ask.exclusive;
  if (!wanted.devices.empty()) {
    std::vector<MilliDevices> left = free.devices;
    for (std::uint32_t t = 0; t < tasks; ++t)
      check(pick_task(ask, left, &claim.devices), "a claim of devices that do not fit");
  }
  if (wanted.ports > 0) claim.ports = pick_ports(ask.node, free, wanted.ports * tasks, port_seed);
  return claim;
}

}  // namespace busbar::core
