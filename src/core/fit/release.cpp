#include "core/fit/release.hpp"

#include <algorithm>

namespace busbar::core {
namespace {

constexpr std::size_t linear_moments = 32;
constexpr std::size_t holders_per_step = 4;  // put in order

// The ends of running work, one after another, each with its holders.
class Moments {
 public:
  Moments(Scratch& scratch, Tick from) : scratch_(scratch), holders_(scratch.holders_by_end()) {
    std::set<Tick> ends;
    if (from > scratch.now()) ends.insert(from);
    for (const auto& holder : holders_) ends.insert(holder.end);
    for (const Tick tick : scratch.other_edges()) ends.insert(tick);
    ticks_.assign(from > scratch.now() ? ends.lower_bound(from) : ends.upper_bound(scratch.now()),
                  ends.end());
  }
  std::size_t size() const { return ticks_.size(); }
  Tick at(std::size_t i) const { return ticks_[i]; }
  std::size_t holders() const { return holders_.size(); }
  // Releases all that ends after moment `from` (or from the beginning), up to moment `to`.
  void release(std::optional<std::size_t> from, std::size_t to, Steps& steps) {
    auto it = holders_.begin();
    if (from)
      it = std::lower_bound(holders_.begin(), holders_.end(), ticks_[*from],
                            [](const Scratch::Holder& h, Tick t) { return h.end <= t; });
    for (; it != holders_.end() && it->end <= ticks_[to]; ++it) {
      scratch_.release(*it);
      steps.used += 1;
    }
  }
  std::vector<JobId> blockers(const Allocation& allocation, std::size_t moment) const {
    std::set<NodeId> nodes;
    for (const auto& claim : allocation.claims) nodes.insert(claim.node);
    std::vector<JobId> jobs;
    for (auto it = holders_.rbegin(); it != holders_.rend() && jobs.size() < Verdict::blockers_max;
         ++it) {
      if (it->end > ticks_[moment]) continue;
      const std::vector<Claim>& claims = scratch_.claims_of(*it);
      const bool there = std::any_of(claims.begin(), claims.end(), [&](const Claim& claim) {
        return nodes.contains(claim.node);
      });
      if (there && std::find(jobs.begin(), jobs.end(), it->unit.job) == jobs.end())
        jobs.push_back(it->unit.job);
    }
    return jobs;
  }

 private:
  Scratch& scratch_;
  std::vector<Scratch::Holder> holders_;
  std::vector<Tick> ticks_;
};

}  // namespace

std::optional<EarliestStart> earliest_start(Scratch& scratch, const Policy& policy, Ask ask,
                                            Steps& steps, std::uint32_t steps_max, Tick from) {
  const Scratch::Mark before = scratch.mark();
  const std::uint32_t steps_before = steps.used;
  Moments moments(scratch, from);
  steps.used += static_cast<std::uint32_t>(moments.holders() / holders_per_step);
  std::optional<EarliestStart> best;
  const auto try_at = [&](std::size_t moment) {
    ask.start = moments.at(moment);
    ask.end = place_end(scratch.state(), *ask.job, ask.start);
    Found found = find(scratch, policy, ask, steps);
    if (!found.allocation) return false;
    best = EarliestStart{ask.start, std::move(*found.allocation), {}};
    return true;
  };

  // Forward in single steps, then doubling; then the gap before the first fit is halved.
  std::optional<std::size_t> last;  // released up to here, does not fit
  std::size_t stride = 1;
  std::size_t fit = moments.size();
  while (fit == moments.size() && (last ? *last + 1 : 0) < moments.size()) {
    if (steps.used - steps_before > steps_max) break;
    const std::size_t next = last ? std::min(*last + stride, moments.size() - 1) : 0;
    const Scratch::Mark here = scratch.mark();
    moments.release(last, next, steps);
    if (try_at(next)) {
      fit = next;
      scratch.undo(here);
    } else {
      last = next;
      if (next >= linear_moments && from <= scratch.now()) stride *= 2;
    }
  }
  std::size_t low = last ? *last + 1 : 0;
  while (best && low < fit) {
    const std::size_t middle = low + (fit - low) / 2;
    const Scratch::Mark here = scratch.mark();
    moments.release(last, middle, steps);
    if (try_at(middle))
      fit = middle;
    else
      low = middle + 1;
    scratch.undo(here);
  }
  scratch.undo(before);
  if (best) best->blockers = moments.blockers(best->allocation, fit);
  return best;
}

}  // namespace busbar::core
