#include "lab/journal_tool.hpp"

#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <functional>
#include <ostream>
#include <sstream>
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

// Runs `work` in a process of its own, because apply() stops its process on an event that does not
// fit the State, and here that is a finding about the journal. Its output is passed on.
int in_own_process(const std::function<int(std::ostream&)>& work, std::ostream& out,
                   std::ostream& trouble) {
  int channel[2];
  out.flush();
  const pid_t child = pipe(channel) == 0 ? fork() : -1;
  if (child < 0) return report({Errc::unavailable, "cannot start a process"}, trouble);
  if (child == 0) {
    close(channel[0]);
    std::ostringstream said;
    const int code = work(said);
    const std::string text = said.str();
    for (std::size_t at = 0; at < text.size();) {
      const ssize_t done = write(channel[1], text.data() + at, text.size() - at);
      if (done <= 0) _exit(exit_usage);
      at += static_cast<std::size_t>(done);
    }
    _exit(code);
  }
  close(channel[1]);
  char piece[4096];
  for (ssize_t got = 0; (got = read(channel[0], piece, sizeof piece)) > 0;) out.write(piece, got);
  close(channel[0]);
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(status)) return WEXITSTATUS(status);
  trouble << "busbar-lab: an event does not fit the state before it; `busbar-lab journal export` "
             "shows the events\n";
  return exit_corrupt;
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

int check_replay(const std::string& folder, std::ostream& said) {
  auto reader = store::Reader::open(folder);
  if (!reader.ok()) return report(reader.error(), said);
  const auto problems = compare_snapshots(*reader);
  if (!problems.ok()) return report(problems.error(), said);
  for (const auto& problem : *problems) said << "busbar-lab: " << problem << "\n";
  return problems->empty() ? exit_fine : exit_corrupt;
}

// Prints a sentence instead of the numbers when it cannot.
int replay(const std::string& folder, Revision to, std::ostream& said) {
  auto reader = store::Reader::open(folder);
  if (!reader.ok()) return report(reader.error(), said);
  const auto snapshots = reader->snapshots();
  if (!snapshots.ok()) return report(snapshots.error(), said);
  auto start = oldest_start(*reader, *snapshots, to);
  if (!start.ok()) return report(start.error(), said);
  const auto end = fold(*reader, std::move(*start), to);
  if (!end.ok()) return report(end.error(), said);
  const core::State& state = end->state;
  if (const auto broken = state.invariants()) {
    said << "busbar-lab: the replayed state is inconsistent: " << *broken << "\n";
    return exit_corrupt;
  }
  said << fmt::format("revision     {}\ndigest       {:016x}\ntick         {}\n",
                      state.revision().value, state.digest(), state.now().value);
  said << fmt::format("replayed     {} events after revision {}\n", end->events, end->from.value);
  said << fmt::format("jobs         {}\nattempts     {}\nnodes        {}\npromises     {}\n",
                      state.jobs().size(), state.attempts().size(), state.nodes().size(),
                      state.promises().size());
  return exit_fine;
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
  out << fmt::format("installation {}, schema {}\n", found->installation, found->schema);
  out << fmt::format("events       {} ({} to {})\n", found->events, found->first.value,
                     found->last.value);
  out << fmt::format("payloads     {}\nhistory rows {}\nsnapshots    ", found->payloads,
                     found->history_rows);
  for (const Revision revision : found->snapshots) out << revision.value << " ";
  out << (found->snapshots.empty() ? "none\n" : "\n");
  for (const auto& problem : found->problems) trouble << "busbar-lab: " << problem << "\n";
  int code = found->problems.empty() ? exit_fine : exit_corrupt;
  if (code == exit_fine) {
    std::ostringstream problems;
    code = in_own_process([&](std::ostream& said) { return check_replay(folder, said); }, problems,
                          trouble);
    trouble << problems.str();
  }
  out << (code == exit_fine ? "the journal is good\n" : "the journal is damaged\n");
  return code;
}

int replay_journal(const std::string& folder, Revision to, std::ostream& out,
                   std::ostream& trouble) {
  std::ostringstream said;
  const int code =
      in_own_process([&](std::ostream& text) { return replay(folder, to, text); }, said, trouble);
  (code == exit_fine ? out : trouble) << said.str();
  return code;
}

int backup_journal(const std::string& folder, const std::string& file, std::ostream& out,
                   std::ostream& trouble) {
  const auto done = store::backup(folder, file);
  if (!done.ok()) return report(done.error(), trouble);
  out << "backed up to " << file << "\n";
  return exit_fine;
}

}  // namespace busbar::lab
