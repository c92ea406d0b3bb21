// A submitted job file, read and completed with what the edge knows: the user and the clock.
#pragma once

#include <string>
#include <vector>

#include "api/request.hpp"
#include "jobfile/job_file.hpp"

namespace busbar::api {

struct JobFile {
  std::vector<Job> jobs;
  std::vector<PayloadBlob> payloads;
  std::vector<std::string> warnings;
};

// invalid: as the job file reader says, or the content type or directory= is wrong.
Result<JobFile> read_submission(const Call& call);
std::uint64_t units_of(const Job& job);

}  // namespace busbar::api
