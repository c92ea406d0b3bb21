// Finished attempts and jobs: paged queries, and forgetting what is older than its keeping time.
#pragma once

#include "ports/journal.hpp"
#include "store/sqlite.hpp"

namespace busbar::store {

inline constexpr std::uint32_t history_limit_max = 1000;  // rows of one page

Result<HistoryPage> query_history(Connection& connection, const HistoryQuery& query);
Result<HistoryJob> find_retired(Connection& connection, JobId job);  // not_found

// The payload's bytes, checked against their name.
Result<std::string> load_payload(Connection& connection, PayloadHash hash);

// Forgets retired jobs that ended before `before`: their rows, and payloads that no other job
// refers to. Deletes about `rows_max` rows, so that a job of a million units takes many calls; it
// counts as retired until its last row is gone. True when none is left. Runs inside the caller's
// transaction.
Result<bool> forget_jobs(Connection& connection, Tick before, std::uint32_t rows_max);

}  // namespace busbar::store
