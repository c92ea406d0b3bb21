// Writes the golden database of the current schema, and its export, into a folder: once per schema,
// kept for ever. Usage: store_golden FOLDER
#include <sqlite3.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>

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

int make(const std::string& folder) {
  char work[] = "/tmp/busbar-golden-XXXXXX";
  store::Options options;
  options.folder = mkdtemp(work);
  options.reserve_bytes = 0;
  {
    store::SqliteJournal journal(options);
    if (auto opened = journal.open(nullptr, nullptr); !opened.ok())
      return fail(opened.error().text);
    store::testing::BatchMaker maker(2026);
    for (int i = 0; i < 12; ++i) journal.append(maker.next());
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
