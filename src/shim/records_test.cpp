// What the records of running attempts promise when the disk does not take them.
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

  // Writes where no file may grow over `bytes_max`, as on a disk that is almost full.
  static int write_within(rlim_t bytes_max, const Records& records, const RunningRecord& record) {
    rlimit before{};
    getrlimit(RLIMIT_FSIZE, &before);
    const auto handler = signal(SIGXFSZ, SIG_IGN);
    const rlimit low{bytes_max, before.rlim_max};
    setrlimit(RLIMIT_FSIZE, &low);
    const int error = records.write_running(record);
    setrlimit(RLIMIT_FSIZE, &before);
    signal(SIGXFSZ, handler);
    return error;
  }

  static RunningRecord some_record(std::size_t processes) {
    RunningRecord record;
    record.name = "a";
    record.boot_id = "this-boot";
    record.shim_pid = 7;
    record.started_unix_ms = 1;
    record.started_boot_ms = 2;
    for (std::size_t i = 0; i < processes; ++i) {
      record.leaders.push_back(static_cast<std::uint32_t>(1000 + i));
      record.leader_ticks.push_back(5000 + i);
    }
    return record;
  }

  std::string directory_;
};

TEST_F(RecordsTest, AFailedRewriteKeepsTheRecordBefore) {
  const Result<Records> opened = Records::open(directory_);
  ASSERT_TRUE(opened.ok());
  const Records& records = opened.value();
  ASSERT_EQ(records.write_running(some_record(1)), 0);
  EXPECT_EQ(write_within(200, records, some_record(1000)), EFBIG);
  EXPECT_EQ(records.running(), std::vector<std::string>{"a"});
  EXPECT_EQ(records.read_running("a").boot_id, "this-boot");
  EXPECT_EQ(records.read_running("a").leaders, std::vector<std::uint32_t>{1000});
  EXPECT_EQ(records.write_running(some_record(3)), 0);
  EXPECT_EQ(records.read_running("a").leaders.size(), 3u);
  EXPECT_FALSE(exists(directory_ + "/running.new"));
}

TEST_F(RecordsTest, AFailedFirstRecordLeavesNothing) {
  const Result<Records> opened = Records::open(directory_);
  ASSERT_TRUE(opened.ok());
  EXPECT_EQ(write_within(20, opened.value(), some_record(1)), EFBIG);
  EXPECT_TRUE(opened.value().running().empty());
  EXPECT_FALSE(exists(directory_ + "/running.new"));
}

}  // namespace
}  // namespace busbar::shim
