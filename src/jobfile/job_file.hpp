// A job file: YAML (or JSON) text to jobs and what they run. docs/job-file.md is its manual.
//
// Shape    each document is a job; a list of maps at the top is the same as several documents. Job
//          ids are 0, users empty and tenants as written: the edge and decide fill them in.
//          Dependency::document is a position in `jobs`.
// Errors   invalid, "FILE:LINE:COLUMN: field: what was found; what is allowed", one a line. Only
//          what the file and its context can show is refused here; what needs the cluster is
//          decide's.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "model/job.hpp"
#include "model/payload.hpp"

namespace busbar::jobfile {

struct JobFileContext {
  std::string file_name = "job.yaml";  // for messages; its stem names jobs without a name
  std::string submit_directory;        // absolute; relative directories stand under it
  std::int64_t now_unix_ms = 0;        // wall time, for begin and deadline
  std::vector<std::string> tenants;    // that there are; empty: any name is taken
};

struct Submission {
  std::vector<Job> jobs;
  std::vector<PayloadBlob> payloads;  // each once, every hash the jobs name
  std::vector<std::string> warnings;  // "FILE:LINE:COLUMN: field: sentence"
};

Result<Submission> read_job_file(std::string_view yaml, const JobFileContext& context);

}  // namespace busbar::jobfile
