// The commands about jobs. Each prints its answer and gives the process's exit code.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/context.hpp"

namespace busbar::cli {

// What `run` and `submit SCRIPT` take from options instead of a file; "" where nothing was said.
struct JobOptions {
  std::string name, cores, memory, gpus, time, array, tenant, tasks, coupling, launcher, output;
  std::string begin, priority, directory;
  std::vector<std::string> after;
  std::vector<std::string> environment;  // NAME=value
  bool exclusive = false;
  bool hold = false;
  friend bool operator==(const JobOptions&, const JobOptions&) = default;
};

// "17_4", "17.learner.0"; not a job's number and not its name, which may have dots.
bool is_unit_reference(const std::string& reference);
// "5_1", "5_2", "5_4" of "5_[1-2,4]", at most `count_max`; what has no brackets is itself.
std::vector<std::string> expand_reference(const std::string& reference, std::size_t count_max);
// The number of a job: digits are it already, a name or `last` is asked for.
Result<std::string> job_number(const Context& context, const std::string& reference);
// With numbers for the names in `after`, which the daemon knows within one file only.
Result<JobOptions> with_numbers(const Context& context, JobOptions options);
// "--array (`array:`), --after (`after:`)" of the options that are not at their default.
std::string options_given(const JobOptions& options);
// "4 x H100 (simulated), 1 x A100" of a claim's devices; shares are added up.
std::string device_words(const Json& devices);
// Of a state's name: nothing more comes.
bool is_final(std::string_view state);
// Where the last `lines` lines begin; an unfinished line counts as one.
std::size_t start_of_tail(std::string_view text, std::int64_t lines);
// Of an ended job; 125 where it did not complete but has no code of its own.
int exit_code_of(const Json& answer);

// The job file (as JSON) for a script's text or an argument vector.
Json job_of_script(const std::string& script, const JobOptions& options);
Json job_of_command(const std::vector<std::string>& command, const JobOptions& options);

struct ListOptions {
  bool all = false;
  bool mine = false;
  std::string state, user, tenant, name, label;
  std::int64_t limit = 50;
};
struct HistoryOptions {
  std::string job, user, tenant, state, from, to;
  std::int64_t limit = 50;
  bool by_job = false;
};
struct LogOptions {
  bool follow = false;
  bool error = false;
  std::string rank = "0";  // a number or "all"
  std::int64_t tail = -1;  // lines; -1: all
  std::int64_t attempt = 0;
  bool missing_is_empty = false;  // a file that is not there is no trouble
  bool every_attempt = false;     // from the first one on
};
struct UpdateOptions {
  std::string name, time, begin, deadline;
  std::optional<std::int64_t> priority, parallel;
};

struct ProgressOptions {
  std::int64_t done = 0;
  std::optional<std::int64_t> total, rate_per_hour;
};

// "H100:4 (simulated)" of a job: what it asks for.
std::string wants_words(const Json& job);
// "2/8 (simulated)", "2/8 (4 simulated)" of a capacity: used of all.
std::string used_words(const Json& capacity);

int submit(const Context& context, const std::vector<std::string>& files, const JobOptions& options,
           bool wait);
int run(const Context& context, const std::vector<std::string>& command, const JobOptions& options);
// Submits one job from the command line; its number.
Result<std::string> submit_one(const Context& context, const Json& job);
// The exit code of a `run` whose job was not taken.
int run_refused(const Context& context, const Error& error);
int plan(const Context& context, const std::string& file);
int ps(const Context& context, const ListOptions& options);
int show(const Context& context, const std::string& reference);
int history(const Context& context, const HistoryOptions& options);
// The rows of the history of a job.
Json past_of(const Context& context, const std::string& job);
// Prints past attempts, those that failed first; where `job` is named, only some of many.
void show_past(const Context& context, const Json& rows, const std::string& job);
// "ATTEMPT  STATE ..." of at most `count_max` rows.
std::string past_table(const Json& rows, std::size_t count_max, const Screen& screen);
// One object a job, in the order in which they appear among the rows of the history.
Json jobs_of_rows(const Json& rows);
int explain(const Context& context, const std::string& reference);
int change(const Context& context, const std::string& verb,
           const std::vector<std::string>& references, const std::string& reason);
// "120 of 1000 (12%)" of a job's or attempt's progress; "" where none was told.
std::string progress_words(const Json& of, std::int64_t now);
int progress(const Context& context, const ProgressOptions& options);
int update(const Context& context, const std::string& reference, const UpdateOptions& options);
int wait(const Context& context, const std::vector<std::string>& references,
         const std::string& until, double timeout_seconds);
int logs(const Context& context, const std::string& reference, const LogOptions& options);
// Shows until the end, or until Ctrl-C under the caller's guard. To be called again: each call
// shows what later attempts wrote since.
std::function<Result<Ok>()> log_follower(const Context& context, const std::string& reference,
                                         const LogOptions& options);
int attach(const Context& context, const std::string& reference);

// Follows a unit's or job's output to its end; Ctrl-C detaches. The job's exit code, or 125.
int follow_to_end(const Context& context, const std::string& reference);

}  // namespace busbar::cli
