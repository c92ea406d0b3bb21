// Snapshots: the encoded State of a revision, compressed, in parts of one mebibyte, so that no
// commit waits long behind one.
//
// Shape    a snapshot counts once its row in `snapshot` is there; parts without one are leftovers.
//          Its digest covers bytes, revision and chain.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/event.hpp"
#include "store/sqlite.hpp"

namespace busbar::store {

struct Snapshot {
  Revision revision;
  std::uint64_t chain = 0;  // of the events up to it
  std::string bytes;
};

// Parts ready to be stored.
struct PackedSnapshot {
  Revision revision;
  std::uint64_t size = 0;  // of the bytes before compression
  std::uint64_t content = 0;
  std::vector<std::string> parts;
};
PackedSnapshot pack_snapshot(Revision revision, std::string_view bytes);

Result<Ok> write_snapshot_part(Connection& connection, const PackedSnapshot& packed,
                               std::size_t part);
// Makes the stored parts count, and keeps the last two snapshots.
Result<Ok> finish_snapshot(Connection& connection, const PackedSnapshot& packed);

// Revisions of the snapshots that count, newest first.
Result<std::vector<Revision>> list_snapshots(Connection& connection);
// corrupt: it does not verify.
Result<Snapshot> load_snapshot(Connection& connection, Revision revision);
Result<Ok> drop_snapshot(Connection& connection, Revision revision);

}  // namespace busbar::store
