// Where an attempt's output lies: a pure function of its payload and names, so that a log can be
// found long after the attempt.
#pragma once

#include <cstdint>
#include <string>

#include "model/ids.hpp"
#include "model/payload.hpp"

namespace busbar {

enum class Stream : std::uint8_t { output, error };
template <>
struct EnumWords<Stream> {
  static constexpr std::string_view words[] = {"stdout", "stderr"};
};

// What a pattern may name: %j job, %a array index (task index where it is no array), %x job name,
// %r rank, %n attempt number, %% a percent sign. Slashes in the job's name become '_'.
struct PatternNames {
  JobId job;
  std::string job_name;
  std::uint32_t array_index = 0;
  bool several_units = false;  // the job has more than one unit
  std::uint32_t attempt = 1;
};

// Absolute path; relative patterns stand under the working directory. An empty `output` pattern is
// "busbar-%j.out", or "busbar-%j_%a.out" where the job has several units; an empty `error` joins
// output. With more than one rank a pattern without %r is shared by all ranks.
std::string output_path(const Payload& payload, const PatternNames& names, Stream stream,
                        std::uint32_t rank);
std::string expand_pattern(const std::string& pattern, const PatternNames& names,
                           std::uint32_t rank);

}  // namespace busbar
