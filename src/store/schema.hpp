// The shape of journal.db and how an older one is lifted to it.
//
// Shape    meta(name, value): installation, base_revision, base_chain.
//          event: one row per event; digest covers the row, chain covers all rows up to it.
//          payload, payload_ref: what task groups run, and which job needs it.
//          history, retired: finished attempts and jobs; digest covers bytes (0: before
//          schema 2); only verify looks at it.
//          snapshot, snapshot_part: encoded State. mark: who wrote last, when, and up to which
//          revision (0: before schema 2). event_damaged: rows cut off by a recovery, for autopsy.
// Errors   corrupt: not Busbar's database. unavailable: written by a newer Busbar.
#pragma once

#include <span>
#include <string>

#include "store/sqlite.hpp"

namespace busbar::store {

// One step forward, run inside the transaction that also raises the version: either both or
// neither.
struct Migration {
  std::string sql;
};

// Step i leads from schema i to schema i + 1; the first makes everything.
std::span<const Migration> migrations();

// Lifts the database to the last step. 0 steps when it is there already.
Result<int> migrate(Connection& connection, std::span<const Migration> steps);
// The version found, without changing anything: for readers.
Result<int> schema_version(Connection& connection);
// unavailable when the database is newer than this build.
Result<Ok> check_schema(Connection& connection, std::span<const Migration> steps);

Result<std::string> get_meta(Connection& connection, std::string_view name);
Result<Ok> put_meta(Connection& connection, std::string_view name, std::string_view value);

}  // namespace busbar::store
