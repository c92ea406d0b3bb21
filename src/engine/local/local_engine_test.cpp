// The engine with the real supervisor: real processes, limits, probes, mpirun and restarts.
#include "engine/local/local_engine.hpp"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <sstream>
#include <thread>

#include "engine/local/local_machine.hpp"
#include "engine/local/log_reader.hpp"
#include "engine/local/testing/folder.hpp"
#include "model/names.hpp"

namespace busbar::local {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

std::string read_text(const std::string& path) {
  std::ifstream in(path);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

// What the engine reports, to be waited for.
class Reports {
 public:
  void take(const Command& report) {
    const std::lock_guard lock(mutex_);
    all_.push_back(report);
    changed_.notify_all();
  }
  // The first report of this kind that fits; nothing after `limit`.
  template <class T, class Fits>
  std::optional<T> wait(Fits fits, milliseconds limit = milliseconds(20'000)) {
    std::optional<T> found;
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, limit, [&] {
      for (const Command& report : all_) {
        if (const T* it = std::get_if<T>(&report); it != nullptr && fits(*it)) {
          found = *it;
          return true;
        }
      }
      return false;
    });
    return found;
  }
  template <class T>
  std::optional<T> wait_for(const Launch& launch) {
    return wait<T>([&](const T& report) { return report.attempt == launch.id; });
  }
  // Where the first report of this kind that fits stands; -1: nowhere.
  template <class T, class Fits>
  std::ptrdiff_t place(Fits fits) {
    const std::lock_guard lock(mutex_);
    const auto at = std::find_if(all_.begin(), all_.end(), [&](const Command& report) {
      const T* it = std::get_if<T>(&report);
      return it != nullptr && fits(*it);
    });
    return at == all_.end() ? -1 : at - all_.begin();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Command> all_;
};

#ifdef SHIM_PROGRAM

class LocalEngineTest : public testing::Test {
 protected:
  void SetUp() override { start({}); }
  void TearDown() override {
    engine_.reset();
    kill_shim();
  }

  void start(std::vector<Launch> live) {
    LocalOptions options;
    options.state_directory = folder_.path;
    options.shim_program = SHIM_PROGRAM;
    options.scratch_directory = scratch_;
    options.node_name = "n1";
    options.find_devices = false;
    options.simulated = {{"nvidia", "H100", gibibytes(80), 2, 0}};
    options.warn = [this](const std::string& text) {
      const bool expected = !expected_warning_.empty() && text.find(expected_warning_) != text.npos;
      if (!expected) ADD_FAILURE() << "warning: " << text;
    };
    reports_ = std::make_unique<Reports>();
    engine_ = std::make_unique<LocalEngine>(
        options, [this](PayloadHash hash) { return Result<std::string>(payloads_[hash.low]); });
    engine_->open("test01", std::move(live),
                  [reports = reports_.get()](const Command& report) { reports->take(report); });
    const auto synchronised =
        reports_->wait<EngineSynchronised>([](const EngineSynchronised&) { return true; });
    ASSERT_TRUE(synchronised.has_value());
    const auto node = reports_->wait<NodeReport>([](const NodeReport&) { return true; });
    ASSERT_TRUE(node.has_value());
    node_ = node->node;
  }

  pid_t shim_pid() const {
    for (const auto& entry : fs::directory_iterator("/proc")) {
      const std::string name = entry.path().filename().string();
      if (name.find_first_not_of("0123456789") != name.npos) continue;
      const std::string words = read_text(entry.path().string() + "/cmdline");
      if (words.find("busbar-shim") != words.npos && words.find(folder_.path) != words.npos)
        return std::stoi(name);
    }
    return 0;
  }
  void kill_shim() const {
    const pid_t pid = shim_pid();
    if (pid > 0) kill(pid, SIGTERM);
    // A process that nobody has waited for yet has no command line any more.
    for (int i = 0; i < 500 && shim_pid() == pid && pid > 0; ++i)
      std::this_thread::sleep_for(milliseconds(10));
  }

  Launch job(Payload payload, Launcher launcher = Launcher::script, std::uint32_t tasks = 1) {
    Launch launch;
    launch.id = {{JobId(++jobs_), 0, 0}, 1};
    launch.name = attempt_name("test01", launch.id);
    launch.user = {"me", geteuid(), getegid(), false};
    launch.job_name = "test";
    launch.unit_name = std::to_string(jobs_);
    launch.coupling = tasks > 1 ? Coupling::tight : Coupling::loose;
    launch.grace = seconds(1);
    if (payload.working_directory.empty()) payload.working_directory = folder_.path;
    payloads_[jobs_] = encode_payload(payload).bytes;
    launch.groups.push_back({"", launcher, PayloadHash{0, jobs_}, {}});
    LaunchClaim claim;
    claim.node_name = "n1";
    claim.claim.tasks = tasks;
    claim.claim.cores = MilliCores(tasks > 1 ? 1000 * tasks : 500);
    claim.claim.memory = mebibytes(256);
    launch.claims.push_back(claim);
    return launch;
  }
  Launch script(const std::string& run) {
    Payload payload;
    payload.run = run;
    return job(payload);
  }
  AttemptEnded finish(const Launch& launch) {
    const auto ended = reports_->wait_for<AttemptEnded>(launch);
    EXPECT_TRUE(ended.has_value()) << launch.name << " did not end";
    engine_->acknowledge(launch.name);
    return ended.value_or(AttemptEnded{});
  }
  AttemptEnded run(const Launch& launch) {
    engine_->launch(launch);
    return finish(launch);
  }
  std::string output(const Launch& launch) const {
    return read_text(folder_.path + "/busbar-" + launch.unit_name + ".out");
  }

  Folder folder_;
  std::string scratch_;           // as configured
  std::string expected_warning_;  // a part of it; any other is a failure
  std::map<std::uint64_t, std::string> payloads_;
  std::uint64_t jobs_ = 0;
  Node node_;
  std::unique_ptr<Reports> reports_;
  std::unique_ptr<LocalEngine> engine_;
};

TEST_F(LocalEngineTest, runs_a_script_and_keeps_its_exit_code) {
  const Launch good =
      script("echo \"$BUSBAR_JOB_ID $SLURM_JOB_ID $WORLD_SIZE\"\ntest -d \"$TMPDIR\"");
  const AttemptEnded ended = run(good);
  EXPECT_EQ(ended.exit.cause, EndCause::exited) << ended.exit.detail;
  EXPECT_EQ(ended.exit.code, 0);
  EXPECT_EQ(output(good), "1 1 1\n");
  EXPECT_TRUE(reports_->wait_for<AttemptStarted>(good).has_value());
  EXPECT_EQ(run(script("exit 7")).exit.code, 7);
  EXPECT_EQ(run(script("kill -9 $$")).exit.signal, 9);
  EXPECT_EQ(run(script("#!/usr/bin/perl\nexit 3;")).exit.code, 3);
  for (int i = 0; i < 200 && fs::exists(folder_.path + "/scratch/" + good.name); ++i)
    std::this_thread::sleep_for(milliseconds(20));
  EXPECT_FALSE(fs::exists(folder_.path + "/scratch/" + good.name));  // after the acknowledgement
}

TEST_F(LocalEngineTest, setup_runs_first_and_its_failure_fails_the_attempt) {
  Payload payload;
  payload.setup = "echo from-setup > made";
  payload.run = "cat made";
  const Launch good = job(payload);
  EXPECT_EQ(run(good).exit.code, 0);
  EXPECT_EQ(output(good), "from-setup\n");
  payload.setup = "exit 4";
  const AttemptEnded bad = run(job(payload));
  EXPECT_EQ(bad.exit.cause, EndCause::exited);
  EXPECT_EQ(bad.exit.code, 4);
  EXPECT_EQ(bad.exit.detail, "its setup failed with code 4");
}

TEST_F(LocalEngineTest, reports_the_cores_it_bound) {
  Launch launch = script("grep Cpus_allowed_list /proc/self/status");
  launch.claims[0].claim.cores = whole_cores(1);
  EXPECT_EQ(run(launch).exit.code, 0);
  const auto started = reports_->wait_for<AttemptStarted>(launch);
  ASSERT_TRUE(started && started->bound.size() == 1);
  EXPECT_EQ(started->bound[0].binding, Binding::bound);
  ASSERT_EQ(started->bound[0].core_ids.size(), 1U);
  EXPECT_EQ(output(launch),
            "Cpus_allowed_list:\t" + std::to_string(started->bound[0].core_ids[0]) + "\n");
}

TEST_F(LocalEngineTest, tasks_run_once_each_with_their_own_rank) {
  Payload payload;
  payload.run = "echo rank $RANK of $WORLD_SIZE local $SLURM_LOCALID";
  payload.output = "task-%j-%r";
  const Launch launch = job(payload, Launcher::tasks, 2);
  EXPECT_EQ(run(launch).exit.code, 0);
  EXPECT_EQ(read_text(folder_.path + "/task-1-0"), "rank 0 of 2 local 0\n");
  EXPECT_EQ(read_text(folder_.path + "/task-1-1"), "rank 1 of 2 local 1\n");
}

TEST_F(LocalEngineTest, mpi_gives_every_rank_its_place) {
  if (find_program("mpirun", "/usr/local/bin:/usr/bin:/bin").empty())
    GTEST_SKIP() << "no mpirun on this machine";
  Payload payload;
  payload.run = "#!/bin/sh\necho rank $RANK/$OMPI_COMM_WORLD_RANK of $WORLD_SIZE $BUSBAR_RANK\n";
  const Launch launch = job(payload, Launcher::mpi, 2);
  const AttemptEnded ended = run(launch);
  EXPECT_EQ(ended.exit.code, 0) << ended.exit.detail << output(launch);
  const std::string said = output(launch);
  EXPECT_NE(said.find("rank 0/0 of 2 0\n"), said.npos) << said;
  EXPECT_NE(said.find("rank 1/1 of 2 1\n"), said.npos) << said;
}

TEST_F(LocalEngineTest, a_missing_mpirun_is_a_failed_launch_with_a_remedy) {
  Payload payload;
  payload.run = "true";
  payload.environment = {{"PATH", "/nowhere"}};
  const AttemptEnded ended = run(job(payload, Launcher::mpi, 2));
  EXPECT_EQ(ended.exit.cause, EndCause::launch_failed);
  EXPECT_NE(ended.exit.detail.find("mpirun"), std::string::npos);
}

// A zombie has ended; who its parent is now decides when it goes.
bool runs(const std::string& pid) {
  const std::string stat = read_text("/proc/" + std::to_string(std::stoi(pid)) + "/stat");
  const std::size_t name_end = stat.rfind(") ");
  return name_end != stat.npos && stat[name_end + 2] != 'Z';
}

TEST_F(LocalEngineTest, the_time_limit_holds_for_the_whole_tree) {
  Launch launch = script("trap '' TERM\nsleep 300 & echo $! > child\nsleep 300\nsleep 300");
  launch.time_limit = Span(700);
  launch.grace = Span(300);
  const auto before = std::chrono::steady_clock::now();
  EXPECT_EQ(run(launch).exit.cause, EndCause::timed_out);
  EXPECT_LT(std::chrono::steady_clock::now() - before, milliseconds(10'000));
  EXPECT_FALSE(runs(read_text(folder_.path + "/child")));
}

TEST_F(LocalEngineTest, end_stops_the_whole_tree) {
  const Launch launch = script("setsid sleep 300 & echo $! > child\nwait");
  engine_->launch(launch);
  ASSERT_TRUE(reports_->wait_for<AttemptStarted>(launch).has_value());
  for (int i = 0; i < 500 && read_text(folder_.path + "/child").empty(); ++i)
    std::this_thread::sleep_for(milliseconds(20));
  engine_->end(launch.name, Span(500));
  EXPECT_EQ(finish(launch).exit.cause, EndCause::stopped);
  EXPECT_FALSE(runs(read_text(folder_.path + "/child")));
}

TEST_F(LocalEngineTest, the_memory_limit_holds) {
  if (find_program("python3", "/usr/bin:/bin").empty()) GTEST_SKIP() << "no python3";
  Launch launch = script("#!/usr/bin/python3\nb = bytearray(700 << 20)\nprint(len(b))\n");
  launch.claims[0].claim.memory = mebibytes(100);
  const AttemptEnded ended = run(launch);
  EXPECT_TRUE(ended.exit.cause == EndCause::out_of_memory || ended.exit.code != 0)
      << to_string(ended.exit.cause) << " " << ended.exit.code;
  EXPECT_EQ(output(launch).find("734003200"), std::string::npos);
}

TEST_F(LocalEngineTest, a_service_becomes_ready_at_its_port) {
  if (find_program("python3", "/usr/bin:/bin").empty()) GTEST_SKIP() << "no python3";
  Payload payload;
  payload.run = "exec /usr/bin/python3 -m http.server --bind 127.0.0.1 $BUSBAR_PORT_0";
  payload.ready = {ProbeKind::http, "/", 0, Span(100), seconds(20)};
  Launch launch = job(payload);
  launch.claims[0].claim.ports = {20917};
  engine_->launch(launch);
  const auto ready = reports_->wait_for<AttemptReady>(launch);
  ASSERT_TRUE(ready.has_value());
  EXPECT_EQ(ready->address, "127.0.0.1:20917");
  engine_->end(launch.name, Span(500));
  EXPECT_EQ(finish(launch).exit.cause, EndCause::stopped);
}

TEST_F(LocalEngineTest, a_command_probe_runs_in_the_jobs_environment) {
  Payload payload;
  payload.run = "sleep 0.3; touch ready-$BUSBAR_JOB_ID; sleep 300";
  payload.ready = {ProbeKind::command, "test -e ready-$BUSBAR_JOB_ID", 0, Span(100), seconds(20)};
  const Launch launch = job(payload);
  engine_->launch(launch);
  EXPECT_TRUE(reports_->wait_for<AttemptReady>(launch).has_value());
  engine_->end(launch.name, Span(500));
  finish(launch);
}

TEST_F(LocalEngineTest, a_service_that_never_gets_ready_fails_with_a_sentence) {
  Payload payload;
  payload.run = "sleep 300";
  payload.ready = {ProbeKind::tcp, "", 0, Span(100), Span(500)};
  Launch launch = job(payload);
  launch.claims[0].claim.ports = {20918};
  const AttemptEnded ended = run(launch);
  EXPECT_EQ(ended.exit.cause, EndCause::exited);
  EXPECT_NE(ended.exit.code, 0);
  EXPECT_NE(ended.exit.detail.find("not ready within 500ms"), std::string::npos)
      << ended.exit.detail;
}

TEST_F(LocalEngineTest, a_port_in_use_is_a_failed_launch) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(20919);
  ASSERT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(listen(fd, 1), 0);
  Launch launch = script("true");
  launch.claims[0].claim.ports = {20919};
  const AttemptEnded ended = run(launch);
  close(fd);
  EXPECT_EQ(ended.exit.cause, EndCause::launch_failed);
  EXPECT_NE(ended.exit.detail.find("20919"), std::string::npos);
}

TEST_F(LocalEngineTest, a_new_daemon_adopts_what_runs_and_hears_what_ended) {
  Launch lives = script("sleep 2; exit 5");
  lives.claims[0].claim.cores = whole_cores(1);
  const Launch ends = script("exit 6");
  engine_->launch(lives);
  engine_->launch(ends);
  const auto before = reports_->wait_for<AttemptStarted>(lives);
  ASSERT_TRUE(before.has_value());
  ASSERT_TRUE(reports_->wait_for<AttemptEnded>(ends).has_value());  // never acknowledged
  const Launch orphan = script("sleep 300");
  engine_->launch(orphan);
  ASSERT_TRUE(reports_->wait_for<AttemptStarted>(orphan).has_value());
  engine_.reset();

  const Launch never = script("true");
  lives.claims[0].claim = before->bound[0];
  start({lives, ends, never});
  const auto after = reports_->wait_for<AttemptStarted>(lives);
  ASSERT_TRUE(after.has_value());
  EXPECT_EQ(after->bound[0].core_ids, before->bound[0].core_ids);
  // The node may tell of a new boot, so it comes after everything that outlived one.
  const auto any = [](const auto&) { return true; };
  const std::ptrdiff_t node = reports_->place<NodeReport>(any);
  const auto of = [](const Launch& launch) {
    return [&launch](const auto& report) { return report.attempt == launch.id; };
  };
  for (const std::ptrdiff_t earlier :
       {reports_->place<AttemptStarted>(of(lives)), reports_->place<AttemptEnded>(of(ends)),
        reports_->place<AttemptAbsent>(of(never))}) {
    EXPECT_GE(earlier, 0);
    EXPECT_LT(earlier, node);
  }
  EXPECT_EQ(reports_->place<EngineSynchronised>(any), node + 1);
  const auto sighted = reports_->wait_for<AttemptSighted>(orphan);
  ASSERT_TRUE(sighted.has_value());
  EXPECT_TRUE(sighted->running);
  engine_->end(orphan.name, Span(0));
  EXPECT_EQ(finish(orphan).exit.cause, EndCause::stopped);
  EXPECT_EQ(finish(ends).exit.code, 6);
  EXPECT_TRUE(reports_->wait_for<AttemptAbsent>(never).has_value());
  EXPECT_EQ(finish(lives).exit.code, 5);
}

TEST_F(LocalEngineTest, a_killed_supervisor_is_replaced_and_its_attempts_are_told_lost) {
  expected_warning_ = "the supervisor was killed";
  const Launch launch = script("sleep 300");
  engine_->launch(launch);
  ASSERT_TRUE(reports_->wait_for<AttemptStarted>(launch).has_value());
  ASSERT_GT(shim_pid(), 0);
  kill(shim_pid(), SIGKILL);
  EXPECT_EQ(finish(launch).exit.cause, EndCause::node_lost);
  EXPECT_EQ(run(script("exit 3")).exit.code, 3);
}

TEST_F(LocalEngineTest, an_empty_scratch_folder_goes_when_the_engine_closes) {
  engine_.reset();
  scratch_ = folder_.path + "/local";
  start({});
  EXPECT_TRUE(fs::exists(scratch_ + "/busbar-test01"));
  engine_.reset();
  EXPECT_FALSE(fs::exists(scratch_ + "/busbar-test01"));
  start({});
  EXPECT_TRUE(fs::exists(scratch_ + "/busbar-test01"));
}

TEST_F(LocalEngineTest, scratch_lies_in_a_folder_of_its_own_inside_the_configured_one) {
  engine_.reset();
  scratch_ = folder_.path + "/local";
  const std::string own = scratch_ + "/busbar-test01";
  const std::string elsewhere = folder_.path + "/elsewhere";
  fs::create_directory(scratch_);
  fs::create_directory(elsewhere);
  const auto all_may = fs::perms::all | fs::perms::sticky_bit;
  fs::permissions(scratch_, all_may);
  start({});
  EXPECT_EQ(fs::status(scratch_).permissions(), all_may);

  Payload payload;
  payload.run = "#!/bin/sh\necho $TMPDIR";
  const Launch good = job(payload);
  EXPECT_EQ(run(good).exit.code, 0);
  EXPECT_EQ(output(good).rfind(own + "/" + good.name, 0), 0U) << output(good);

  const Launch linked = job(payload);  // its folder is a link
  fs::create_directory_symlink(elsewhere, own + "/" + linked.name);
  EXPECT_EQ(run(linked).exit.cause, EndCause::launch_failed);
  if (geteuid() == 0) {
    const Launch foreign = job(payload);  // its folder is a stranger's
    fs::create_directory(own + "/" + foreign.name);
    ASSERT_EQ(chown((own + "/" + foreign.name).c_str(), 65534, 65534), 0);
    const AttemptEnded ended = run(foreign);
    EXPECT_EQ(ended.exit.cause, EndCause::launch_failed);
    EXPECT_NE(ended.exit.detail.find("65534"), std::string::npos) << ended.exit.detail;
  }
  // All of it is a link; the engine may be removing what the first job left there.
  for (std::error_code ignored; fs::exists(own);) fs::remove_all(own, ignored);
  fs::create_directory_symlink(elsewhere, own);
  const AttemptEnded ended = run(job(payload));
  EXPECT_EQ(ended.exit.cause, EndCause::launch_failed);
  EXPECT_NE(ended.exit.detail.find("daemon's own user"), std::string::npos) << ended.exit.detail;
  EXPECT_TRUE(fs::is_empty(elsewhere));
}

TEST_F(LocalEngineTest, after_close_every_call_is_harmless) {
  const Launch launch = script("true");
  engine_->close();
  engine_->launch(launch);
  engine_->end(launch.name, seconds(1));
  engine_->look_up(launch.name);
  engine_->acknowledge(launch.name);
  bool refused = false;
  engine_->read_log({"n1", launch.user, "/tmp/none", 0, 1},
                    [&](Result<LogChunk> chunk) { refused = !chunk.ok(); });
  EXPECT_TRUE(refused);
  engine_->close();
}

TEST_F(LocalEngineTest, runs_as_the_user_when_root) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  Payload payload;
  payload.run = "id -u; echo $USER; touch \"$TMPDIR/mine\" && stat -c %U \"$TMPDIR/mine\"";
  payload.working_directory = folder_.path + "/home";
  fs::create_directory(payload.working_directory);
  ASSERT_EQ(chown(payload.working_directory.c_str(), 65534, 65534), 0);
  Launch launch = job(payload);
  launch.user = {"nobody", 65534, 65534, false};
  const AttemptEnded ended = run(launch);
  EXPECT_EQ(ended.exit.code, 0) << ended.exit.detail;
  EXPECT_EQ(read_text(payload.working_directory + "/busbar-1.out"), "65534\nnobody\nnobody\n");
}

TEST_F(LocalEngineTest, logs_come_through_the_sink) {
  const Launch launch = script("printf 0123456789");
  run(launch);
  std::mutex mutex;
  std::condition_variable done;
  std::optional<Result<LogChunk>> answer;
  engine_->read_log({"n1", launch.user, folder_.path + "/busbar-1.out", 3, 4},
                    [&](Result<LogChunk> chunk) {
                      const std::lock_guard lock(mutex);
                      answer = std::move(chunk);
                      done.notify_all();
                    });
  std::unique_lock lock(mutex);
  ASSERT_TRUE(done.wait_for(lock, milliseconds(5'000), [&] { return answer.has_value(); }));
  ASSERT_TRUE(answer->ok());
  EXPECT_EQ((*answer)->bytes, "3456");
  EXPECT_EQ((*answer)->size, 10);
}

#endif  // SHIM_PROGRAM

TEST(OutputBook, an_attempt_has_the_part_of_a_file_from_its_beginning_to_its_units_next) {
  const Folder folder;
  const auto of = [](std::uint64_t job, std::uint32_t number) {
    return AttemptId{{JobId(job), 0, 0}, number};
  };
  const auto part = [](const OutputBook& book, const AttemptId& attempt, const char* path) {
    const OutputBook::Range range = book.of(attempt, path);
    const bool open = range.end == OutputBook::Range{}.end;
    return std::to_string(range.begin) + "-" + (open ? "" : std::to_string(range.end));
  };
  const auto check_parts = [&](const OutputBook& book) {
    EXPECT_EQ(part(book, of(1, 1), "/a log"), "0-10");
    EXPECT_EQ(part(book, of(1, 2), "/a log"), "10-30");
    EXPECT_EQ(part(book, of(1, 3), "/a log"), "30-");
    EXPECT_EQ(part(book, of(1, 4), "/a log"), "0-") << "it began with an empty file";
    EXPECT_EQ(part(book, of(2, 1), "/a log"), "20-") << "others may write at the same time";
    EXPECT_EQ(part(book, of(1, 2), "/other"), "0-");
  };
  {
    OutputBook book(folder.path + "/outputs");
    book.began(of(1, 2), "/a log", 10);
    book.began(of(2, 1), "/a log", 20);
    book.began(of(1, 3), "/a log", 30);
    book.began(of(1, 2), "/a log", 25);  // said again after a reconnect
    book.began(of(3, 1), "/empty", 0);
    book.began(of(3, 1), "/two\n1 0 0 4 5 /a log", 9);  // a line of its own would be believed
    check_parts(book);
  }
  std::ofstream(folder.path + "/outputs", std::ios::app) << "garbage\n1 2 3\n1 0 0 9 x /torn";
  {
    OutputBook torn(folder.path + "/outputs");
    check_parts(torn);
    torn.began(of(4, 1), "/after", 7);
  }
  EXPECT_EQ(part(OutputBook(folder.path + "/outputs"), of(4, 1), "/after"), "7-");
  check_parts(OutputBook(folder.path + "/outputs"));
  OutputBook many(folder.path + "/many");
  for (std::uint32_t i = 1; i <= 2 * OutputBook::entries_max + 10; ++i)
    many.began(of(i, 1), "/log", i);
  EXPECT_EQ(part(many, of(1, 1), "/log"), "0-") << "the oldest are forgotten";
  EXPECT_LT(fs::file_size(folder.path + "/many"), OutputBook::entries_max * 40);
}

TEST(LogReader, reads_the_part_of_its_attempt) {
  const Folder folder;
  const std::string path = folder.path + "/log";
  std::ofstream(path) << "0123456789";
  const UserRef me{"me", geteuid(), getegid(), false};
  const auto read = [&](std::int64_t offset, std::int64_t begin, std::int64_t end) {
    const auto chunk = read_log_file({"n1", me, path, offset, 3}, {}, {begin, end});
    return chunk->bytes + "/" + std::to_string(chunk->size);
  };
  EXPECT_EQ(read(-1, 4, 100), "456/10");
  EXPECT_EQ(read(6, 4, 8), "67/8");
  EXPECT_EQ(read(8, 4, 8), "/8");
  EXPECT_EQ(read(1, 4, 100), "123/10") << "a byte that was named";
  EXPECT_EQ(read(-1, 10, 100), "/10");
  EXPECT_EQ(read(-1, 11, 100), "012/10") << "somebody began the file anew";
}

TEST(LogReader, reads_only_plain_files_with_the_users_rights) {
  const Folder folder;
  std::ofstream(folder.path + "/log") << "hello";
  fs::create_symlink(folder.path + "/log", folder.path + "/link");
  ASSERT_EQ(mkfifo((folder.path + "/pipe").c_str(), 0666), 0);
  const UserRef me{"me", geteuid(), getegid(), false};
  const auto code = [&](const std::string& path, const UserRef& user) {
    const auto chunk = read_log_file({"n1", user, path, 0, 100}, {});
    return chunk ? std::string("ok " + chunk->bytes) : std::string(to_string(chunk.error().code));
  };
  EXPECT_EQ(code(folder.path + "/log", me), "ok hello");
  EXPECT_EQ(code(folder.path + "/none", me), std::string(to_string(Errc::not_found)));
  EXPECT_EQ(code(folder.path + "/link", me), std::string(to_string(Errc::denied)));
  EXPECT_EQ(code(folder.path + "/pipe", me), std::string(to_string(Errc::denied)));
  EXPECT_EQ(code(folder.path, me), std::string(to_string(Errc::denied)));
  EXPECT_EQ(code("log", me), std::string(to_string(Errc::invalid)));
  EXPECT_EQ(code(folder.path + "/../etc/passwd", me), std::string(to_string(Errc::invalid)));
  if (geteuid() != 0) return;
  chmod((folder.path + "/log").c_str(), 0600);
  const UserRef nobody{"nobody", 65534, 65534, false};
  EXPECT_EQ(code(folder.path + "/log", nobody), std::string(to_string(Errc::denied)));
  EXPECT_EQ(code("/etc/shadow", nobody), std::string(to_string(Errc::denied)));
  EXPECT_EQ(code(folder.path + "/log", me), "ok hello");  // the thread is itself again
}

}  // namespace
}  // namespace busbar::local
