#include "model/output_path.hpp"

#include <fmt/format.h>

namespace busbar {

std::string expand_pattern(const std::string& pattern, const PatternNames& names,
                           std::uint32_t rank) {
  std::string out;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] != '%' || i + 1 == pattern.size()) {
      out += pattern[i];
      continue;
    }
    switch (pattern[++i]) {
      case 'j':
        out += fmt::format("{}", names.job.value);
        break;
      case 'a':
        out += fmt::format("{}", names.array_index);
        break;
      case 'x':
        for (const char c : names.job_name) out += c == '/' || c == '\0' ? '_' : c;
        break;
      case 'r':
        out += fmt::format("{}", rank);
        break;
      case 'n':
        out += fmt::format("{}", names.attempt);
        break;
      case '%':
        out += '%';
        break;
      default:
        out += '%';
        out += pattern[i];
    }
  }
  return out;
}

std::string output_path(const Payload& payload, const PatternNames& names, Stream stream,
                        std::uint32_t rank) {
  std::string pattern = stream == Stream::error ? payload.error : payload.output;
  if (pattern.empty()) pattern = payload.output;
  if (pattern.empty()) pattern = names.several_units ? "busbar-%j_%a.out" : "busbar-%j.out";
  std::string path = expand_pattern(pattern, names, rank);
  if (!path.empty() && path.front() == '/') return path;
  return payload.working_directory + "/" + path;
}

}  // namespace busbar
