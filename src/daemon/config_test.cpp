#include "daemon/config.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace busbar::daemon {
namespace {

TEST(DaemonConfig, EmptyFileGivesDefaults) {
  EXPECT_EQ(read_config("", "f").value(), DaemonConfig());
  EXPECT_EQ(read_config("# nothing\n", "f").value(), DaemonConfig());
}

TEST(DaemonConfig, ReadsEveryKey) {
  const auto config = read_config(R"(
state_directory: /srv/busbar
log_level: debug
listen: {socket: /run/b.sock, tcp: "127.0.0.1:7433", hosts: [gpu1], connections_max: 9,
         tls: {certificate: c.pem, key: k.pem}}
node:
  name: n1
  features: [fast, avx]
  resources: {license: 4}
  topology: [row1, rack7]
  ports: 21000-21999
  scratch: /scratch
  inventory_interval: 5m
  output_max: 1G
  processes_max: 4096
  simulated_devices: [{vendor: amd, model: MI300X, memory: 192G, count: 8, link_domain_size: 4}]
users: {operators: [ada], operator_groups: [wheel], uid_min: 1000, root_jobs: false}
snapshot_events: 1000
archive: true
history_keep: 90d
tenants:
  - {name: red, weight: 300, quota: {cores: 8, memory: 64G, gpu: 2.5}, running_max: 3}
  - {name: blue, users: [ada], submitted_max: 10}
default_tenant: red
policy: {promises_max: 4, backfill: false, reserve: true, backfill_depth: 50, slice_steps: 99,
         launch_ahead: 3s, pack: potential, potential: {keep: 0.1, pressure_max: 2},
         demand: [{weight: 7, cores: 2.5, gpu: 0.25, models: [T4, "A 100"]}, {gpus: 8, memory: 1G}]}
fair_share: {half_life: 1d, epoch: 2m}
limits: {default_time: 1h, units_per_job: 5000, launch_failures: 5}
finished_keep: 2h
cleanup_bound: 20s
topology_levels: [row, rack]
)",
                                  "busbard.yaml");
  ASSERT_TRUE(config.ok()) << config.error().text;
  EXPECT_EQ(config->node.port_first, 21000U);
  EXPECT_EQ(config->node.port_count, 1000U);
  EXPECT_EQ(config->node.output_max, Bytes(1 << 30));
  EXPECT_EQ(config->node.processes_max, 4096U);
  EXPECT_EQ(config->node.features, (std::vector<std::string>{"avx", "fast"}));
  EXPECT_EQ(config->core.tenants[0].name, "blue");
  const List<NamedCount> quota = {{"cores", 8000}, {"gpu", 2500}, {"memory", 64LL << 30}};
  EXPECT_EQ(config->core.tenants[1].quota, quota);
  EXPECT_EQ(config->core.policy.pack, PackRule::potential);
  EXPECT_EQ(config->core.policy.potential_keep_milli, 100U);
  EXPECT_EQ(config->core.policy.potential_pressure_max_milli, 2000U);
  const TypicalRequest typical{.weight = 7,
                               .cores = MilliCores(2500),
                               .devices = 1,
                               .share = MilliDevices(250),
                               .models = {"T4", "A 100"}};
  EXPECT_EQ(config->core.policy.demand[0], typical);
  EXPECT_EQ(config->core.policy.demand[1].devices, 8U);
  EXPECT_EQ(config->core.default_time_limit, hours(1));
  EXPECT_EQ(config->history_keep, hours(90 * 24));
  EXPECT_EQ(read_config("history_keep: unlimited", "f")->history_keep, span_unlimited);
  EXPECT_EQ(read_config(config_text(*config), "again").value(), *config);
}

// Every character a text may hold, also those that YAML folds, breaks lines at or does not show.
TEST(Config, TextsOfAllCharactersAreWrittenAsTheyAre) {
  DaemonConfig config;
  config.node.name = "n";
  config.node.features = {"a\nb",
                          "a\r\r",
                          "tab\there",
                          "quote\"back\\slash",
                          " blanks ",
                          "next\xC2\x85line",
                          "\xE2\x80\xA8line\xE2\x80\xA9",
                          "\xEF\xBB\xBFmark",
                          "delete\x7f",
                          "caf\xC3\xA9"};
  std::sort(config.node.features.begin(), config.node.features.end());
  const auto again = read_config(config_text(config), "again");
  ASSERT_TRUE(again.ok()) << again.error().text << "\n" << config_text(config);
  EXPECT_EQ(again->node.features, config.node.features);
}

TEST(DaemonConfig, ShownConfigurationReadsBackEqual) {
  const DaemonConfig config;
  const auto again = read_config(config_text(config), "again");
  ASSERT_TRUE(again.ok()) << again.error().text;
  EXPECT_EQ(*again, config);
}

TEST(DaemonConfig, SpansAndSizesAreShownAsAPersonWritesThem) {
  const std::pair<const char*, const char*> rows[] = {
      {"finished_keep: 86400000ms", "finished_keep: 24h\n"},
      {"finished_keep: 90m", "finished_keep: 1h30m\n"},
      {"finished_keep: 1500ms", "finished_keep: 1s500ms\n"},
      {"finished_keep: 36h", "finished_keep: 36h\n"},
      {"history_keep: 8760h", "history_keep: 365d\n"},
      {"limits: {default_time: unlimited}", "default_time: unlimited"},
      {"node: {output_max: 53687091200}", "output_max: 50G\n"},
      {"node: {output_max: 1.5G}", "output_max: 1536M\n"},
      {"node: {output_max: 0}", "output_max: 0\n"},
      {"tenants: [{name: a, quota: {memory: 65536M, cores: 2}}]", "\"memory\": 64G"},
      {"tenants: [{name: a, quota: {scratch: 1T}}]", "\"scratch\": 1T"},
      {"tenants: [{name: z}, {name: y}]", "default_tenant: \"z\""},
      {"tenants: [{name: a, quota: {npu: 4}}]", "\"npu\": 4"},
      {"{node: {resources: {core: 8}}, tenants: [{name: a, quota: {core: 4}}]}", "\"core\": 4"},
  };
  for (const auto& [yaml, shown] : rows) {
    SCOPED_TRACE(yaml);
    const auto config = read_config(yaml, "f");
    ASSERT_TRUE(config.ok()) << config.error().text;
    const std::string text = config_text(*config);
    EXPECT_NE(text.find(shown), std::string::npos) << text;
    EXPECT_EQ(read_config(text, "again").value(), *config);
  }
}

TEST(DaemonConfig, RefusalsNamePlaceAndRemedy) {
  const std::pair<const char*, const char*> rows[] = {
      {"stat_directory: /x", "state_directory"},
      {"listen: {sockett: /x}", "socket"},
      {"node: {ports: 80-90}", "20000-20999"},
      {"tenants: []", "at least one tenant"},
      {"tenants: [{name: a}, {name: a}]", "twice"},
      {"default_tenant: nobody", "names no tenant"},
      {"tenants: [{name: a, quota: {coers: 3}}]", "did you mean \"cores\"?"},
      {"tenants: [{name: a, quota: {gpus: 3}}]", "did you mean \"gpu\"?"},
      {"policy: {name: magic}", "default"},
      {"policy: {pack: potential}", "add demand"},
      {"policy: {demand: [{gpu: 2}]}", "must be from 0.001 to 1"},
      {"policy: {demand: [{gpu: 0.5, gpus: 1}]}", "write one"},
      {"users: {uid_min: -1}", "uid_min"},
      {"fair_share: {half_life: 0s}", "at least 1s"},
      {"log_level: loud", "warning"},
      {"listen: {tcp: somewhere}", "listen.tcp: \"somewhere\" is no address with a port"},
      {"listen: {tcp: 'localhost:7433'}", "not an IP address"},
      {"listen: {tcp: '127.0.0.1:99999'}", "127.0.0.1:7433"},
      {"listen: {tcp: '0.0.0.0:7443'}", "needs TLS"},
      {"listen: {tcp: '::2:7443'}", "needs TLS"},
      {"history_keep: 1m", "at least 1h"}};
  for (const auto& [text, part] : rows) {
    const auto config = read_config(text, "busbard.yaml");
    ASSERT_FALSE(config.ok()) << text;
    EXPECT_NE(config.error().text.find(part), std::string::npos) << config.error().text;
    EXPECT_NE(config.error().text.find("busbard.yaml:1:"), std::string::npos)
        << config.error().text;
  }
}

TEST(DaemonConfig, SaysWhatNeedsARestart) {
  DaemonConfig before, after;
  after.core.finished_keep = hours(1);
  after.history_keep = hours(1);
  EXPECT_EQ(needs_restart(before, after), "");
  after.listen.tcp = "127.0.0.1:1";
  after.node.name = "x";
  after.users.root_jobs = false;
  after.users.operators = {"ada"};
  EXPECT_EQ(needs_restart(before, after), "listen, node, users: root_jobs");
}

}  // namespace
}  // namespace busbar::daemon
