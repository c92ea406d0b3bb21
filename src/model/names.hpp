// The names people and engines use for units and attempts.
#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"
#include "model/job.hpp"

namespace busbar {

// "17" (the only unit of job 17), "17_4" (array index 4), "17.learner.0" (task 0 of group learner),
// "17.3" (task 3 of an unnamed loose group of several).
std::string unit_name(const Job& job, UnitId unit);
// "17_4#2"
std::string attempt_display(const Job& job, const AttemptId& attempt);

// A person's reference, before the job is known: job, then what follows it.
//   "17"; "17_4", "17_[1-5,9]" (array indices); "17.learner", "17.learner.0"; "17.3"
struct UnitReference {
  JobId job;
  std::string group;                // "" when none was written
  std::vector<IndexRange> indices;  // user's array indices or task numbers; empty: all
  bool by_array_index = false;
};
Result<UnitReference> parse_unit_reference(std::string_view text);

// "bb-<install 6>-<job>-<group>x<index>-<attempt>", at most 48 characters: an attempt's only
// identity.
std::string attempt_name(std::string_view installation, const AttemptId& attempt);
// The attempt of a name of this installation; not_found for another's, invalid for no such name.
Result<AttemptId> parse_attempt_name(std::string_view installation, std::string_view name);

}  // namespace busbar
