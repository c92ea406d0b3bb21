#include <limits>

#include "core/fit/index_writer.hpp"
#include "core/fit/unit_class.hpp"

namespace busbar::core {

std::uint64_t Index::class_of(const CohortId& cohort) const {
  const JobEntry& entry = jobs_.at(cohort.job);
  return waiting_.at(entry.band).at(entry.tenant).at(cohort);
}

// Brings the job's place in the ordered sets up to date. Cheap when nothing of it changed.
void IndexWriter::refresh_job(JobId id, bool same_class) {
  const JobRecord* record = after.find(id);
  const auto old = index.jobs_.find(id);
  Index::JobEntry entry;
  if (record != nullptr) {
    const auto tenant = after.find_tenant(record->job.tenant);
    check(tenant.has_value(), "a job's tenant is not configured");
    entry.band = record->job.priority;
    entry.tenant = *tenant;
    for (std::uint32_t g = 0; g < record->groups.size(); ++g) {
      if (!record->groups[g].waiting.empty()) entry.waiting.insert(g);
      if (!record->groups[g].held.empty()) entry.held.insert(g);
    }
    const bool ended = record->ended_all();
    entry.deadline = ended ? tick_never : record->job.deadline_at;
    entry.begin = entry.waiting.empty() ? Tick(0) : record->job.begin_at;
    entry.ended = ended ? record->ended : Tick(0);
    if (same_class && old != index.jobs_.end() && old->second == entry) return;
  }
  std::map<std::uint32_t, std::uint64_t> classes;  // known already
  if (old != index.jobs_.end()) {
    const Index::JobEntry& was = old->second;
    if (!was.waiting.empty()) {
      auto& tenants = index.waiting_.at(was.band);
      auto& cohorts = tenants.at(was.tenant);
      for (const std::uint32_t g : was.waiting) {
        const auto cohort = cohorts.find({id, g});
        if (same_class) classes[g] = cohort->second;
        cohorts.erase(cohort);
      }
      if (cohorts.empty()) tenants.erase(was.tenant);
      if (tenants.empty()) index.waiting_.erase(was.band);
    }
    for (const std::uint32_t g : was.held) index.held_.erase({id, g});
    index.deadlines_.erase({was.deadline, id});
    index.begins_.erase({was.begin, id});
    index.ended_.erase({was.ended, id});
    index.jobs_.erase(old);
  }
  if (record == nullptr) return;
  for (const std::uint32_t g : entry.waiting) {
    const auto known = classes.find(g);
    index.waiting_[entry.band][entry.tenant][{id, g}] =
        known != classes.end() ? known->second : unit_class(record->job, g);
  }
  for (const std::uint32_t g : entry.held) index.held_.insert({id, g});
  if (entry.deadline != tick_never) index.deadlines_.insert({entry.deadline, id});
  if (entry.begin.value > 0) index.begins_.insert({entry.begin, id});
  if (record->ended_all()) index.ended_.insert({entry.ended, id});
  index.jobs_.emplace(id, std::move(entry));
}

void IndexWriter::refresh_retries(JobId job, std::uint32_t group, IndexRange range) {
  auto it = index.retry_at_.lower_bound(UnitId{job, group, range.first});
  while (it != index.retry_at_.end() && it->first <= UnitId{job, group, range.last}) {
    index.retries_.erase({it->second, it->first});
    it = index.retry_at_.erase(it);
  }
  const JobRecord* record = after.find(job);
  if (record == nullptr) return;
  const GroupRecord& units = record->groups[group];
  for (auto unit = units.units.lower_bound(range.first);
       unit != units.units.end() && unit->first <= range.last; ++unit) {
    const UnitRecord& again = unit->second;
    if (again.live || again.not_before.value == 0 || !units.waiting.contains(unit->first)) continue;
    const UnitId id{job, group, unit->first};
    index.retry_at_[id] = again.not_before;
    index.retries_.insert({again.not_before, id});
  }
}

void IndexWriter::refresh_retries(JobId job, std::uint32_t group, const IndexSet& indices) {
  for (const auto& range : indices.ranges()) refresh_retries(job, group, range);
}

void IndexWriter::operator()(const Submitted& event) {
  for (const auto& job : event.jobs) refresh_job(job.id);
}

void IndexWriter::operator()(const UnitsClosed& event) {
  refresh_job(event.job);
  refresh_retries(event.job, event.group, event.indices);
}

void IndexWriter::operator()(const UnitsHeld& event) {
  refresh_job(event.job);
  refresh_retries(event.job, event.group, event.indices);
}

void IndexWriter::operator()(const UnitsReleased& event) {
  refresh_job(event.job);
  refresh_retries(event.job, event.group, event.indices);
}

void IndexWriter::operator()(const UnitsRequeued& event) {
  refresh_job(event.job);
  refresh_retries(event.job, event.group, event.indices);
}

// An update may touch what its live attempts are counted with.
void IndexWriter::operator()(const JobUpdated& event) {
  refresh_job(event.job.id, false);
  const UnitId first{event.job.id, 0, 0};
  for (auto it = after.attempts().lower_bound(AttemptId{first, 0});
       it != after.attempts().end() && it->first.unit.job == event.job.id; ++it)
    refresh_attempt(it->first);
}

}  // namespace busbar::core
