#include "api/refs.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "model/names.hpp"

namespace busbar::api {
namespace {

constexpr std::size_t name_bytes_max = 256;  // of a job

std::uint32_t count_of(const ArrayRange& range) {
  return (range.last - range.first) / range.step + 1;
}

// Positions of the group's units whose array index lies in `wanted`.
void insert_array_indices(const TaskGroup& group, IndexRange wanted, IndexSet& indices) {
  std::uint32_t offset = 0;
  for (const ArrayRange& range : group.array) {
    const std::uint32_t count = count_of(range);
    if (wanted.last >= range.first && wanted.first <= range.last) {
      const std::uint32_t below = wanted.first > range.first ? wanted.first - range.first : 0;
      const std::uint32_t first = (below + range.step - 1) / range.step;
      const std::uint32_t last =
          std::min((std::min(wanted.last, range.last) - range.first) / range.step, count - 1);
      if (first <= last) indices.insert(IndexRange{offset + first, offset + last});
    }
    offset += count;
  }
}

Error no_such_units(const Job& job, std::string_view text) {
  std::string message = "job " + std::to_string(job.id.value) + " has no '" + printable(text) + "'";
  const TaskGroup& first = job.groups[0];
  if (job.coupling != Coupling::loose) {
    message += "; it is one unit, " + std::to_string(job.id.value);
  } else {
    message += "; its units run from " + unit_name(job, {job.id, 0, 0}) + " to ";
    message += unit_name(job, {job.id, 0, first.count.min - 1});
    if (job.groups.size() > 1) message += " in its first group";
  }
  return {Errc::not_found, message};
}

Result<std::vector<std::uint32_t>> groups_meant(const Job& job, const UnitReference& reference,
                                                std::string_view text) {
  std::vector<std::uint32_t> groups;
  for (std::uint32_t g = 0; g < job.groups.size(); ++g) {
    const bool named = reference.group.empty() || job.groups[g].name == reference.group;
    if (named && (!reference.by_array_index || !job.groups[g].array.empty())) groups.push_back(g);
  }
  if (groups.empty()) return no_such_units(job, text);
  if (groups.size() > 1 && !reference.indices.empty() && !reference.by_array_index)
    return {Errc::invalid, "job " + std::to_string(job.id.value) + " has several groups; write " +
                               std::to_string(job.id.value) + "." + job.groups[0].name + "." +
                               std::to_string(reference.indices[0].first)};
  return groups;
}

std::string user_range(std::uint32_t first, std::uint32_t last) {
  if (first == last) return std::to_string(first);
  return std::to_string(first) + "-" + std::to_string(last);
}

}  // namespace

std::optional<JobId> job_number(std::string_view text) {
  const auto number = parse_count(text);
  if (text.empty() || !number.ok() || number.value() <= 0) return {};
  return JobId(static_cast<std::uint64_t>(number.value()));
}

namespace {

// By number, name or `last`; the caller's own come first.
std::optional<JobId> find_job(const core::State& state, const UserRef& caller,
                              std::string_view text) {
  if (const auto id = job_number(text))
    return state.find(*id) != nullptr ? id : std::optional<JobId>();
  if (text.size() > name_bytes_max) return std::nullopt;
  std::optional<JobId> other;
  for (auto job = state.jobs().rbegin(); job != state.jobs().rend(); ++job) {
    const bool mine = job->second.job.user.uid == caller.uid;
    if (mine && (text == "last" || job->second.job.name == text)) return job->first;
    if (text != "last" && !other && job->second.job.name == text) other = job->first;
  }
  return other;
}

}  // namespace

Result<JobId> resolve_job(const core::State& state, const UserRef& caller, std::string_view text) {
  if (const auto found = find_job(state, caller, text)) return *found;
  if (const auto id = job_number(text))
    return {Errc::not_found, "there is no job " + std::to_string(id->value) +
                                 "; 'busbar ps' lists jobs, 'busbar history' those that ended"};
  if (text == "last")
    return {Errc::not_found, "you have no job; submit one with 'busbar submit FILE'"};
  if (const auto end = text.find_last_of("._"); end != std::string_view::npos && end > 0)
    if (const auto job = find_job(state, caller, text.substr(0, end)))
      return {Errc::not_found, "'" + printable(text) + "' is no job; to mean the whole of job " +
                                   std::to_string(job->value) + " write " +
                                   std::to_string(job->value)};
  return {Errc::not_found, "there is no job '" + printable(text) +
                               "'; write a number such as 17, a job's name, or last"};
}

namespace {

// "17_4" for "sweep_4", "17.learner.0" for "last.learner.0": the longest name before a dot or an
// underscore counts. "" where no job has one of these names.
std::string with_number(const core::State& state, const UserRef& caller, std::string_view text) {
  for (std::size_t at = text.find_last_of("_."); at != std::string_view::npos && at > 0;
       at = text.find_last_of("_.", at - 1)) {
    if (const auto job = find_job(state, caller, text.substr(0, at)))
      return std::to_string(job->value) + std::string(text.substr(at));
  }
  return "";
}

}  // namespace

Result<std::vector<UnitSelector>> resolve_units(const core::State& state, const UserRef& caller,
                                                std::string_view text) {
  if (const auto whole = resolve_job(state, caller, text); whole.ok()) {
    UnitSelector selector;
    selector.job = whole.value();
    return std::vector{selector};
  } else if (text.empty() || job_number(text)) {
    return whole.error();
  } else if (text[0] < '0' || text[0] > '9') {
    const std::string numbered = with_number(state, caller, text);
    if (numbered.empty()) return whole.error();
    return resolve_units(state, caller, numbered);
  }
  BUSBAR_TRY(reference, parse_unit_reference(text));
  BUSBAR_TRY(id, resolve_job(state, caller, std::to_string(reference.job.value)));
  return select_units(state.find(id)->job, reference, text);
}

Result<std::vector<UnitSelector>> select_units(const Job& job, const UnitReference& reference,
                                               std::string_view text) {
  BUSBAR_TRY(groups, groups_meant(job, reference, text));
  std::vector<UnitSelector> selectors;
  for (const std::uint32_t g : groups) {
    UnitSelector selector;
    selector.job = job.id;
    selector.all = false;
    selector.group = g;
    const std::uint32_t count = unit_count(job, g);
    if (count == 0) continue;
    const IndexSet existing(0, count - 1);
    if (reference.indices.empty()) selector.indices = existing;
    for (const IndexRange& range : reference.indices) {
      if (reference.by_array_index) {
        insert_array_indices(job.groups[g], range, selector.indices);
      } else {
        selector.indices.insert(range);
      }
    }
    selector.indices = selector.indices.intersect(existing);
    if (!selector.indices.empty()) selectors.push_back(std::move(selector));
  }
  if (selectors.empty()) return no_such_units(job, text);
  return selectors;
}

Result<UnitId> only_unit(const Job& job, const std::vector<UnitSelector>& selectors,
                         std::string_view text) {
  const UnitSelector& first = selectors[0];
  std::uint64_t units = 0;
  for (std::uint32_t g = 0; first.all && g < job.groups.size(); ++g) units += unit_count(job, g);
  for (const UnitSelector& selector : selectors) units += selector.indices.size();
  const UnitId unit{first.job, first.group, first.all ? 0 : *first.indices.next(0)};
  if (units == 1) return unit;
  return {Errc::invalid, "'" + printable(text) + "' is " + std::to_string(units) +
                             " units; name one, such as " + unit_name(job, unit)};
}

Result<UnitId> resolve_unit(const core::State& state, const UserRef& caller,
                            std::string_view text) {
  BUSBAR_TRY(selectors, resolve_units(state, caller, text));
  return only_unit(state.find(selectors[0].job)->job, selectors, text);
}

std::string units_name(const Job& job, std::uint32_t group, IndexRange range) {
  const UnitId first{job.id, group, range.first};
  if (range.first == range.last || job.coupling != Coupling::loose) return unit_name(job, first);
  const TaskGroup& tasks = job.groups[group];
  const std::string number = std::to_string(job.id.value);
  if (tasks.array.empty()) {
    const std::string prefix = tasks.name.empty() ? number : number + "." + tasks.name;
    return prefix + ".[" + user_range(range.first, range.last) + "]";
  }
  std::string inside;
  std::uint32_t offset = 0;
  for (const ArrayRange& part : tasks.array) {
    const std::uint32_t count = count_of(part);
    const std::uint32_t from = std::max(range.first, offset);
    const std::uint32_t to = std::min(range.last, offset + count - 1);
    if (from <= to) {
      if (!inside.empty()) inside += ',';
      inside += user_range(part.first + (from - offset) * part.step,
                           part.first + (to - offset) * part.step);
    }
    offset += count;
  }
  return number + "_[" + inside + "]";
}

}  // namespace busbar::api
