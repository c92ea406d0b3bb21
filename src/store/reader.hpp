// The journal read from outside, also beside a running daemon: never writes, takes no lock.
//
// Shape    everything one Reader returns is of the moment it was opened.
// Errors   not_found: no journal there. corrupt: where.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "model/event.hpp"

namespace busbar::store {

struct ReadSnapshot {
  Revision revision;
  std::string bytes;  // encoded State
};

struct VerifyReport {
  std::string installation;
  int schema = 0;
  Revision first;  // 0: no events
  Revision last;
  std::uint64_t events = 0;
  std::uint64_t payloads = 0;
  std::uint64_t history_rows = 0;
  std::vector<Revision> snapshots;
  std::vector<std::string> problems;  // sentences; empty: all is well
};

class Reader {
 public:
  static Result<Reader> open(const std::string& folder);
  ~Reader();
  Reader(Reader&& other) noexcept;
  Reader& operator=(Reader&& other) noexcept;

  // Revisions before and up to this one were pruned.
  Result<Revision> base();
  // Every event of [from, to] that concerns `job` (all without one), in order, each checked.
  // from 0: the first there is. Stops with corrupt at the first damaged one.
  Result<Ok> for_each(Revision from, Revision to, std::optional<JobId> job,
                      const std::function<void(const Event&)>& on_event);
  // The snapshots that verify, newest first.
  Result<std::vector<ReadSnapshot>> snapshots();
  // Pages, checksums, consecutive revisions, decodability, payload names, history, the log.
  Result<VerifyReport> verify();

 private:
  struct Impl;
  explicit Reader(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace busbar::store
