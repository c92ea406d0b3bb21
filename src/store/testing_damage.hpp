// Journals of the store's own tests: written in one go, changed behind SQLite's back.
#pragma once

#include <gtest/gtest.h>
#include <sqlite3.h>

#include <string>
#include <utility>

#include "store/testing_batches.hpp"
#include "store/testing_folder.hpp"

namespace busbar::store::testing {

// Appends `count` batches and closes. Returns all events.
inline Events write_batches(const Options& options, int count, std::uint64_t seed) {
  SqliteJournal journal(options);
  Events all = reopen(journal).events;
  BatchMaker maker(seed, all.empty() ? Revision() : all.back().revision);
  for (int i = 0; i < count; ++i) {
    Batch batch = maker.next();
    all.insert(all.end(), batch.events.begin(), batch.events.end());
    journal.append(std::move(batch));
  }
  EXPECT_TRUE(journal.wait_durable(maker.last(), patience));
  return all;
}

inline void sql(const std::string& path, const std::string& text) {
  sqlite3* handle = nullptr;
  ASSERT_EQ(sqlite3_open(path.c_str(), &handle), SQLITE_OK);
  char* message = nullptr;
  EXPECT_EQ(sqlite3_exec(handle, text.c_str(), nullptr, nullptr, &message), SQLITE_OK)
      << (message != nullptr ? message : "");
  sqlite3_close(handle);
}

inline bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace busbar::store::testing
