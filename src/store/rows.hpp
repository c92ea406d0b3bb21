// Rows of the journal: how an event, a payload and a finished attempt lie in the database, and
// how a reader tells a damaged row from a good one.
//
// Shape    an event's digest covers its own row; its chain covers the digest and the chain before
//          it, so a row that was changed, removed, doubled or moved breaks the chain.
// Errors   corrupt: position and how to go on.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "ports/journal.hpp"
#include "store/sqlite.hpp"

namespace busbar::store {

// The jobs an event speaks of, as an interval; both zero: of none.
struct JobSpan {
  std::uint64_t first = 0;
  std::uint64_t last = 0;
};
JobSpan job_span(const Event& event);
bool concerns(const Event& event, JobId job);

// The 128-bit name of a payload's bytes, as stored and as a value.
PayloadHash hash_payload(std::string_view bytes);
std::string hash_key(PayloadHash hash);  // 16 bytes

// A batch on its way to the disk; payload bytes are shared with readers until then.
struct Pending {
  Events events;
  std::vector<std::pair<PayloadHash, std::shared_ptr<const std::string>>> payloads;
  std::vector<HistoryRow> history;
  std::vector<HistoryJob> retired;
  ClockMark mark;
  Revision last;  // of the journal, once this batch is durable
};

// Writes one batch inside the caller's transaction and returns the chain after it.
Result<std::uint64_t> write_batch(Connection& connection, const Pending& batch,
                                  std::uint64_t chain);

// Where a scan of the events ended.
struct Scan {
  Revision last;            // last good event
  std::uint64_t chain = 0;  // after it
  std::uint64_t events = 0;
  std::string damage;         // what is wrong with the row after `last`; "" when nothing
  bool good_behind = false;   // good rows lie behind the damage: it is not the tail
  Revision good_behind_from;  // the highest of them
  bool marked = true;         // the mark is there; without it a lost end cannot be seen
};

// After a scan without an upper bound: sets scan.marked, and scan.damage where the mark knows of
// events behind scan.last, because pages that lost their rows leave no damaged row behind. Schema 1
// knows none.
Result<Ok> compare_with_mark(Connection& connection, Scan& scan);

inline constexpr Revision revision_max{std::numeric_limits<std::uint64_t>::max()};

// Reads the events after `after`, whose chain is `chain`, in order, up to and with `until`.
// Stops at the first damaged row. corrupt: a whole row that this build cannot read.
Result<Scan> scan_events(Connection& connection, Revision after, std::uint64_t chain,
                         Revision until, const std::function<void(const Event&)>& on_event);

// Cuts everything after `last` off, keeps the event rows in event_damaged, and sets the mark back.
// Runs its own transaction, which is taken back where `is_good` then says no: on a damaged page a
// removal may take other rows along.
Result<Ok> cut_tail(Connection& connection, Revision last, const std::function<bool()>& is_good);

struct Base {
  Revision revision;  // events up to here were pruned
  std::uint64_t chain = 0;
};
Result<Base> read_base(Connection& connection);
// Makes `base` the beginning; rows before it go to event_damaged. Runs its own transaction.
Result<Ok> begin_at(Connection& connection, const Base& base);
// Chain of `revision`: from the event's row, or the base's. not_found: neither is there.
Result<std::uint64_t> chain_at(Connection& connection, Revision revision);

// What stands beside the bytes of a row of history or retired; never 0.
std::uint64_t history_digest(std::string_view bytes);

Result<std::optional<ClockMark>> read_mark(Connection& connection);

}  // namespace busbar::store
