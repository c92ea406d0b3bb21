#include "lab/journal_tool.hpp"

#include <fmt/format.h>

#include <ostream>
#include <vector>

#include "core/state/state.hpp"
#include "store/backup.hpp"
#include "store/reader.hpp"

namespace busbar::lab {
namespace {

int report(const Error& error, std::ostream& trouble) {
  trouble << "busbar-lab: " << error.text << "\n";
  return error.code == Errc::corrupt ? exit_corrupt : exit_usage;
}

// A State and how it was reached.
struct Replayed {
  core::State state;
  Revision from;  // the snapshot it started at; 0: the first event
  std::uint64_t events = 0;
};

// apply() stops the process on an event that does not follow; the reader gives them without a gap.
Result<Replayed> fold(store::Reader& reader, Replayed start, Revision to) {
  if (to != Revision() && to <= start.state.revision()) return start;
  BUSBAR_TRY_OK(reader.for_each(Revision(start.state.revision().value + 1), to, std::nullopt,
                                [&](const Event& event) {
                                  start.state.apply(event);
                                  ++start.events;
                                }));
  return start;
}

// The oldest usable start at or before `to`: the first event, or the oldest snapshot.
Result<Replayed> oldest_start(store::Reader& reader,
                              const std::vector<store::ReadSnapshot>& snapshots, Revision to) {
  BUSBAR_TRY(base, reader.base());
  if (base == Revision()) return Replayed{};
  if (snapshots.empty())
    return {Errc::corrupt, fmt::format("the events up to revision {} were pruned and no snapshot "
                                       "verifies",
                                       base.value)};
  const auto& oldest = snapshots.back();
  if (to != Revision() && to < oldest.revision)
    return {Errc::invalid, fmt::format("revision {} was pruned; the oldest that can be replayed "
                                       "is {}",
                                       to.value, oldest.revision.value)};
  Replayed start;
  BUSBAR_TRY(state, core::decode_state(oldest.bytes));
  start.state = std::move(state);
  start.from = oldest.revision;
  return start;
}

// Every snapshot newer than the start must be what replaying to it gives.
Result<std::vector<std::string>> compare_snapshots(store::Reader& reader) {
  std::vector<std::string> problems;
  BUSBAR_TRY(snapshots, reader.snapshots());
  BUSBAR_TRY(at, oldest_start(reader, snapshots, Revision()));
  for (auto snapshot = snapshots.rbegin(); snapshot != snapshots.rend(); ++snapshot) {
    BUSBAR_TRY(next, fold(reader, std::move(at), snapshot->revision));
    at = std::move(next);
    const auto stored = core::decode_state(snapshot->bytes);
    if (!stored.ok())
      problems.push_back(fmt::format("the snapshot of revision {} cannot be read: {}",
                                     snapshot->revision.value, stored.error().text));
    else if (stored->digest() != at.state.digest())
      problems.push_back(
          fmt::format("replaying to revision {} gives digest {:016x}, its snapshot "
                      "has {:016x}",
                      snapshot->revision.value, at.state.digest(), stored->digest()));
  }
  BUSBAR_TRY(end, fold(reader, std::move(at), Revision()));
  if (const auto broken = end.state.invariants())
    problems.push_back("the replayed state is inconsistent: " + *broken);
  return problems;
}

}  // namespace

int export_journal(const std::string& folder, const ExportRange& range, std::ostream& out,
                   std::ostream& trouble) {
  auto reader = store::Reader::open(folder);
  if (!reader.ok()) return report(reader.error(), trouble);
  const auto done = reader->for_each(range.from, range.to, range.job,
                                     [&](const Event& event) { out << event_json(event) << "\n"; });
  out.flush();
  return done.ok() ? exit_fine : report(done.error(), trouble);
}

int verify_journal(const std::string& folder, std::ostream& out, std::ostream& trouble) {
  auto reader = store::Reader::open(folder);
  if (!reader.ok()) return report(reader.error(), trouble);
  auto found = reader->verify();
  if (!found.ok()) return report(found.error(), trouble);
  if (found->problems.empty()) {
    const auto compared = compare_snapshots(*reader);
    if (compared.ok())
      found->problems = *compared;
    else
      found->problems.push_back(compared.error().text);
  }
  out << fmt::format("installation {}, schema {}\n", found->installation, found->schema);
  out << fmt::format("events       {} ({} to {})\n", found->events, found->first.value,
                     found->last.value);
  out << fmt::format("payloads     {}\nhistory rows {}\nsnapshots    ", found->payloads,
                     found->history_rows);
  for (const Revision revision : found->snapshots) out << revision.value << " ";
  out << (found->snapshots.empty() ? "none\n" : "\n");
  for (const auto& problem : found->problems) trouble << "busbar-lab: " << problem << "\n";
  out << (found->problems.empty() ? "the journal is good\n" : "the journal is damaged\n");
  return found->problems.empty() ? exit_fine : exit_corrupt;
}

int replay_journal(const std::string& folder, Revision to, std::ostream& out,
                   std::ostream& trouble) {
  auto reader = store::Reader::open(folder);
  if (!reader.ok()) return report(reader.error(), trouble);
  const auto snapshots = reader->snapshots();
  if (!snapshots.ok()) return report(snapshots.error(), trouble);
  auto start = oldest_start(*reader, *snapshots, to);
  if (!start.ok()) return report(start.error(), trouble);
  const auto end = fold(*reader, std::move(*start), to);
  if (!end.ok()) return report(end.error(), trouble);
  const core::State& state = end->state;
  out << fmt::format("revision     {}\ndigest       {:016x}\ntick         {}\n",
                     state.revision().value, state.digest(), state.now().value);
  out << fmt::format("replayed     {} events after revision {}\n", end->events, end->from.value);
  out << fmt::format("jobs         {}\nattempts     {}\nnodes        {}\npromises     {}\n",
                     state.jobs().size(), state.attempts().size(), state.nodes().size(),
                     state.promises().size());
  if (const auto broken = state.invariants()) {
    trouble << "busbar-lab: the replayed state is inconsistent: " << *broken << "\n";
    return exit_corrupt;
  }
  return exit_fine;
}

int backup_journal(const std::string& folder, const std::string& file, std::ostream& out,
                   std::ostream& trouble) {
  const auto done = store::backup(folder, file);
  if (!done.ok()) return report(done.error(), trouble);
  out << "backed up to " << file << "\n";
  return exit_fine;
}

}  // namespace busbar::lab
