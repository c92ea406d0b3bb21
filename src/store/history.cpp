#include "store/history.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <vector>

#include "model/written.hpp"
#include "store/rows.hpp"

namespace busbar::store {
namespace {

std::string history_sql(const HistoryQuery& query) {
  std::string sql = "SELECT row, bytes FROM history WHERE row < ?";
  if (query.job) sql += " AND job = ?";
  if (!query.user.empty()) sql += " AND user = ?";
  if (!query.tenant.empty()) sql += " AND tenant = ?";
  if (query.state) sql += " AND state = ?";
  if (query.ended_from > Tick()) sql += " AND ended >= ?";
  if (query.ended_to != tick_never) sql += " AND ended < ?";
  return sql + " ORDER BY row DESC LIMIT ?";
}

// Deletes at most `rows_max` of the job's history; how many there were.
Result<std::uint32_t> forget_rows(Connection& connection, std::uint64_t job,
                                  std::uint32_t rows_max) {
  BUSBAR_TRY(erase, connection.prepare("DELETE FROM history WHERE row IN "
                                       "(SELECT row FROM history WHERE job = ? LIMIT ?)"));
  BUSBAR_TRY_OK(erase.bind(job).bind(std::uint64_t{rows_max}).step());
  return static_cast<std::uint32_t>(connection.changes());
}

Result<Ok> forget_job(Connection& connection, std::uint64_t job) {
  std::vector<std::string> hashes;
  {
    BUSBAR_TRY(rows, connection.prepare("SELECT hash FROM payload_ref WHERE job = ?"));
    rows.bind(job);
    while (true) {
      BUSBAR_TRY(more, rows.step());
      if (!more) break;
      hashes.push_back(rows.text(0));
    }
  }
  for (const char* sql :
       {"DELETE FROM payload_ref WHERE job = ?", "DELETE FROM retired WHERE job = ?"}) {
    BUSBAR_TRY(erase, connection.prepare(sql));
    BUSBAR_TRY_OK(erase.bind(job).step());
  }
  for (const auto& hash : hashes) {
    BUSBAR_TRY(erase,
               connection.prepare("DELETE FROM payload WHERE hash = ?1 AND NOT EXISTS "
                                  "(SELECT 1 FROM payload_ref WHERE payload_ref.hash = ?1)"));
    BUSBAR_TRY_OK(erase.bind_blob(hash).step());
  }
  return Ok{};
}

}  // namespace

Result<HistoryPage> query_history(Connection& connection, const HistoryQuery& query) {
  const std::uint64_t from = query.before_row == 0
                                 ? std::uint64_t{std::numeric_limits<std::int64_t>::max()}
                                 : query.before_row;
  const std::uint32_t limit = std::clamp(query.limit, 1U, history_limit_max);
  BUSBAR_TRY(rows, connection.prepare(history_sql(query)));
  rows.bind(from);
  if (query.job) rows.bind(query.job->value);
  if (!query.user.empty()) rows.bind_text(query.user);
  if (!query.tenant.empty()) rows.bind_text(query.tenant);
  if (query.state) rows.bind(static_cast<std::int64_t>(*query.state));
  if (query.ended_from > Tick()) rows.bind(query.ended_from.value);
  if (query.ended_to != tick_never) rows.bind(query.ended_to.value);
  rows.bind(std::uint64_t{limit} + 1);
  HistoryPage page;
  std::uint64_t last_row = 0;
  while (true) {
    BUSBAR_TRY(more, rows.step());
    if (!more) return page;
    if (page.rows.size() == limit) {
      page.next_before_row = last_row;
      return page;
    }
    last_row = rows.number(0);
    if (!decode(rows.blob(1), page.rows.emplace_back()))
      return {Errc::corrupt,
              fmt::format("{}: history row {} cannot be read", connection.path(), last_row)};
  }
}

Result<HistoryJob> find_retired(Connection& connection, JobId job) {
  BUSBAR_TRY(row, connection.prepare("SELECT bytes FROM retired WHERE job = ?"));
  BUSBAR_TRY(found, row.bind(job.value).step());
  if (!found) return {Errc::not_found, fmt::format("there is no job {} in the history", job.value)};
  HistoryJob result;
  if (!decode(row.blob(0), result))
    return {Errc::corrupt,
            fmt::format("{}: finished job {} cannot be read", connection.path(), job.value)};
  return result;
}

Result<std::string> load_payload(Connection& connection, PayloadHash hash) {
  const std::string key = hash_key(hash);
  BUSBAR_TRY(row, connection.prepare("SELECT bytes FROM payload WHERE hash = ?"));
  BUSBAR_TRY(found, row.bind_blob(key).step());
  const std::string name = fmt::format("{:016x}{:016x}", hash.high, hash.low);
  if (!found) return {Errc::not_found, "there is no payload " + name};
  std::string bytes = row.text(0);
  if (hash_payload(bytes) != hash)
    return {Errc::corrupt,
            connection.path() + ": payload " + name +
                " is damaged; put a backup in its place, or cancel the jobs that need it"};
  return bytes;
}

Result<bool> forget_jobs(Connection& connection, Tick before, std::uint32_t rows_max) {
  constexpr std::uint32_t jobs_max = 200;  // a job without rows costs something too
  std::vector<std::uint64_t> jobs;
  {
    BUSBAR_TRY(rows, connection.prepare("SELECT job FROM retired WHERE ended < ? LIMIT ?"));
    rows.bind(before.value).bind(std::uint64_t{jobs_max});
    while (true) {
      BUSBAR_TRY(more, rows.step());
      if (!more) break;
      jobs.push_back(rows.number(0));
    }
  }
  std::uint32_t left = rows_max;
  for (const std::uint64_t job : jobs) {
    if (left == 0) return false;
    BUSBAR_TRY(gone, forget_rows(connection, job, left));
    if (gone == left) return false;  // perhaps there are more
    left -= gone;
    BUSBAR_TRY_OK(forget_job(connection, job));
  }
  return jobs.size() < jobs_max;
}

}  // namespace busbar::store
