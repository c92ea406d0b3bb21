#include "sim/world.hpp"

#include <fmt/format.h>

#include "base/rng.hpp"

namespace busbar::sim {

Truth World::truth_of(const AttemptId& attempt) const {
  std::uint64_t seed = mix(seed_, attempt.unit.job.value);
  seed = mix(seed, (std::uint64_t{attempt.unit.group} << 32) | attempt.unit.index);
  Rng rng(mix(seed, attempt.number));
  Truth truth;
  truth.launch_delay = Span(static_cast<std::int64_t>(rng.below(400)));
  truth.run_time = Span(static_cast<std::int64_t>(500 + rng.below(240'000)));
  truth.ready_after = Span(static_cast<std::int64_t>(rng.below(5'000)));
  const std::uint64_t fate = rng.below(100);
  if (fate < 74) {
    truth.exit = {EndCause::exited, 0, 0, ""};
  } else if (fate < 84) {
    truth.exit = {EndCause::exited, static_cast<std::int32_t>(1 + rng.below(120)), 0, ""};
  } else if (fate < 88) {
    truth.exit = {EndCause::exited, 139, 11, ""};
  } else if (fate < 91) {
    truth.exit = {EndCause::out_of_memory, 137, 9, ""};
  } else if (fate < 94) {
    truth.exit = {EndCause::launch_failed, 0, 0, "the working directory is gone"};
  } else {
    truth.run_time = hours(200);  // only its time limit ends it
  }
  truth.run_time = truth.run_time * stretch_;
  return truth;
}

std::vector<Node> World::make_nodes() const {
  Rng rng(mix(seed_, 0x6E6F646573ULL));
  std::vector<Node> nodes;
  const std::uint64_t count = 2 + rng.below(6);
  for (std::uint64_t i = 0; i < count; ++i) {
    Node node;
    node.name = fmt::format("n{}", i + 1);
    node.cluster = i % 3 == 2 ? "beta" : "alpha";
    node.machine_id = fmt::format("machine-{}", i + 1);
    node.boot_id = fmt::format("boot-{}-1", i + 1);
    node.cores = whole_cores(static_cast<std::int64_t>(4 << rng.below(4)));
    node.memory = gibibytes(static_cast<std::int64_t>(16 << rng.below(3)));
    node.scratch = gibibytes(100);
    node.topology = {fmt::format("rack{}", i / 2 + 1)};
    node.features = {rng.chance(1, 2) ? "avx512" : "old"};
    node.port_first = 20000;
    node.port_count = 16;
    if (rng.chance(1, 2)) node.named = {{"license", static_cast<std::int64_t>(1 + rng.below(4))}};
    const std::uint64_t devices = rng.chance(2, 3) ? 1 + rng.below(8) : 0;
    const bool fast = rng.chance(1, 2);
    for (std::uint64_t d = 0; d < devices; ++d) {
      Device device;
      device.vendor = fast ? "nvidia" : "amd";
      device.model = fast ? "H100" : "MI300X";
      device.uuid = fmt::format("{}-{}", node.name, d);
      device.memory = gibibytes(80);
      device.physical_index = static_cast<std::uint32_t>(d);
      device.link_domain = static_cast<std::uint32_t>(1 + d / 4);
      device.simulated = true;
      node.devices.push_back(device);
    }
    nodes.push_back(node);
  }
  return nodes;
}

namespace {

void choose_policy(Rng& rng, PolicyConfig& policy) {
  policy.order = static_cast<UnitOrder>(rng.below(words_of<UnitOrder>().size()));
  policy.predict = policy.order == UnitOrder::slowdown || rng.chance(1, 2);
  policy.share = rng.chance(1, 2) ? TenantShare::none : TenantShare::fair;
  policy.promise_heads = rng.chance(1, 2);
  policy.pack = static_cast<PackRule>(rng.below(words_of<PackRule>().size()));
  for (std::uint64_t kinds = 1 + rng.below(4); kinds > 0; --kinds) {
    TypicalRequest& request = policy.demand.emplace_back();
    request.weight = static_cast<std::uint32_t>(1 + rng.below(9));
    request.cores = whole_cores(static_cast<std::int64_t>(rng.below(4)));
    request.devices = static_cast<std::uint32_t>(rng.below(3));
    if (request.devices == 1)
      request.share = MilliDevices(std::int64_t{250} * (1 + std::int64_t(rng.below(4))));
  }
  if (rng.chance(1, 2)) return;
  policy.promise_within = minutes(static_cast<std::int64_t>(rng.below(30)));
  policy.promise_within_less_per_width = seconds(static_cast<std::int64_t>(rng.below(60)));
}

}  // namespace

Config World::make_config() const {
  Rng rng(mix(seed_, 0x636F6E666967ULL));
  Config config;
  config.tenants.clear();
  config.tenants.push_back({.name = "blue", .weight = 100});
  config.tenants.push_back({.name = "default", .weight = 100});
  config.tenants.push_back({.name = "red", .weight = 300});
  if (rng.chance(1, 2))
    config.tenants[0].quota = {{"cores", static_cast<std::int64_t>(8000 + rng.below(16'000))},
                               {"gpu", static_cast<std::int64_t>(1000 + rng.below(4000))}};
  if (rng.chance(1, 3)) config.tenants[2].running_max = 1 + rng.below(6);
  config.topology_levels = {"rack"};
  config.usage_half_life = hours(1);
  config.finished_keep = minutes(30);
  config.policy.promises_max = static_cast<std::uint32_t>(1 + rng.below(3));
  config.policy.backfill = rng.chance(9, 10);
  config.policy.launch_ahead = rng.chance(1, 8) ? Span(0) : hours(2);
  config.policy.slice_steps = rng.chance(1, 3) ? 50 : 20'000;
  if (rng.chance(1, 2)) choose_policy(rng, config.policy);
  return config;
}

}  // namespace busbar::sim
