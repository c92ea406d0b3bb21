// Job files: any text becomes jobs that name their payloads, or an error that begins with its
// place.
#include <algorithm>
#include <string_view>

#include "jobfile/job_file.hpp"
#include "require.hpp"

using namespace busbar;

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto read = jobfile::read_job_file(text, {"job.yaml", "/srv/jobs", 1'793'491'200'000});
  if (!read.ok()) {
    require(read.error().text.starts_with("job.yaml"), "an error begins with its place");
    return 0;
  }
  for (const PayloadBlob& blob : read.value().payloads)
    require(decode_payload(blob.bytes).ok(), "a payload can be read");
  for (const Job& job : read.value().jobs) {
    require(!job.groups.empty(), "a job has a task group");
    for (const TaskGroup& group : job.groups)
      require(std::ranges::any_of(read.value().payloads,
                                  [&](const auto& blob) { return blob.hash == group.payload; }),
              "a group's payload comes with the submission");
  }
  return 0;
}
