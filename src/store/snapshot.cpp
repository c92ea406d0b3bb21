#include "store/snapshot.hpp"

#include <fmt/format.h>
#include <zstd.h>

#include <algorithm>

#include "base/codec.hpp"
#include "base/rng.hpp"
#include "store/rows.hpp"

namespace busbar::store {
namespace {

constexpr std::size_t part_bytes = std::size_t{1} << 20;
constexpr std::uint64_t size_max_bytes = std::uint64_t{1} << 36;
constexpr int compression_level = 3;

std::uint64_t seal(std::uint64_t content, Revision revision, std::uint64_t chain) {
  return mix(content, mix(revision.value, chain));
}

Error damaged(const Connection& connection, Revision revision, const std::string& why) {
  return {Errc::corrupt, fmt::format("{}: the snapshot of revision {} {}", connection.path(),
                                     revision.value, why)};
}

}  // namespace

PackedSnapshot pack_snapshot(Revision revision, std::string_view bytes) {
  PackedSnapshot packed;
  packed.revision = revision;
  packed.size = bytes.size();
  packed.content = digest(bytes);
  std::string small(ZSTD_compressBound(bytes.size()), '\0');
  const std::size_t length =
      ZSTD_compress(small.data(), small.size(), bytes.data(), bytes.size(), compression_level);
  check(ZSTD_isError(length) == 0, "a buffer of the bound holds what is compressed");
  for (std::size_t at = 0; at < length; at += part_bytes)
    packed.parts.emplace_back(small, at, std::min(part_bytes, length - at));
  return packed;
}

Result<Ok> write_snapshot_part(Connection& connection, const PackedSnapshot& packed,
                               std::size_t part) {
  if (part == 0)
    BUSBAR_TRY_OK(connection.run(
        "DELETE FROM snapshot_part WHERE revision NOT IN (SELECT revision FROM snapshot)"));
  BUSBAR_TRY(insert, connection.prepare("INSERT OR REPLACE INTO snapshot_part VALUES (?, ?, ?)"));
  insert.bind(packed.revision.value).bind(static_cast<std::uint64_t>(part));
  BUSBAR_TRY_OK(insert.bind_blob(packed.parts[part]).step());
  return Ok{};
}

Result<Ok> finish_snapshot(Connection& connection, const PackedSnapshot& packed) {
  BUSBAR_TRY(chain, chain_at(connection, packed.revision));
  {
    BUSBAR_TRY(insert,
               connection.prepare("INSERT OR REPLACE INTO snapshot VALUES (?, ?, ?, ?, ?)"));
    insert.bind(packed.revision.value).bind(static_cast<std::uint64_t>(packed.parts.size()));
    insert.bind(packed.size).bind(seal(packed.content, packed.revision, chain));
    BUSBAR_TRY_OK(insert.bind(chain).step());
  }
  return connection.run(
      "DELETE FROM snapshot WHERE revision NOT IN"
      " (SELECT revision FROM snapshot ORDER BY revision DESC LIMIT 2);"
      "DELETE FROM snapshot_part WHERE revision NOT IN (SELECT revision FROM snapshot)");
}

Result<std::vector<Revision>> list_snapshots(Connection& connection) {
  BUSBAR_TRY(rows, connection.prepare("SELECT revision FROM snapshot ORDER BY revision DESC"));
  std::vector<Revision> found;
  while (true) {
    BUSBAR_TRY(more, rows.step());
    if (!more) return found;
    found.emplace_back(rows.number(0));
  }
}

Result<Snapshot> load_snapshot(Connection& connection, Revision revision) {
  std::uint64_t parts = 0;
  std::uint64_t size = 0;
  std::uint64_t sealed = 0;
  Snapshot snapshot{revision, 0, {}};
  {
    BUSBAR_TRY(row, connection.prepare(
                        "SELECT parts, size, digest, chain FROM snapshot WHERE revision = ?"));
    BUSBAR_TRY(found, row.bind(revision.value).step());
    if (!found) return {Errc::not_found, "there is no such snapshot"};
    parts = row.number(0), size = row.number(1), sealed = row.number(2);
    snapshot.chain = row.number(3);
  }
  std::string packed;
  BUSBAR_TRY(rows, connection.prepare(
                       "SELECT part, bytes FROM snapshot_part WHERE revision = ? ORDER BY part"));
  rows.bind(revision.value);
  std::uint64_t seen = 0;
  for (; true; ++seen) {
    BUSBAR_TRY(more, rows.step());
    if (!more) break;
    if (rows.number(0) != seen) return damaged(connection, revision, "has lost a part");
    packed += rows.blob(1);
  }
  if (seen != parts) return damaged(connection, revision, "has lost a part");
  // The frame states its own size too; a damaged row must not make us ask for absurd memory.
  if (size > size_max_bytes || ZSTD_getFrameContentSize(packed.data(), packed.size()) != size)
    return damaged(connection, revision, "has a wrong size");
  snapshot.bytes.resize(size);
  const std::size_t length =
      ZSTD_decompress(snapshot.bytes.data(), size, packed.data(), packed.size());
  if (ZSTD_isError(length) != 0 || length != size)
    return damaged(connection, revision, "cannot be unpacked");
  if (seal(digest(snapshot.bytes), revision, snapshot.chain) != sealed)
    return damaged(connection, revision, "has a wrong checksum");
  return snapshot;
}

Result<Ok> drop_snapshot(Connection& connection, Revision revision) {
  return connection.run(fmt::format(
      "DELETE FROM snapshot WHERE revision = {0}; DELETE FROM snapshot_part WHERE revision = {0}",
      revision.value));
}

}  // namespace busbar::store
