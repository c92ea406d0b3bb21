// What the log of starts and ends promises: across a successor, a torn tail and a full disk.
#include "shim/records.hpp"

#include <sys/resource.h>

#include "shim/fixture_test.hpp"

namespace busbar::shim {
namespace {

class RecordsTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/busbar-records-test-XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    directory_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  Records open() const {
    Result<Records> opened = Records::open(directory_);
    EXPECT_TRUE(opened.ok());
    return std::move(opened).value();
  }

  static RunningRecord start_of(const std::string& name, std::size_t processes = 1) {
    RunningRecord record;
    record.name = name;
    record.boot_id = "this-boot";
    record.process_count = processes;
    return record;
  }
  static Exited end_of(const std::string& name, std::int32_t code) {
    Exited exited;
    exited.name = name;
    exited.code = code;
    return exited;
  }
  static int write_end(Records& records, const std::string& name, std::int32_t code) {
    const Exited exited = end_of(name, code);
    return records.write_exits({&exited});
  }
  static std::vector<std::string> running(const Records& records) {
    std::vector<std::string> names;
    for (const RunningRecord& record : records.running()) names.push_back(record.name);
    return names;
  }
  static std::int32_t code_of(const Records& records, const std::string& name) {
    const std::string* message = records.find_exit(name);
    if (message == nullptr) return -1;
    return std::get<Exited>(decode(*message).value()).code;
  }

  // As on a disk that is full: no file may grow while `act` runs.
  static void on_a_full_disk(rlim_t bytes_max, const std::function<void()>& act) {
    rlimit before{};
    getrlimit(RLIMIT_FSIZE, &before);
    const auto handler = signal(SIGXFSZ, SIG_IGN);
    const rlimit low{bytes_max, before.rlim_max};
    setrlimit(RLIMIT_FSIZE, &low);
    act();
    setrlimit(RLIMIT_FSIZE, &before);
    signal(SIGXFSZ, handler);
  }
  rlim_t file_bytes() const { return std::filesystem::file_size(directory_ + "/records.1"); }

  std::string directory_;
};

TEST_F(RecordsTest, ASuccessorKnowsStartsAndEnds) {
  {
    Records records = open();
    ASSERT_EQ(records.write_running(start_of("runs")), 0);
    RunningRecord again = start_of("runs");
    again.leaders = {1000, 1001};
    again.leader_ticks = {5, 6};
    ASSERT_EQ(records.write_running(again), 0);
    for (const char* name : {"ended", "forgotten"}) {
      ASSERT_EQ(records.write_running(start_of(name)), 0);
      ASSERT_EQ(write_end(records, name, 7), 0);
    }
    records.acknowledge("forgotten");
  }
  for (int successor = 0; successor < 3; ++successor) {
    const Records records = open();
    EXPECT_EQ(running(records), std::vector<std::string>{"runs"});
    EXPECT_EQ(records.running()[0].leaders, (std::vector<std::uint32_t>{1000, 1001}));
    EXPECT_EQ(records.exits(), std::vector<std::string>{"ended"});
    EXPECT_EQ(code_of(records, "ended"), 7);
  }
}

TEST_F(RecordsTest, ATornTailLosesOnlyItself) {
  Records records = open();  // the first generation lies in records.1
  ASSERT_EQ(write_end(records, "before", 1), 0);
  const std::string good = slurp(directory_ + "/records.1");
  ASSERT_EQ(write_end(records, "last", 2), 0);
  const std::string whole = slurp(directory_ + "/records.1");
  std::size_t changed = 0;
  for (std::size_t at = 0; at < whole.size(); ++at) {
    if (whole[at] == good[at]) continue;
    std::string torn = whole;
    torn[at] = static_cast<char>(torn[at] ^ 0x40);
    const std::string elsewhere = directory_ + "/torn";
    std::filesystem::create_directory(elsewhere);
    std::ofstream(elsewhere + "/records.1") << torn;
    const Result<Records> opened = Records::open(elsewhere);
    ASSERT_TRUE(opened.ok());
    EXPECT_EQ(code_of(opened.value(), "before"), 1) << "byte " << at;
    EXPECT_EQ(code_of(opened.value(), "last"), -1) << "byte " << at;
    std::filesystem::remove_all(elsewhere);
    ++changed;
  }
  EXPECT_GT(changed, 10u);
}

TEST_F(RecordsTest, WhatIsAcknowledgedMakesRoom) {
  Records records = open();
  ASSERT_EQ(records.write_running(start_of("long")), 0);
  ASSERT_EQ(write_end(records, "kept", 9), 0);
  const rlim_t bytes = file_bytes();
  for (int i = 0; i < 20'000; ++i) {
    const std::string name = "n" + std::to_string(i);
    ASSERT_EQ(records.write_running(start_of(name)), 0);
    const Exited exited = end_of(name, 0);
    if (i % 50 == 0) {
      ASSERT_EQ(records.write_exits({&exited}), 0);
    }
    records.acknowledge(name);
  }
  EXPECT_EQ(file_bytes(), bytes);
  EXPECT_EQ(running(records), std::vector<std::string>{"long"});
  EXPECT_EQ(code_of(open(), "kept"), 9);
}

TEST_F(RecordsTest, AFullDiskTakesTheEndOfWhatItLetStart) {
  Records records = open();
  std::vector<std::string> started;
  on_a_full_disk(file_bytes(), [&] {
    while (true) {
      const std::string name = "n" + std::to_string(started.size());
      const int error = records.write_running(start_of(name, 100));
      if (error != 0) {
        EXPECT_EQ(error, EFBIG);
        break;
      }
      started.push_back(name);
    }
    EXPECT_GT(started.size(), 20u);
    EXPECT_EQ(running(records).size(), started.size()) << "the refused one left nothing";
    for (const std::string& name : started) {
      Exited exited = end_of(name, 3);
      exited.detail = std::string(sentence_bytes_max, 'x');
      for (std::uint32_t rank = 0; rank < 100; ++rank)
        exited.processes.push_back({rank + 4000, 255, 127});
      EXPECT_EQ(records.write_exits({&exited}), 0) << name;
    }
    for (const std::string& name : started) records.acknowledge(name);
    EXPECT_EQ(records.write_running(start_of("next", 100)), 0) << "there is room again";
  });
  EXPECT_EQ(running(open()), std::vector<std::string>{"next"});
}

TEST_F(RecordsTest, GrowsWithWhatIsHeld) {
  Records records = open();
  const rlim_t bytes = file_bytes();
  for (int i = 0; i < 3000; ++i)
    ASSERT_EQ(records.write_running(start_of("n" + std::to_string(i))), 0);
  EXPECT_GT(file_bytes(), bytes);
  EXPECT_EQ(running(open()).size(), 3000u);
}

}  // namespace
}  // namespace busbar::shim
