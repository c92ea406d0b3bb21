// Writes the golden database of the current schema, and its export, into a folder: once per schema,
// kept for ever. Usage: store_golden FOLDER
#include <sqlite3.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "store/backup.hpp"
#include "store/journal.hpp"
#include "store/reader.hpp"
#include "store/schema.hpp"
#include "store/testing_batches.hpp"

namespace {

using namespace busbar;

int fail(const std::string& text) {
  std::fprintf(stderr, "store_golden: %s\n", text.c_str());
  return 1;
}

// One job runs and leaves, one is held, released and drained under, one is cancelled.
std::vector<EventBody> story() {
  Configured configured;
  configured.config.tenants.resize(1);
  configured.config.tenants[0].name = "default";
  configured.version = 1;
  Node node;
  node.id = NodeId(1);
  node.name = "here";
  node.cores = whole_cores(8);
  node.memory = gibibytes(32);
  Claim claim;
  claim.node = node.id;
  claim.cores = whole_cores(1);
  claim.memory = gibibytes(1);
  const AttemptId attempt{{JobId(1), 0, 0}, 1};
  const IndexSet first(0, 0);
  std::vector<EventBody> story = {configured, NodeRegistered{node}};
  for (std::uint64_t job = 1; job <= 3; ++job)
    story.push_back(store::testing::make_submitted(job).body);
  const EventBody rest[] = {
      Granted{attempt, {{claim}}, minutes(10), Tick(700'000)},
      Running{attempt, {}, Tick(700'000)},
      Progressed{attempt, 5, 6},
      UnitsHeld{JobId(2), 0, first, "asked", "ada"},
      NodeDrained{NodeId(1), "fans", "operator"},
      Ended{attempt, RunState::completed},
      UnitsReleased{JobId(2), 0, first, "ada"},
      NodeResumed{NodeId(1), "operator"},
      UnitsClosed{JobId(3), 0, first, RunState::cancelled, "asked", "grace"},
      JobRetired{JobId(1)},
  };
  story.insert(story.end(), std::begin(rest), std::end(rest));
  return story;
}

int make(const std::string& folder) {
  char work[] = "/tmp/busbar-golden-XXXXXX";
  store::Options options;
  options.folder = mkdtemp(work);
  options.reserve_bytes = 0;
  {
    store::SqliteJournal journal(options);
    if (auto opened = journal.open(nullptr, nullptr); !opened.ok())
      return fail(opened.error().text);
    store::testing::BatchMaker maker;
    for (const EventBody& body : story()) {
      Batch batch;
      maker.add(batch, {Revision(), Tick(), body});
      if (const auto* submitted = std::get_if<Submitted>(&body))
        batch.payloads.push_back(store::testing::make_payload(submitted->jobs[0].id.value));
      if (const auto* ended = std::get_if<Ended>(&body))
        batch.history.push_back(
            store::testing::make_history(ended->attempt.unit.job.value, 1, RunState::completed));
      if (const auto* retired = std::get_if<JobRetired>(&body))
        batch.retired.push_back(store::testing::make_retired(retired->job.value));
      batch.mark = {Tick(static_cast<std::int64_t>(maker.last().value)), "boot", 7, 8};
      journal.append(std::move(batch));
    }
    if (!journal.wait_durable(maker.last(), seconds(30))) return fail("not durable");
  }
  const std::string name = folder + "/schema" + std::to_string(store::migrations().size());
  sqlite3* handle = nullptr;
  if (sqlite3_open((options.folder + "/journal.db").c_str(), &handle) != SQLITE_OK ||
      sqlite3_exec(handle, "UPDATE meta SET value = 'golden' WHERE name = 'installation'", nullptr,
                   nullptr, nullptr) != SQLITE_OK)
    return fail("cannot name the installation");
  sqlite3_close(handle);
  if (auto copied = store::backup(options.folder, name + ".db"); !copied.ok())
    return fail(copied.error().text);
  std::ofstream lines(name + ".jsonl");
  auto reader = store::Reader::open(options.folder);
  if (!reader.ok()) return fail(reader.error().text);
  const auto read = reader->for_each(Revision(), Revision(), std::nullopt, [&](const Event& event) {
    lines << event_json(event) << "\n";
  });
  if (!read.ok()) return fail(read.error().text);
  std::filesystem::remove_all(options.folder);
  return 0;
}

}  // namespace

int main(int count, char** words) {
  if (count != 2) return fail("usage: store_golden FOLDER");
  return make(words[1]);
}
