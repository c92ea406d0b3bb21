// What the API needs of the daemon: a way in for Commands and the few reads that are not State.
//
// Threads  every call may come from any thread of the server and returns quickly; history and
//          payload may read the disk. `done` and log sinks are called from any thread, once.
// Errors   submit hands on the refusal of decide, or unavailable (journal full, stopping).
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/units.hpp"
#include "model/command.hpp"
#include "ports/engine.hpp"
#include "ports/journal.hpp"

namespace busbar::api {

// A Command is durable at `revision`; `jobs` are those of a submission.
struct Committed {
  Revision revision;
  std::vector<JobId> jobs;
};

// A configuration that was read again: the command that has to be committed first, and what then
// puts the rest in force and says in a sentence what needs a restart.
struct Reload {
  Command command;
  std::function<Result<std::string>()> take;
};

// A number for /metrics. Label text is `key="value"` pairs without braces, "" for none.
struct Metric {
  std::string name;  // without the "busbar_" before it; counters end in _total
  std::string help;
  bool counter = true;  // else a gauge
  double value = 0;
  std::string labels;
};

class Tokens;

class Backend {
 public:
  virtual ~Backend() = default;

  virtual void submit(Command command, std::function<void(Result<Committed>)> done) = 0;
  virtual Result<std::string> payload(PayloadHash hash) = 0;
  // A report of a job about itself; it may be held back for a while, and then the newest counts.
  virtual void take_progress(const AttemptProgress& report) = 0;
  virtual Tokens& tokens() = 0;
  virtual Result<HistoryPage> history(const HistoryQuery& query) = 0;
  virtual Result<HistoryJob> history_job(JobId job) = 0;
  // Goes to the engine of the node's cluster; not_found when no engine serves that node.
  virtual void read_log(const LogRequest& request, LogSink sink) = 0;

  virtual Tick now() const = 0;
  virtual std::int64_t unix_ms(Tick at) const = 0;
  virtual Tick tick_of_unix_ms(std::int64_t unix_ms) const = 0;

  virtual std::string installation() const = 0;
  virtual std::string version() const = 0;
  virtual std::string build() const = 0;
  virtual Tick started_at() const = 0;
  virtual JournalHealth journal_health() const = 0;
  // What the journal had to repair when this daemon started: a sentence; "" normally.
  virtual std::string journal_notice() const { return {}; }
  // The names of all configured engines' clusters.
  virtual std::vector<std::string> clusters() const = 0;
  // Reads the configuration file again; nothing has changed yet.
  virtual Result<Reload> reload() = 0;
  virtual std::string config_text() const = 0;  // the effective configuration as YAML
  virtual std::vector<Metric> metrics() const { return {}; }
  // Whether this user may submit at all (uid_min, root); denied with a sentence otherwise.
  virtual Result<Ok> may_submit(const UserRef&) const { return Ok{}; }
};

}  // namespace busbar::api
