#include "store/reader.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "model/written.hpp"
#include "store/files.hpp"
#include "store/history.hpp"
#include "store/rows.hpp"
#include "store/schema.hpp"
#include "store/snapshot.hpp"
#include "store/sqlite.hpp"

namespace busbar::store {

struct Reader::Impl {
  std::string folder;
  Connection connection;
  std::string log_problem;  // found before SQLite opened the file

  void check_pages(VerifyReport& report);
  Result<Ok> check_events(VerifyReport& report);
  Result<Ok> check_snapshots(VerifyReport& report);
  void check_payloads(VerifyReport& report);
  void check_history(VerifyReport& report);
};

namespace {

// A log that nobody writes can be looked at whole; beside a running daemon its end moves.
std::string look_at_log(const std::string& folder) {
  const auto lock = FolderLock::probe(folder);
  if (!lock) return "";
  const auto log = inspect_log(folder + "/" + journal_file + "-wal");
  if (!log.ok()) return log.error().text;
  if (log->header_damaged) return "the header of the write-ahead log is damaged";
  if (log->frames_dropped == 0) return "";
  return fmt::format("the write-ahead log is damaged at frame {} ({})", log->frames_good + 1,
                     log->damaged_inside ? "whole transactions lie behind it"
                                         : "its torn end will be dropped at the next start");
}

}  // namespace

Reader::Reader(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Reader::~Reader() = default;
Reader::Reader(Reader&& other) noexcept = default;
Reader& Reader::operator=(Reader&& other) noexcept = default;

Result<Reader> Reader::open(const std::string& folder) {
  const std::string path = folder + "/" + journal_file;
  if (access(path.c_str(), R_OK) != 0)
    return {errno == ENOENT ? Errc::not_found : Errc::denied, path + ": " + std::strerror(errno)};
  const std::string log_problem = look_at_log(folder);
  BUSBAR_TRY(connection, Connection::open(path, Access::read_only, std::string()));
  BUSBAR_TRY_OK(check_schema(connection, migrations()));
  BUSBAR_TRY_OK(connection.run("BEGIN"));
  BUSBAR_TRY(version, schema_version(connection));
  if (version == 0) return {Errc::not_found, path + " holds no journal yet"};
  return Reader(std::unique_ptr<Impl>(new Impl{folder, std::move(connection), log_problem}));
}

Result<Revision> Reader::base() {
  BUSBAR_TRY(base, read_base(impl_->connection));
  return base.revision;
}

Result<Ok> Reader::for_each(Revision from, Revision to, std::optional<JobId> job,
                            const std::function<void(const Event&)>& on_event) {
  BUSBAR_TRY(base, read_base(impl_->connection));
  const Revision after(std::max(base.revision.value, from.value == 0 ? 0 : from.value - 1));
  auto chain = chain_at(impl_->connection, after);
  if (after == Revision()) chain = std::uint64_t{0};
  if (!chain.ok() && chain.error().code == Errc::not_found) return Ok{};  // behind the last one
  if (!chain.ok()) return chain.error();
  BUSBAR_TRY(scan, scan_events(impl_->connection, after, *chain,
                               to == Revision() ? revision_max : to, [&](const Event& event) {
                                 if (!job || concerns(event, *job)) on_event(event);
                               }));
  if (!scan.damage.empty()) return {Errc::corrupt, impl_->connection.path() + ": " + scan.damage};
  return Ok{};
}

Result<std::vector<ReadSnapshot>> Reader::snapshots() {
  BUSBAR_TRY(known, list_snapshots(impl_->connection));
  std::vector<ReadSnapshot> found;
  for (const Revision revision : known) {
    auto snapshot = load_snapshot(impl_->connection, revision);
    if (snapshot.ok()) found.push_back({revision, std::move(snapshot->bytes)});
  }
  return found;
}

void Reader::Impl::check_pages(VerifyReport& report) {
  auto rows = connection.prepare("PRAGMA integrity_check(10)");
  if (!rows.ok()) return report.problems.push_back(rows.error().text);
  while (true) {
    const auto more = rows->step();
    if (!more.ok()) return report.problems.push_back(more.error().text);
    if (!*more) return;
    if (rows->text(0) != "ok") report.problems.push_back("database page: " + rows->text(0));
  }
}

Result<Ok> Reader::Impl::check_events(VerifyReport& report) {
  BUSBAR_TRY(base, read_base(connection));
  auto scan =
      scan_events(connection, base.revision, base.chain, revision_max, [&](const Event& event) {
        if (report.first == Revision()) report.first = event.revision;
        report.last = event.revision;
        ++report.events;
      });
  if (scan.ok()) {
    const auto compared = compare_with_mark(connection, scan.value());
    if (!compared.ok()) report.problems.push_back(compared.error().text);
    if (!scan->marked) report.problems.push_back("the mark of the last revision is missing");
  }
  if (!scan.ok()) {
    report.problems.push_back(scan.error().text);
  } else if (!scan->damage.empty()) {
    report.problems.push_back(scan->damage +
                              (scan->good_behind
                                   ? fmt::format("; good events lie behind it, up to revision {}",
                                                 scan->good_behind_from.value)
                                   : "; it is the end, and the next start will cut it off"));
  }
  return Ok{};
}

Result<Ok> Reader::Impl::check_snapshots(VerifyReport& report) {
  BUSBAR_TRY(known, list_snapshots(connection));
  for (const Revision revision : known) {
    const auto snapshot = load_snapshot(connection, revision);
    if (!snapshot.ok()) {
      report.problems.push_back(snapshot.error().text);
      continue;
    }
    report.snapshots.push_back(revision);
    const auto chain = chain_at(connection, revision);
    if (chain.ok() && *chain != snapshot->chain)
      report.problems.push_back(
          fmt::format("the snapshot of revision {} belongs to other events", revision.value));
  }
  return Ok{};
}

void Reader::Impl::check_payloads(VerifyReport& report) {
  auto rows = connection.prepare("SELECT hash, bytes FROM payload");
  if (!rows.ok()) return report.problems.push_back(rows.error().text);
  while (true) {
    const auto more = rows->step();
    if (!more.ok()) return report.problems.push_back(more.error().text);
    if (!*more) return;
    ++report.payloads;
    if (hash_key(hash_payload(rows->blob(1))) != rows->text(0))
      report.problems.push_back(fmt::format("payload {} of the table is damaged", report.payloads));
  }
}

// Calls `is_whole` with each row of a statement whose columns are the row's number, bytes, digest
// (0: written before there were any) and what filters look at.
template <class IsWhole>
void check_rows(Connection& connection, const std::string& sql, const char* what,
                VerifyReport& report, const IsWhole& is_whole) {
  auto rows = connection.prepare(sql);
  if (!rows.ok()) return report.problems.push_back(rows.error().text);
  while (true) {
    const auto more = rows->step();
    if (!more.ok()) return report.problems.push_back(more.error().text);
    if (!*more) return;
    const bool same = rows->number(2) == 0 || rows->number(2) == history_digest(rows->blob(1));
    if (!is_whole(*rows) || !same)
      report.problems.push_back(fmt::format("{} {} is damaged", what, rows->number(0)));
  }
}

void Reader::Impl::check_history(VerifyReport& report) {
  const std::string digest = report.schema < 2 ? "0" : "digest";
  check_rows(connection,
             "SELECT row, bytes, " + digest + ", job, user, tenant, state, ended FROM history",
             "history row", report, [&](const Statement& row) {
               ++report.history_rows;
               HistoryRow read;
               return decode(row.blob(1), read) && row.number(3) == read.unit.job.value &&
                      row.text(4) == read.user && row.text(5) == read.tenant &&
                      row.integer(6) == static_cast<std::int64_t>(read.state) &&
                      row.integer(7) == read.ended.value;
             });
  check_rows(connection, "SELECT job, bytes, " + digest + ", user, state, ended FROM retired",
             "finished job", report, [](const Statement& row) {
               HistoryJob read;
               return decode(row.blob(1), read) && row.number(0) == read.job.id.value &&
                      row.text(3) == read.job.user.name &&
                      row.integer(4) == static_cast<std::int64_t>(read.state) &&
                      row.integer(5) == read.ended.value;
             });
}

Result<VerifyReport> Reader::verify() {
  VerifyReport report;
  if (!impl_->log_problem.empty()) report.problems.push_back(impl_->log_problem);
  BUSBAR_TRY(schema, schema_version(impl_->connection));
  report.schema = schema;
  BUSBAR_TRY(installation, get_meta(impl_->connection, "installation"));
  report.installation = installation;
  impl_->check_pages(report);
  BUSBAR_TRY_OK(impl_->check_events(report));
  BUSBAR_TRY_OK(impl_->check_snapshots(report));
  impl_->check_payloads(report);
  impl_->check_history(report);
  return report;
}

}  // namespace busbar::store
