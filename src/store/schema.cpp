#include "store/schema.hpp"

#include <fmt/format.h>

#include <array>

namespace busbar::store {
namespace {

// "Busb": what `file` and a stranger's tool see; a database without it is not ours.
constexpr std::int64_t application_id = 0x42757362;

const std::array<Migration, 2>& all_migrations() {
  static const std::array<Migration, 2> steps = {Migration{R"(
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
INSERT INTO meta VALUES ('base_revision', '0'), ('base_chain', '0');
CREATE TABLE event (
  revision INTEGER PRIMARY KEY,
  tick INTEGER NOT NULL,
  kind INTEGER NOT NULL,
  job_first INTEGER NOT NULL,
  job_last INTEGER NOT NULL,
  bytes BLOB NOT NULL,
  digest INTEGER NOT NULL,
  chain INTEGER NOT NULL);
CREATE TABLE event_damaged (
  revision INTEGER, tick INTEGER, kind INTEGER, job_first INTEGER, job_last INTEGER,
  bytes BLOB, digest INTEGER, chain INTEGER);
CREATE TABLE payload (hash BLOB PRIMARY KEY, bytes BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE payload_ref (
  job INTEGER NOT NULL, hash BLOB NOT NULL, revision INTEGER NOT NULL,
  PRIMARY KEY (job, hash)) WITHOUT ROWID;
CREATE INDEX payload_ref_hash ON payload_ref (hash);
CREATE TABLE history (
  row INTEGER PRIMARY KEY AUTOINCREMENT,
  revision INTEGER NOT NULL,
  job INTEGER NOT NULL,
  user TEXT NOT NULL,
  tenant TEXT NOT NULL,
  state INTEGER NOT NULL,
  ended INTEGER NOT NULL,
  bytes BLOB NOT NULL);
CREATE INDEX history_job ON history (job);
CREATE INDEX history_user ON history (user);
CREATE INDEX history_tenant ON history (tenant);
CREATE INDEX history_state ON history (state);
CREATE INDEX history_ended ON history (ended);
CREATE TABLE retired (
  job INTEGER PRIMARY KEY,
  revision INTEGER NOT NULL,
  user TEXT NOT NULL,
  state INTEGER NOT NULL,
  ended INTEGER NOT NULL,
  bytes BLOB NOT NULL);
CREATE INDEX retired_ended ON retired (ended);
CREATE TABLE mark (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  tick INTEGER NOT NULL, boot_id TEXT NOT NULL, boot_ms INTEGER NOT NULL,
  unix_ms INTEGER NOT NULL);
CREATE TABLE snapshot (
  revision INTEGER PRIMARY KEY, parts INTEGER NOT NULL, size INTEGER NOT NULL,
  digest INTEGER NOT NULL, chain INTEGER NOT NULL);
CREATE TABLE snapshot_part (
  revision INTEGER NOT NULL, part INTEGER NOT NULL, bytes BLOB NOT NULL,
  PRIMARY KEY (revision, part)) WITHOUT ROWID;
)"},
                                                 Migration{R"(
ALTER TABLE mark ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;
ALTER TABLE history ADD COLUMN digest INTEGER NOT NULL DEFAULT 0;
ALTER TABLE retired ADD COLUMN digest INTEGER NOT NULL DEFAULT 0;
)"}};
  return steps;
}

}  // namespace

std::span<const Migration> migrations() { return all_migrations(); }

Result<int> schema_version(Connection& connection) {
  BUSBAR_TRY(version, connection.integer("PRAGMA user_version"));
  return static_cast<int>(version);
}

Result<Ok> check_schema(Connection& connection, std::span<const Migration> steps) {
  BUSBAR_TRY(application, connection.integer("PRAGMA application_id"));
  BUSBAR_TRY(tables, connection.integer("SELECT count(*) FROM sqlite_schema"));
  if (application != application_id && (application != 0 || tables != 0))
    return {
        Errc::corrupt,
        connection.path() + " is another program's database, not a Busbar journal; move it away"};
  BUSBAR_TRY(version, schema_version(connection));
  if (version > static_cast<int>(steps.size()))
    return {Errc::unavailable,
            fmt::format("{} was written by a newer Busbar (schema {}; this one reads up to {}); "
                        "run the newer Busbar, or put a backup from before the upgrade in its "
                        "place",
                        connection.path(), version, steps.size())};
  return Ok{};
}

Result<int> migrate(Connection& connection, std::span<const Migration> steps) {
  BUSBAR_TRY_OK(check_schema(connection, steps));
  BUSBAR_TRY(version, schema_version(connection));
  int done = 0;
  for (std::size_t at = static_cast<std::size_t>(version); at < steps.size(); ++at, ++done) {
    BUSBAR_TRY_OK(connection.begin());
    const auto step = connection.run(
        steps[at].sql + fmt::format("; PRAGMA user_version = {}; PRAGMA application_id = {};",
                                    at + 1, application_id));
    if (!step.ok()) {
      connection.rollback();
      return step.error();
    }
    BUSBAR_TRY_OK(connection.commit());
  }
  return done;
}

Result<std::string> get_meta(Connection& connection, std::string_view name) {
  BUSBAR_TRY(statement, connection.prepare("SELECT value FROM meta WHERE name = ?"));
  BUSBAR_TRY(found, statement.bind_text(name).step());
  return found ? statement.text(0) : std::string();
}

Result<Ok> put_meta(Connection& connection, std::string_view name, std::string_view value) {
  BUSBAR_TRY(statement, connection.prepare("INSERT OR REPLACE INTO meta VALUES (?, ?)"));
  BUSBAR_TRY_OK(statement.bind_text(name).bind_text(value).step());
  return Ok{};
}

}  // namespace busbar::store
