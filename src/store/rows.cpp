#include "store/rows.hpp"

#define XXH_INLINE_ALL
#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <limits>
#include <type_traits>

#include "model/written.hpp"
#include "store/schema.hpp"

namespace busbar::store {
namespace {

template <class T>
concept HasAttempt = requires(const T& t) { t.attempt.unit.job; };
template <class T>
concept HasUnit = requires(const T& t) { t.unit.job; };

JobSpan one(JobId job) { return {job.value, job.value}; }

template <class T>
JobSpan span_of(const T& body) {
  if constexpr (HasAttempt<T>) {
    return one(body.attempt.unit.job);
  } else if constexpr (HasUnit<T>) {
    return one(body.unit.job);
  } else if constexpr (std::is_same_v<T, JobUpdated>) {
    return one(body.job.id);
  } else if constexpr (std::is_same_v<T, Submitted>) {
    JobSpan span;
    for (const auto& job : body.jobs) {
      span.first = span.first == 0 ? job.id.value : std::min(span.first, job.id.value);
      span.last = std::max(span.last, job.id.value);
    }
    return span;
  } else if constexpr (requires { JobId(body.job); }) {
    return one(body.job);
  } else {
    return {};
  }
}

std::uint64_t row_digest(std::int64_t revision, std::int64_t tick, std::int64_t kind,
                         std::int64_t job_first, std::int64_t job_last, std::string_view bytes) {
  Encoder head;
  head.put_signed(revision);
  head.put_signed(tick);
  head.put_signed(kind);
  head.put_signed(job_first);
  head.put_signed(job_last);
  return digest(bytes, digest(head.bytes()));
}

std::uint64_t next_chain(std::uint64_t chain, std::uint64_t row) {
  Encoder both;
  both.put_unsigned(row);
  return digest(both.bytes(), chain);
}

constexpr char event_columns[] =
    "SELECT revision, tick, kind, job_first, job_last, bytes, digest, chain FROM event ";

std::uint64_t digest_of(const Statement& row) {
  return row_digest(row.integer(0), row.integer(1), row.integer(2), row.integer(3), row.integer(4),
                    row.blob(5));
}

Result<Ok> write_event(Connection& connection, const Event& event, std::uint64_t& chain) {
  const std::string bytes = encode_event(event);
  const JobSpan jobs = job_span(event);
  const auto kind = static_cast<std::int64_t>(event.body.index());
  const auto revision = static_cast<std::int64_t>(event.revision.value);
  const auto first = static_cast<std::int64_t>(jobs.first);
  const auto last = static_cast<std::int64_t>(jobs.last);
  const std::uint64_t row = row_digest(revision, event.tick.value, kind, first, last, bytes);
  chain = next_chain(chain, row);
  BUSBAR_TRY(insert, connection.prepare("INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?, ?)"));
  insert.bind(revision).bind(event.tick.value).bind(kind).bind(first).bind(last);
  BUSBAR_TRY_OK(insert.bind_blob(bytes).bind(row).bind(chain).step());
  return Ok{};
}

Result<Ok> write_references(Connection& connection, const Event& event) {
  const auto* submitted = std::get_if<Submitted>(&event.body);
  if (submitted == nullptr) return Ok{};
  for (const auto& job : submitted->jobs) {
    for (const auto& group : job.groups) {
      const std::string key = hash_key(group.payload);
      BUSBAR_TRY(insert, connection.prepare("INSERT OR IGNORE INTO payload_ref VALUES (?, ?, ?)"));
      BUSBAR_TRY_OK(insert.bind(job.id.value).bind_blob(key).bind(event.revision.value).step());
    }
  }
  return Ok{};
}

Result<Ok> write_finished(Connection& connection, const Pending& batch) {
  for (const auto& row : batch.history) {
    const std::string bytes = encode(row);
    BUSBAR_TRY(insert,
               connection.prepare(
                   "INSERT INTO history (revision, job, user, tenant, state, ended, bytes, digest) "
                   "VALUES (?, ?, ?, ?, ?, ?, ?, ?)"));
    insert.bind(batch.last.value).bind(row.unit.job.value).bind_text(row.user);
    insert.bind_text(row.tenant).bind(static_cast<std::int64_t>(row.state)).bind(row.ended.value);
    BUSBAR_TRY_OK(insert.bind_blob(bytes).bind(history_digest(bytes)).step());
  }
  for (const auto& job : batch.retired) {
    const std::string bytes = encode(job);
    BUSBAR_TRY(insert,
               connection.prepare("INSERT OR REPLACE INTO retired VALUES (?, ?, ?, ?, ?, ?, ?)"));
    insert.bind(job.job.id.value).bind(batch.last.value).bind_text(job.job.user.name);
    insert.bind(static_cast<std::int64_t>(job.state)).bind(job.ended.value);
    BUSBAR_TRY_OK(insert.bind_blob(bytes).bind(history_digest(bytes)).step());
  }
  return Ok{};
}

// The highest good row behind a damaged one; looked for from the end, so that a damaged page does
// not hide it.
void look_behind(Connection& connection, Scan& scan) {
  auto rows =
      connection.prepare(std::string(event_columns) + "WHERE revision > ? ORDER BY revision DESC");
  if (!rows.ok()) return;
  rows->bind(scan.last.value + 1);
  while (true) {
    const auto found = rows->step();
    if (!found.ok() || !*found) return;
    if (digest_of(*rows) != rows->number(6)) continue;
    scan.good_behind = true;
    scan.good_behind_from = Revision(rows->number(0));
    return;
  }
}

std::string damage_of(const Statement& row, const Scan& scan) {
  const std::uint64_t expected = scan.last.value + 1;
  if (row.number(0) != expected)
    return fmt::format("revision {} is missing (the next row is {})", expected, row.number(0));
  if (digest_of(row) != row.number(6))
    return fmt::format("the checksum of revision {} is wrong", expected);
  if (next_chain(scan.chain, row.number(6)) != row.number(7))
    return fmt::format("revision {} does not follow the one before it", expected);
  return "";
}

}  // namespace

JobSpan job_span(const Event& event) {
  return std::visit([](const auto& body) { return span_of(body); }, event.body);
}

bool concerns(const Event& event, JobId job) {
  const JobSpan span = job_span(event);
  if (job.value < span.first || job.value > span.last) return false;
  const auto* submitted = std::get_if<Submitted>(&event.body);
  return submitted == nullptr ||
         std::any_of(submitted->jobs.begin(), submitted->jobs.end(),
                     [&](const Job& candidate) { return candidate.id == job; });
}

PayloadHash hash_payload(std::string_view bytes) {
  const XXH128_hash_t hash = XXH3_128bits(bytes.data(), bytes.size());
  return {hash.high64, hash.low64};
}

std::string hash_key(PayloadHash hash) {
  std::string key(16, '\0');
  for (std::size_t i = 0; i < 8; ++i) {
    key[i] = static_cast<char>(hash.high >> (56 - 8 * i));
    key[8 + i] = static_cast<char>(hash.low >> (56 - 8 * i));
  }
  return key;
}

Result<std::uint64_t> write_batch(Connection& connection, const Pending& batch,
                                  std::uint64_t chain) {
  for (const auto& [hash, bytes] : batch.payloads) {
    const std::string key = hash_key(hash);
    BUSBAR_TRY(insert, connection.prepare("INSERT OR IGNORE INTO payload VALUES (?, ?)"));
    BUSBAR_TRY_OK(insert.bind_blob(key).bind_blob(*bytes).step());
  }
  for (const auto& event : batch.events) {
    BUSBAR_TRY_OK(write_event(connection, event, chain));
    BUSBAR_TRY_OK(write_references(connection, event));
  }
  BUSBAR_TRY_OK(write_finished(connection, batch));
  BUSBAR_TRY(mark, connection.prepare("INSERT OR REPLACE INTO mark VALUES (1, ?, ?, ?, ?, ?)"));
  mark.bind(batch.mark.tick.value).bind_text(batch.mark.boot_id).bind(batch.mark.boot_ms);
  BUSBAR_TRY_OK(mark.bind(batch.mark.unix_ms).bind(batch.last.value).step());
  return chain;
}

Result<Scan> scan_events(Connection& connection, Revision after, std::uint64_t chain,
                         Revision until, const std::function<void(const Event&)>& on_event) {
  Scan scan;
  scan.last = after;
  scan.chain = chain;
  const std::uint64_t most = std::numeric_limits<std::int64_t>::max();
  {
    BUSBAR_TRY(rows, connection.prepare(std::string(event_columns) +
                                        "WHERE revision > ? AND revision <= ? ORDER BY revision"));
    rows.bind(after.value).bind(std::min(until.value, most));
    while (true) {
      const auto found = rows.step();
      if (!found.ok() && found.error().code != Errc::corrupt) return found.error();
      if (!found.ok())
        scan.damage = fmt::format("revision {} lies on a damaged page", scan.last.value + 1);
      if (!found.ok() || !*found) break;
      scan.damage = damage_of(rows, scan);
      if (!scan.damage.empty()) break;
      const auto event = decode_event(rows.blob(5));
      if (!event.ok())
        return {Errc::corrupt, fmt::format("{}: revision {}: {}", connection.path(), rows.number(0),
                                           event.error().text)};
      on_event(*event);
      scan.last = Revision(rows.number(0));
      scan.chain = rows.number(7);
      ++scan.events;
    }
  }
  if (!scan.damage.empty()) look_behind(connection, scan);
  return scan;
}

Result<Ok> compare_with_mark(Connection& connection, Scan& scan) {
  constexpr std::uint64_t lost_max = 1'000'000'000;  // more is not a loss but a damaged number
  if (!scan.damage.empty()) return Ok{};
  BUSBAR_TRY(version, schema_version(connection));
  if (version < 2) return Ok{};
  BUSBAR_TRY(row, connection.prepare("SELECT revision FROM mark"));
  BUSBAR_TRY(found, row.step());
  const std::uint64_t written = found ? row.number(0) : 0;
  scan.marked = found || scan.last == Revision();
  if (written > scan.last.value + lost_max)
    scan.damage = "the mark of its last revision is damaged";
  else if (written > scan.last.value)
    scan.damage = fmt::format("revisions {} to {} are missing", scan.last.value + 1, written);
  return Ok{};
}

Result<Ok> cut_tail(Connection& connection, Revision last, const std::function<bool()>& is_good) {
  const std::string behind = fmt::format(" WHERE revision > {};", last.value);
  BUSBAR_TRY_OK(connection.begin());
  const auto cut = connection.run(
      "INSERT INTO event_damaged SELECT * FROM event" + behind + "DELETE FROM event" + behind +
      "DELETE FROM history" + behind + "DELETE FROM retired" + behind + "DELETE FROM payload_ref" +
      behind + "DELETE FROM snapshot" + behind +
      "DELETE FROM payload WHERE hash NOT IN (SELECT hash FROM payload_ref);" +
      fmt::format("UPDATE mark SET revision = {};", last.value));
  if (!cut.ok()) {
    connection.rollback();
    return cut.error();
  }
  if (!is_good()) {
    connection.rollback();
    return {Errc::corrupt,
            fmt::format("{}: the page of the last events is damaged, and to cut them "
                        "off would take good ones along, so nothing was changed",
                        connection.path())};
  }
  return connection.commit();
}

Result<Base> read_base(Connection& connection) {
  BUSBAR_TRY(revision, get_meta(connection, "base_revision"));
  BUSBAR_TRY(chain, get_meta(connection, "base_chain"));
  Base base;
  base.revision = Revision(std::strtoull(revision.c_str(), nullptr, 10));
  base.chain = std::strtoull(chain.c_str(), nullptr, 10);
  return base;
}

Result<Ok> begin_at(Connection& connection, const Base& base) {
  const std::string before = fmt::format(" WHERE revision <= {};", base.revision.value);
  BUSBAR_TRY_OK(connection.begin());
  const auto moved = connection.run(
      "INSERT INTO event_damaged SELECT * FROM event" + before + "DELETE FROM event" + before +
      fmt::format("INSERT OR REPLACE INTO meta VALUES ('base_revision', '{}'), "
                  "('base_chain', '{}');",
                  base.revision.value, base.chain));
  if (!moved.ok()) {
    connection.rollback();
    return moved.error();
  }
  return connection.commit();
}

Result<std::uint64_t> chain_at(Connection& connection, Revision revision) {
  BUSBAR_TRY(base, read_base(connection));
  if (base.revision == revision) return base.chain;
  BUSBAR_TRY(row, connection.prepare("SELECT chain FROM event WHERE revision = ?"));
  BUSBAR_TRY(found, row.bind(revision.value).step());
  if (!found)
    return {Errc::not_found,
            fmt::format("{} holds no revision {}", connection.path(), revision.value)};
  return row.number(0);
}

std::uint64_t history_digest(std::string_view bytes) {
  return std::max<std::uint64_t>(1, digest(bytes));
}

Result<std::optional<ClockMark>> read_mark(Connection& connection) {
  BUSBAR_TRY(row, connection.prepare("SELECT tick, boot_id, boot_ms, unix_ms FROM mark"));
  BUSBAR_TRY(found, row.step());
  if (!found) return std::optional<ClockMark>();
  return std::optional(
      ClockMark{Tick(row.integer(0)), row.text(1), row.integer(2), row.integer(3)});
}

}  // namespace busbar::store
