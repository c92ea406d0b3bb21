// Busbard's threads around the ring, as the daemon wires them: posters, an engine with a thread of
// its own, the journal's writer on a real folder, and readers of the replica.
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <memory>

#include "api/replica.hpp"
#include "core/state/testing.hpp"
#include "daemon/loop.hpp"
#include "engine/local/worker.hpp"
#include "ring/testing.hpp"
#include "store/testing_folder.hpp"

namespace busbar::daemon {
namespace {

using core::testing::all_of;
using core::testing::loose;
using core::testing::user;
using ring::testing::submit;
using store::testing::Folder;
using store::testing::patience;

// An engine whose attempts start and exit at once, told from its own thread.
class InstantEngine : public Engine {
 public:
  ~InstantEngine() override { close(); }
  std::string cluster() const override { return "local"; }
  EngineCapabilities capabilities() const override { return {}; }
  void open(std::string, std::vector<Launch>, ReportSink sink) override {
    sink_ = std::move(sink);
    worker_ = std::make_unique<local::Worker>();
    put(NodeReport{core::testing::node("n1", 4)});
    put(EngineSynchronised{"local"});
  }
  void launch(const Launch& launch) override {
    put(AttemptStarted{launch.id, {}});
    put(AttemptEnded{launch.id, {EndCause::exited, 0, 0, ""}, {}});
  }
  void end(const std::string&, Span) override {}
  void revoke(const std::string&) override {}
  void limit(const std::string&, Span) override {}
  void look_up(const std::string&) override {}
  void acknowledge(const std::string&) override {}
  void read_log(const LogRequest&, LogSink) override {}
  void close() override { worker_.reset(); }

 private:
  void put(Command report) {  // the ring may still launch once the engine is closed
    if (worker_ == nullptr) return;
    worker_->post([this, report = std::move(report)] { sink_(report); });
  }

  ReportSink sink_;
  std::unique_ptr<local::Worker> worker_;
};

// What the daemon wires, without doors: stop() in its order.
struct House : ring::Observer {
  explicit House(const Folder& folder)
      : journal(std::make_unique<store::SqliteJournal>(folder.options())),
        ring(clock, *journal, {&engine}, *this, {1, "test"}),
        loop(ring, clock, *journal) {
    const auto recovery = ring.recover();
    check(recovery.ok(), "recovery failed");
    if (recovery->mark) clock.resume(*recovery->mark);
    replica = std::make_unique<api::Replica>(ring.state());
    journal->set_listener([this](Revision) { loop.notice_durable(); });
    ring.open_engines([this](Engine&) -> ReportSink {
      return [this](Command command) { loop.post(std::move(command), {}); };
    });
    loop.start();
  }
  ~House() override { stop(); }

  void durable_events(const Events& events) override {
    for (const auto& event : events) {
      EXPECT_LE(event.revision, journal->durable());
      if (std::holds_alternative<Ended>(event.body)) ++ends;
    }
    replica->feed(events);
  }
  void verdicts(const core::Verdicts& verdicts, bool cycle_finished) override {
    replica->publish(verdicts, cycle_finished);
  }

  // False once the loop has stopped; else it is answered, and the answer rests on durable facts.
  bool ask(Command command) {
    return loop.post(std::move(command), [this](const Result<ring::Reply>& reply) {
      if (!reply.ok()) return void(++refused);
      EXPECT_LE(reply->revision, journal->durable());
      for (const JobId job : reply->jobs) EXPECT_EQ(++jobs[job], 1);
      ++accepted;
    });
  }
  bool wait_until(const std::function<bool()>& met) const {
    for (int i = 0; i < 6000 && !met(); ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    return met();
  }
  void stop() {
    if (!journal) return;
    loop.stop();
    engine.close();
    EXPECT_TRUE(journal->wait_durable(ring.state().revision(), patience));
    ring.externalise();
    replica->stop();
    journal.reset();  // before the loop goes, which its listener wakes
  }

  SystemClock clock;
  InstantEngine engine;
  std::unique_ptr<store::SqliteJournal> journal;
  ring::Ring ring;
  Loop loop;
  std::unique_ptr<api::Replica> replica;
  std::map<JobId, int> jobs;  // by the loop's thread
  std::atomic<int> accepted{0};
  std::atomic<int> refused{0};
  std::atomic<int> ends{0};
};

// Calls `work` with 0..count-1, each in a thread; waits for all.
void in_threads(int count, const std::function<void(int)>& work) {
  std::vector<std::thread> threads;
  for (int i = 0; i < count; ++i) threads.emplace_back(work, i);
  for (auto& thread : threads) thread.join();
}

TEST(LoopThreads, AnswersEveryThreadThatPostsAndRunsWhatItWasGiven) {
  constexpr int posters = 4;
  constexpr int each = 25;
  Folder folder;
  core::State at_the_end;
  {
    House house(folder);
    std::atomic<bool> reading{true};
    std::thread reader([&] {
      Revision seen;
      while (reading) {
        house.replica->with([&](const api::ReadView& view) {
          EXPECT_GE(view.state.revision(), seen);
          seen = view.state.revision();
        });
        house.clock.unix_ms(house.clock.read());
      }
    });
    in_threads(posters, [&](int) {
      for (int i = 0; i < each; ++i) {
        EXPECT_TRUE(house.ask(submit(loose("a"))));
        if (i % 5 != 0) continue;
        EXPECT_TRUE(house.ask(HoldUnits{all_of(999'999), user()}));
      }
    });
    EXPECT_TRUE(house.wait_until([&] { return house.ends == posters * each; }));
    house.stop();
    reading = false;
    reader.join();
    EXPECT_EQ(house.accepted, posters * each);
    EXPECT_EQ(house.refused, posters * each / 5);
    EXPECT_EQ(house.jobs.size(), static_cast<std::size_t>(posters * each));
    EXPECT_TRUE(house.ring.drained());
    at_the_end = house.ring.state();
    EXPECT_EQ(house.replica->copy(), at_the_end);
  }
  core::State replayed;
  store::SqliteJournal journal(folder.options());
  ASSERT_TRUE(journal.open([&](const Event& event) { replayed.apply(event); }, {}).ok());
  EXPECT_EQ(replayed, at_the_end);
}

TEST(LoopThreads, StoppedWhilePostedToAnswersWhatItTookAndTakesNothingMore) {
  Folder folder;
  for (int round = 0; round < 4; ++round) {
    House house(folder);
    std::atomic<int> taken{0};
    std::thread stopper([&] {
      house.wait_until([&] { return taken > 20 * round; });
      house.stop();
    });
    in_threads(3, [&](int) {
      while (house.ask(submit(loose("a")))) {
        ++taken;
        std::this_thread::sleep_for(std::chrono::microseconds(300));
      }
    });
    stopper.join();
    EXPECT_EQ(house.accepted, taken);
    EXPECT_FALSE(house.ask(submit(loose("late"))));
  }
}

TEST(LoopThreads, WakesForWhatIsDueThoughNobodyPosts) {
  Folder folder;
  House house(folder);
  Job job = loose("later");
  job.begin_at = house.clock.read() + Span(300);
  EXPECT_TRUE(house.ask(submit(std::move(job))));
  EXPECT_TRUE(house.wait_until([&] { return house.ends == 1; }));
  EXPECT_GE(house.clock.read().value, 300);
}

TEST(LoopThreads, TellsOnceThatTheJournalHasFailedAndStillStops) {
  ring::testing::Log log;
  ring::testing::FakeJournal journal;
  ring::testing::FakeEngine engine(log);
  ring::testing::FakeObserver observer(log);
  SystemClock clock;
  ring::Ring ring(clock, journal, {&engine}, observer, {1, "test"});
  ASSERT_TRUE(ring.recover().ok());
  ring.open_engines([](Engine&) -> ReportSink { return [](const Command&) {}; });
  journal.health_now = JournalHealth::failed;
  Loop loop(ring, clock, journal);
  std::atomic<int> told{0};
  loop.on_journal_failed([&] { ++told; });
  loop.start();
  for (int i = 0; i < 5; ++i) {
    EXPECT_TRUE(loop.post(HoldUnits{all_of(1), user()}, {}));
    std::this_thread::sleep_for(std::chrono::milliseconds(3));
  }
  loop.stop();
  EXPECT_EQ(told, 1);
}

}  // namespace
}  // namespace busbar::daemon
