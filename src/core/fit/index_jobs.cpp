#include <limits>

#include "core/fit/index_writer.hpp"
#include "core/fit/unit_class.hpp"
#include "core/policy/unit_order.hpp"
#include "core/state/dependency.hpp"

namespace busbar::core {

std::uint64_t Index::class_of(const CohortId& cohort) const {
  return jobs_.at(cohort.job).groups[cohort.group].unit_class;
}

Index::Gate IndexWriter::gate_of(const Job& job) const {
  Index::Gate gate = job.begin_at > index.begun_until_ ? Index::Gate::shut : Index::Gate::open;
  for (const auto& dependency : job.after) {
    const DependencyState met = dependency_state(after, dependency);
    if (met == DependencyState::never) return Index::Gate::doomed;
    if (met == DependencyState::waits) gate = Index::Gate::shut;
  }
  return gate;
}

Index::JobEntry IndexWriter::entry_of(const JobRecord& record, const Index::JobEntry* old) const {
  const Job& job = record.job;
  Index::JobEntry entry;
  entry.band = job.priority;
  entry.tenant = record.tenant;
  entry.ended_all = record.ended_all();
  entry.failed = record.failed > 0;
  entry.ready = all_ready(record);
  if (entry.ended_all) {
    entry.ended = record.ended;
    return entry;
  }
  if (record.waiting > 0) entry.gate = gate_of(job);
  entry.unit_key = order_key(after.config().policy, after, job);
  entry.hold = job.time_limit == span_unlimited ? span_unlimited : job.time_limit + job.grace;
  entry.deadline = job.deadline_at;
  entry.begin = record.waiting == 0 ? Tick(0) : job.begin_at;
  entry.groups.reserve(record.groups.size());
  for (std::uint32_t g = 0; g < record.groups.size(); ++g) {
    Index::GroupEntry group;
    group.waiting = !record.groups[g].waiting.empty();
    group.held = !record.groups[g].held.empty();
    if (old != nullptr && g < old->groups.size())
      group.unit_class = old->groups[g].unit_class;
    else if (unit_count(job, g) > 0)
      group.unit_class = unit_class(job, g);
    entry.groups.push_back(group);
  }
  return entry;
}

void IndexWriter::join(const LineKey& key, const Index::JobEntry& entry, std::uint64_t unit_class) {
  Band& band = index.waiting_[entry.band];
  band.tenants[entry.tenant].insert({key, unit_class});
  band.cohorts += 1;
  ClassInBand& mine = band.classes[unit_class];
  mine.members.insert({entry.tenant, key});
  mine.holds[entry.hold] += 1;
}

void IndexWriter::leave(const LineKey& key, const Index::JobEntry& entry,
                        std::uint64_t unit_class) {
  const auto band = index.waiting_.find(entry.band);
  const auto tenant = band->second.tenants.find(entry.tenant);
  tenant->second.erase({key, unit_class});
  if (tenant->second.empty()) band->second.tenants.erase(tenant);
  const auto mine = band->second.classes.find(unit_class);
  mine->second.members.erase({entry.tenant, key});
  const auto hold = mine->second.holds.find(entry.hold);
  if (--hold->second == 0) mine->second.holds.erase(hold);
  if (mine->second.members.empty()) band->second.classes.erase(mine);
  if (--band->second.cohorts == 0) index.waiting_.erase(band);
}

void IndexWriter::put(JobId id, const Index::JobEntry& entry) {
  for (std::uint32_t g = 0; g < entry.groups.size(); ++g) {
    const Index::GroupEntry& group = entry.groups[g];
    const CohortId cohort{id, g};
    if (group.waiting && entry.gate == Index::Gate::open)
      join({entry.unit_key, cohort}, entry, group.unit_class);
    if (group.waiting && entry.gate == Index::Gate::doomed) index.doomed_.insert(cohort);
    if (group.held) index.held_.insert(cohort);
  }
  if (entry.deadline != tick_never) index.deadlines_.insert({entry.deadline, id});
  if (entry.begin.value > 0) index.begins_.insert({entry.begin, id});
  if (entry.ended_all) index.ended_.insert({entry.ended, id});
}

void IndexWriter::remove(JobId id, const Index::JobEntry& entry) {
  for (std::uint32_t g = 0; g < entry.groups.size(); ++g) {
    const Index::GroupEntry& group = entry.groups[g];
    const CohortId cohort{id, g};
    if (group.waiting && entry.gate == Index::Gate::open)
      leave({entry.unit_key, cohort}, entry, group.unit_class);
    if (group.waiting && entry.gate == Index::Gate::doomed) index.doomed_.erase(cohort);
    if (group.held) index.held_.erase(cohort);
  }
  if (entry.deadline != tick_never) index.deadlines_.erase({entry.deadline, id});
  if (entry.begin.value > 0) index.begins_.erase({entry.begin, id});
  if (entry.ended_all) index.ended_.erase({entry.ended, id});
}

// Brings the job's place in the ordered sets up to date. Cheap when nothing of it changed.
void IndexWriter::refresh_job(JobId id, bool same_class) {
  const JobRecord* record = after.find(id);
  const auto old = index.jobs_.find(id);
  const bool known = old != index.jobs_.end();
  if (record == nullptr) {
    if (known) remove(id, old->second);
    if (known) index.jobs_.erase(old);
    return;
  }
  Index::JobEntry entry = entry_of(*record, known && same_class ? &old->second : nullptr);
  if (known && old->second == entry) return;
  const bool seen = !known || old->second.ended_all != entry.ended_all ||
                    old->second.failed != entry.failed || old->second.ready != entry.ready;
  if (known) remove(id, old->second);
  put(id, entry);
  if (known)
    old->second = std::move(entry);
  else
    index.jobs_.emplace_hint(index.jobs_.end(), id, std::move(entry));
  if (seen && !rebuilding) refresh_dependents(id);
}

void IndexWriter::refresh_dependents(JobId id) {
  for (const JobId dependent : after.dependents(id)) refresh_job(dependent);
}

// Jobs whose begin time has come with this event.
void IndexWriter::open_begun() {
  if (after.now() <= index.begun_until_) return;
  std::vector<JobId> begun;
  for (auto it = index.begins_.upper_bound({index.begun_until_, JobId(~std::uint64_t{0})});
       it != index.begins_.end() && it->first <= after.now(); ++it)
    begun.push_back(it->second);
  index.begun_until_ = after.now();
  for (const JobId id : begun) refresh_job(id);
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
  for (auto unit = units.units->lower_bound(range.first);
       unit != units.units->end() && unit->first <= range.last; ++unit) {
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

void IndexWriter::operator()(const Learned& event) {
  for (const auto& prediction : event.predictions) refresh_job(prediction.job);
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
