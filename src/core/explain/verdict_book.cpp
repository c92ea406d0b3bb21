#include "core/explain/verdict_book.hpp"

#include <algorithm>

#include "core/cycle/admit.hpp"

namespace busbar::core {
namespace {

Verdict of_cohort(const CohortId& cohort, std::uint64_t units, Reason reason) {
  Verdict verdict;
  verdict.job = cohort.job;
  verdict.group = cohort.group;
  verdict.units = units;
  verdict.reason = reason;
  return verdict;
}

}  // namespace

void VerdictBook::put(const Verdicts& verdicts, bool finished) {
  for (const Verdict& verdict : verdicts.cohorts)
    cohorts_[{verdict.job, verdict.group}] = {cycle_, verdict};
  for (const ClassVerdict& each : verdicts.classes)
    classes_[{each.band, each.tenant, each.unit_class}] = {cycle_, each.verdict};
  if (!finished) return;
  const auto old = [&](const auto& entry) { return entry.second.cycle + 1 < cycle_; };
  std::erase_if(cohorts_, old);
  std::erase_if(classes_, old);
  cycle_ += 1;
}

void VerdictBook::forget(JobId job) {
  cohorts_.erase(cohorts_.lower_bound({job, 0}), cohorts_.upper_bound({job, ~0U}));
}

// The newest of what was said of the cohort, its class and its tenant.
const VerdictBook::Entry* VerdictBook::latest(const JobRecord& record, const Index& index,
                                              const CohortId& cohort) const {
  const Entry* best = nullptr;
  const auto offer = [&](const auto& entries, const auto& key) {
    const auto it = entries.find(key);
    if (it == entries.end()) return;
    if (best == nullptr || it->second.cycle > best->cycle) best = &it->second;
  };
  const std::int32_t band = record.job.priority;
  const std::uint64_t unit_class = index.class_of(cohort);
  offer(cohorts_, cohort);
  offer(classes_, ClassKey{band, record.tenant, unit_class});
  offer(classes_, ClassKey{band, std::nullopt, unit_class});
  offer(classes_, ClassKey{band, record.tenant, std::nullopt});
  offer(classes_, ClassKey{band, std::nullopt, std::nullopt});
  return best;
}

void VerdictBook::add_group(const State& state, const Index& index, const JobRecord& record,
                            std::uint32_t at, Tick now, std::vector<Verdict>& out) const {
  const CohortId cohort{record.job.id, at};
  const GroupRecord& group = record.groups[at];
  if (!group.waiting.empty()) {
    if (auto waits = job_waits(state, record.job, at, now)) {
      waits->units = group.waiting.size();
      out.push_back(std::move(*waits));
    } else {
      const std::vector<std::uint32_t> later = backing_off(group, now);
      if (!later.empty()) {
        Verdict verdict = of_cohort(cohort, later.size(), Reason::backoff);
        for (const std::uint32_t unit : later)
          verdict.start_estimate =
              std::min(verdict.start_estimate, group.units->at(unit).not_before);
        out.push_back(std::move(verdict));
      }
      const std::uint64_t left = group.waiting.size() - later.size();
      const Entry* entry = left > 0 ? latest(record, index, cohort) : nullptr;
      if (entry != nullptr) {
        out.push_back(entry->verdict);
        out.back().job = cohort.job;
        out.back().group = cohort.group;
        out.back().units = left;
        std::erase(out.back().blockers, cohort.job);
      }
    }
  }
  if (!group.held.empty()) out.push_back(of_cohort(cohort, group.held.size(), Reason::held));
}

std::vector<Verdict> VerdictBook::of(const State& state, const Index& index,
                                     const JobRecord& record, Tick now) const {
  std::vector<Verdict> out;
  if (record.ended_all()) return out;
  for (std::uint32_t g = 0; g < record.groups.size(); ++g)
    add_group(state, index, record, g, now, out);
  return out;
}

}  // namespace busbar::core
