// What people write for jobs and units, made into ids against the State of the moment.
//
// Errors   not_found names what there is instead; invalid says how references look.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "core/state/state.hpp"
#include "model/command.hpp"
#include "model/names.hpp"

namespace busbar::api {

// "17", a job's name (the caller's newest of that name, else anybody's), or "last" (the caller's
// newest). not_found when State does not hold it; a number may still be in the history.
Result<JobId> resolve_job(const core::State& state, const UserRef& caller, std::string_view text);
// The number alone, when the text is one.
std::optional<JobId> job_number(std::string_view text);

// "17", "17_4", "17_[1-5,9]", "17.learner", "17.learner.0", a name, "last", "sweep_4": one selector
// per task group that is concerned.
Result<std::vector<UnitSelector>> resolve_units(const core::State& state, const UserRef& caller,
                                                std::string_view text);
// The same within one job, wherever it is kept; `reference` names the job's number.
Result<std::vector<UnitSelector>> select_units(const Job& job, const UnitReference& reference,
                                               std::string_view text);
Result<UnitId> only_unit(const Job& job, const std::vector<UnitSelector>& selectors,
                         std::string_view text);
// Exactly one unit; the text of a job will do where the job has one.
Result<UnitId> resolve_unit(const core::State& state, const UserRef& caller, std::string_view text);

// "17_[1-500]", "17.learner.[0-3]", or the name of the one unit.
std::string units_name(const Job& job, std::uint32_t group, IndexRange range);

}  // namespace busbar::api
