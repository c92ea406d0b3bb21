#include "model/names.hpp"

#include <fmt/format.h>

#include <array>

#include "base/text.hpp"
#include "base/units.hpp"

namespace busbar {
namespace {

constexpr std::string_view reference_allowed =
    "a job such as 17, an array element 17_4 or 17_[1-5,9], or a group's task 17.learner.0";

Error bad_reference(std::string_view text) {
  return {Errc::invalid,
          fmt::format("\"{}\" names no job; write {}", printable(text), reference_allowed)};
}

Result<std::uint32_t> parse_index(std::string_view text) {
  BUSBAR_TRY(value, parse_count(text));
  if (value > UINT32_MAX) return {Errc::invalid, "an index is at most 4294967295"};
  return static_cast<std::uint32_t>(value);
}

Result<std::vector<IndexRange>> parse_ranges(std::string_view text) {
  std::vector<IndexRange> ranges;
  for (const auto part : split(text, ',')) {
    const std::size_t dash = part.find('-');
    BUSBAR_TRY(first, parse_index(part.substr(0, dash)));
    std::uint32_t last = first;
    if (dash != std::string_view::npos) {
      BUSBAR_TRY(end, parse_index(part.substr(dash + 1)));
      last = end;
    }
    if (last < first) return {Errc::invalid, "a range runs upwards"};
    ranges.push_back({first, last});
    if (ranges.size() > 10'000) return {Errc::invalid, "at most 10000 ranges"};
  }
  return ranges;
}

}  // namespace

std::string unit_name(const Job& job, UnitId unit) {
  if (job.coupling != Coupling::loose || unit.group >= job.groups.size())
    return fmt::format("{}", unit.job.value);
  const TaskGroup& group = job.groups[unit.group];
  if (!group.array.empty())
    return fmt::format("{}_{}", unit.job.value, array_index(group, unit.index));
  if (!group.name.empty()) return fmt::format("{}.{}.{}", unit.job.value, group.name, unit.index);
  if (group.count.min > 1) return fmt::format("{}.{}", unit.job.value, unit.index);
  return fmt::format("{}", unit.job.value);
}

std::string attempt_display(const Job& job, const AttemptId& attempt) {
  return fmt::format("{}#{}", unit_name(job, attempt.unit), attempt.number);
}

Result<UnitReference> parse_unit_reference(std::string_view text) {
  UnitReference out;
  const std::size_t end = text.find_first_of("_.");
  const auto job = parse_count(text.substr(0, end));
  if (!job || *job == 0) return bad_reference(text);
  out.job = JobId(static_cast<std::uint64_t>(*job));
  if (end == std::string_view::npos) return out;
  std::string_view rest = text.substr(end + 1);
  if (text[end] == '_') {
    if (rest.size() >= 2 && rest.front() == '[' && rest.back() == ']')
      rest = rest.substr(1, rest.size() - 2);
    auto ranges = parse_ranges(rest);
    if (!ranges) return bad_reference(text);
    out.indices = std::move(*ranges);
    out.by_array_index = true;
    return out;
  }
  const std::size_t dot = rest.rfind('.');
  const std::string_view last = dot == std::string_view::npos ? rest : rest.substr(dot + 1);
  const auto index = parse_index(last);
  if (index) {
    out.indices = {{*index, *index}};
    if (dot != std::string_view::npos) out.group = std::string(rest.substr(0, dot));
  } else {
    out.group = std::string(rest);
  }
  const bool named = !index || dot != std::string_view::npos;
  if (named && (out.group.empty() || out.group.front() == '.' || out.group.back() == '.'))
    return bad_reference(text);
  return out;
}

std::string attempt_name(std::string_view installation, const AttemptId& attempt) {
  return fmt::format("bb-{}-{}-{}x{}-{}", installation, attempt.unit.job.value, attempt.unit.group,
                     attempt.unit.index, attempt.number);
}

Result<AttemptId> parse_attempt_name(std::string_view installation, std::string_view name) {
  const auto parts = split(name, '-');
  const Error bad{Errc::invalid, fmt::format("\"{}\" is no attempt's name", printable(name))};
  if (parts.size() != 5 || parts[0] != "bb") return bad;
  if (parts[1] != installation)
    return {Errc::not_found,
            fmt::format("\"{}\" belongs to another installation", printable(name))};
  const auto unit = split(parts[3], 'x');
  const auto job = parse_count(parts[2]);
  if (unit.size() != 2 || !job) return bad;
  const auto group = parse_index(unit[0]);
  const auto index = parse_index(unit[1]);
  const auto number = parse_index(parts[4]);
  if (!group || !index || !number) return bad;
  const AttemptId attempt{{JobId(static_cast<std::uint64_t>(*job)), *group, *index}, *number};
  // The name is the identity: numbers written another way, as 01, are none of ours.
  return attempt_name(installation, attempt) == name ? Result<AttemptId>(attempt) : bad;
}

}  // namespace busbar
