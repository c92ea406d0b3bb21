// Job files and configuration as YAML: any bytes are read within bounds or refused with a place.
#include <string_view>

#include "jobfile/strict_yaml.hpp"
#include "require.hpp"

using namespace busbar;

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto documents = jobfile::yaml::read_documents(text, "job.yaml");
  if (!documents.ok())
    require(documents.error().text.starts_with("job.yaml:"), "an error begins with its place");
  return 0;
}
