// Names, matching of hardware, and output paths, as tables.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "model/names.hpp"
#include "model/node.hpp"
#include "model/output_path.hpp"

namespace busbar {
namespace {

Job job_17(Coupling coupling, std::uint32_t count, std::string group = {},
           List<ArrayRange> array = {}) {
  Job job;
  job.id = JobId(17);
  job.coupling = coupling;
  job.groups.resize(1);
  job.groups[0].name = std::move(group);
  job.groups[0].count = {count, count};
  job.groups[0].array = std::move(array);
  return job;
}

TEST(Names, OfUnits) {
  const struct {
    Job job;
    std::uint32_t index;
    const char* expected;
  } rows[] = {
      {job_17(Coupling::loose, 1), 0, "17"},
      {job_17(Coupling::tight, 8), 0, "17"},
      {job_17(Coupling::extreme, 8, "learner"), 0, "17"},
      {job_17(Coupling::loose, 5), 3, "17.3"},
      {job_17(Coupling::loose, 5, "learner"), 0, "17.learner.0"},
      {job_17(Coupling::loose, 1, "learner"), 0, "17.learner.0"},
      {job_17(Coupling::loose, 100, "", {{1, 100, 1}}), 3, "17_4"},
      {job_17(Coupling::loose, 1, "", {{9, 9, 1}}), 0, "17_9"},
      {job_17(Coupling::loose, 4, "x", {{0, 6, 2}}), 3, "17_6"},
  };
  for (const auto& row : rows) {
    const UnitId unit{JobId(17), 0, row.index};
    EXPECT_EQ(unit_name(row.job, unit), row.expected);
    EXPECT_EQ(attempt_display(row.job, {unit, 2}), std::string(row.expected) + "#2");
  }
}

TEST(Names, ArrayIndexWalksTheRanges) {
  TaskGroup group;
  group.array = {{1, 3, 1}, {10, 20, 5}, {7, 7, 1}};
  const std::uint32_t expected[] = {1, 2, 3, 10, 15, 20, 7};
  for (std::uint32_t i = 0; i < std::size(expected); ++i)
    EXPECT_EQ(array_index(group, i), expected[i]) << i;
  group.array.clear();
  EXPECT_EQ(array_index(group, 5), 5U);
}

TEST(Names, ReferencesOfPeople) {
  const struct {
    const char* text;
    std::uint64_t job;
    const char* group;
    std::vector<IndexRange> indices;
    bool by_array_index;
  } rows[] = {
      {"17", 17, "", {}, false},
      {"17_4", 17, "", {{4, 4}}, true},
      {"17_[1-5,9]", 17, "", {{1, 5}, {9, 9}}, true},
      {"17_1-5", 17, "", {{1, 5}}, true},
      {"17_0", 17, "", {{0, 0}}, true},
      {"17.learner", 17, "learner", {}, false},
      {"17.learner.0", 17, "learner", {{0, 0}}, false},
      {"17.3", 17, "", {{3, 3}}, false},
      {"17.v1.5.2", 17, "v1.5", {{2, 2}}, false},
      {"17_4294967295", 17, "", {{UINT32_MAX, UINT32_MAX}}, true},
  };
  for (const auto& row : rows) {
    const auto read = parse_unit_reference(row.text);
    ASSERT_TRUE(read.ok()) << row.text << ": " << read.error().text;
    EXPECT_EQ(read->job.value, row.job) << row.text;
    EXPECT_EQ(read->group, row.group) << row.text;
    EXPECT_EQ(read->indices, row.indices) << row.text;
    EXPECT_EQ(read->by_array_index, row.by_array_index) << row.text;
  }
}

TEST(Names, WhatIsNoReferenceIsRefusedWithAnExample) {
  for (const char* text : {"",
                           "0",
                           "x",
                           "-1",
                           "17_",
                           "17_x",
                           "17_[",
                           "17_[]",
                           "17_5-1",
                           "17.",
                           "17..",
                           "17..0",
                           "17_4294967296",
                           "99999999999999999999",
                           "17 4",
                           "_4",
                           ".learner",
                           "17_[1-5",
                           "17_1,,2",
                           "17_1-2-3"}) {
    const auto read = parse_unit_reference(text);
    ASSERT_FALSE(read.ok()) << text;
    EXPECT_EQ(read.error().code, Errc::invalid) << text;
    EXPECT_NE(read.error().text.find("17_4"), std::string::npos) << read.error().text;
  }
}

// A unit's name, written by a person, means that unit.
TEST(Names, AUnitNameIsAReferenceToIt) {
  const struct {
    Job job;
    std::uint32_t index;
  } rows[] = {{job_17(Coupling::loose, 5), 3},
              {job_17(Coupling::loose, 5, "learner"), 4},
              {job_17(Coupling::loose, 100, "", {{1, 100, 1}}), 3}};
  for (const auto& row : rows) {
    const auto read = parse_unit_reference(unit_name(row.job, {JobId(17), 0, row.index}));
    ASSERT_TRUE(read.ok());
    ASSERT_EQ(read->indices.size(), 1U);
    const std::uint32_t wanted =
        read->by_array_index ? array_index(row.job.groups[0], row.index) : row.index;
    EXPECT_EQ(read->indices[0].first, wanted);
    EXPECT_EQ(read->group, row.job.groups[0].name);
  }
}

RC_GTEST_PROP(Names, AnyTextIsAReferenceOrRefused, (const std::string& text)) {
  const auto read = parse_unit_reference(text);
  if (!read.ok()) RC_ASSERT(read.error().code == Errc::invalid);
}

TEST(Names, OfAttemptsReadBack) {
  const AttemptId ids[] = {
      {{JobId(1), 0, 0}, 1}, {{JobId(17), 2, 4}, 3}, {{JobId(999'999'999'999), 0, 999'999}, 9999}};
  for (const auto& id : ids) {
    const std::string name = attempt_name("a1b2c3", id);
    EXPECT_LE(name.size(), 48U) << name;
    const auto read = parse_attempt_name("a1b2c3", name);
    ASSERT_TRUE(read.ok()) << name;
    EXPECT_TRUE(*read == id) << name;
    EXPECT_EQ(parse_attempt_name("zzzzzz", name).error().code, Errc::not_found);
  }
  EXPECT_EQ(attempt_name("a1b2c3", ids[1]), "bb-a1b2c3-17-2x4-3");
}

TEST(Names, WhatIsNoAttemptsName) {
  for (const char* name :
       {"", "bb", "bb-a1b2c3-17-2x4", "cc-a1b2c3-17-2x4-3", "bb-a1b2c3-x-2x4-3",
        "bb-a1b2c3-17-24-3", "bb-a1b2c3-17-2x4x5-3", "bb-a1b2c3-17-2x4-", "bb-a1b2c3-17-2x4-3-0",
        "bb-a1b2c3-17-2x4294967296-3", "bb-a1b2c3-17-2x4-03", "bb-a1b2c3-017-2x4-3"})
    EXPECT_EQ(parse_attempt_name("a1b2c3", name).error().code, Errc::invalid) << name;
}

TEST(Matching, DevicesByModelVendorMemoryAndHealth) {
  Device device;
  device.vendor = "nvidia";
  device.model = "NVIDIA H100 80GB HBM3";
  device.memory = gibibytes(80);
  const struct {
    const char* model;
    std::int64_t gibibytes_min;
    bool expected;
  } rows[] = {
      {"", 0, true},          {"H100", 0, true},   {"h100", 0, true},
      {"nvidia", 0, true},    {"NVIDIA", 0, true}, {"NVIDIA H100 80GB HBM3", 0, true},
      {"H100 80GB", 0, true}, {"H10", 0, false},   {"100", 0, false},
      {"A100", 0, false},     {"amd", 0, false},   {"H100", 80, true},
      {"H100", 81, false},    {"", 40, true},      {"", 96, false},
  };
  for (const auto& row : rows) {
    DeviceRequest request;
    request.model = row.model;
    request.memory_min_bytes = gibibytes(row.gibibytes_min);
    device.health = DeviceHealth::ok;
    EXPECT_EQ(device_matches(request, device), row.expected)
        << row.model << " " << row.gibibytes_min;
    device.health = DeviceHealth::failed;
    EXPECT_FALSE(device_matches(request, device)) << "a failed device serves nobody";
  }
}

TEST(Matching, FeaturesByClauses) {
  const std::vector<std::string> features = {"avx512", "ib", "zen4"};
  const struct {
    List<FeatureClause> constraint;
    bool expected;
  } rows[] = {
      {{}, true},
      {{{{"ib"}}}, true},
      {{{{"gpu"}}}, false},
      {{{{"ib", "zen4"}}}, true},
      {{{{"ib", "gpu"}}}, false},
      {{{{"gpu"}}, {{"zen4"}}}, true},
      {{{{"gpu"}}, {{"zen3"}}}, false},
      {{{{"!gpu"}}}, true},
      {{{{"!ib"}}}, false},
      {{{{"ib", "!gpu"}}}, true},
      {{{{"avx"}}}, false},
  };
  for (std::size_t i = 0; i < std::size(rows); ++i)
    EXPECT_EQ(features_match(rows[i].constraint, features), rows[i].expected) << "row " << i;
}

TEST(OutputPath, Table) {
  const struct {
    const char* output;
    const char* error;
    bool several_units;
    Stream stream;
    const char* expected;
  } rows[] = {
      {"", "", false, Stream::output, "/home/ada/busbar-17.out"},
      {"", "", true, Stream::output, "/home/ada/busbar-17_4.out"},
      {"", "", true, Stream::error, "/home/ada/busbar-17_4.out"},
      {"log/%x-%j_%a.txt", "", true, Stream::output, "/home/ada/log/my_job-17_4.txt"},
      {"log/%x-%j_%a.txt", "", true, Stream::error, "/home/ada/log/my_job-17_4.txt"},
      {"out", "err.%r", false, Stream::error, "/home/ada/err.2"},
      {"out", "err.%r", false, Stream::output, "/home/ada/out"},
      {"/var/tmp/%j.%n", "", false, Stream::output, "/var/tmp/17.3"},
      {"100%%", "", false, Stream::output, "/home/ada/100%"},
      {"50%", "", false, Stream::output, "/home/ada/50%"},
      {"%q%j", "", false, Stream::output, "/home/ada/%q17"},
      {"", "err", false, Stream::output, "/home/ada/busbar-17.out"},
      {"", "err", false, Stream::error, "/home/ada/err"},
  };
  for (const auto& row : rows) {
    Payload payload;
    payload.working_directory = "/home/ada";
    payload.output = row.output;
    payload.error = row.error;
    const PatternNames names{JobId(17), "my/job", 4, row.several_units, 3};
    EXPECT_EQ(output_path(payload, names, row.stream, 2), row.expected);
  }
}

}  // namespace
}  // namespace busbar
